# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::Lambda::*."""

from __future__ import annotations

import io
import zipfile
from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceType,
    applies,
    removed_tags,
    tag_map,
)

CONFIGURATION = (
    "Role",
    "Runtime",
    "Handler",
    "Description",
    "Timeout",
    "MemorySize",
    "Environment",
    "VpcConfig",
    "DeadLetterConfig",
    "Layers",
)
FIXED = ("Architectures", "PackageType", "TracingConfig", "EphemeralStorage")
DEFAULTS = {"Description": "", "Timeout": 3, "MemorySize": 128, "Environment": {"Variables": {}}}
PERMISSION = (
    "FunctionName",
    "Action",
    "Principal",
    "SourceArn",
    "SourceAccount",
)
INVOKE_SETTINGS = ("MaximumRetryAttempts", "MaximumEventAgeInSeconds", "DestinationConfig")


class Lambda(ResourceType):
    """A resource of Lambda."""

    @property
    def functions(self) -> Any:
        return self.client("lambda")


class Function(
    Lambda,
    type_name="AWS::Lambda::Function",
    name="FunctionName",
    at_creation=["Code", *FIXED, *CONFIGURATION],
):
    def create(self, p: Properties) -> str:
        name = self.name(p)
        given = {key: p[key] for key in (*CONFIGURATION, *FIXED) if key in p}
        self.functions.create_function(FunctionName=name, Code=_code(p), **given)
        return name

    @applies("Code", "Architectures")
    def code(self, physical_id: str, new: Properties, old: Properties) -> None:
        architectures = new.get("Architectures", ["x86_64"])
        self.functions.update_function_code(FunctionName=physical_id, Architectures=architectures, **_code(new))

    @applies(*CONFIGURATION)
    def configuration(self, physical_id: str, new: Properties, old: Properties) -> None:
        changed = [key for key in CONFIGURATION if new.get(key) != old.get(key)]
        wanted = {key: new.get(key, DEFAULTS.get(key)) for key in changed}
        self.functions.update_function_configuration(
            FunctionName=physical_id, **{key: value for key, value in wanted.items() if value is not None}
        )

    @applies("ReservedConcurrentExecutions")
    def concurrency(self, physical_id: str, new: Properties, old: Properties) -> None:
        if "ReservedConcurrentExecutions" in new:
            self.functions.put_function_concurrency(
                FunctionName=physical_id, ReservedConcurrentExecutions=new["ReservedConcurrentExecutions"]
            )
        else:
            self.functions.delete_function_concurrency(FunctionName=physical_id)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        arn = self.attributes(physical_id, new)["Arn"]
        if removed_tags(new, old):
            self.functions.untag_resource(Resource=arn, TagKeys=removed_tags(new, old))
        self.functions.tag_resource(Resource=arn, Tags=tag_map(new))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": f"arn:aws:lambda:{self.place.region}:{self.place.account}:function:{physical_id}"}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.functions.delete_function(FunctionName=physical_id)


class Permission(Lambda, type_name="AWS::Lambda::Permission", at_creation=PERMISSION):
    name_length = 100

    def create(self, p: Properties) -> str:
        statement = self.name(p)
        self.functions.add_permission(StatementId=statement, **{key: p[key] for key in PERMISSION if key in p})
        return statement

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.functions.remove_permission(FunctionName=p["FunctionName"], StatementId=physical_id)


class EventInvokeConfig(
    Lambda,
    type_name="AWS::Lambda::EventInvokeConfig",
    at_creation=["FunctionName", "Qualifier", *INVOKE_SETTINGS],
):
    def create(self, p: Properties) -> str:
        self.settings("", p, {})
        return f"{p['FunctionName']}|{p['Qualifier']}"

    @applies(*INVOKE_SETTINGS)
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.functions.put_function_event_invoke_config(
            FunctionName=new["FunctionName"],
            Qualifier=new["Qualifier"],
            **{key: new[key] for key in INVOKE_SETTINGS if key in new},
        )

    def delete(self, physical_id: str, p: Properties) -> None:
        self.functions.delete_function_event_invoke_config(FunctionName=p["FunctionName"], Qualifier=p["Qualifier"])


def _code(p: Properties) -> dict[str, Any]:
    """Return the code as the API takes it; a text in the template becomes index.py (or index.js) of an archive."""
    code = p["Code"]
    if "ZipFile" not in code:
        return code
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        extension = "js" if p.get("Runtime", "").startswith("nodejs") else "py"
        # A fixed time: the same code is the same archive, with the same hash.
        packed.writestr(zipfile.ZipInfo(f"index.{extension}", (2020, 1, 1, 0, 0, 0)), code["ZipFile"])
    return {"ZipFile": archive.getvalue()}
