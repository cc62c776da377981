# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: free ClickHouse's disk without writing to it, and say what was done.

One file with two users, so that what is rehearsed by hand is what runs at night: the modules import it, and the role
clickhouse_retention puts its text into a Lambda function, whose entry point is `handler`. It needs the standard
library, and boto3 in the function.

Near a full disk only DROP and TRUNCATE act. Every statement that rewrites parts (ALTER DELETE, DELETE, OPTIMIZE, a TTL
that is materialised) waits for space that is not there, and would take what is freed. So: stop pending mutations, then
give away what nobody misses first, look at the disk after each step, and stop at the target.
"""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import sys
import time
import typing as t
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

DAY = 86400
GIB = 1 << 30
# DROP PARTITION and TRUNCATE write empty parts and book 1 MiB for it; DROP TABLE needs nothing.
ROOM_TO_TRUNCATE = 2 << 20
NOT_ENOUGH_SPACE = 243
TRIES = 3
KILL_SECONDS = 10
# The server looks for replaced parts every second, after quiet times every half a minute.
CLEAN_SECONDS = 60
CLEAN_SHARE = 0.01  # of the disk, below which replaced parts are left to the server
SHORT_LIFETIME = "old_parts_lifetime = 1"  # a table's setting while a run has replaced parts removed
# Seconds before the deadline at which no new step is begun: one statement may take REQUEST_SECONDS.
REQUEST_SECONDS = 30
REWRITE_ROOM = 1.2

LOG = re.compile(r"\w+_log")
LEFTOVER = re.compile(r"\w+_log_\d+")
# Parts that the server put aside. Those without a reason were detached by a person, who may want them back.
BUSY = ("attaching", "deleting", "tmp-fetch")

MUCH = 1 << 20  # bytes worth telling of

Ask = Callable[[str], t.Sequence[t.Sequence[t.Any]]]
Seen = t.TypeVar("Seen")


class Refused(Exception):
    """The server's answer to a statement, with its code."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


class Lost(Exception):
    """The server does not answer."""


@dataclass(frozen=True)
class Wish:
    """How far to go."""

    target: float = 75.0  # percent of a disk in use at which to stop
    database: str = "default"
    tables: dict[str, str] = field(default_factory=dict)  # table that may lose old partitions -> column with its time
    keep_days: int = 7  # the floor: no younger row is dropped
    table_keep_days: dict[str, int] = field(default_factory=dict)
    protected_logs: tuple[str, ...] = ("query_log", "crash_log")
    rewrite: bool = False  # rewrite tables without partitions, where there is room
    leftovers_only: bool = False  # drop renamed logs however full the disk is, and nothing else

    def days(self, table: str) -> int:
        """The floor of a table in days."""
        return int(self.table_keep_days.get(table, self.keep_days))


@dataclass
class Disk:
    """A local disk, in bytes."""

    free: int
    total: int

    @property
    def percent(self) -> float:
        """How much of it is in use."""
        return 100.0 * (self.total - self.free) / self.total


@dataclass
class Table:
    """A table and its bytes."""

    database: str
    name: str
    engine: str
    partition_key: str
    definition: str = ""  # engine, keys, TTL and settings
    active: dict[str, int] = field(default_factory=dict)  # by disk
    inactive: dict[str, int] = field(default_factory=dict)
    rows: int = 0
    largest_part: int = 0
    partitions: dict[str, dict[str, int]] = field(default_factory=dict)  # id -> bytes of active parts by disk
    newest: dict[str, int] = field(default_factory=dict)  # id -> time of the partition key's newest row; 0 is unknown

    @property
    def shortening(self) -> str:
        """The statement after which the server removes replaced parts at once."""
        return f"ALTER TABLE {self.quoted} MODIFY SETTING {SHORT_LIFETIME}"

    @property
    def label(self) -> str:
        """The name for people."""
        return f"{self.database}.{self.name}"

    @property
    def quoted(self) -> str:
        """The name for statements."""
        return f"{ident(self.database)}.{ident(self.name)}"

    @property
    def is_leftover(self) -> bool:
        """Whether it is a system log that the server renamed when its configuration changed."""
        return self.database == "system" and bool(LEFTOVER.fullmatch(self.name))

    @property
    def is_log(self) -> bool:
        """Whether it is a system log that is written to."""
        return self.database == "system" and bool(LOG.fullmatch(self.name))


