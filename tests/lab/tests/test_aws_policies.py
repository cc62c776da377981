# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What policies say to a request: patterns, conditions, denials."""

from __future__ import annotations

from typing import Any

import pytest
from langfuse_lab.aws import policies
from langfuse_lab.aws.policies import Effect, Question


def statement(**elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "ec2:CreateTags", "Resource": "*", **elements}


@pytest.mark.parametrize(
    ("pattern", "value", "wanted"),
    [
        ("*", "anything/at\nall", True),
        ("arn:aws:s3:::a?c", "arn:aws:s3:::abc", True),
        ("arn:aws:s3:::a?c", "arn:aws:s3:::ac", False),
        ("role/[ab]*", "role/[ab]x", True),  # brackets are letters to IAM
        ("role/[ab]*", "role/ax", False),
        ("role/a.c", "role/abc", False),
    ],
)
def test_patterns(pattern: str, value: str, wanted: bool) -> None:
    assert policies.matches(pattern, value) is wanted


@pytest.mark.parametrize(
    ("condition", "context", "wanted"),
    [
        ({"StringEquals": {"k": ["a", "b"]}}, {"K": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringNotEqualsIgnoreCase": {"k": "A"}}, {"k": "a"}, False),
        ({"ArnNotLike": {"k": "arn:*:x"}}, {"k": "arn:aws:x"}, False),
        ({"Null": {"k": "false"}}, {"k": "a"}, True),
        ({"Null": {"k": True}}, {"k": "a"}, False),
        ({"ForAllValues:StringNotEquals": {"k": ["x", "y"]}}, {"k": ["a", "b"]}, True),
        ({"ForAllValues:StringNotEquals": {"k": ["x", "y"]}}, {"k": ["a", "x"]}, False),
        ({"ForAllValues:StringEquals": {"k": "x"}}, {}, True),
        ({"ForAnyValue:StringLike": {"k": "x*"}}, {"k": ["a", "xy"]}, True),
        ({"ForAnyValue:StringLike": {"k": "x*"}}, {}, False),
        ({"StringEquals": {"k": "a"}, "Bool": {"tls": True}}, {"k": "a", "tls": "false"}, False),
    ],
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], wanted: bool) -> None:
    question = Question("ec2:CreateTags", context=context)
    effect = policies.evaluate(statement(Condition=condition), question)
    assert effect is (Effect.ALLOW if wanted else Effect.NONE)


def test_a_denial_wins_and_actions_have_no_case() -> None:
    denial = statement(Effect="Deny", Action="EC2:create*")
    assert policies.evaluate([statement(), denial], Question("ec2:CreateTags")) is Effect.DENY
    assert policies.evaluate([statement(), denial], Question("ec2:DeleteTags")) is Effect.NONE
    others = {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}
    assert policies.evaluate(others, Question("ec2:CreateTags")) is Effect.ALLOW
    assert policies.evaluate(others, Question("iam:CreateRole")) is Effect.NONE


@pytest.mark.parametrize(
    ("listed", "wanted"),
    [
        ([[statement(Action="*")]], True),
        ([[statement(Action=["*"], Resource=["*"])], [statement()]], True),
        ([[statement(Action="*")], [statement(Effect="Deny")]], False),
        ([[statement(Action="*", Condition={"Bool": {"a": "true"}})]], False),
        ([[statement(Action="*", Resource="arn:aws:s3:::*")]], False),
        ([], False),
    ],
)
def test_who_may_do_everything(listed: list[list[dict[str, Any]]], wanted: bool) -> None:
    assert policies.grant_everything(listed) is wanted


def test_granted_on_anything_at_all() -> None:
    narrow = statement(Resource="arn:aws:ec2:*:*:volume/*", Condition={"StringEquals": {"k": "v"}})
    assert policies.grants([narrow], "ec2:CreateTags")
    assert not policies.grants([narrow], "ec2:DeleteTags")
    assert not policies.grants([{**narrow, "Effect": "Deny"}], "ec2:CreateTags")
