# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module clickhouse_ttl against the real engine, started in this process as Ansible starts it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse import loader, schema
from langfuse_lab.clickhouse.client import Client
from langfuse_lab.config import HOST, REPOSITORY
from one_part import free_ports

sys.path.append(str(REPOSITORY / ".build"))  # the collection, for who runs pytest without the Makefile

from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_text import ttl_clause
from ansible_collections.llmops.langfuse.plugins.modules import clickhouse_ttl
from ansible_collections.llmops.langfuse.tests.unit.plugins.modules.started import PASSWORD, run_module

FORMS = json.loads(
    (REPOSITORY / "tests/unit/plugins/module_utils/fixtures/ttl_forms.json").read_text(),
)
DAYS_30 = "toDateTime(timestamp) + toIntervalDay(30)"
MERGE_SECONDS = 30  # for the server to remove wholly expired parts by itself; usually 5

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseLab]:
    with running(tmp_path_factory.mktemp("clickhouse")) as lab:
        lab.set_users(default=PASSWORD)
        yield lab


@pytest.fixture
def empty(lab: ClickHouseLab) -> Client:
    """A client of a database with the tables of Langfuse v4, all new."""
    schema.drop_tables(lab.admin)
    schema.create_tables(lab.admin, 2)
    return lab.admin


@pytest.fixture
def client(lab: ClickHouseLab) -> Client:
    """A client of a database with those tables, of which traces is new."""
    lab.admin.execute("DROP TABLE IF EXISTS traces SYNC")
    schema.create_tables(lab.admin, 2)
    return lab.admin