@dataclass
class View:
    """What the server has at one moment."""

    now: int
    disks: dict[str, Disk]
    tables: dict[tuple[str, str], Table]
    mutations: list[dict[str, t.Any]]
    detached: list[dict[str, t.Any]]

    def over(self, target: float) -> set[str]:
        """The disks that are fuller than the target."""
        return {name for name, disk in self.disks.items() if disk.percent > target}

    @property
    def fullest(self) -> dict[str, t.Any]:
        """The fullest disk, for the report."""
        name, disk = max(self.disks.items(), key=lambda pair: pair[1].percent)
        return {
            "disk": name,
            "percent": round(disk.percent, 1),
            "free_bytes": disk.free,
            "total_bytes": disk.total,
        }


@dataclass
class Step:
    """One thing to do, and the bytes it frees, by disk."""

    action: str
    what: str
    statement: str
    frees: dict[str, int]
    instead: str = ""  # statement to try when this one is refused
    proof: str = ""  # query that must say that only old rows go
    floor: int = 0
    later: bool = False  # whether its bytes come back by and by

    @property
    def key(self) -> str:
        """What tells it from others."""
        return f"{self.action} {self.what}"


def ident(name: str) -> str:
    """Write an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def text(value: str) -> str:
    """Write a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def human(size: float) -> str:
    """Write a number of bytes for people."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


# --- looking


def read_disks(ask: Ask) -> dict[str, Disk]:
    """The local disks. Object storage has no end."""
    rows = ask(
        "SELECT name, toUInt64(free_space), toUInt64(total_space) FROM system.disks "
        "WHERE lower(type) = 'local' AND NOT is_remote AND total_space > 0"
    )
    return {name: Disk(int(free), int(total)) for name, free, total in rows}


def read_mutations(ask: Ask) -> list[dict[str, t.Any]]:
    """The mutations that are not done. One that waits for space has an empty fail_reason."""
    names = ("database", "table", "id", "command", "parts_to_do", "fail_reason")
    rows = ask(
        "SELECT database, table, mutation_id, command, toUInt64(parts_to_do), latest_fail_reason "
        "FROM system.mutations WHERE NOT is_done ORDER BY database, table, create_time"
    )
    return [{**dict(zip(names, row, strict=True)), "parts_to_do": int(row[4])} for row in rows]


def look(ask: Ask) -> View:
    """Read disks, tables with their parts, mutations and what is detached."""
    ((now,),) = ask("SELECT toUInt64(toUnixTimestamp(now()))")
    tables = {
        (row[0], row[1]): Table(*row)
        for row in ask(
            "SELECT database, name, engine, partition_key, engine_full FROM system.tables "
            "WHERE engine LIKE '%MergeTree'"
        )
    }
    for row in ask(
        "SELECT database, table, partition_id, disk_name, toUInt8(active), toUInt64(sum(bytes_on_disk)), "
        "toUInt64(sum(rows)), toUInt64(max(bytes_on_disk)), "
        "toUInt64(greatest(toUnixTimestamp(max(max_time)), if(max(max_date) > toDate(0), "
        "toUnixTimestamp(toDateTime(max(max_date))) + 86399, 0))) "
        "FROM system.parts GROUP BY database, table, partition_id, disk_name, active"
    ):
        if (row[0], row[1]) in tables:
            _add_parts(tables[row[0], row[1]], row[2], row[3], [int(value) for value in row[4:]])
    names = ("database", "table", "name", "disk", "bytes", "reason")
    detached = [
        {**dict(zip(names, row, strict=True)), "bytes": int(row[4])}
        for row in ask(
            "SELECT database, table, name, disk, toUInt64(bytes_on_disk), reason FROM system.detached_parts "
            "WHERE database != '' ORDER BY bytes_on_disk DESC, name"
        )
    ]
    return View(int(now), read_disks(ask), tables, read_mutations(ask), detached)


def _add_parts(table: Table, partition: str, disk: str, figures: list[int]) -> None:
    active, size, rows, largest, newest = figures
    held = table.active if active else table.inactive
    held[disk] = held.get(disk, 0) + size
    if active:
        table.rows += rows
        table.largest_part = max(table.largest_part, largest)
        table.newest[partition] = max(table.newest.get(partition, 0), newest)
        held = table.partitions.setdefault(partition, {})
        held[disk] = held.get(disk, 0) + size


# --- planning


def candidates(view: View, wish: Wish) -> Iterator[Step]:
    """What may be given away, in the order in which to try: dead logs, logs, detached parts, old partitions."""
    yield from _leftovers(view, wish)
    yield from _logs(view, wish)
    yield from _detached(view, wish)
    yield from _partitions(view, wish)
    if wish.rewrite:
        yield from _rewrites(view, wish)


def _by_size(tables: list[Table]) -> list[Table]:
    return sorted(tables, key=lambda table: (-sum(table.active.values()), table.name))


def _held(table: Table) -> dict[str, int]:
    """All bytes of a table; outdated parts go with it."""
    disks = {*table.active, *table.inactive}
    return {disk: table.active.get(disk, 0) + table.inactive.get(disk, 0) for disk in disks}


def _emptied(view: View, table: Table, kind: str, drop: bool = False) -> Step:
    """A log without its rows, or without itself where emptying it has no room; the other where one is refused."""
    truncate = f"TRUNCATE TABLE IF EXISTS {table.quoted} SETTINGS max_table_size_to_drop = 0"
    remove = f"DROP TABLE IF EXISTS {table.quoted} SYNC SETTINGS max_table_size_to_drop = 0"
    if drop or any(view.disks[disk].free < ROOM_TO_TRUNCATE for disk in table.active if disk in view.disks):
        return Step(f"drop {kind}", table.label, remove, _held(table), instead=truncate)
    return Step(f"empty {kind}", table.label, truncate, _held(table), instead=remove)


def _leftovers(view: View, wish: Wish) -> Iterator[Step]:
    for table in _by_size([table for table in view.tables.values() if table.is_leftover]):
        yield _emptied(view, table, "renamed log", wish.leftovers_only)


def _logs(view: View, wish: Wish) -> Iterator[Step]:
    """The server makes a log's table anew when it next writes to it."""
    logs = [table for table in view.tables.values() if table.is_log and table.name not in wish.protected_logs]
    for table in _by_size(logs):
        yield _emptied(view, table, "log")


