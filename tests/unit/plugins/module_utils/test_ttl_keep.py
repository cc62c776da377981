# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeping rules: what is sent, in which order, what is refused and what is returned, with a server in a few lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _clickhouse_ttl
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import ClickHouseError, ConnectionLost
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse_ttl import (
    Result,
    human,
    keep_rules,
    report,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_wish import Wish

DAYS_30 = "toDateTime(timestamp) + toIntervalDay(30)"
ALTER = "ALTER TABLE `default`.`traces`"
SETTINGS = f"{ALTER} MODIFY SETTING ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1"
MODIFY = f"{ALTER} MODIFY TTL {DAYS_30} SETTINGS materialize_ttl_after_modify = 1, alter_sync = 0, mutations_sync = 0"
MB = 1_000_000
RECALCULATE = {"materialize_ttl_recalculate_only": "1"}
OLD_AND_NEW = {"202601": (100, 100, 20 * MB), "202602": (100, 40, 30 * MB), "202603": (100, 0, 10 * MB)}


def wish(name: str = "traces", **given: Any) -> Wish:
    given = (
        given if given.get("ttl") or given.get("state") == "absent" else {"column": "timestamp", "keep": "30d", **given}
    )
    return Wish("default", name, **given)


def keep(server: Any, *wishes: Wish, cluster: str | None = None, check_mode: bool = False) -> list[Result]:
    return keep_rules(server, list(wishes), cluster, check_mode)


@pytest.fixture
def server(make_server: Callable[..., Any], make_table: Callable[..., Any]) -> Any:
    """A server with one table of three partitions: expired, partly expired, young."""
    return make_server(traces=make_table(partitions=dict(OLD_AND_NEW)))


def test_a_new_rule(server: Any) -> None:
    (result,) = keep(server, wish(only_drop_parts=True))
    assert server.statements == result.statements == [SETTINGS, MODIFY]
    returned = result.as_dict()
    assert returned["changed"] and not returned["failed"]
    assert returned["before"] == {
        "ttl": "",
        "rules": [],
        "settings": {"ttl_only_drop_parts": False, "materialize_ttl_recalculate_only": False},
    }
    assert returned["after"] == {
        "ttl": DAYS_30,
        "rules": [{"kind": "delete", "text": DAYS_30}],
        "settings": {"ttl_only_drop_parts": True, "materialize_ttl_recalculate_only": True},
    }
    assert returned["impact"] == {
        "rows_total": 300,
        "rows_expired": 140,
        "bytes_total": 60 * MB,
        "partitions_expired": [{"id": "202601", "rows": 100, "bytes": 20 * MB}],
        "bytes_to_rewrite": 0,
        "free_bytes": server.free,
    }


def test_the_same_rule_again_costs_four_queries(server: Any) -> None:
    keep(server, wish(only_drop_parts=True))
    server.queries.clear()
    (result,) = keep(server, wish(only_drop_parts=True))
    assert not result.as_dict()["changed"]
    assert result.before == result.after
    assert result.impact is None
    assert len(server.queries) == 4


def test_check_mode_says_the_same_and_sends_nothing(server: Any) -> None:
    given = wish(only_drop_parts=True, drop_expired=True)
    (planned,) = keep(server, given, check_mode=True)
    assert server.statements == []
    (done,) = keep(server, given)
    assert planned.as_dict() == done.as_dict()
    assert planned.diff() == done.diff()


def test_expired_partitions_go_before_the_settings_and_the_rule(server: Any) -> None:
    (result,) = keep(server, wish(only_drop_parts=True, drop_expired=True))
    assert result.statements == [f"{ALTER} DROP PARTITION ID '202601'", SETTINGS, MODIFY]
    assert list(server.tables["traces"].partitions) == ["202602", "202603"]


def test_partitions_that_expire_later_are_dropped_by_a_later_run(server: Any) -> None:
    keep(server, wish(drop_expired=True))
    assert not keep(server, wish(drop_expired=True))[0].statements
    server.tables["traces"].partitions["202602"] = (100, 100, MB)
    (result,) = keep(server, wish(drop_expired=True))
    assert result.statements == [f"{ALTER} DROP PARTITION ID '202602'"]


def test_every_statement_names_the_cluster(server: Any) -> None:
    (result,) = keep(server, wish(only_drop_parts=True, drop_expired=True), cluster="default")
    assert len(result.statements) == 3
    assert all(statement.startswith(f"{ALTER} ON CLUSTER `default` ") for statement in result.statements)


@pytest.mark.parametrize(
    ("materialize", "own", "settings", "after_modify"),
    [
        ("recalculate", {}, "materialize_ttl_recalculate_only = 1", 1),
        ("recalculate", {"materialize_ttl_recalculate_only": "1"}, None, 1),
        ("none", {}, None, 0),
        ("full", {}, None, 1),
        ("full", {"materialize_ttl_recalculate_only": "true"}, "materialize_ttl_recalculate_only = 0", 1),
    ],
)
def test_ways_to_materialise(
    server: Any, materialize: str, own: dict[str, str], settings: str | None, after_modify: int
) -> None:
    server.tables["traces"].settings.update(own)
    (result,) = keep(server, wish(materialize=materialize))
    *first, last = result.statements
    assert first == ([f"{ALTER} MODIFY SETTING {settings}"] if settings else [])
    assert f"materialize_ttl_after_modify = {after_modify}, " in last


def test_a_full_rewrite_counts_what_is_not_wholly_expired(server: Any) -> None:
    (result,) = keep(server, wish(materialize="full"))
    assert result.impact["bytes_to_rewrite"] == 40 * MB


def test_a_full_rewrite_needs_room(server: Any) -> None:
    server.free = 47 * MB
    (result,) = keep(server, wish(materialize="full"))
    assert result.failure == (
        "default.traces: materialize=full rewrites 40.0 MB and needs 48.0 MB free, but 47.0 MB are: "
        "use materialize=recalculate, or make room"
    )
    server.free = 48 * MB
    assert not keep(server, wish(materialize="full"))[0].failure


@pytest.mark.parametrize(
    ("default", "own", "wanted", "statement"),
    [
        ("0", {}, False, None),
        ("0", {}, True, "ttl_only_drop_parts = 1"),
        ("1", {}, True, None),
        ("1", {}, False, "ttl_only_drop_parts = 0"),
        ("1", {"ttl_only_drop_parts": "0"}, False, None),
        ("0", {"ttl_only_drop_parts": "true"}, None, None),
    ],
)
def test_only_drop_parts_alone(
    server: Any, default: str, own: dict[str, str], wanted: bool | None, statement: str | None
) -> None:
    server.defaults = [("ttl_only_drop_parts", default), ("materialize_ttl_recalculate_only", "0")]
    server.tables["traces"].ttl = DAYS_30
    server.tables["traces"].settings.update(own)
    (result,) = keep(server, wish(only_drop_parts=wanted))
    assert result.statements == ([f"{ALTER} MODIFY SETTING {statement}"] if statement else [])


def test_other_rules_stay_unless_they_are_to_go(server: Any) -> None:
    move = "timestamp + toIntervalDay(7) TO DISK 'cold'"
    server.tables["traces"].ttl = f"{move}, {DAYS_30}"
    keep(server, wish(keep="60d"))
    assert server.tables["traces"].ttl == f"{move}, toDateTime(timestamp) + toIntervalDay(60)"
    keep(server, wish(keep="60d", other_rules="replace"))
    assert server.tables["traces"].ttl == "toDateTime(timestamp) + toIntervalDay(60)"


@pytest.mark.parametrize(
    ("ttl", "other_rules", "statement"),
    [
        (DAYS_30, "keep", "REMOVE TTL"),
        ("", "keep", None),
        ("x TO DISK 'cold'", "keep", None),
        ("x TO DISK 'cold'", "replace", "REMOVE TTL"),
        (
            f"{DAYS_30}, x TO DISK 'cold'",
            "keep",
            "MODIFY TTL x TO DISK 'cold' SETTINGS materialize_ttl_after_modify = 0, alter_sync = 0, mutations_sync = 0",
        ),
    ],
)
def test_taking_the_rule_away(server: Any, ttl: str, other_rules: str, statement: str | None) -> None:
    server.tables["traces"].ttl = ttl
    (result,) = keep(server, wish(state="absent", other_rules=other_rules))
    assert result.statements == ([f"{ALTER} {statement}"] if statement else [])
    assert result.impact is None


@pytest.mark.parametrize(
    ("kind", "expression"),
    [
        ("DateTime64(3)", "toDateTime(timestamp)"),
        ("DateTime64(6, 'UTC')", "toDateTime(timestamp)"),
        ("Date32", "toDateTime(timestamp)"),
        ("DateTime", "timestamp"),
        ("DateTime('UTC')", "timestamp"),
        ("Date", "timestamp"),
    ],
)
def test_the_time_of_a_column(server: Any, kind: str, expression: str) -> None:
    server.tables["traces"].columns["timestamp"] = kind
    keep(server, wish())
    assert server.tables["traces"].ttl == f"{expression} + toIntervalDay(30)"


def test_a_condition(server: Any) -> None:
    keep(server, wish(where="project_id = 'demo'"))
    assert server.tables["traces"].ttl == f"{DAYS_30} WHERE project_id = 'demo'"
    count = next(sql for sql in server.queries if sql.startswith("SELECT _partition_id"))
    assert f"countIf((({DAYS_30}) <= now() AND ({DAYS_30}) > toDateTime(0) AND (project_id = 'demo')))" in count


def test_rules_given_as_text(server: Any) -> None:
    (result,) = keep(
        server, wish(ttl="timestamp + INTERVAL 7 DAY TO DISK 'cold', toDateTime(timestamp) + INTERVAL 30 DAY")
    )
    assert [rule["kind"] for rule in result.after["rules"]] == ["move", "delete"]
    assert sum("DESCRIBE TABLE" in sql and sql.count(" AS __rule_") == 2 for sql in server.queries) == 1


def test_a_rule_that_deletes_nothing_is_not_counted(server: Any) -> None:
    (result,) = keep(server, wish(ttl="timestamp + INTERVAL 7 DAY TO DISK 'cold'", drop_expired=True))
    assert result.impact is None
    assert len(result.statements) == 2


REFUSED: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    ("no such column", {"column": "nope"}, {}, "there is no column nope"),
    (
        "wrong type",
        {},
        {"columns": {"timestamp": "UInt32"}},
        "column timestamp is UInt32, not a Date or DateTime: give",
    ),
    (
        "nullable",
        {},
        {"columns": {"timestamp": "Nullable(DateTime)"}},
        r"column timestamp is Nullable\(DateTime\), not a Date or DateTime",
    ),
    ("not a ttl", {"ttl": "???"}, {}, r"'\?\?\?' is not a TTL: ClickHouse answers: Syntax error"),
    (
        "more than a ttl",
        {"ttl": "timestamp SETTINGS index_granularity = 1"},
        {},
        "'timestamp SETTINGS index_granularity = 1' is not a TTL: it holds SETTINGS: give TTL rules only",
    ),
    ("two rules in where", {"where": "x = 1, timestamp + toIntervalDay(1)"}, {}, "where=.* is not a single condition"),
    ("a move in where", {"where": "x = 1, timestamp TO DISK 'x'"}, {}, "where=.* is not a single condition"),
    ("column TTL", {}, {"columns": {"timestamp": "Date", "TTL": "Date"}}, "column TTL cannot be told from the keyword"),
    ("view", {}, {"engine": "View"}, "engine View has no TTL"),
    ("materialized view", {}, {"engine": "MaterializedView"}, "engine MaterializedView has no TTL: alter the table it"),
    ("memory", {}, {"engine": "Memory"}, "engine Memory has no TTL"),
    (
        "everything expired",
        {},
        {"partitions": {"202601": (100, 100, MB)}},
        "all 100 rows are past this rule: set allow_drop_all=true if they are meant to go",
    ),
    (
        "pending mutation",
        {"drop_expired": True},
        {"mutations": [("mutation_7.txt", "DELETE WHERE 1")]},
        r"drop_expired must wait: mutation mutation_7.txt \(DELETE WHERE 1\) is not done",
    ),
    (
        "partition above the server's guard",
        {"drop_expired": True},
        {"partitions": {"202601": (9, 9, 60_000 * MB), "202603": (9, 0, MB)}},
        "partition 202601 has 60.0 GB, above the limit of 50.0 GB for dropping: raise drop_limit",
    ),
    (
        "partition above the own limit",
        {"drop_expired": True, "drop_limit": "10MB"},
        {},
        "partition 202601 has 20.0 MB, above the limit of 10.0 MB for dropping: raise drop_limit",
    ),
]


