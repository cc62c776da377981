# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server finds in a statement before the engine gets it."""

from __future__ import annotations

import pytest
from langfuse_lab.clickhouse.errors import ServerError, from_engine
from langfuse_lab.clickhouse.statements import Statement


@pytest.mark.parametrize(
    ("sql", "local", "on_cluster"),
    [
        ("ALTER TABLE t ON CLUSTER default DELETE WHERE 1", "ALTER TABLE t DELETE WHERE 1", True),
        ("ALTER TABLE t on cluster `default` REMOVE TTL", "ALTER TABLE t REMOVE TTL", True),
        ("DROP TABLE t ON CLUSTER 'default' SYNC", "DROP TABLE t SYNC", True),
        ("ALTER TABLE t MODIFY COMMENT ' ON CLUSTER nope'", "ALTER TABLE t MODIFY COMMENT ' ON CLUSTER nope'", False),
        ("ALTER TABLE t /* ON CLUSTER x */ REMOVE TTL", "ALTER TABLE t /* ON CLUSTER x */ REMOVE TTL", False),
        ("SELECT 1 -- ON CLUSTER x", "SELECT 1 -- ON CLUSTER x", False),
    ],
)
def test_on_cluster(sql: str, local: str, on_cluster: bool) -> None:
    assert Statement(sql).local() == (local, on_cluster)


def test_an_unknown_cluster() -> None:
    with pytest.raises(ServerError) as caught:
        Statement("ALTER TABLE t ON CLUSTER other REMOVE TTL").local()
    assert (caught.value.code, caught.value.message) == (
        701,
        "Requested cluster 'other' not found. (CLUSTER_DOESNT_EXIST)",
    )


@pytest.mark.parametrize(
    "sql", ["SELECT 1; SELECT 2", "ALTER TABLE t REMOVE TTL;DROP TABLE t", "SELECT ';' ; DROP TABLE t"]
)
def test_several_statements_are_refused(sql: str) -> None:
    with pytest.raises(ServerError) as caught:
        Statement(sql)
    assert caught.value.code == 62


@pytest.mark.parametrize(
    "sql",
    ["SELECT 1;", "SELECT ';'", "SELECT 1 -- ; x", "INSERT INTO t FORMAT TSV\na;b", "INSERT INTO t VALUES ('a;b')", ""],
)
def test_one_statement_is_not_several(sql: str) -> None:
    assert Statement(sql).sql == sql


@pytest.mark.parametrize(
    ("sql", "reads", "queries"),
    [
        ("SELECT 1", True, True),
        ("/* x */ (SELECT 1)", True, True),
        ("-- x\nWITH 1 AS a SELECT a", True, True),
        ("SHOW TABLES", True, False),
        ("DESCRIBE TABLE t", True, False),
        ("INSERT INTO t SELECT 1", False, False),
        ("DROP TABLE t -- SELECT", False, False),
        ("SYSTEM STOP MERGES", False, False),
    ],
)
def test_kinds(sql: str, reads: bool, queries: bool) -> None:
    assert (Statement(sql).reads, Statement(sql).queries) == (reads, queries)


@pytest.mark.parametrize(
    ("sql", "output", "without"),
    [
        ("SELECT 1 FORMAT JSON", "JSON", "SELECT 1 "),
        ("SELECT 1 FORMAT JSON SETTINGS a = 1;", "JSON", "SELECT 1  SETTINGS a = 1;"),
        ("SELECT 'FORMAT JSON'", "", "SELECT 'FORMAT JSON'"),
        ("SELECT 1 AS format FROM t", "", "SELECT 1 AS format FROM t"),
        ("INSERT INTO t FORMAT CSV", "", "INSERT INTO t FORMAT CSV"),
    ],
)
def test_output_formats(sql: str, output: str, without: str) -> None:
    assert (Statement(sql).output_format, Statement(sql).without_format()) == (output, without)


@pytest.mark.parametrize(
    ("sql", "parts"),
    [
        ("INSERT INTO t VALUES", ("INSERT INTO t", "t", "*", "", "")),
        ("INSERT INTO t (a, b) VALUES ", ("INSERT INTO t (a, b)", "t", "a, b", "", "")),
        ("insert into table `a b`.c format CSV", ("insert into table `a b`.c", "`a b`.c", "*", "", "CSV")),
        (
            "INSERT INTO t (a) SETTINGS async_insert = 1 FORMAT Native",
            ("INSERT INTO t (a)", "t", "a", "SETTINGS async_insert = 1", "Native"),
        ),
    ],
)
def test_inserts_that_wait_for_rows(sql: str, parts: tuple[str, ...]) -> None:
    insert = Statement(sql).insert_without_rows()
    assert insert
    assert (insert.head, insert.table, insert.columns, insert.settings, insert.format) == parts


@pytest.mark.parametrize(
    "sql", ["INSERT INTO t SELECT 1", "INSERT INTO t VALUES (1)", "SELECT 1", "INSERT INTO t WITH 1 AS a SELECT a"]
)
def test_other_statements_wait_for_nothing(sql: str) -> None:
    assert Statement(sql).insert_without_rows() is None


def test_the_rows_of_an_insert_in_a_file() -> None:
    insert = Statement("INSERT INTO t (a) SETTINGS x = 1 VALUES").insert_without_rows()
    assert insert
    assert insert.from_file("/tmp/it's", "Native").sql == (
        "INSERT INTO t (a) FROM INFILE '/tmp/it\\'s' SETTINGS x = 1 FORMAT Native"
    )


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("Code: 60. DB::Exception: No such table. (UNKNOWN_TABLE)", 60, "No such table. (UNKNOWN_TABLE)"),
        ("failed: Code: 1. DB::Exception: Code: 1. DB::Exception: twice", 1, "twice"),
        ("something else", 1002, "something else"),
    ],
)
def test_errors_of_the_engine(text: str, code: int, message: str) -> None:
    error = from_engine(RuntimeError(text))
    assert (error.code, error.message) == (code, message)