def _is_ours(name: str, wish: Wish) -> bool:
    return name in (wish.database, "system")


def is_dead(part: dict[str, t.Any]) -> bool:
    """Whether the server put a detached part aside, and nobody else."""
    return bool(part["reason"]) and part["reason"] not in BUSY


def _detached(view: View, wish: Wish) -> Iterator[Step]:
    for part in view.detached:
        if is_dead(part) and _is_ours(part["database"], wish):
            yield Step(
                "drop detached part",
                f"{part['database']}.{part['table']} {part['name']} ({part['reason']})",
                f"ALTER TABLE {ident(part['database'])}.{ident(part['table'])} DROP DETACHED PART {text(part['name'])} "
                "SETTINGS allow_drop_detached = 1",
                {part["disk"]: part["bytes"]},
            )


def _is_split_by(table: Table, column: str) -> bool:
    """Whether the server's figure of a partition's newest row is that of the column."""
    return column in re.findall(r"\w+", table.partition_key)


def _known_tables(view: View, wish: Wish) -> Iterator[tuple[Table, str]]:
    for name, column in wish.tables.items():
        table = view.tables.get((wish.database, name))
        if table:
            yield table, column


def _partitions(view: View, wish: Wish) -> Iterator[Step]:
    found = []
    for table, column in _known_tables(view, wish):
        floor = view.now - wish.days(table.name) * DAY
        for partition, held in table.partitions.items() if table.partition_key else ():
            newest = table.newest[partition] if _is_split_by(table, column) else 0
            if newest < floor:
                found.append((newest, partition, -sum(held.values()), table.name, table, column, floor))
    for newest, partition, _size, _name, table, column, floor in sorted(found, key=lambda one: one[:4]):
        shown = f", newest row {time.strftime('%Y-%m-%d', time.gmtime(newest))}" if newest else ""
        yield Step(
            "drop partition",
            f"{table.label} {partition}{shown}",
            f"ALTER TABLE {table.quoted} DROP PARTITION ID {text(partition)} SETTINGS max_partition_size_to_drop = 0",
            table.partitions[partition],
            proof=_proof(table, column, partition),
            floor=floor,
        )


