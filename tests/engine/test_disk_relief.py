# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk relief on real engines whose disk is small and really full: Langfuse v4's tables on 26.9, v3's on 25.5."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import engines
import pytest
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse import loader, schema
from langfuse_lab.clickhouse.client import ClickHouseError
from langfuse_lab.config import REPOSITORY

sys.path.append(str(REPOSITORY / ".build"))  # the collection, for who runs pytest without the Makefile

from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief as relief

if not engines.may_mount():
    pytest.skip("no small file system can be mounted here (unshare, tmpfs)", allow_module_level=True)

MAJOR = {"26.9": 2, "25.5": 1}
DISK = 44 << 20
DAYS = 100
ROWS_A_DAY = {"26.9": 75, "25.5": 100}
TARGET = 75.0


class Server(ClickHouseLab):
    """The lab, with a disk that can be filled to the byte."""

    engine: str

    @property
    def wish(self) -> relief.Wish:
        return relief.Wish(
            target=TARGET, tables={table.name: table.column for table in schema.bulk_tables(MAJOR[self.engine])}
        )

    @property
    def free(self) -> int:
        return int(self.admin.execute("SELECT free_space FROM system.disks"))

    @property
    def ballast(self) -> Path:
        """A file beside ClickHouse's, on its disk."""
        assert self._process
        return Path(f"/proc/{self._process.pid}/root{self.directory}/data/clickhouse/ballast")

    def fill(self, leave: int) -> None:
        """Fill the disk but for so many bytes. Where the disk is counted in pages, a few more may stay."""
        self.ballast.unlink(missing_ok=True)
        with self.ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, self.free - leave)

    def ask(self, sql: str) -> list[list[Any]]:
        """As the relief is answered."""
        try:
            return super().ask(sql)
        except ClickHouseError as error:
            raise relief.Refused(str(error), error.code) from error

    def relieve(self, **options: Any) -> dict[str, Any]:
        return relief.Relief(self.ask, self.wish, **options).run()

    def young(self) -> dict[str, int]:
        """Rows younger than the floor, a day's grace for the time that tests take."""
        return {
            name: int(self.admin.execute(f"SELECT count() FROM `{name}` WHERE {column} > now() - INTERVAL 6 DAY"))
            for name, column in self.wish.tables.items()
        }

    def log_table(self, name: str, mebibytes: int) -> None:
        """A system log of random bytes; the lab's engine writes none itself."""
        self.admin.execute(
            f"CREATE TABLE system.`{name}` (event_date Date, x String) ENGINE = MergeTree "
            "PARTITION BY event_date ORDER BY event_date"
        )
        self.admin.execute(
            f"INSERT INTO system.`{name}` SELECT today(), randomString(65536) FROM numbers({mebibytes * 16})"
        )


@pytest.fixture
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A server with rows of 100 days. Each test has its own: what one leaves fills the next one's disk for minutes."""
    engine = getattr(request, "param", engines.ENGINES[0])
    with running(tmp_path, engine, DISK, Server) as lab:
        lab.engine = engine
        schema.create_tables(lab.admin, MAJOR[engine])
        loader.load(lab.admin, DAYS, ROWS_A_DAY[engine])
        yield lab


on_both = pytest.mark.parametrize("server", engines.ENGINES, indirect=True)


def actions(report: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(step["action"] for step in report["steps"]))


def failures(report: dict[str, Any]) -> list[str]:
    return [step["error"] for step in report["steps"] if step.get("error")]


@on_both
def test_order_dry_run_target_and_floor(server: Server) -> None:
    server.log_table("trace_log", 2)
    server.log_table("trace_log_0", 3)
    server.log_table("query_log", 1)
    server.log_table("query_log_12", 1)
    server.fill(leave=3 << 20)
    young, before = server.young(), server.free
    planned = server.relieve(dry_run=True)
    assert (server.young(), server.free) == (young, before)
    done = server.relieve()
    assert planned["ok"] and done["ok"] and failures(done) == []
    assert done["before"]["percent"] > 91 and done["after"]["percent"] <= TARGET
    assert actions(done) == actions(planned) == ["empty renamed log", "empty log", "drop partition"]
    assert [step["what"] for step in done["steps"][:3]] == [
        "system.trace_log_0",
        "system.query_log_12",
        "system.trace_log",
    ]
    # what the dry run promised is what went, but for what the engine itself writes and removes meanwhile
    assert abs(planned["freed_bytes"] - done["freed_bytes"]) < 4 << 20
    assert server.young() == young
    after = done["after"]
    without_last = after["free_bytes"] - done["steps"][-1]["freed_bytes"]
    assert 100 * (1 - without_last / after["total_bytes"]) > TARGET, "it went on beyond the target"
    newest = [step["what"].split(", newest row ")[1] for step in done["steps"] if step["action"] == "drop partition"]
    assert newest == sorted(newest)
    assert server.admin.execute("SELECT count() FROM system.query_log") == "16\n"
    again = server.relieve()
    assert (again["ok"], again["steps"]) == (True, [])