@pytest.fixture
def run(lab: ClickHouseLab, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the module on tables; the answer, with the exit code as rc."""

    def run(*tables: dict[str, Any], check: bool = False, **arguments: Any) -> dict[str, Any]:
        given = {
            "login_host": HOST,
            "login_port": lab.native,
            "tables": list(tables),
            "_ansible_check_mode": check,
            "_ansible_diff": True,
            **arguments,
        }
        return run_module(clickhouse_ttl, capsys, **given)

    return run


def traces(**given: Any) -> dict[str, Any]:
    return {"name": "traces", "column": "timestamp", "keep": "30d", **given}


def engine_of(client: Client, table: str = "traces") -> str:
    (row,) = client.rows(f"SELECT engine_full FROM system.tables WHERE database = 'default' AND name = '{table}'")
    return row["engine_full"]


def count(client: Client, table: str, condition: str = "1") -> int:
    return int(client.execute(f"SELECT count() FROM `{table}` WHERE {condition}"))


# --- the steps of a module that manages something


def check_then_real(run: Run, client: Client, table: dict[str, Any], changed: bool) -> dict[str, Any]:
    before = engine_of(client)
    planned = run(table, check=True)
    assert engine_of(client) == before
    done = run(table)
    assert planned["rc"] == done["rc"] == 0
    assert planned["changed"] == done["changed"] == changed
    assert planned["diff"] == done["diff"]
    for key in ("before", "after", "statements"):
        assert planned["tables"][0][key] == done["tables"][0][key]
    assert ttl_clause(engine_of(client)) == done["tables"][0]["after"]["ttl"]
    return done


def test_twelve_steps(run: Run, client: Client) -> None:
    loader.load(client, days=40, rows_per_day=5)
    made = check_then_real(run, client, traces(only_drop_parts=True), changed=True)
    assert made["tables"][0]["after"]["ttl"] == DAYS_30
    check_then_real(run, client, traces(only_drop_parts=True), changed=False)
    check_then_real(run, client, traces(keep="20d", only_drop_parts=True), changed=True)
    check_then_real(run, client, traces(keep="20d", only_drop_parts=True), changed=False)
    gone = check_then_real(run, client, {"name": "traces", "state": "absent"}, changed=True)
    assert gone["tables"][0]["after"]["rules"] == []
    check_then_real(run, client, {"name": "traces", "state": "absent"}, changed=False)


@pytest.mark.parametrize(
    "change",
    [
        {"keep": "12h"},
        {"keep": "3mo"},
        {"where": "project_id = 'demo' AND name != 'a''b; c'"},
        {"only_drop_parts": True},
        {"only_drop_parts": False},
        {"keep": "60d", "materialize": "none"},
        {"keep": "60d", "materialize": "full"},
        {"column": "created_at"},
        {"other_rules": "replace"},
        {"keep": "1y", "where": "is_deleted", "only_drop_parts": True, "other_rules": "replace", "materialize": "full"},
    ],
    ids=json.dumps,
)
def test_every_option_changes_once(run: Run, client: Client, change: dict[str, Any]) -> None:
    client.execute(f"ALTER TABLE traces MODIFY TTL {DAYS_30}, timestamp + INTERVAL 9 DAY TO DISK 'default'")
    changes = change != {"only_drop_parts": False}  # the server's own default
    for expected in (changes, False):
        check_then_real(run, client, traces(**change), changed=expected)


@pytest.mark.parametrize("form", FORMS["forms"], ids=[form["wish"] for form in FORMS["forms"]])
def test_every_form_is_recognised_again(run: Run, lab: ClickHouseLab, form: dict[str, str]) -> None:
    client = lab.admin
    client.execute("DROP TABLE IF EXISTS golden SYNC")
    client.execute(FORMS["table"])
    for changed in (True, False):
        done = run({"name": "golden", "ttl": form["wish"], "other_rules": "replace"})
        assert (done["rc"], done["changed"]) == (0, changed), done.get("msg")
    assert ttl_clause(engine_of(client, "golden")) == ttl_clause(form["engine_full"])


# --- what becomes of the rows


def test_old_rows_go_and_young_ones_stay(run: Run, empty: Client) -> None:
    client = empty
    loader.load(client, days=100, rows_per_day=48)
    tables = [
        {"name": table.name, "column": table.column, "keep": "30d", "only_drop_parts": table.partitioned}
        for table in schema.bulk_tables(2)
    ]
    young = {table.name: f"{table.column} > now() - INTERVAL 29 DAY" for table in schema.bulk_tables(2)}
    before = {name: count(client, name, condition) for name, condition in young.items()}
    done = run(*tables)
    assert (done["rc"], done["changed"]) == (0, True), done.get("msg")
    # the server removes what is wholly expired by itself
    months = "toYYYYMM({}) < toYYYYMM(now() - INTERVAL 30 DAY)"
    deadline = time.monotonic() + MERGE_SECONDS
    while any(count(client, table.name, months.format(table.column)) for table in schema.bulk_tables(2)):
        assert time.monotonic() < deadline, "expired parts are still there"
        time.sleep(0.5)
    # and the rest with its merges
    schema.merge_tables(client)
    for table in schema.bulk_tables(2):
        assert count(client, table.name, f"{table.column} < now() - INTERVAL 30 DAY") == 0, table.name
        assert count(client, table.name, young[table.name]) == before[table.name] == 29 * 48, table.name
    assert count(client, "dataset_run_items_rmt") == 4800
    again = run(*tables)
    assert (again["rc"], again["changed"]) == (0, False)


def test_expired_partitions_are_dropped_at_once(run: Run, client: Client) -> None:
    loader.load(client, days=100, rows_per_day=10)
    wish = traces(drop_expired=True, materialize="none")
    refused = run({**wish, "drop_limit": "1kB"})
    assert refused["rc"] == 1
    assert "above the limit of 1.0 kB for dropping: raise drop_limit if it is meant to go" in refused["msg"]
    assert count(client, "traces") == 1000
    planned = run(wish, check=True)
    assert count(client, "traces") == 1000
    done = run(wish)
    expired = done["tables"][0]["impact"]["partitions_expired"]
    assert planned["tables"][0]["impact"]["partitions_expired"] == expired
    drops = [f"ALTER TABLE `default`.`traces` DROP PARTITION ID '{part['id']}'" for part in expired]
    assert done["tables"][0]["statements"][: len(drops)] == drops
    assert count(client, "traces") == 1000 - sum(part["rows"] for part in expired)
    assert count(client, "traces", "timestamp > now() - INTERVAL 29 DAY") == 290
    assert done["diff"][0]["before"].count("partition ") == len(expired) > 0
    assert run(wish)["changed"] is False


def test_dropping_waits_for_mutations(run: Run, client: Client) -> None:
    loader.load(client, days=100, rows_per_day=10)
    client.execute("SYSTEM STOP MERGES traces")
    try:
        client.execute("ALTER TABLE traces DELETE WHERE id = 'x'", mutations_sync=0)
        refused = run(traces(drop_expired=True))
        assert "drop_expired must wait: mutation mutation_" in refused["msg"]
        assert "DELETE WHERE id = 'x'" in refused["msg"]
        assert count(client, "traces") == 1000
    finally:
        client.execute("SYSTEM START MERGES traces")


def test_a_new_rule_does_not_wait_for_the_parts(run: Run, client: Client) -> None:
    loader.load(client, days=40, rows_per_day=10)
    client.execute("SYSTEM STOP MERGES traces")  # as when the disk has no room for a mutation
    try:
        assert run(traces(), timeout=5)["rc"] == 0
        assert client.execute("SELECT count() FROM system.mutations WHERE table = 'traces' AND NOT is_done") == "1\n"
    finally:
        client.execute("SYSTEM START MERGES traces")


def test_a_rule_by_which_everything_would_go(run: Run, client: Client) -> None:
    client.execute("INSERT INTO traces (id, timestamp, event_ts) SELECT number, '2020-01-01', now() FROM numbers(9)")
    refused = run(traces())
    assert "all 9 rows are past this rule: set allow_drop_all=true if they are meant to go" in refused["msg"]
    assert ttl_clause(engine_of(client)) == ""
    assert run(traces(allow_drop_all=True, drop_expired=True))["rc"] == 0
    assert count(client, "traces") == 0


def test_a_time_of_zero_means_never(run: Run, client: Client) -> None:
    client.execute(
        "CREATE OR REPLACE TABLE pinned (d Date, dt DateTime, pin UInt8) ENGINE = MergeTree PARTITION BY d ORDER BY dt"
    )
    client.execute("INSERT INTO pinned SELECT '2020-01-01', '2020-01-01 00:00:00', number % 2 FROM numbers(10)")
    done = run({"name": "pinned", "ttl": "if(pin, toDateTime(0), dt + INTERVAL 1 DAY)", "materialize": "none"})
    assert done["tables"][0]["impact"]["rows_expired"] == 5


def test_conditions_spare_other_rows(run: Run, client: Client) -> None:
    loader.load(client, days=60, rows_per_day=10)
    client.execute("ALTER TABLE traces UPDATE name = 'keep' WHERE cityHash64(id) % 2", mutations_sync=2)
    kept = count(client, "traces", "name = 'keep'")
    assert run(traces(where="name = 'chat'"))["rc"] == 0
    schema.merge_tables(client)
    assert count(client, "traces", "name = 'keep'") == kept
    assert count(client, "traces", "name = 'chat' AND timestamp < now() - INTERVAL 30 DAY") == 0


# --- refusals and errors


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (traces(name="nope"), "default.nope: the table does not exist, or the user may not see it"),
        (traces(name="analytics_traces"), "default.analytics_traces: engine View has no TTL"),
        (traces(name="events_core_mv"), "engine MaterializedView has no TTL: alter the table it writes to"),
        (traces(database="system", name="query_log"), "a system table's TTL is set by the server's configuration"),
        (traces(column="nope"), "there is no column nope"),
        (traces(column="id"), "column id is String, not a Date or DateTime"),
        ({"name": "traces", "ttl": "nope + INTERVAL 1 DAY"}, "(UNKNOWN_IDENTIFIER) (code 47), to: DESCRIBE TABLE"),
        ({"name": "traces", "ttl": "id"}, "the time id is String, not a Date or DateTime"),
        ({"name": "traces", "ttl": "timestamp +"}, "'timestamp +' is not a TTL: ClickHouse answers: Syntax error"),
        (
            {"name": "traces", "ttl": "timestamp SETTINGS old_parts_lifetime = 0"},
            "it holds SETTINGS: give TTL rules only",
        ),
        ({"name": "traces", "ttl": "timestamp PARTITION BY id"}, "it holds other clauses of CREATE TABLE"),
        ({"name": "traces", "ttl": "timestamp; DROP TABLE scores"}, "is not a TTL: ClickHouse answers: Syntax error"),
        (traces(where="1 SETTINGS old_parts_lifetime = 0"), "it holds SETTINGS: give TTL rules only"),
        (traces(where="1, timestamp + INTERVAL 1 SECOND"), "is not a single condition"),
        (traces(where="nope = 1"), "(UNKNOWN_IDENTIFIER) (code 47)"),
        ({"name": "traces", "ttl": "timestamp + INTERVAL 1 DAY TO DISK 'nope'"}, "(code 450)"),
    ],
)
def test_refusals(run: Run, client: Client, table: dict[str, Any], message: str) -> None:
    done = run(table)
    assert done["rc"] == 1
    assert message in done["msg"]
    assert "\n" not in done["msg"]
    assert ttl_clause(engine_of(client)) == ""


def test_a_column_that_is_called_as_a_keyword(run: Run, client: Client) -> None:
    client.execute("CREATE OR REPLACE TABLE odd (TTL DateTime, a DateTime) ENGINE = MergeTree ORDER BY a")
    assert "column TTL cannot be told from the keyword" in run({"name": "odd", "column": "a", "keep": "1d"})["msg"]


def test_odd_names(run: Run, client: Client) -> None:
    client.execute(
        "CREATE OR REPLACE TABLE `od'd na.me` (`a b` DateTime, `ttl` Date) ENGINE = MergeTree ORDER BY tuple()"
    )
    for column in ("a b", "ttl"):
        wish = {"name": "od'd na.me", "column": column, "keep": "1d"}
        assert [run(wish)["changed"] for _time in range(2)] == [True, False]


def test_one_failure_does_not_hide_the_others(run: Run, client: Client) -> None:
    done = run(traces(name="nope"), traces(), traces(name="gone", if_missing="skip"))
    assert done["rc"] == 1
    assert done["msg"].startswith("1 of 3 tables failed: default.nope: ")
    assert [table["changed"] for table in done["tables"]] == [False, True, False]
    assert done["tables"][2]["skipped_reason"]
    assert ttl_clause(engine_of(client)) == DAYS_30


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"login_password": "wrong"}, "refuses user 'default': check login_user and login_password (code 516)"),
        ({"login_user": "nobody"}, "refuses user 'nobody': check login_user and login_password (code 516)"),
        ({"login_database": "nope"}, "Database nope does not exist"),
        ({"login_port": free_ports(1)[0]}, "cannot be reached: "),
        ({"secure": True, "connect_timeout": 2}, "cannot be reached: "),
    ],
)
def test_no_connection(run: Run, arguments: dict[str, Any], message: str) -> None:
    done = run(traces(), **arguments)
    assert done["rc"] == 1
    assert message in done["msg"]
    assert "\n" not in done["msg"]


def test_on_cluster(run: Run, client: Client) -> None:
    done = run(traces(only_drop_parts=True), cluster="default")
    assert done["rc"] == 0
    assert all(" ON CLUSTER `default` " in statement for statement in done["tables"][0]["statements"])
    assert ttl_clause(engine_of(client)) == DAYS_30
    refused = run(traces(keep="1d"), cluster="nope")
    assert "Requested cluster 'nope' not found" in refused["msg"]


def test_what_a_run_without_changes_asks(run: Run, client: Client, lab: ClickHouseLab) -> None:
    tables = [{"name": table.name, "column": table.column, "keep": "30d"} for table in schema.bulk_tables(2)]
    run(*tables)
    before = len(lab.statements())
    assert run(*tables)["changed"] is False
    asked = [entry["sql"] for entry in lab.statements()[before:]]
    assert len(asked) == 4 + len(tables)
    assert all(sql.startswith("SELECT ") for sql in asked)


def test_nothing_is_ever_optimised(run: Run, client: Client, lab: ClickHouseLab) -> None:
    run(traces(materialize="full", drop_expired=True))
    sent = [entry["sql"] for entry in lab.statements() if entry["user"] == "default"]
    assert any("MODIFY TTL" in sql for sql in sent)
    assert not any("OPTIMIZE" in sql for sql in sent)
    assert PASSWORD not in lab.log_file.read_text()