def _proof(table: Table, column: str, partition: str) -> str:
    """A query for rows, rows with a time, and the newest time: the rows themselves say how old they are."""
    newest = f"max({ident(column)})"
    return (
        f"SELECT toUInt64(count()), toUInt64(count({ident(column)})), "
        f"toInt64(toUnixTimestamp64Milli(toDateTime64({newest}, 3))) "
        f"+ if(toTypeName({newest}) LIKE '%DateTime%', 0, 86399999) "
        f"FROM {table.quoted} WHERE _partition_id = {text(partition)}"
    )


def _rewrites(view: View, wish: Wish) -> Iterator[Step]:
    """Tables without partitions: rows can go only by writing what stays, so only where all of it has room."""
    for table, column in _known_tables(view, wish):
        size, free = (
            sum(table.active.values()),
            min((view.disks[d].free for d in table.active if d in view.disks), default=0),
        )
        if table.partition_key or not size or size * REWRITE_ROOM > free:
            continue
        old = f"toDateTime64({ident(column)}, 0) < toDateTime64({view.now - wish.days(table.name) * DAY}, 0)"
        yield Step(
            "rewrite without old rows",
            table.label,
            f"ALTER TABLE {table.quoted} DELETE WHERE {old} SETTINGS mutations_sync = 0",
            {},
            later=True,
        )


# --- acting


