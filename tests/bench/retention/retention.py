# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes and seconds of retention on real engines, six months of data. Exits 1 when a goal is missed.

Usage: retention.py [--mebibytes 300]. Bytes carry over to a server; seconds are this computer's.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import goals
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief as relief
from ansible_collections.llmops.langfuse.plugins.modules import clickhouse_ttl
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse import schema
from langfuse_lab.clickhouse.client import ClickHouseError
from langfuse_lab.config import HOST

MAJOR = {"26.9": 2, "25.5": 1}
TABLE = "observations"
MONTHS = 6
ROW_BYTES = 10_000
SETTLE_SECONDS = 300
GOAL_EXTRA = 0.01  # of the table
GOAL_SECONDS = 1.5  # a run over all tables without changes
PARTITIONS, RUNS = (10, 200), 5
KEEP_ALL_DAYS = 9000  # more than the months of the most partitions
PASSWORD = "bench"


@dataclass
class Measured:
    """What a way to set a TTL cost."""

    seconds: float
    peak_extra: int
    size: int

    @property
    def share(self) -> float:
        return self.peak_extra / self.size


def on_disk(lab: ClickHouseLab) -> int:
    """Bytes of ClickHouse's files, each counted once, since parts share theirs (hard links).

    By their length: what was just written has no blocks yet.
    """
    sizes = {}
    for folder, _folders, files in os.walk(lab.directory / "data" / "clickhouse"):
        for name in files:
            with contextlib.suppress(FileNotFoundError):  # merged away while we look
                status = os.lstat(os.path.join(folder, name))
                sizes[status.st_ino] = status.st_size
    return sum(sizes.values())


def size_of(lab: ClickHouseLab) -> int:
    """Bytes of the table's live parts."""
    return int(lab.admin.execute(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE table = '{TABLE}' AND active"))


def load(lab: ClickHouseLab, mebibytes: int) -> None:
    """The table anew, with rows of six months in one part a month."""
    lab.admin.execute(f"TRUNCATE TABLE {TABLE}")
    found = definition(lab)
    if " TTL " in found:
        lab.admin.execute(f"ALTER TABLE {TABLE} REMOVE TTL")
    settings = [name for name in ("ttl_only_drop_parts", "materialize_ttl_recalculate_only") if name in found]
    if settings:
        lab.admin.execute(f"ALTER TABLE {TABLE} RESET SETTING {', '.join(settings)}")
    rows = (mebibytes << 20) // ROW_BYTES
    lab.admin.execute(
        f"INSERT INTO {TABLE} (id, trace_id, project_id, start_time, event_ts, created_at, input) "
        "SELECT toString(number), '', 'p', now() - toIntervalSecond(number * "
        f"{MONTHS * 30 * 86400 // rows}) AS t, t, t, randomString({ROW_BYTES}) FROM numbers({rows})",
        max_insert_block_size=rows,
        min_insert_block_size_rows=rows,
        min_insert_block_size_bytes=4 << 30,
        max_threads=1,
    )


def definition(lab: ClickHouseLab) -> str:
    return lab.admin.execute(f"SELECT engine_full FROM system.tables WHERE database = 'default' AND name = '{TABLE}'")


def measure(lab: ClickHouseLab, work: Callable[[], None]) -> Measured:
    """Do something, and watch the disk until no mutation is left."""
    size, before, peak, ended = size_of(lab), on_disk(lab), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.05):
            peak[0] = max(peak[0], on_disk(lab) - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    begun = time.monotonic()
    work()
    deadline = begun + SETTLE_SECONDS
    busy = f"SELECT count() FROM system.mutations WHERE table = '{TABLE}' AND NOT is_done"
    while lab.admin.execute(busy) != "0\n" and time.monotonic() < deadline:
        time.sleep(0.05)
    seconds = time.monotonic() - begun
    ended.set()
    watcher.join()
    return Measured(seconds, max(peak[0], on_disk(lab) - before), size)


def run_module(lab: ClickHouseLab, tables: list[dict[str, Any]]) -> dict[str, Any]:
    """The module clickhouse_ttl, in this process."""
    arguments = {"login_host": HOST, "login_port": lab.native, "login_password": PASSWORD, "tables": tables}
    out = io.StringIO()
    with patch_module_args(arguments), contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        clickhouse_ttl.main()
    answer = json.loads(out.getvalue())
    if answer.get("failed"):
        raise SystemExit(answer["msg"])
    return answer


def original(lab: ClickHouseLab) -> None:
    """The original setup's statements, as far as the engine takes them."""
    for statement in (
        f"ALTER TABLE {TABLE} MODIFY TTL toDateTime(created_at) + INTERVAL 30 DAY",
        f"OPTIMIZE TABLE {TABLE} FINAL",
    ):
        with contextlib.suppress(ClickHouseError):
            lab.admin.execute(statement, mutations_sync=0)


def rules(major: int) -> list[dict[str, Any]]:
    """The role's rules for all bulk tables."""
    return [
        {
            "name": table.name,
            "column": table.column,
            "keep": "30d",
            "only_drop_parts": table.partitioned,
            "drop_expired": table.partitioned,
        }
        for table in schema.bulk_tables(major)
    ]


def introduction(lab: ClickHouseLab, major: int, mebibytes: int) -> dict[str, Measured]:
    """A TTL on six months of data, both ways, and the original's second run."""
    mine = next(rule for rule in rules(major) if rule["name"] == TABLE)
    ways: dict[str, Callable[[], Any]] = {
        "this role, without dropping": lambda: run_module(lab, [{**mine, "drop_expired": False}]),
        "this role": lambda: run_module(lab, [mine]),
        "the original": lambda: original(lab),
    }
    measured = {}
    for name, way in ways.items():
        load(lab, mebibytes)
        measured[name] = measure(lab, way)
    measured["the original, again"] = measure(lab, lambda: original(lab))
    return measured


def emergency(lab: ClickHouseLab, major: int, mebibytes: int) -> dict[str, Any]:
    """The relief of a disk that is 95 % full; its size is made so that half of the old data must go."""
    load(lab, mebibytes)
    used = size_of(lab)

    def ask(sql: str) -> list[list[Any]]:
        if "FROM system.disks" in sql:
            return [["default", max(0, int(used / 0.95) - size_of(lab)), int(used / 0.95)]]
        return lab.ask(sql)

    wish = relief.Wish(target=50.0, tables={table.name: table.column for table in schema.bulk_tables(major)})
    begun = time.monotonic()
    report = relief.Relief(ask, wish).run()
    return {"seconds": time.monotonic() - begun, **report}


def no_change(lab: ClickHouseLab, major: int) -> tuple[float, float]:
    """Seconds of a run over all tables that changes nothing, and of a run a table."""
    tables = rules(major)
    run_module(lab, tables)
    begun = time.monotonic()
    if run_module(lab, tables)["changed"]:
        raise SystemExit("the second run changed something")
    together = time.monotonic() - begun
    begun = time.monotonic()
    for table in tables:
        run_module(lab, [table])
    return together, time.monotonic() - begun


def growth(lab: ClickHouseLab, major: int) -> dict[int, float]:
    """Median seconds of a run without changes, by the partitions that each table has."""
    tables = [{**rule, "keep": f"{KEEP_ALL_DAYS}d"} for rule in rules(major)]
    measured = {}
    for partitions in PARTITIONS:
        for table in (each for each in schema.bulk_tables(major) if each.partitioned):
            lab.admin.execute(f"TRUNCATE TABLE {table.name}")
            months = f"SELECT now() - toIntervalMonth(number) FROM numbers({partitions})"
            lab.admin.execute(f"INSERT INTO {table.name} ({table.column}) {months}", max_partitions_per_insert_block=0)
        run_module(lab, tables)
        seconds = []
        for _run in range(RUNS):
            begun = time.monotonic()
            if run_module(lab, tables)["changed"]:
                raise SystemExit("a run changed something")
            seconds.append(time.monotonic() - begun)
        measured[partitions] = statistics.median(seconds)
    return measured


@contextlib.contextmanager
def server(engine: str, major: int) -> Iterator[ClickHouseLab]:
    """A new one, with Langfuse's tables."""
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), engine) as lab:
        lab.set_users(default=PASSWORD)
        schema.create_tables(lab.admin, major)
        yield lab


