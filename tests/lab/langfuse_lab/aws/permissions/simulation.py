# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IAM's policy simulator, which moto lacks: SimulatePrincipalPolicy."""

from __future__ import annotations

from typing import Any

from moto.core.responses import ActionResult
from moto.iam.responses import IamResponse

from langfuse_lab.aws import policies
from langfuse_lab.aws.errors import AwsError
from langfuse_lab.aws.permissions import enforcement
from langfuse_lab.aws.policies import Effect, Question

DECISIONS = {Effect.ALLOW: "allowed", Effect.DENY: "explicitDeny", Effect.NONE: "implicitDeny"}
PAGE = 100


def simulate_principal_policy(self: IamResponse) -> ActionResult:
    """Say what the policies of a user or role would answer, action by action and resource by resource."""
    arn = self._get_param("PolicySourceArn")
    identity = enforcement.identity_by_arn(self.current_account, arn)
    if identity is None:
        raise AwsError("NoSuchEntity", f"The entity {arn} cannot be found.")
    context = {e["ContextKeyName"]: e["ContextKeyValues"] for e in self._get_param("ContextEntries") or []}
    questions = [
        Question(action, resource, context=context)
        for action in self._get_param("ActionNames")
        for resource in self._get_param("ResourceArns") or ["*"]
    ]
    start, size = int(self._get_param("Marker") or 0), int(self._get_param("MaxItems") or PAGE)
    page = questions[start : start + size]
    more = start + size < len(questions)
    answer: dict[str, Any] = {"EvaluationResults": [_result(identity, each) for each in page], "IsTruncated": more}
    return ActionResult({**answer, "Marker": str(start + size)} if more else answer)


def _result(identity: enforcement.Identity, question: Question) -> dict[str, Any]:
    return {
        "EvalActionName": question.action,
        "EvalResourceName": question.resource,
        "EvalDecision": DECISIONS[identity.effect(question)],
        "MatchedStatements": [],
        "MissingContextValues": _missing_keys(identity, question),
    }


def _missing_keys(identity: enforcement.Identity, question: Question) -> list[str]:
    """Return the condition keys that statements for an action on a resource look at, and that nobody gave."""
    given = {key.lower() for key in question.context}
    statements = [statement for policy in identity.policies for statement in policy]
    named = {
        key
        for statement in statements
        if policies.is_about(statement, question)
        for keys in statement.get("Condition", {}).values()
        for key in keys
    }
    return sorted(key for key in named if key.lower() not in given)


IamResponse.simulate_principal_policy = simulate_principal_policy  # type: ignore[attr-defined]