class Relief:
    """One run."""

    def __init__(
        self,
        ask: Ask,
        wish: Wish,
        *,
        dry_run: bool = False,
        grow: Callable[[int, int], dict[str, t.Any]] | None = None,
        seconds_left: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        """grow(total, needed) makes the disk larger, in bytes; it is the last thing to be tried."""
        self._ask, self._wish, self._dry_run, self._grow = ask, wish, dry_run, grow
        self._seconds_left = seconds_left
        self._tries: dict[str, int] = {}
        self._free_at_failure: dict[str, int] = {}
        self._young: set[str] = set()
        self.steps: list[dict[str, t.Any]] = []

    def run(self) -> dict[str, t.Any]:
        """Do it, and report. Raises Lost when the server cannot even be looked at."""
        view = look(self._ask)
        if not view.disks:
            raise Refused("system.disks names no local disk: there is nothing that could be relieved")
        before, grown = view.fullest, None
        if self._wish.leftovers_only:
            for step in _leftovers(view, self._wish):
                self._do(step, view)
            view = view if self._dry_run else self._patiently(look)
        elif view.over(self._wish.target):
            self._kill(view)
            view = self._free(view, _leftovers)
            view = self._clean(view)
            view = self._free(view, candidates)
            if self._grow and view.over(self._wish.target):
                grown = self._grow_claim(view)
        over = view.over(self._wish.target) if not self._wish.leftovers_only else set()
        return {
            "ok": not over,
            "dry_run": self._dry_run,
            "target_percent": self._wish.target,
            "before": before,
            "after": view.fullest,
            "steps": self.steps,
            "freed_bytes": sum(step["freed_bytes"] for step in self.steps),
            "not_freed": self._not_freed(view) if over else [],
            "grown": grown,
        }

    def _kill(self, view: View) -> None:
        """Stop pending mutations: they would take back what is freed, and turn later drops into no-ops."""
        ours = [mutation for mutation in view.mutations if _is_ours(mutation["database"], self._wish)]
        for mutation in ours:
            where = " AND ".join(
                f"{name} = {text(mutation[key])}"
                for name, key in (("database", "database"), ("table", "table"), ("mutation_id", "id"))
            )
            what = f"{mutation['database']}.{mutation['table']} {mutation['id']}: {mutation['command'][:200]}"
            self._do(Step("stop mutation", what, f"KILL MUTATION WHERE {where} SYNC", {}), view)
        deadline = time.monotonic() + min(KILL_SECONDS, self._seconds_left())
        while ours and not self._dry_run and time.monotonic() < deadline and self._is_mutating():
            time.sleep(0.2)

    def _is_mutating(self) -> bool:
        """Whether a part is still being written for a mutation that was stopped; it holds space."""
        names = f"({text(self._wish.database)}, 'system')"
        return bool(self._ask(f"SELECT 1 FROM system.merges WHERE is_mutation AND database IN {names} LIMIT 1"))

    def _clean(self, view: View) -> View:
        """Let the server remove replaced parts now instead of after 8 minutes: nobody loses anything by it."""
        over = view.over(self._wish.target)
        full = [
            table
            for table in view.tables.values()
            if _is_ours(table.database, self._wish)
            if any(table.inactive.get(disk, 0) > CLEAN_SHARE * view.disks[disk].total for disk in over)
        ]
        tables = [table for table in full if "old_parts_lifetime" not in table.definition]
        # The alarm's run and a look by the schedule may meet. What one of them has removed the other waits for, too:
        # it must not drop in its place what could stay.
        begun = [table for table in full if re.search(rf"{SHORT_LIFETIME}\b", table.definition)]
        if tables:
            # How much that is shows afterwards: their files may be those of live parts (hard links).
            what = ", ".join(table.label for table in tables)
            step = Step("remove replaced parts", what, "; ".join(table.shortening for table in tables), {})
            self._do(step, view, lambda: self._cleaned(tables, begun, view.now))
        elif begun and not self._dry_run:
            with suppress(Refused, Lost):
                self._wait_until_removed(begun, view.now)
        return view if self._dry_run or not tables + begun else self._patiently(look)

    def _cleaned(self, tables: list[Table], begun: list[Table], since: int) -> None:
        """The work of _clean, for what was replaced until then. Parts that a query still reads stay."""
        changed, errors = [], []
        try:
            for table in tables:
                self._ask(table.shortening)
                changed.append(table)
            self._wait_until_removed(tables + begun, since)
        except (Refused, Lost) as error:
            errors.append(str(error))
        for table in changed:
            try:
                self._ask(f"ALTER TABLE {table.quoted} RESET SETTING old_parts_lifetime")
            except (Refused, Lost) as error:
                errors.append(f"{table.label} keeps {SHORT_LIFETIME}, reset it by hand: {error}")
        if errors:
            raise Refused("; ".join(errors))

    def _wait_until_removed(self, tables: list[Table], since: int) -> None:
        """Wait for parts that were replaced until then; a server at work replaces more all the time."""
        deadline = time.monotonic() + min(CLEAN_SECONDS, self._seconds_left() - 2 * REQUEST_SECONDS)
        names = ", ".join(f"({text(table.database)}, {text(table.name)})" for table in tables)
        waiting = (
            f"SELECT 1 FROM system.parts WHERE NOT active AND (database, table) IN ({names}) "
            f"AND toUnixTimestamp(remove_time) <= {since} LIMIT 1"
        )
        while time.monotonic() < deadline and self._ask(waiting):
            time.sleep(1)

    def _free(self, view: View, plan: Callable[[View, Wish], Iterator[Step]]) -> View:
        view = view if self._dry_run else self._patiently(look)
        while over := view.over(self._wish.target):
            if self._seconds_left() < 2 * REQUEST_SECONDS:
                break
            step = next((step for step in plan(view, self._wish) if self._may_do(step, view, over)), None)
            if step is None:
                break
            if not self._is_proven(step):
                continue
            self._do(step, view)
            if not self._dry_run:
                view = self._patiently(look)
        return view

    def _patiently(self, read: Callable[[Ask], Seen]) -> Seen:
        """Look, again after a moment when the server does not answer in the midst of the work."""
        for _try in range(TRIES - 1):
            try:
                return read(self._ask)
            except Lost:
                time.sleep(1)
        return read(self._ask)

    def _may_do(self, step: Step, view: View, over: set[str]) -> bool:
        """Whether a step frees something where it is needed, and is new; or failed when less was free."""
        if step.key in self._young or not (step.later or any(step.frees.get(disk) for disk in over)):
            return False
        tries = self._tries.get(step.key, 0)
        if not tries:
            return True
        return tries < TRIES and _free(view) > self._free_at_failure.get(step.key, _free(view))

    def _is_proven(self, step: Step) -> bool:
        """Whether all rows of a partition are older than the floor."""
        if not step.proof:
            return True
        try:
            ((rows, timed, newest),) = self._ask(step.proof)
            if int(rows) == int(timed) and int(newest) < step.floor * 1000:
                return True
        except (Refused, Lost) as error:
            self.steps.append(_report(step, error=str(error)))
        self._young.add(step.key)
        return False

    def _do(self, step: Step, view: View, work: Callable[[], object] | None = None) -> None:
        """Do a step, by its statement or other work; what the server refuses is told, and the next one is tried."""
        self._tries[step.key] = self._tries.get(step.key, 0) + 1
        if self._dry_run:
            for disk, size in step.frees.items():
                if disk in view.disks:
                    view.disks[disk].free += size
            self.steps.append(
                {**_report(step), "freed_bytes": sum(step.frees.values()), "percent": view.fullest["percent"]}
            )
            return
        begun, free, error = time.monotonic(), _free(view), ""
        for statement in filter(None, (step.statement, step.instead)):
            try:
                step.statement = statement
                work() if work else self._ask(statement)
                error = ""
                break
            except Lost as lost:  # it may have done its work: look, and go on
                error, self._free_at_failure[step.key] = str(lost), -1
                break
            except Refused as refusal:
                error = f"{error}; {refusal}" if error else str(refusal)
                if refusal.code == NOT_ENOUGH_SPACE:
                    self._free_at_failure[step.key] = free
        disks = self._patiently(read_disks)
        after = View(view.now, disks, {}, [], [])
        self.steps.append(
            {
                **_report(step, error),
                "freed_bytes": max(0, sum(disk.free for disk in disks.values()) - free),
                "percent": after.fullest["percent"],
                "seconds": round(time.monotonic() - begun, 3),
            }
        )

    def _grow_claim(self, view: View) -> dict[str, t.Any]:
        name = max(view.over(self._wish.target), key=lambda each: view.disks[each].percent)
        disk = view.disks[name]
        needed = int((disk.total - disk.free) * 100 / self._wish.target) + 1
        try:
            return self._grow(disk.total, needed) if self._grow else {}
        except (Refused, Lost) as error:
            return {"error": str(error)}

    def _not_freed(self, view: View) -> list[dict[str, t.Any]]:
        """What holds the disk still, the largest first, and why."""
        failed = {step["what"]: step["error"] for step in self.steps if step.get("error")}
        planned = {step["what"] for step in self.steps} if self._dry_run else set()
        kept = []
        for table in view.tables.values():
            size = sum(table.active.values())
            if self._dry_run:
                size -= sum(
                    sum(held.values())
                    for partition, held in table.partitions.items()
                    if any(what.split(",")[0] == f"{table.label} {partition}" for what in planned)
                )
            if size > 0 and table.label not in planned:
                kept.append(
                    {"what": table.label, "bytes": size, "why": failed.get(table.label) or self._why(table, failed)}
                )
            inactive = sum(table.inactive.values())
            if inactive > MUCH:
                why = "parts that were replaced: the server removes them within about 8 minutes"
                kept.append({"what": f"{table.label} (inactive parts)", "bytes": inactive, "why": why})
        for part in view.detached:
            why = f"in a database that is not {self._wish.database}" if part["reason"] else "detached by a person"
            if not is_dead(part) or not _is_ours(part["database"], self._wish):
                kept.append(
                    {"what": f"{part['database']}.{part['table']} {part['name']}", "bytes": part["bytes"], "why": why}
                )
        return sorted(kept, key=lambda one: -one["bytes"])[:20]

    def _why(self, table: Table, failed: dict[str, str]) -> str:
        wish = self._wish
        if table.database == "system":
            return "a protected log" if table.name in wish.protected_logs else "a system table"
        if table.database != wish.database:
            return f"in a database that is not {wish.database}"
        if table.name not in wish.tables:
            return "not among the tables that may lose rows"
        if not table.partition_key:
            return "it has no partitions, and rewriting it needs as much free space as it has"
        errors = [error for what, error in failed.items() if what.startswith(f"{table.label} ")]
        return errors[0] if errors else f"younger than {wish.days(table.name)} days, or in a partition with such rows"


def _free(view: View) -> int:
    return sum(disk.free for disk in view.disks.values())


def _report(step: Step, error: str = "") -> dict[str, t.Any]:
    told: dict[str, t.Any] = {
        "action": step.action,
        "what": step.what,
        "statement": step.statement,
        "bytes": sum(step.frees.values()),
        "freed_bytes": 0,
    }
    return {**told, "error": error} if error else told


def summary(report: dict[str, t.Any]) -> str:
    """The report for people, without statements."""
    before, after = report["before"], report["after"]
    lines = [
        f"Disk {before['disk']} of ClickHouse was {before['percent']} % full, target {report['target_percent']:g} %.",
        f"{'It would be' if report['dry_run'] else 'It is'} {after['percent']} % full"
        f"{' afterwards' if report['dry_run'] else ''}, {human(after['free_bytes'])} free.",
        "",
    ]
    for step in report["steps"]:
        outcome = (
            f"FAILED: {step['error']}"
            if step.get("error")
            else f"{human(step['freed_bytes'])}, {step.get('percent')} %"
        )
        lines.append(f"- {step['action']} {step['what']}: {outcome}")
    if not report["steps"]:
        lines.append("Nothing was to be done." if report["ok"] else "Nothing may be given away.")
    if report["grown"]:
        lines += ["", f"Growing the volume: {json.dumps(report['grown'])}"]
    if report["not_freed"]:
        lines += ["", "Still over the target. What holds the disk:"]
        lines += [f"- {one['what']}: {human(one['bytes'])}: {one['why']}" for one in report["not_freed"]]
        lines += ["", "Grow the volume, or lower the number of days that are kept."]
    return "\n".join(lines)


# --- the ways to the server


class Kubernetes:
    """The API server, as an identity of AWS that has an access entry."""

    def __init__(self, endpoint: str, authority: str, token: str) -> None:
        """authority is the cluster's CA certificate (PEM)."""
        self._endpoint, self._token = endpoint, token
        tls = ssl.create_default_context(cadata=authority)
        # EKS's authorities lack an extension that Python 3.13 asks for by default.
        tls.verify_flags &= ~getattr(ssl, "VERIFY_X509_STRICT", 0)
        self._http = urllib.request.build_opener(urllib.request.HTTPSHandler(context=tls))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body, whatever the status. Raises Lost without an answer."""
        every = {"Authorization": f"Bearer {self._token}", **(headers or {})}
        request = urllib.request.Request(f"{self._endpoint}{path}", data=body, headers=every, method=method)
        try:
            with self._http.open(request, timeout=REQUEST_SECONDS) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()
        except OSError as error:
            reason = getattr(error, "reason", error)
            raise Lost(f"The Kubernetes API at {self._endpoint} does not answer: {reason}") from error


class ServiceProxy:
    """ClickHouse's HTTP interface through the API server. Credentials go in headers: URLs end up in audit logs."""

    def __init__(self, kubernetes: Kubernetes, namespace: str, service: str, user: str, password: str) -> None:
        if not (password.isascii() and password.isprintable()):  # the error of http.client would show it
            raise Refused("The SSM parameter of the password holds characters that no HTTP header may have")
        self._kubernetes = kubernetes
        self._where = f"service {namespace}/{service}"
        self._path = f"/api/v1/namespaces/{namespace}/services/http:{service}:8123/proxy/"
        self._headers = {
            "X-ClickHouse-User": user,
            "X-ClickHouse-Key": password,
            "X-ClickHouse-Format": "JSONCompactEachRow",
            "Content-Type": "text/plain",
        }
        self._user = user

    def __call__(self, sql: str) -> list[list[t.Any]]:
        """Run one statement. GET would be read-only."""
        status, headers, body = self._kubernetes.request("POST", self._path, sql.encode(), self._headers)
        if status == 200:
            try:
                return [json.loads(line) for line in body.splitlines() if line.strip()]
            except ValueError:  # an error in the midst of an answer that had begun well
                raise Refused(f"{body[-400:].decode(errors='replace')}, to: {sql}") from None
        code = int({name.lower(): value for name, value in headers.items()}.get("x-clickhouse-exception-code", 0))
        said = " ".join(body.decode(errors="replace").split())[:400]
        if code in (192, 193, 194, 516):
            raise Refused(
                f"ClickHouse refuses user {self._user}: check the SSM parameter of the password (code {code})", code
            )
        if code:
            raise Refused(f"{said}, to: {sql}", code)
        if status in (401, 403):
            raise Refused(f"Kubernetes does not let this function reach {self._where}: {said}")
        raise Lost(f"ClickHouse ({self._where}) does not answer, HTTP {status}: {said}")


def grower(
    claim: str, read: Callable[[], str], write: Callable[[str], object], limit: int
) -> Callable[[int, int], dict[str, t.Any]]:
    """A way to make a claim larger, never beyond the limit in bytes. The file system follows within minutes."""

    def grow(total: int, needed: int) -> dict[str, t.Any]:
        now = parse_size(read())
        wanted = min(-(-now * needed // total // GIB) * GIB, limit // GIB * GIB)  # rounded up
        if wanted <= now:
            return {
                "claim": claim,
                "from_bytes": now,
                "to_bytes": now,
                "error": f"the limit of {human(limit)} is reached",
            }
        write(f"{wanted // GIB}Gi")
        return {"claim": claim, "from_bytes": now, "to_bytes": wanted}

    return grow


def claim_grower(
    kubernetes: Kubernetes, namespace: str, claim: str, limit: int
) -> Callable[[int, int], dict[str, t.Any]]:
    """The grower of a claim, through the API server."""
    path = f"/api/v1/namespaces/{namespace}/persistentvolumeclaims/{claim}"

    def ask(method: str, body: dict[str, t.Any] | None = None) -> dict[str, t.Any]:
        headers = {"Content-Type": "application/merge-patch+json"} if body else {}
        status, _headers, answer = kubernetes.request(
            method, path, json.dumps(body).encode() if body else None, headers
        )
        if status != 200:
            raise Refused(f"Kubernetes answers {status}: {' '.join(answer.decode(errors='replace').split())[:400]}")
        return json.loads(answer)

    return grower(
        f"{namespace}/{claim}",
        lambda: ask("GET")["spec"]["resources"]["requests"]["storage"],
        lambda size: ask("PATCH", {"spec": {"resources": {"requests": {"storage": size}}}}),
        limit,
    )


def parse_size(quantity: str) -> int:
    """Bytes of a Kubernetes quantity such as 100Gi."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([KMGTP]?)(i?)", quantity.replace("k", "K"))
    if not found:
        raise Refused(f"{quantity} is not a size")
    number, unit, binary = found.groups()
    return int(float(number) * (1024 if binary else 1000) ** " KMGTP".index(unit or " "))


# --- the Lambda function


def eks_token(session: t.Any, region: str, cluster: str) -> str:
    """The bearer token of an AWS identity for one cluster: a presigned request that names the cluster."""
    from botocore.signers import RequestSigner

    sts = session.client("sts", region_name=region)
    signer = RequestSigner(
        sts.meta.service_model.service_id, region, "sts", "v4", session.get_credentials(), session.events
    )
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=60, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def handler(event: dict[str, t.Any], context: t.Any) -> dict[str, t.Any]:
    """Relieve the disk, tell SNS, and return the report. An error is raised: Lambda tries again, then tells SNS itself.

    A scheduled event is a look whether the alarm still stands: its rule fires once, and a relief may fall short.
    An event with dry_run changes nothing and tells nobody.
    """
    import boto3

    settings, session = json.loads(os.environ["SETTINGS"]), boto3.Session()
    dry_run, scheduled = bool(event.get("dry_run")), event.get("detail-type") == "Scheduled Event"
    if scheduled and not _in_alarm(session, settings["alarm"]):
        return {"skipped": f"alarm {settings['alarm']} is not in ALARM"}
    parameter = session.client("ssm").get_parameter(Name=settings["password_parameter"], WithDecryption=True)
    kubernetes = Kubernetes(
        settings["endpoint"],
        base64.b64decode(os.environ["CLUSTER_CA"]).decode(),
        eks_token(session, session.region_name, settings["cluster"]),
    )
    ask = ServiceProxy(
        kubernetes, settings["namespace"], settings["service"], settings["user"], parameter["Parameter"]["Value"]
    )
    wish = Wish(**{**settings["wish"], "protected_logs": tuple(settings["wish"]["protected_logs"])})
    grow = None
    if settings["grow_claim"] and not dry_run:
        limit = int(settings["grow_limit_gib"]) * GIB
        grow = claim_grower(kubernetes, settings["namespace"], settings["grow_claim"], limit)
    relief = Relief(
        ask, wish, dry_run=dry_run, grow=grow, seconds_left=lambda: context.get_remaining_time_in_millis() / 1000
    )
    report = relief.run()
    report["summary"] = summary(report)
    sys.stdout.write(f"{json.dumps(report)}\n")  # goes to the function's log
    # A try by the schedule that could do nothing says nothing new.
    if not dry_run and (report["steps"] or report["grown"] or not scheduled):
        _tell(session, settings["topic"], report)
    return report


def _in_alarm(session: t.Any, name: str) -> bool:
    alarms = session.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return any(alarm["StateValue"] == "ALARM" for alarm in alarms)


def _tell(session: t.Any, topic: str, report: dict[str, t.Any]) -> None:
    outcome = "freed" if report["ok"] else "STILL TOO FULL"
    subject = f"ClickHouse disk {outcome}: {report['before']['percent']} % -> {report['after']['percent']} %"
    session.client("sns").publish(TopicArn=topic, Subject=subject, Message=report["summary"])