@on_both
def test_a_stuck_mutation_is_stopped_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits for space, and would take what is freed; then later drops are no-ops."""
    monkeypatch.setattr(relief, "CLEAN_SECONDS", 1)
    # one old part that is larger than what will be free
    server.admin.execute(
        "INSERT INTO traces (id, timestamp, event_ts, input) "
        "SELECT number, now() - INTERVAL 70 DAY, now(), randomPrintableASCII(1000) FROM numbers(5000)"
    )
    server.admin.execute("OPTIMIZE TABLE traces FINAL")
    server.fill(leave=3 << 20)
    server.admin.execute(
        "ALTER TABLE traces DELETE WHERE id = 'x' OR timestamp < now() - INTERVAL 30 DAY AND rand() % 2"
    )
    pending = "SELECT count() FROM system.mutations WHERE NOT is_done"
    assert server.admin.execute(pending) == "1\n"
    time.sleep(2)
    assert server.admin.execute(pending) == "1\n", "the mutation was to be stuck"
    young = server.young()
    done = server.relieve()
    assert done["ok"], done
    assert done["steps"][0]["action"] == "stop mutation"
    assert "DELETE WHERE" in done["steps"][0]["what"]
    assert server.admin.execute(pending) == "0\n"
    assert server.young() == young


def test_hardly_a_byte_is_free(server: Server) -> None:
    """DROP PARTITION and TRUNCATE are refused then; only DROP TABLE works, and makes room for the rest."""
    # Only on 26.9: chdb 3 lacks the server's thread that ends a DROP TABLE.
    server.log_table("trace_log", 4)
    server.log_table("text_log_0", 3)
    server.fill(leave=4096)
    assert server.free <= 16384
    young = server.young()
    done = server.relieve()
    assert done["ok"], relief.summary(done)
    assert done["steps"][0]["what"] == "system.text_log_0"
    assert "DROP TABLE" in done["steps"][0]["statement"]
    assert server.young() == young


@on_both
def test_nothing_to_give_and_hardly_a_byte_free(server: Server) -> None:
    """Each step says why it failed, none is tried for ever, and what holds the disk is told."""
    server.fill(leave=4096)
    young = server.young()
    done = server.relieve()
    assert not done["ok"]
    assert failures(done) and all("Cannot reserve 1.00 MiB" in failure for failure in failures(done))
    assert server.young() == young
    assert max(done["not_freed"], key=lambda one: one["bytes"])["what"] == done["not_freed"][0]["what"]
    server.fill(leave=3 << 20)  # with a little room the next try does it
    assert server.relieve()["ok"]


@on_both
def test_guards_of_the_server_do_not_hold_it_up(server: Server) -> None:
    server.log_table("trace_log", 4)
    server.fill(leave=3 << 20)

    def ask(sql: str) -> list[list[Any]]:
        settings = {"max_partition_size_to_drop": 1, "max_table_size_to_drop": 1}  # as a server's 50 GB to its months
        return server.ask(sql) if not sql.startswith(("ALTER", "TRUNCATE", "DROP")) else guarded(sql, settings)

    def guarded(sql: str, settings: dict[str, int]) -> list[list[Any]]:
        server.admin.execute(sql, **settings)
        return []

    with pytest.raises(Exception, match=r"TABLE_SIZE_EXCEEDS_MAX_DROP_SIZE_LIMIT|Code: 359"):
        guarded("TRUNCATE TABLE system.trace_log", {"max_table_size_to_drop": 1})
    done = relief.Relief(ask, server.wish).run()
    assert done["ok"] and failures(done) == []


def test_two_at_a_time(server: Server) -> None:
    """An alarm while a relief runs: no more goes than the one would have taken, but for one step."""
    server.log_table("trace_log_0", 4)
    server.fill(leave=3 << 20)
    young, reports = server.young(), []

    def run() -> None:
        reports.append(server.relieve())

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [report["ok"] for report in reports] == [True, True]
    assert [failures(report) for report in reports] == [[], []]
    assert server.young() == young
    assert server.free < DISK * (1 - TARGET / 100) + (8 << 20)


@on_both
def test_replaced_parts_go_before_rows(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hold the disk for 8 minutes, and shared files (hard links) keep a dropped partition's bytes."""
    if server.engine == "26.9":  # it looks for them every 35 seconds when it is quiet: not awaited here
        monkeypatch.setattr(relief, "CLEAN_SECONDS", 1)
    server.admin.execute("ALTER TABLE traces UPDATE input = concat(input, 'x') WHERE 1", mutations_sync=2)
    server.fill(leave=3 << 20)
    done = server.relieve()
    assert done["ok"]
    assert done["steps"][0]["action"] == "remove replaced parts"
    assert server.engine == "26.9" or done["steps"][0]["freed_bytes"] > 1 << 20
    (full,) = server.admin.rows("SELECT engine_full FROM system.tables WHERE name = 'traces' AND database = 'default'")
    assert "old_parts_lifetime" not in full["engine_full"]


