# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles' lists of IAM permissions: usable as policies, complete for what CloudFormation needs of them."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import FOUND

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests" / "lab"))

from langfuse_lab.aws.cloudformation import handlers, schemas  # noqa: E402

LISTS = sorted((ROOT / "roles").glob("*/files/permissions.yml"))
POLICY_CHARACTERS = 6144  # of a managed policy, white space not counted
STACKS = {
    "cluster": ["network", "cluster", "nodegroups"],
    "storage": ["storage"],
    "addons": ["addons"],
    "clickhouse_retention": ["relief"],
}
# With what makes the templates use all that they can use.
TOPIC = "arn:aws:sns:ap-south-1:123456789012:langfuse-alarms"
VARIABLES = {
    "cluster": {"cluster_admin_principal_arns": ["arn:aws:iam::123456789012:role/admin"]},
    "clickhouse_retention": {
        "platform_outputs": FOUND["platform_outputs"]
        | {
            "ClusterSecurityGroupId": "sg-0123456789abcdef0",
            "ClickHouseDiskAlarmName": "langfuse-clickhouse-disk",
            "ClickHouseDiskAlarmArn": "arn:aws:cloudwatch:ap-south-1:123456789012:alarm:langfuse-clickhouse-disk",
            "AlarmTopicArn": TOPIC,
        }
    },
}
REGION = "ap-south-1"


def statements(role: str) -> dict[str, dict[str, Any]]:
    policy = yaml.safe_load((ROOT / "roles" / role / "files" / "permissions.yml").read_text())
    assert policy["Version"] == "2012-10-17"
    return {statement["Sid"]: statement for statement in policy["Statement"]}


def actions(statement: dict[str, Any]) -> list[str]:
    return [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]


def of_stacks(make_role: Any, role: str, *verbs: str) -> set[str]:
    """What AWS's code needs to do these with the resources of a role's stacks."""
    found: set[str] = set()
    for stack in STACKS[role]:
        for resource in make_role(role, **VARIABLES.get(role, {})).stack(stack)["Resources"].values():
            schema = schemas.find(resource["Type"], REGION)
            properties = {
                **resource.get("Properties", {}),
                **({schema.tag_property: []} if schema.tag_property else {}),
            }
            for verb in verbs:
                found |= set(handlers.permissions(schema, resource["Type"], verb, properties))
    return found


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parents[1].name)
def test_a_list_is_a_policy_that_iam_takes(path: Path) -> None:
    policy = yaml.safe_load(path.read_text())
    assert len(json.dumps(policy, separators=(",", ":"))) <= POLICY_CHARACTERS
    assert policy.keys() == {"Version", "Statement"}
    for statement in policy["Statement"]:
        assert statement.keys() - {"Condition"} == {"Sid", "Effect", "Action", "Resource"}
        assert (statement["Effect"], statement["Resource"]) == ("Allow", "*")
        assert statement["Sid"].isalnum()
        for action in actions(statement):
            assert re.fullmatch(r"[a-z0-9-]+:[A-Z][A-Za-z]+", action), action  # no wildcards
        assert actions(statement) == sorted(set(actions(statement)))


@pytest.mark.parametrize("path", LISTS, ids=lambda path: path.parents[1].name)
def test_no_action_is_listed_twice(path: Path) -> None:
    role = path.parents[1].name
    listed = [action for statement in statements(role).values() for action in actions(statement)]
    shared = [] if role == "platform" else [a for each in statements("platform").values() for a in actions(each)]
    assert sorted(listed) == sorted(set(listed))
    assert set(listed) & set(shared) == set(), "role platform lists it already"


@pytest.mark.parametrize("role", STACKS)
def test_a_list_has_what_the_resources_of_the_stacks_need(role: str, make_role: Any) -> None:
    found = {sid: set(actions(statement)) for sid, statement in statements(role).items()}
    making = found["Make"] | found.get("PassRole", set())
    assert of_stacks(make_role, role, "create", "read") <= making
    assert of_stacks(make_role, role, "update") <= making | found["Change"]
    assert of_stacks(make_role, role, "delete") <= making | found["Change"] | found["Delete"]


def test_a_list_has_what_the_user_of_the_bucket_needs(make_role: Any) -> None:
    found = {action for statement in statements("storage").values() for action in actions(statement)}
    user = make_role("storage", storage_s3_access="user").stack("storage")["Resources"]["S3User"]
    schema = schemas.find("AWS::IAM::User", REGION)
    for verb in ("create", "read", "update", "delete"):
        assert set(handlers.permissions(schema, "AWS::IAM::User", verb, {**user["Properties"], "Tags": []})) <= found


@pytest.mark.parametrize("role", STACKS)
def test_changes_ask_for_nothing_that_no_change_needs(role: str, make_role: Any) -> None:
    calls = ["UpdateStack", "UpdateTerminationProtection", "CreateChangeSet", "DescribeChangeSet", "DeleteChangeSet"]
    of_the_stack = {f"cloudformation:{call}" for call in calls}
    assert set(actions(statements(role)["Change"])) <= of_stacks(make_role, role, "update") | of_the_stack
