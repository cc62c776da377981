# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TTL clause as text: fixtures/ttl_forms.json holds what a real server (26.9) wrote for each wish."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _ttl_text as text
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

FORMS = json.loads((Path(__file__).parent / "fixtures" / "ttl_forms.json").read_text())["forms"]

DAY = "dt + toIntervalDay(1)"
MONTH = "dt + toIntervalDay(30)"
CREATED = "CREATE TABLE t (`x` UInt8) ENGINE = MergeTree ORDER BY tuple() TTL "


@pytest.mark.parametrize("form", FORMS, ids=[form["wish"] for form in FORMS])
def test_the_formatted_wish_is_what_the_server_stores(form: dict[str, str]) -> None:
    assert text.formatted_clause(form["formatted"]) == text.ttl_clause(form["engine_full"])


@pytest.mark.parametrize("form", FORMS, ids=[form["wish"] for form in FORMS])
def test_splitting_loses_nothing(form: dict[str, str]) -> None:
    stored = text.ttl_clause(form["engine_full"])
    assert text.clause(text.rules(stored)) == stored


@pytest.mark.parametrize(
    ("engine_full", "clause", "settings"),
    [
        ("MergeTree ORDER BY a SETTINGS index_granularity = 8192", "", {"index_granularity": "8192"}),
        ("MergeTree ORDER BY a", "", {}),
        (f"MergeTree ORDER BY a TTL {DAY}", DAY, {}),
        (f"MergeTree ORDER BY (a, toDate(b))  TTL  {MONTH}  SETTINGS  a = 1", MONTH, {"a": "1"}),
        (
            f"ReplicatedMergeTree('/a/TTL x SETTINGS y', '{{replica}}') ORDER BY `TTL` TTL {DAY} "
            "SETTINGS storage_policy = 'hot, cold', ttl_only_drop_parts = true",
            DAY,
            {"storage_policy": "hot, cold", "ttl_only_drop_parts": "true"},
        ),
        ("Memory", "", {}),
        ("", "", {}),
    ],
)
def test_clauses_of_a_table(engine_full: str, clause: str, settings: dict[str, str]) -> None:
    assert text.ttl_clause(engine_full) == clause
    assert text.settings(engine_full) == settings


@pytest.mark.parametrize(
    ("clause", "kinds"),
    [
        ("", []),
        (MONTH, ["delete"]),
        (f"{MONTH} WHERE x = 'WHERE TO DISK'", ["delete_where"]),
        (f"{DAY} TO DISK 'cold', {DAY} TO VOLUME 'v', {MONTH}", ["move", "move", "delete"]),
        (f"{DAY} RECOMPRESS CODEC(ZSTD(5)), {MONTH}", ["recompress", "delete"]),
        (f"{DAY} GROUP BY id, toDate(b) SET x = max(x), `a b` = any(`a b`), {MONTH}", ["group_by", "delete"]),
        (f"{DAY} GROUP BY id, toDate(b), c", ["group_by"]),
        (f"{DAY} GROUP BY id SET x = max(x) WHERE y > 1, {MONTH} WHERE z", ["group_by", "delete_where"]),
        (f"{DAY} WHERE a IN (1, 2), {MONTH} TO DISK 'a,b'", ["delete_where", "move"]),
    ],
)
def test_kinds_of_rules(clause: str, kinds: list[str]) -> None:
    assert [rule.kind for rule in text.rules(clause)] == kinds


def test_parts_of_a_rule() -> None:
    (rule,) = text.rules(f"{MONTH} WHERE (a = 'x') AND (b > 1)")
    assert (rule.expression, rule.action, rule.condition) == (
        MONTH,
        "WHERE (a = 'x') AND (b > 1)",
        "(a = 'x') AND (b > 1)",
    )
    assert rule.as_dict() == {"kind": "delete_where", "text": f"{MONTH} WHERE (a = 'x') AND (b > 1)"}
    assert text.rules(f"{DAY} TO DISK 'x'")[0].condition == ""