def test_what_is_kept_and_why(server: Server) -> None:
    server.admin.execute("CREATE DATABASE IF NOT EXISTS other")
    server.admin.execute(
        "CREATE OR REPLACE TABLE other.big (t DateTime) ENGINE = MergeTree PARTITION BY toYYYYMM(t) ORDER BY t"
    )
    server.admin.execute("INSERT INTO other.big SELECT '2020-01-01 00:00:00' FROM numbers(1000)")
    server.log_table("query_log", 2)
    server.admin.execute("ALTER TABLE scores DETACH PARTITION ID '202609'")
    server.fill(leave=1 << 20)
    wish = relief.Wish(target=1.0, tables=server.wish.tables, table_keep_days={"observations": 3650})
    done = relief.Relief(server.ask, wish).run()
    assert not done["ok"]
    why = {one["what"]: one["why"] for one in done["not_freed"]}
    assert why["system.query_log"] == "a protected log"
    assert why["other.big"] == "in a database that is not default"
    assert why["default.dataset_run_items_rmt"] == "not among the tables that may lose rows"
    assert why["default.blob_storage_file_log"].startswith("it has no partitions")
    assert why["default.observations"].startswith("younger than 3650 days")
    assert "detached by a person" in why.values()
    assert server.admin.execute("SELECT count() FROM other.big") == "1000\n"
    oldest = int(server.admin.execute("SELECT toUInt32(dateDiff('day', min(start_time), now())) FROM observations"))
    assert oldest >= DAYS - 2


def test_rewriting_a_table_without_partitions(server: Server) -> None:
    """Only when asked, and only where it has room."""
    wish = relief.Wish(target=1.0, tables={"blob_storage_file_log": "created_at"}, rewrite=True)
    server.fill(leave=1 << 20)
    done = relief.Relief(server.ask, wish).run()
    assert actions(done) == []
    server.fill(leave=20 << 20)
    done = relief.Relief(server.ask, wish).run()
    assert actions(done) == ["rewrite without old rows"]
    deadline = time.monotonic() + 20
    count = "SELECT count() FROM blob_storage_file_log WHERE created_at {} now() - INTERVAL {} DAY"
    while server.admin.execute(count.format("<", 8)) != "0\n":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert int(server.admin.execute(count.format(">", 6))) == 6 * ROWS_A_DAY[server.engine]


def test_what_is_young_by_its_rows_stays(server: Server) -> None:
    """Metadata is of the partition key; a row's age is in its own column, and a NULL is no age."""
    for name, value in (("late", "now()"), ("unknown", "NULL")):
        server.admin.execute(
            f"CREATE OR REPLACE TABLE `{name}` (made Date, seen Nullable(DateTime64(3)), x String) ENGINE = MergeTree "
            "PARTITION BY toYYYYMM(made) ORDER BY made"
        )
        server.admin.execute(
            f"INSERT INTO `{name}` SELECT '2020-01-01', if(number > 0, toDateTime64('2020-01-02 00:00:00', 3), {value})"
            ", randomString(1000) FROM numbers(1000)"
        )
    server.admin.execute(
        "CREATE OR REPLACE TABLE days (made Date, x String) ENGINE = MergeTree PARTITION BY made ORDER BY made"
    )
    server.admin.execute("INSERT INTO days SELECT today() - 6 - number, randomString(1000) FROM numbers(6)")
    server.fill(leave=3 << 20)
    wish = relief.Wish(target=1.0, tables={"late": "seen", "unknown": "seen", "days": "made"})
    done = relief.Relief(server.ask, wish).run()
    assert failures(done) == []
    assert server.admin.execute("SELECT count() FROM late") == "1000\n"
    assert server.admin.execute("SELECT count() FROM unknown") == "1000\n"
    # a day is over at its end: the day of the floor stays
    assert server.admin.execute("SELECT toString(today() - min(made)) FROM days") == "7\n"


@pytest.mark.parametrize("lost", ["at a step", "from the start"])
def test_server_goes_away(server: Server, lost: str) -> None:
    server.log_table("trace_log", 2)
    server.fill(leave=3 << 20)
    failed: list[str] = []

    def ask(sql: str) -> Any:
        if lost == "from the start" or (sql.startswith("TRUNCATE") and not failed):
            failed.append(sql)
            raise relief.Lost("no answer")
        return server.ask(sql)

    if lost == "from the start":
        with pytest.raises(relief.Lost):
            relief.Relief(ask, server.wish).run()
        return
    done = relief.Relief(ask, server.wish).run()
    assert done["ok"] and failures(done) == ["no answer"]


def test_ends_in_time(server: Server) -> None:
    server.fill(leave=3 << 20)
    left: Iterator[float] = iter([100.0, 100.0, 100.0, 100.0, 20.0])
    seconds: Callable[[], float] = lambda: next(left, 20.0)  # noqa: E731
    done = server.relieve(seconds_left=seconds)
    assert not done["ok"]
    assert 0 < len(done["steps"]) < 6
