# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what fills ClickHouse's disk, and the relief of _disk_relief over a module's connection."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Mapping

from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief as relief
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import (
    ClickHouseError,
    Connection,
    ConnectionLost,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_text import ttl_clause
from ansible_collections.llmops.langfuse.plugins.module_utils._tunnel import PodTarget, open_claim


def asker(connection: Connection) -> relief.Ask:
    """The connection, as the relief asks it."""

    def ask(sql: str) -> list[tuple[t.Any, ...]]:
        try:
            return connection.query(sql)
        except ClickHouseError as error:
            raise relief.Refused(str(error), error.code) from error
        except ConnectionLost as error:
            raise relief.Lost(str(error)) from error

    return ask


def read_info(connection: Connection, database: str) -> dict[str, t.Any]:
    """Everything that fills the disks: what the module clickhouse_disk_info returns."""
    try:
        view = relief.look(asker(connection))
    except (relief.Refused, relief.Lost) as error:
        raise LangfuseError(str(error)) from error
    tables = sorted(view.tables.values(), key=lambda table: (-_size(table.active) - _size(table.inactive), table.label))
    return {
        "disks": [_disk(name, disk) for name, disk in sorted(view.disks.items())],
        "tables": [_table(table) for table in tables],
        "leftover_logs": [
            {"name": table.label, "bytes": _size(table.active) + _size(table.inactive)}
            for table in tables
            if table.is_leftover
        ],
        "detached_parts": [{**part, "dead": relief.is_dead(part)} for part in view.detached],
        "mutations": [_mutation(mutation, view) for mutation in view.mutations],
        "oldest_partitions": [
            _oldest(table)
            for table in tables
            if table.database == database and table.partition_key and table.partitions
        ],
    }


def _size(held: Mapping[str, int]) -> int:
    return sum(held.values())


def _disk(name: str, disk: relief.Disk) -> dict[str, t.Any]:
    return {"name": name, "free_bytes": disk.free, "total_bytes": disk.total, "used_percent": round(disk.percent, 1)}


def _table(table: relief.Table) -> dict[str, t.Any]:
    return {
        "database": table.database,
        "name": table.name,
        "engine": table.engine,
        "partition_key": table.partition_key,
        "ttl": ttl_clause(table.definition),
        "rows": table.rows,
        "bytes": _size(table.active),
        "inactive_bytes": _size(table.inactive),
        "largest_part_bytes": table.largest_part,
        "partitions": len(table.partitions),
        "disks": sorted({*table.active, *table.inactive}),
    }


def _mutation(mutation: dict[str, t.Any], view: relief.View) -> dict[str, t.Any]:
    """A mutation, and whether it waits, without saying so, until as much is free as the largest part has."""
    table = view.tables.get((mutation["database"], mutation["table"]))
    free = min((view.disks[name].free for name in table.active if name in view.disks), default=0) if table else 0
    return {**mutation, "lacks_space": bool(table) and table.largest_part > free}


def _oldest(table: relief.Table) -> dict[str, t.Any]:
    known = {partition: newest for partition, newest in table.newest.items() if newest}
    oldest = min(known, key=known.__getitem__) if known else min(table.partitions)
    return {
        "database": table.database,
        "name": table.name,
        "partition": oldest,
        "bytes": _size(table.partitions[oldest]),
        "newest_row": known.get(oldest),
    }


def read_wish(params: Mapping[str, t.Any]) -> relief.Wish:
    """How far to go, from the module's options.

    :raises LangfuseError: when a number is out of its range, naming all that are.
    """
    tables = params["tables"]
    days = {table["name"]: table["keep_days"] for table in tables if table["keep_days"] is not None}
    faults = [
        f"{name}={value}: 1 or more days are allowed"
        for name, value in {
            "keep_days": params["keep_days"],
            **{f"keep_days of {k}": v for k, v in days.items()},
        }.items()
        if value < 1
    ]
    if not 0 < params["target_percent"] < 100:
        faults.append(f"target_percent={params['target_percent']:g}: more than 0 and less than 100 are allowed")
    if faults:
        raise LangfuseError("; ".join(faults))
    return relief.Wish(
        target=params["target_percent"],
        database=params["login_database"],
        tables={table["name"]: table["column"] for table in tables},
        keep_days=params["keep_days"],
        table_keep_days=days,
        protected_logs=tuple(params["protected_logs"]),
        rewrite=params["rewrite_unpartitioned"],
        leftovers_only=params["leftover_logs_only"],
    )


def relieve(
    connection: Connection, wish: relief.Wish, dry_run: bool, grow: Callable[[int, int], dict[str, t.Any]] | None
) -> dict[str, t.Any]:
    """Free the disk, or say what would be done.

    :raises LangfuseError: when the server cannot even be looked at.
    """
    try:
        return relief.Relief(asker(connection), wish, dry_run=dry_run, grow=grow).run()
    except (relief.Refused, relief.Lost) as error:
        raise LangfuseError(str(error)) from error


def outcome(report: dict[str, t.Any], with_diff: bool) -> dict[str, t.Any]:
    """What the module clickhouse_disk_relief returns; with msg when the target was not reached."""
    done = [step for step in report["steps"] if not step.get("error")]
    grown = bool(report["grown"]) and "error" not in report["grown"]
    returned = {key: value for key, value in report.items() if key != "dry_run"}
    returned.update(changed=bool(done) or grown, summary=relief.summary(report))
    if with_diff:
        gone = "".join(f"{step['what']} ({step['bytes']} bytes)\n" for step in done)
        returned["diff"] = [{"before": gone, "after": ""}] if gone else []
    if not report["ok"] and not report["dry_run"]:
        returned["msg"] = (
            f"Disk {report['after']['disk']} is {report['after']['percent']} % full, over the target of "
            f"{report['target_percent']:g} %, and nothing more may be given away:\n{returned['summary']}"
        )
    return returned


def claim_grower(
    pod: PodTarget | None, claim: str | None, limit: str | None, dry_run: bool
) -> Callable[[int, int], dict[str, t.Any]] | None:
    """A way to make the claim larger, None without a claim.

    :raises LangfuseError: when the limit is no size, or there is no way to Kubernetes.
    """
    if claim is None:
        return None
    if pod is None:
        raise LangfuseError("grow_claim needs namespace and pod_selector: the claim is in Kubernetes")
    try:
        size = relief.parse_size(limit or "")
    except relief.Refused as error:
        raise LangfuseError(f"grow_limit: {error}; write it as 200Gi") from error
    claims = open_claim(pod, claim, dry_run)

    def told(work: Callable[..., t.Any]) -> Callable[..., t.Any]:
        def ask(*args: t.Any) -> t.Any:
            try:
                return work(*args)
            except LangfuseError as error:
                raise relief.Refused(str(error)) from error

        return ask

    return relief.grower(f"{pod.namespace}/{claim}", told(claims.read), told(claims.write), size)