def bench(engine: str, mebibytes: int) -> list[goals.Goal]:
    """Measure one engine, print a table, and return the goals."""
    major, reached = MAJOR[engine], []
    # A server of its own: what other measurements replaced would be worth a step of up to a minute on this small disk.
    with server(engine, major) as lab:
        freed = emergency(lab, major, mebibytes)
    with server(engine, major) as lab:
        print(f"\nClickHouse {engine}, Langfuse's tables of chart {major}\n")
        print(f"| TTL on {MONTHS} months of {TABLE}, {mebibytes} MiB | seconds | most extra bytes | of the table |")
        print("|---|---|---|---|")
        for name, cost in introduction(lab, major, mebibytes).items():
            print(f"| {name} | {cost.seconds:.2f} | {relief.human(cost.peak_extra)} | {100 * cost.share:.1f} % |")
            if name.startswith("this role"):
                reached.append(
                    goals.Goal(f"{engine}: TTL by {name}", 100 * cost.share, 100 * GOAL_EXTRA, "% of the table")
                )
        steps = ", ".join(f"{step['action']} {step.get('seconds', 0)} s" for step in freed["steps"])
        print(f"\nEmergency: {relief.human(freed['freed_bytes'])} in {freed['seconds']:.2f} s ({steps})\n")
        if not freed["ok"]:
            raise SystemExit(f"{engine}: the emergency fell short: {freed['not_freed']}")
        together, apart = no_change(lab, major)
        print(f"No change, {len(rules(major))} tables: {together:.2f} s in one run, {apart:.2f} s in a run a table\n")
        reached.append(goals.Goal(f"{engine}: TTL of all tables, no change", together, GOAL_SECONDS, "s"))
        for partitions, seconds in growth(lab, major).items():
            print(f"No change, {partitions} partitions a table, median of {RUNS} runs: {seconds:.2f} s\n", flush=True)
            name = f"{engine}: TTL of all tables, {partitions} partitions, no change"
            reached.append(goals.Goal(name, seconds, GOAL_SECONDS, "s"))
    return reached


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=300)
    goals.add_option(parser)
    options = parser.parse_args()
    reached = [goal for engine in engines.ENGINES for goal in bench(engine, options.mebibytes)]
    return goals.finish(reached, options.goals)


if __name__ == "__main__":
    sys.exit(main())
