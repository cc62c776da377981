# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Policies of users and roles, and of buckets, functions and roles' trust: do they allow or deny a request?"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
from collections.abc import Callable, Sequence
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


def grants(statements: Statement | list[Statement], action: str) -> bool:
    """Whether a policy allows an action on some resource, under some condition."""
    listed = [statements] if isinstance(statements, dict) else statements
    return any(
        statement["Effect"] == "Allow" and _element(statement, "Action", action, str.lower) for statement in listed
    )


def grant_everything(policies: Sequence[list[Statement]]) -> bool:
    """Whether policies together allow every action on everything, and deny nothing."""
    statements = [statement for policy in policies for statement in policy]
    everything = any(
        _list(each.get("Action")) == ["*"] and _list(each.get("Resource")) == ["*"] and "Condition" not in each
        for each in statements
    )
    return everything and all(each["Effect"] == "Allow" for each in statements)


def matches(pattern: str, value: str) -> bool:
    """Whether a value is what a pattern of a policy says: * stands for any text, ? for one character."""
    return _compiled(pattern).fullmatch(value) is not None


@functools.lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), re.DOTALL)


def is_about(statement: Statement, question: Question) -> bool:
    """Whether a statement is about the question's action and resource, whatever its conditions say."""
    return _element(statement, "Action", question.action, str.lower) and _element(
        statement, "Resource", question.resource, str
    )


def _applies(statement: Statement, question: Question) -> bool:
    return (
        is_about(statement, question)
        and _principal(statement, question.principal)
        and _conditions(statement.get("Condition", {}), question.context)
    )


def _element(statement: Statement, name: str, value: str, fold: Callable[[str], str]) -> bool:
    def one_of(patterns: Any) -> bool:
        return any(matches(fold(pattern), fold(value)) for pattern in _list(patterns))

    if f"Not{name}" in statement:
        return not one_of(statement[f"Not{name}"])
    return name not in statement or one_of(statement[name])  # trust policies name no resource


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
    return all(
        _condition(operator, known.get(key.lower()), [_text(each) for each in _list(expected)])
        for operator, wanted in conditions.items()
        for key, expected in wanted.items()
    )


def _condition(operator: str, actual: list[str] | None, expected: list[str]) -> bool:
    name = operator.removesuffix("IfExists")
    if actual is None and name != operator:
        return True
    qualifier, _, plain = name.rpartition(":")
    test = _OPERATORS[plain]
    if qualifier == "ForAllValues":  # true of a key that the request does not have
        return all(test([value], expected) for value in actual or [])
    if qualifier == "ForAnyValue":
        return any(test([value], expected) for value in actual or [])
    return test(actual or [], expected)


def _equals(actual: list[str], expected: list[str]) -> bool:
    return any(value in expected for value in actual)


def _equals_ignoring_case(actual: list[str], expected: list[str]) -> bool:
    return _equals([value.lower() for value in actual], [value.lower() for value in expected])


def _like(actual: list[str], expected: list[str]) -> bool:
    return any(matches(pattern, value) for value in actual for pattern in expected)


def _null(actual: list[str], expected: list[str]) -> bool:
    return (not actual) == (expected == ["true"])


_OPERATORS: dict[str, Callable[[list[str], list[str]], bool]] = {
    "StringEquals": _equals,
    "StringNotEquals": lambda actual, expected: not _equals(actual, expected),
    "StringEqualsIgnoreCase": _equals_ignoring_case,
    "StringNotEqualsIgnoreCase": lambda actual, expected: not _equals_ignoring_case(actual, expected),
    "StringLike": _like,
    "StringNotLike": lambda actual, expected: not _like(actual, expected),
    "ArnEquals": _like,
    "ArnNotEquals": lambda actual, expected: not _like(actual, expected),
    "ArnLike": _like,
    "ArnNotLike": lambda actual, expected: not _like(actual, expected),
    "Bool": _equals_ignoring_case,
    "Null": _null,
}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
