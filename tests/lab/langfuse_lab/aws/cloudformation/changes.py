# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an update would do: the content of a change set."""

from __future__ import annotations

from typing import Any

from langfuse_lab.aws.cloudformation.resource import TYPES
from langfuse_lab.aws.cloudformation.scope import UNKNOWN
from langfuse_lab.aws.cloudformation.stacks import (
    Request,
    Resource,
    Stack,
    attribute_of,
    desired,
    outputs_of,
    schema_of,
    scope_of,
)

NO_UPDATES = "No updates are to be performed."


class Plan:
    """The changes between a stack as it stands and a request."""

    def __init__(self, stack: Stack, request: Request) -> None:
        self._stack, self._request = stack, request
        self._scope = scope_of(stack, request, self._reference, self._attribute)
        self._new: set[str] = set()  # what gets a new physical id, or may get one
        self._modified: set[str] = set()
        self.changes = self._find()

    @property
    def is_empty(self) -> bool:
        """Whether an update would change nothing."""
        stack, request = self._stack, self._request
        return (
            not self.changes
            and stack.tags == request.tags
            and stack.outputs == outputs_of(request.template, self._scope)
        )

    def _find(self) -> list[dict[str, Any]]:
        template = self._request.template
        wanted = {name for name, part in template.resources.items() if self._scope.is_wanted(part)}
        changes = [change for name in template.order(wanted) if (change := self._of(name))]
        removed = [name for name in self._stack.resources if name not in wanted]
        changes += [_change("Remove", self._stack.resources[name]) for name in removed]
        return sorted(changes, key=lambda change: change["ResourceChange"]["LogicalResourceId"])

    def _of(self, name: str) -> dict[str, Any] | None:
        part = self._request.template.resources[name]
        properties = desired(part, self._request.tags, self._scope, self._stack.region)
        standing = self._stack.resources.get(name)
        if standing is None:
            self._new.add(name)
            return _change("Add", Resource(name, part["Type"]))
        changed = [key for key in {**standing.properties, **properties} if _differs(standing, properties, key)]
        policies = (part.get("DeletionPolicy", "Delete"), part.get("UpdateReplacePolicy", "Delete"))
        if not changed and policies == (standing.deletion_policy, standing.replace_policy):
            return None
        self._modified.add(name)
        replacing = schema_of(part["Type"], self._stack.region).replacing(standing.properties, properties)
        if replacing:
            self._new.add(name)
        return _modification(standing, properties, changed, replacing, self._stack.region)

    def _reference(self, name: str) -> Any:
        return UNKNOWN if self._is_new(name) else self._stack.resources[name].physical_id

    def _attribute(self, name: str, attribute: str) -> Any:
        if self._is_new(name):
            return UNKNOWN
        resource = self._stack.resources[name]
        if name in self._modified and attribute in TYPES[resource.type_name].volatile:
            return UNKNOWN
        return attribute_of(resource, attribute)

    def _is_new(self, name: str) -> bool:
        return name in self._new or name not in self._stack.resources


def _modification(
    standing: Resource, properties: dict[str, Any], changed: list[str], replacing: list[str], region: str
) -> dict[str, Any]:
    tags = schema_of(standing.type_name, region).tag_property
    details = [_detail(key, properties, replacing, tags) for key in sorted(changed)]
    certain = any(detail["Target"]["RequiresRecreation"] == "Always" for detail in details)
    change = _change("Modify", standing)
    change["ResourceChange"] |= {
        "Replacement": "True" if certain else "Conditional" if replacing else "False",
        "Scope": sorted({detail["Target"]["Attribute"] for detail in details}) or ["DeletionPolicy"],
        "Details": details,
    }
    return change


def _detail(key: str, properties: dict[str, Any], replacing: list[str], tag_property: str | None) -> dict[str, Any]:
    unknown = _is_unknown(properties.get(key))
    when_replacing = "Conditionally" if unknown else "Always"
    recreation = when_replacing if key in replacing else "Never"
    if key == tag_property:
        target = {"Attribute": "Tags", "RequiresRecreation": recreation}
    else:
        target = {"Attribute": "Properties", "Name": key, "RequiresRecreation": recreation}
    return {
        "Target": target,
        "Evaluation": "Dynamic" if unknown else "Static",
        "ChangeSource": "ResourceReference" if unknown else "DirectModification",
    }


def _change(action: str, resource: Resource) -> dict[str, Any]:
    change: dict[str, Any] = {
        "Action": action,
        "LogicalResourceId": resource.logical_id,
        "ResourceType": resource.type_name,
        "Scope": [],
        "Details": [],
    }
    if resource.physical_id:
        change["PhysicalResourceId"] = resource.physical_id
    return {"Type": "Resource", "ResourceChange": change}


def _differs(standing: Resource, properties: dict[str, Any], key: str) -> bool:
    return standing.properties.get(key) != properties.get(key)


def _is_unknown(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_is_unknown, value.values()))
    if isinstance(value, list):
        return any(map(_is_unknown, value))
    return value is UNKNOWN
