# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource policies (buckets, roles' trust, functions): do they allow or deny a request?"""

from __future__ import annotations

import dataclasses
import enum
import fnmatch
from collections.abc import Callable
from typing import Any

Statement = dict[str, Any]


class Effect(enum.Enum):
    """What a policy says to a request."""

    ALLOW = "Allow"
    DENY = "Deny"
    NONE = "nothing"


@dataclasses.dataclass(frozen=True)
class Question:
    """A request, as policies see it."""

    action: str
    resource: str = "*"
    principal: tuple[str, str] = ("AWS", "*")  # kind (AWS, Service, Federated) and its ARN or name
    context: dict[str, str | list[str]] = dataclasses.field(default_factory=dict)


def evaluate(statements: Statement | list[Statement], question: Question) -> Effect:
    """Return what a policy's statements say; a denial wins."""
    listed = [statements] if isinstance(statements, dict) else statements
    effects = {statement["Effect"] for statement in listed if _applies(statement, question)}
    if "Deny" in effects:
        return Effect.DENY
    return Effect.ALLOW if "Allow" in effects else Effect.NONE


def _applies(statement: Statement, question: Question) -> bool:
    return (
        _element(statement, "Action", question.action, str.lower)
        and _element(statement, "Resource", question.resource, str)
        and _principal(statement, question.principal)
        and _conditions(statement.get("Condition", {}), question.context)
    )


def _element(statement: Statement, name: str, value: str, fold: Callable[[str], str]) -> bool:
    def matches(patterns: Any) -> bool:
        return any(fnmatch.fnmatchcase(fold(value), fold(pattern)) for pattern in _list(patterns))

    if f"Not{name}" in statement:
        return not matches(statement[f"Not{name}"])
    return name not in statement or matches(statement[name])  # trust policies name no resource


def _principal(statement: Statement, principal: tuple[str, str]) -> bool:
    named = statement.get("Principal", "*")
    if named == "*":
        return True
    kind, value = principal
    allowed = [str(each) for each in _list(named.get(kind, []))]
    return value in allowed or "*" in allowed or (kind == "AWS" and _account_root(value) in allowed)


def _account_root(arn: str) -> str:
    account = arn.split(":")[4] if arn.count(":") > 4 else ""
    return f"arn:aws:iam::{account}:root"


def _conditions(conditions: dict[str, dict[str, Any]], context: dict[str, str | list[str]]) -> bool:
    known = {key.lower(): _list(value) for key, value in context.items()}
    for operator, wanted in conditions.items():
        name = operator.removesuffix("IfExists")
        for key, expected in wanted.items():
            actual = known.get(key.lower())
            if actual is None and name != operator:
                continue
            if not _OPERATORS[name](actual or [], [_text(each) for each in _list(expected)]):
                return False
    return True


def _equals(actual: list[str], expected: list[str]) -> bool:
    return any(value in expected for value in actual)


def _equals_ignoring_case(actual: list[str], expected: list[str]) -> bool:
    return _equals([value.lower() for value in actual], [value.lower() for value in expected])


def _like(actual: list[str], expected: list[str]) -> bool:
    return any(fnmatch.fnmatchcase(value, pattern) for value in actual for pattern in expected)


def _null(actual: list[str], expected: list[str]) -> bool:
    return (not actual) == (expected == ["true"])


_OPERATORS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "StringEquals": _equals,
    "StringNotEquals": lambda actual, expected: not _equals(actual, expected),
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringLike": _like,
    "StringNotLike": lambda actual, expected: not _like(actual, expected),
    "ArnEquals": _like,
    "ArnLike": _like,
    "Bool": _equals_ignoring_case,
    "Null": _null,
}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
