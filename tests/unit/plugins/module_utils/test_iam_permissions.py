# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose policies are asked for, how IAM is asked, and what its answers mean. IAM is replaced."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _iam_permissions as permissions
from botocore.exceptions import ClientError, EndpointConnectionError

ACCOUNT = "123456789012"
USER = f"arn:aws:iam::{ACCOUNT}:user/ops/me"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/me"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
BUCKET = "arn:aws:s3:::langfuse-x"


class Iam:
    """IAM that allows actions on resources as it is told, and remembers what it was asked."""

    def __init__(self, allowed: dict[str, set[str]], lacking: set[str] = frozenset(), page: int = 1000) -> None:
        self.allowed, self.lacking, self.page = allowed, lacking, page
        self.calls: list[dict[str, Any]] = []
        self.path = "/"

    def get_role(self, **arguments: Any) -> dict[str, Any]:
        if not self.path:
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "GetRole")
        return {"Role": {"Arn": f"arn:aws:iam::{ACCOUNT}:role{self.path}{arguments['RoleName']}"}}

    def simulate_principal_policy(self, **arguments: Any) -> dict[str, Any]:
        self.calls.append(arguments)
        (resource,) = arguments.get("ResourceArns", ["*"])
        start = int(arguments.get("Marker", 0))
        actions = arguments["ActionNames"]
        results = [self._result(action, resource) for action in actions[start : start + self.page]]
        answer: dict[str, Any] = {"EvaluationResults": results, "IsTruncated": start + self.page < len(actions)}
        return {**answer, "Marker": str(start + self.page)} if answer["IsTruncated"] else answer

    def _result(self, action: str, resource: str) -> dict[str, Any]:
        decision = "allowed" if action in self.allowed.get(resource, set()) else "implicitDeny"
        keys = ["aws:RequestTag/a"] if action in self.lacking else []
        return {"EvalActionName": action, "EvalDecision": decision, "MissingContextValues": keys}


@pytest.mark.parametrize(
    ("caller", "path", "holder"),
    [
        (USER, "/", USER),
        (ROLE, "/", ROLE),
        (SESSION, "/", ROLE),
        (SESSION, "/sso/", ROLE.replace("role/", "role/sso/")),
        (SESSION, "", ROLE),  # who may not read his role has to do with the ARN without a path
        (f"arn:aws:iam::{ACCOUNT}:root", "/", None),
    ],
)
def test_whose_policies_count(caller: str, path: str, holder: str | None) -> None:
    iam = Iam({})
    iam.path = path
    assert permissions.policy_holder(caller, iam) == holder


@pytest.mark.parametrize("caller", [f"arn:aws:sts::{ACCOUNT}:federated-user/me", "me", ""])
def test_callers_without_policies(caller: str) -> None:
    with pytest.raises(permissions.Unable, match="neither a user nor a role"):
        permissions.policy_holder(caller, Iam({}))


def test_actions_and_context_come_from_the_policies() -> None:
    statements = [
        {"Action": ["s3:B", "s3:A", "s3:A"]},
        {"Action": "iam:PassRole", "Condition": {"StringEquals": {"iam:PassedToService": ["eks", "ec2"], "k": "v"}}},
    ]
    policies = {"one": {"Statement": statements}, "two": {"Statement": {"Action": "x:Y"}}}
    assert permissions.actions_by_name(policies) == {"one": ["iam:PassRole", "s3:A", "s3:B"], "two": ["x:Y"]}
    assert permissions.context_of(policies) == {"iam:PassedToService": "eks", "k": "v"}


def test_one_request_when_all_is_allowed() -> None:
    iam = Iam({"*": {"s3:A", "s3:B"}})
    found = permissions.ask(iam, USER, ["s3:B", "s3:A", "s3:B"], {"k": "v"}, {"s3": [BUCKET]})
    assert found == permissions.Found()
    (call,) = iam.calls
    assert call["PolicySourceArn"] == USER
    assert call["ActionNames"] == ["s3:A", "s3:B"]
    assert call["ContextEntries"] == [{"ContextKeyName": "k", "ContextKeyType": "string", "ContextKeyValues": ["v"]}]


def test_batches_and_pages() -> None:
    names = [f"s3:A{number:03}" for number in range(250)]
    iam = Iam({"*": set(names) - {"s3:A120", "s3:A249"}}, page=40)
    assert permissions.ask(iam, USER, names, {}, {}).missing == {"s3:A120", "s3:A249"}
    assert [len(call["ActionNames"]) for call in iam.calls] == [100, 100, 100, 100, 100, 100, 50, 50]


def test_a_policy_narrowed_to_names_is_enough() -> None:
    iam = Iam({"*": {"ec2:A"}, BUCKET: {"s3:A"}, f"{BUCKET}/x": {"s3:B"}})
    examples = {"s3": [BUCKET, f"{BUCKET}/x"], "iam": [ROLE]}
    found = permissions.ask(iam, USER, ["ec2:A", "s3:A", "s3:B", "s3:C", "iam:A"], {}, examples)
    assert found.missing == {"s3:C", "iam:A"}
    assert [call.get("ResourceArns") for call in iam.calls] == [None, [ROLE], [BUCKET], [f"{BUCKET}/x"]]


def test_what_conditions_decide_is_not_missing() -> None:
    found = permissions.ask(Iam({}, lacking={"s3:A"}), USER, ["s3:A", "s3:B"], {}, {"s3": [BUCKET]})
    assert (found.missing, found.uncertain) == ({"s3:B"}, {"s3:A"})


def test_what_conditions_on_a_resource_decide_is_not_missing() -> None:
    class Narrowed(Iam):
        def _result(self, action: str, resource: str) -> dict[str, Any]:
            keys = ["aws:RequestTag/a"] if resource == BUCKET else []
            parts = [{"EvalResourceName": resource, "MissingContextValues": keys}]
            return {"EvalActionName": action, "EvalDecision": "implicitDeny", "ResourceSpecificResults": parts}

    found = permissions.ask(Narrowed({}), USER, ["s3:A"], {}, {"s3": [BUCKET]})
    assert (found.missing, found.uncertain) == (set(), {"s3:A"})


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "not\nallowed"}}, "SimulatePrincipalPolicy"),
        EndpointConnectionError(endpoint_url="https://iam.amazonaws.com"),
    ],
)
def test_iam_does_not_tell(error: Exception) -> None:
    class Silent(Iam):
        def simulate_principal_policy(self, **arguments: Any) -> dict[str, Any]:
            raise error

    with pytest.raises(permissions.Unable) as raised:
        permissions.ask(Silent({}), USER, ["s3:A"], {}, {})
    assert "\n" not in str(raised.value)


def test_report_is_by_policy() -> None:
    found = permissions.Found(frozenset({"a:A", "a:B"}), frozenset({"a:B", "a:C"}))
    answer = permissions.report(found, {"one": ["a:A", "a:C"], "two": ["a:B"], "three": ["a:D"]})
    assert answer == {"missing": {"one": ["a:A"], "two": ["a:B"]}, "uncertain": {"one": ["a:C"]}}