@pytest.mark.parametrize(
    ("given", "table", "message"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
@pytest.mark.parametrize("check_mode", [False, True])
def test_refusals(
    make_server: Any, make_table: Any, given: dict[str, Any], table: dict[str, Any], message: str, check_mode: bool
) -> None:
    server = make_server(traces=make_table(**{"partitions": dict(OLD_AND_NEW), **table}))
    (result,) = keep(server, wish(**given), check_mode=check_mode)
    assert result.as_dict()["failed"]
    assert re.search(f"^default.traces: {message}", result.failure)
    assert server.statements == [] and not result.as_dict()["changed"]


@pytest.mark.parametrize("database", ["system", "SYSTEM", "information_schema", "INFORMATION_SCHEMA"])
def test_system_tables_are_left_to_the_configuration(server: Any, database: str) -> None:
    (result,) = keep(server, Wish(database, "traces", column="timestamp", keep="30d"))
    assert "a system table's TTL is set by the server's configuration" in result.failure
    assert server.statements == []


def test_dropping_everything_when_it_is_allowed(make_server: Any, make_table: Any) -> None:
    server = make_server(traces=make_table(partitions={"202601": (100, 100, MB)}))
    (result,) = keep(server, wish(drop_expired=True, allow_drop_all=True))
    assert result.statements[0] == f"{ALTER} DROP PARTITION ID '202601'"


def test_a_rule_in_force_drops_everything_of_an_idle_platform(make_server: Any, make_table: Any) -> None:
    table = make_table()
    server = make_server(traces=table)
    keep(server, wish(drop_expired=True))
    table.partitions["202601"] = (100, 100, MB)
    (result,) = keep(server, wish(drop_expired=True))
    assert result.statements == [f"{ALTER} DROP PARTITION ID '202601'"]


def test_a_rule_for_an_empty_table(make_server: Any, make_table: Any) -> None:
    (result,) = keep(make_server(traces=make_table()), wish(drop_expired=True))
    assert len(result.statements) == 2
    assert result.impact["free_bytes"] == 0
    assert result.warnings == []


@pytest.mark.parametrize(
    ("guard", "limit", "statement"),
    [
        ([("0",)], None, "DROP PARTITION ID '202601'"),
        ([], None, None),
        (
            [("50000000000",)],
            "60GB",
            "DROP PARTITION ID '202601' SETTINGS max_partition_size_to_drop = 60000000000",
        ),
    ],
)
def test_the_guard_for_dropping(
    make_server: Any, make_table: Any, guard: list[Any], limit: str | None, statement: str | None
) -> None:
    server = make_server(traces=make_table(partitions={"202601": (9, 9, 60_000 * MB), "202603": (9, 0, MB)}))
    server.guard = guard
    (result,) = keep(server, wish(drop_expired=True, drop_limit=limit))
    if statement is None:
        assert "above the limit of 50.0 GB" in result.failure
    else:
        assert result.statements[0] == f"{ALTER} {statement}"


@pytest.mark.parametrize("partition_key", ["", "project_id", "toDate(created_at)"])
def test_partitions_by_something_else_are_not_dropped(make_server: Any, make_table: Any, partition_key: str) -> None:
    server = make_server(traces=make_table(partition_key=partition_key, partitions=dict(OLD_AND_NEW)))
    (result,) = keep(server, wish(drop_expired=True))
    assert not any("DROP" in statement for statement in result.statements)
    assert result.warnings == [
        "default.traces: drop_expired needs partitions by the rule's time (timestamp), "
        f"and the partition key is '{partition_key}'"
    ]


def test_warnings(make_server: Any, make_table: Any) -> None:
    server = make_server(traces=make_table(partition_key="", partitions={"all": (10, 1, 50 * MB)}))
    server.free = 10 * MB
    (result,) = keep(server, wish(only_drop_parts=True))
    room, partitions = result.warnings
    assert "10.0 MB are free, less than the largest part of 50.0 MB" in room
    assert (
        "the table has no partitions, so with only_drop_parts=true hardly a part is ever wholly expired" in partitions
    )


@pytest.mark.parametrize(
    ("version", "kind", "message"),
    [
        ((25, 5), "DateTime64(3)", r"is DateTime64\(3\), which ClickHouse takes since 25.7: wrap it in toDateTime"),
        ((25, 5), "Date32", "is Date32, which ClickHouse takes since 25.7"),
        ((25, 7), "DateTime64(3)", None),
        ((25, 5), "DateTime('UTC')", None),
        ((25, 5), "Date", None),
        ((26, 9), "UInt32", "is UInt32, not a Date or DateTime"),
    ],
)
def test_the_type_of_a_time(server: Any, version: tuple[int, int], kind: str, message: str | None) -> None:
    server.version, server.time_type = version, kind
    (result,) = keep(server, wish(ttl="timestamp + INTERVAL 30 DAY"))
    assert result.failure is None if message is None else re.search(message, result.failure)


def test_a_missing_table(server: Any) -> None:
    failed, skipped = keep(server, wish("nope"), wish("nada", if_missing="skip"))
    assert failed.failure == "default.nope: the table does not exist, or the user may not see it"
    assert skipped.failure is None
    assert skipped.as_dict()["skipped_reason"] == "the table does not exist, or the user may not see it"


def test_an_unsupported_table_can_be_skipped(make_server: Any, make_table: Any) -> None:
    (result,) = keep(make_server(traces=make_table(engine="View")), wish(if_unsupported="skip"))
    assert (result.failure, result.skipped_reason) == (None, "engine View has no TTL")


def test_one_failure_does_not_hide_the_others(make_server: Any, make_table: Any) -> None:
    server = make_server(
        traces=make_table(partitions=dict(OLD_AND_NEW)), scores=make_table(), view=make_table(engine="View")
    )
    server.failures["`scores` MODIFY TTL"] = ClickHouseError(
        "ClickHouse answers: not enough privileges (code 497)", 497
    )
    results = keep(server, wish(), wish("scores"), wish("view"), wish("nope"))
    returned = report(results, with_diff=True)
    assert [table["failed"] for table in returned["tables"]] == [False, True, True, True]
    assert returned["changed"]
    assert returned["msg"] == (
        "3 of 4 tables failed: default.scores: ClickHouse answers: not enough privileges (code 497); "
        "default.view: engine View has no TTL; default.nope: the table does not exist, or the user may not see it"
    )
    # what was done before the failure is said
    assert returned["tables"][1]["statements"] == [
        "ALTER TABLE `default`.`scores` MODIFY SETTING materialize_ttl_recalculate_only = 1"
    ]
    assert [diff["before_header"] for diff in returned["diff"]] == ["default.traces"]


def test_a_lost_connection_is_not_tried_again(make_server: Any, make_table: Any) -> None:
    server = make_server(traces=make_table(), scores=make_table())
    server.failures["formatQuerySingleLine"] = ConnectionLost("ClickHouse at h:9000 does not answer in time: SELECT 1")
    first, second = keep(server, wish(), wish("scores"))
    assert first.failure == "default.traces: ClickHouse at h:9000 does not answer in time: SELECT 1"
    assert second.failure == "default.scores: ClickHouse at h:9000 does not answer in time: SELECT 1"
    assert sum("formatQuerySingleLine" in sql for sql in server.queries) == 1


def test_a_rule_that_the_server_did_not_take(server: Any) -> None:
    server.deaf = True
    (result,) = keep(server, wish())
    assert result.failure.startswith("default.traces: the server has '' with")
    assert f"where '{DAYS_30}' with" in result.failure


@pytest.mark.parametrize(("answers_late", "failed"), [(2, False), (1000, True)])
def test_a_replica_has_the_rule_a_moment_later(
    make_server: Any, make_table: Any, monkeypatch: pytest.MonkeyPatch, answers_late: int, failed: bool
) -> None:
    monkeypatch.setattr(_clickhouse_ttl, "REPLICA_SECONDS", 0.5)
    monkeypatch.setattr(_clickhouse_ttl, "REPLICA_POLL_SECONDS", 0.01)
    server = make_server(traces=make_table(engine="ReplicatedMergeTree", settings=RECALCULATE))
    late: list[str] = []

    def delay(sql: str, given: Any) -> list[Any]:
        late.append(sql)
        if len(late) == answers_late + 1:  # the first look comes before the change
            server.tables["traces"].ttl = DAYS_30
        return server._tables(sql, given)

    server.deaf = True
    server.answers.insert(0, ("FROM system.tables", delay))
    (result,) = keep(server, wish())
    assert bool(result.failure) == failed


def test_a_table_that_goes_away(server: Any) -> None:
    def lose(sql: str, given: Any) -> list[Any]:
        server.tables.clear()
        return []

    server.answers.insert(0, ("MODIFY TTL", lose))
    (result,) = keep(server, wish())
    assert result.failure == "default.traces: the table went away while its rule was changed"


def test_the_diff(server: Any) -> None:
    (result,) = keep(server, wish(drop_expired=True))
    returned = report([result], with_diff=True)
    assert returned["diff"] == [
        {
            "before_header": "default.traces",
            "after_header": "default.traces",
            "before": "ttl_only_drop_parts = false\nmaterialize_ttl_recalculate_only = false\n"
            f"partition 202601 (100 rows, {20 * MB} bytes)\n",
            "after": f"TTL {DAYS_30}\nttl_only_drop_parts = false\nmaterialize_ttl_recalculate_only = true\n",
        }
    ]
    assert "diff" not in report([result], with_diff=False)
    assert "msg" not in returned


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (50_000_000_000, "50.0 GB"), (10**16, "10000.0 TB")],
)
def test_sizes_for_people(size: int, words: str) -> None:
    assert human(size) == words