@pytest.mark.parametrize(
    ("existing", "wished", "target"),
    [
        ("", MONTH, MONTH),
        (DAY, MONTH, MONTH),
        (f"{DAY} TO DISK 'x'", MONTH, f"{MONTH}, {DAY} TO DISK 'x'"),
        (f"{DAY} TO DISK 'x', {DAY}", MONTH, f"{DAY} TO DISK 'x', {MONTH}"),
        (f"{DAY} WHERE a = 1", MONTH, f"{MONTH}, {DAY} WHERE a = 1"),
        # a condition takes the place of the unconditional delete, and of the same condition with another time
        (DAY, f"{MONTH} WHERE a = 1", f"{MONTH} WHERE a = 1"),
        (f"{DAY} WHERE b, {DAY} WHERE a", f"{MONTH} WHERE a", f"{DAY} WHERE b, {MONTH} WHERE a"),
        # moves do not touch deletes
        (DAY, f"{MONTH} TO DISK 'x'", f"{MONTH} TO DISK 'x', {DAY}"),
        (f"{DAY} TO DISK 'x', {DAY}", f"{MONTH} TO DISK 'x', {MONTH}", f"{MONTH} TO DISK 'x', {MONTH}"),
        (f"{DAY} TO DISK 'y', {DAY}", f"{MONTH}, {DAY} TO DISK 'x'", f"{DAY} TO DISK 'y', {MONTH}, {DAY} TO DISK 'x'"),
        (f"{DAY} RECOMPRESS CODEC(LZ4)", f"{MONTH} RECOMPRESS CODEC(LZ4)", f"{MONTH} RECOMPRESS CODEC(LZ4)"),
    ],
)
def test_combining_keeps_what_is_not_replaced_and_settles(existing: str, wished: str, target: str) -> None:
    combined = text.combine(text.rules(existing), text.rules(wished))
    assert text.clause(combined) == target
    assert text.clause(text.combine(text.rules(target), text.rules(wished))) == target


@pytest.mark.parametrize(
    ("formatted", "reason"),
    [
        (f"{CREATED}a + toIntervalDay(1) SETTINGS ttl_only_drop_parts = 0", "SETTINGS"),
        (f"{CREATED}a + toIntervalDay(1) COMMENT 'x'", "COMMENT"),
        (f"{CREATED}a + toIntervalDay(1) AS SELECT 1", "AS"),
        (f"{CREATED}a EMPTY AS SELECT 1", "EMPTY"),
        (f"{CREATED}a INTO OUTFILE '/tmp/x'", "INTO"),
        (f"{CREATED}a FORMAT TSV", "FORMAT"),
        ("CREATE TABLE t (`x` UInt8) ENGINE = MergeTree PARTITION BY b ORDER BY tuple() TTL a", "other clauses"),
        ("CREATE TABLE t (`x` UInt8) ENGINE = MergeTree PRIMARY KEY x ORDER BY tuple() TTL a", "other clauses"),
    ],
)
def test_a_wish_that_says_more_than_a_ttl_is_refused(formatted: str, reason: str) -> None:
    with pytest.raises(LangfuseError, match=reason):
        text.formatted_clause(formatted)


def test_the_statement_to_format() -> None:
    assert text.to_format("x") == "CREATE TABLE t (x UInt8) ENGINE = MergeTree ORDER BY tuple() TTL x"


@pytest.mark.parametrize(
    ("given", "squeezed"),
    [
        ("a  +\n b", "a + b"),
        ("x = '  '", "x = '  '"),
        ("f(a,  b)", "f(a, b)"),
        ("'it''s  '  'a\\'  b'", "'it''s  ' 'a\\'  b'"),
    ],
)
def test_squeezing(given: str, squeezed: str) -> None:
    assert text.squeeze(given) == squeezed


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("toYYYYMM(start_time)", {"start_time"}),
        ("toDateTime(`start time`) + toIntervalDay(30)", {"start time"}),
        ("(project_id, toDate(timestamp))", {"project_id", "timestamp"}),
        ("", set()),
    ],
)
def test_names_of_columns(expression: str, names: set[str]) -> None:
    assert text.names(expression) == names
