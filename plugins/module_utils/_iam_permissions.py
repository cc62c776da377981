# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: which actions of IAM policies the policies of a caller lack, as IAM's own simulator sees it."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

try:
    from botocore.exceptions import BotoCoreError, ClientError

    AWS_ERRORS: tuple[type[Exception], ...] = (BotoCoreError, ClientError)
except ImportError:  # AnsibleAWSModule says so
    AWS_ERRORS = ()

BATCH = 100  # actions in one request
ALLOWED = "allowed"

_CALLER = re.compile(r"arn:(?P<partition>aws[a-z-]*):(?:iam|sts)::(?P<account>\d{12}):(?P<rest>.+)")

Answer = dict[str, t.Any]


class Unable(Exception):
    """IAM does not tell; the message says why."""


class Iam(t.Protocol):
    """What is used of boto3's client."""

    def simulate_principal_policy(self, **arguments: t.Any) -> Answer: ...

    def get_role(self, **arguments: t.Any) -> Answer: ...


@dataclass(frozen=True)
class Found:
    """The actions that are missing, and those that conditions decide on what only a real request has."""

    missing: frozenset[str] = frozenset()
    uncertain: frozenset[str] = frozenset()


def actions_by_name(policies: dict[str, t.Any]) -> dict[str, list[str]]:
    """Return the actions that each policy document allows, by the policy's name."""
    return {name: sorted(set(_actions(name, policy))) for name, policy in policies.items()}


def _actions(name: str, policy: t.Any) -> Iterator[str]:
    try:
        statements = policy["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            actions = statement["Action"]
            yield from [actions] if isinstance(actions, str) else actions
    except (KeyError, TypeError) as error:
        message = f"policies.{name} is no IAM policy: a dictionary with Statement, each with Action, is needed."
        raise LangfuseError(message) from error


def context_of(policies: dict[str, t.Any]) -> dict[str, str]:
    """Return the values that the policies' own conditions ask for: a request of theirs would have them."""
    found = {}
    for policy in policies.values():
        statements = policy["Statement"]
        for statement in statements if isinstance(statements, list) else [statements]:
            for key, values in statement.get("Condition", {}).get("StringEquals", {}).items():
                found[key] = values if isinstance(values, str) else values[0]
    return found


def policy_holder(caller: str, iam: Iam) -> str | None:
    """Return the ARN of the user or role whose policies count for a caller; None for the root user, who may do all.

    Raises Unable for a caller who has no policies of his own.
    """
    matched = _CALLER.fullmatch(caller)
    kind, _sep, name = matched["rest"].partition("/") if matched else ("", "", "")
    if kind == "root":
        return None
    if kind in ("user", "role"):
        return caller
    if kind != "assumed-role":
        raise Unable(f"{caller} is neither a user nor a role")
    role = name.partition("/")[0]
    try:  # the session's ARN has not the path of its role
        return iam.get_role(RoleName=role)["Role"]["Arn"]
    except AWS_ERRORS:
        return f"arn:{matched['partition']}:iam::{matched['account']}:role/{role}"


def ask(
    iam: Iam, holder: str, actions: Iterable[str], context: dict[str, str], examples: dict[str, list[str]]
) -> Found:
    """Return which actions the holder's policies do not allow. Raises Unable when IAM does not tell.

    First they are asked for on all resources. What is denied there is asked for again on the examples of its service,
    since a policy may be narrowed to names: one that is allowed is enough.
    """
    found = _simulate(iam, holder, sorted(set(actions)), context, None)
    if not found.missing:
        return found
    missing, uncertain = set(found.missing), set(found.uncertain)
    for service in sorted({action.partition(":")[0] for action in found.missing}):
        for example in examples.get(service, []):
            wanted = sorted(action for action in missing if action.startswith(f"{service}:"))
            if wanted:
                again = _simulate(iam, holder, wanted, context, example)
                uncertain |= again.uncertain
                missing -= set(wanted) - again.missing
    return Found(frozenset(missing), frozenset(uncertain))


def _simulate(iam: Iam, holder: str, actions: list[str], context: dict[str, str], resource: str | None) -> Found:
    entries = [
        {"ContextKeyName": key, "ContextKeyType": "string", "ContextKeyValues": [value]}
        for key, value in sorted(context.items())
    ]
    arguments: Answer = {"PolicySourceArn": holder, "ContextEntries": entries}
    if resource:
        arguments["ResourceArns"] = [resource]
    missing, uncertain = set(), set()
    for start in range(0, len(actions), BATCH):
        for result in _pages(iam, {**arguments, "ActionNames": actions[start : start + BATCH]}):
            if result["EvalDecision"] == ALLOWED:
                continue
            (uncertain if _lacks_context(result) else missing).add(result["EvalActionName"])
    return Found(frozenset(missing), frozenset(uncertain))


def _lacks_context(result: Answer) -> bool:
    """Whether a condition looks at what only a real request has, such as a tag or a second factor."""
    parts = [result, *result.get("ResourceSpecificResults", [])]
    return any(part.get("MissingContextValues") for part in parts)


def _pages(iam: Iam, arguments: Answer) -> Iterator[Answer]:
    marker: Answer = {}
    while True:
        try:
            page = iam.simulate_principal_policy(**arguments, **marker)
        except AWS_ERRORS as error:
            raise Unable(" ".join(str(error).split())) from error
        yield from page["EvaluationResults"]
        if not page.get("IsTruncated"):
            return
        marker = {"Marker": page["Marker"]}


def report(found: Found, by_name: dict[str, list[str]]) -> dict[str, t.Any]:
    """Return the module's answer: the missing and the uncertain actions by the policy that lists them."""
    return {
        key: {name: wanted for name, listed in by_name.items() if (wanted := [a for a in listed if a in actions])}
        for key, actions in (("missing", found.missing), ("uncertain", found.uncertain - found.missing))
    }
