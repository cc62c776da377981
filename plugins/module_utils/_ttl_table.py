# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what ClickHouse says about tables with a TTL, and what a rule would do to their rows."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils import _ttl_text as text
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_wish import Wish

ONLY_DROP_PARTS = "ttl_only_drop_parts"
RECALCULATE_ONLY = "materialize_ttl_recalculate_only"

# The server's own limit for dropping a partition, where it does not tell.
DROP_GUARD = 50_000_000_000


class Server(t.Protocol):
    """What is needed of a connection."""

    version: tuple[int, ...]

    def query(self, sql: str, parameters: dict[str, t.Any] | None = None) -> list[tuple[t.Any, ...]]:
        """Run one statement and return its rows."""


@dataclass(frozen=True)
class Table:
    """A table as the server describes it."""

    engine: str
    partition_key: str
    ttl: str
    own_settings: dict[str, str]
    columns: dict[str, str]  # types of the columns that were asked for

    @property
    def rules(self) -> list[text.Rule]:
        """The rules of the TTL clause."""
        return text.rules(self.ttl)


def read_tables(server: Server, wishes: list[Wish]) -> dict[tuple[str, str], Table]:
    """Read all tables in two queries."""
    parameters = {
        "tables": tuple((wish.database, wish.name) for wish in wishes),
        "columns": (*text.RESERVED, *(wish.column for wish in wishes if wish.column)),
    }
    columns: dict[tuple[str, str], dict[str, str]] = {}
    for database, name, column, kind in server.query(
        "SELECT database, table, name, type FROM system.columns "
        "WHERE (database, table) IN %(tables)s AND name IN %(columns)s",
        parameters,
    ):
        columns.setdefault((database, name), {})[column] = kind
    rows = server.query(
        "SELECT database, name, engine, engine_full, partition_key FROM system.tables "
        "WHERE (database, name) IN %(tables)s",
        parameters,
    )
    return {
        (database, name): Table(
            engine=engine,
            partition_key=partition_key,
            ttl=text.ttl_clause(engine_full),
            own_settings=text.settings(engine_full),
            columns=columns.get((database, name), {}),
        )
        for database, name, engine, engine_full, partition_key in rows
    }


def default_settings(server: Server) -> dict[str, str]:
    """The server's values for tables that have none of their own."""
    return dict(
        server.query(
            "SELECT name, value FROM system.merge_tree_settings WHERE name IN %(names)s",
            {"names": (ONLY_DROP_PARTS, RECALCULATE_ONLY)},
        )
    )


@dataclass
class Preview:
    """What a rule would do to the rows that are there. Sizes in bytes, on the server that was asked."""

    rows: int = 0
    rows_expired: int = 0
    size: int = 0
    largest_part: int = 0
    expired: list[dict[str, t.Any]] = field(default_factory=list)
    to_rewrite: int = 0
    free: int = 0

    def as_dict(self) -> dict[str, t.Any]:
        """What the module returns."""
        return {
            "rows_total": self.rows,
            "rows_expired": self.rows_expired,
            "bytes_total": self.size,
            "partitions_expired": self.expired,
            "bytes_to_rewrite": self.to_rewrite,
            "free_bytes": self.free,
        }


def preview_deletes(server: Server, wish: Wish, deletes: list[text.Rule]) -> Preview:
    """Count what rules would delete now, partition by partition."""
    table = {"database": wish.database, "table": wish.name}
    sizes = {
        partition: (size, largest, disks)
        for partition, size, largest, disks in server.query(
            "SELECT partition_id, sum(bytes_on_disk), max(bytes_on_disk), groupUniqArray(disk_name) FROM system.parts "
            "WHERE active AND database = %(database)s AND table = %(table)s GROUP BY partition_id",
            table,
        )
    }
    preview = Preview(
        size=sum(size for size, _largest, _disks in sizes.values()),
        largest_part=max((largest for _size, largest, _disks in sizes.values()), default=0),
    )
    used = {disk for _size, _largest, disks in sizes.values() for disk in disks}
    free = dict(server.query("SELECT name, free_space FROM system.disks"))
    preview.free = min((free[disk] for disk in used if disk in free), default=0)
    expired = " OR ".join(_expired(rule) for rule in deletes)
    for partition, rows, gone in server.query(
        f"SELECT _partition_id, count(), countIf({expired}) FROM {wish.quoted} GROUP BY 1 ORDER BY 1"
    ):
        preview.rows += rows
        preview.rows_expired += gone
        if rows == gone:
            size = sizes.get(partition, (0, 0, []))[0]
            preview.expired.append({"id": partition, "rows": rows, "bytes": size})
    return preview


def pending_mutation(server: Server, wish: Wish) -> str:
    """The oldest mutation of the table that is not done, or ""."""
    rows = server.query(
        "SELECT mutation_id, command FROM system.mutations "
        "WHERE database = %(database)s AND table = %(table)s AND NOT is_done ORDER BY create_time",
        {"database": wish.database, "table": wish.name},
    )
    return f"{rows[0][0]} ({rows[0][1]})" if rows else ""


def drop_guard(server: Server) -> int:
    """The largest partition that the server lets anyone drop, in bytes; 0 is no limit."""
    rows = server.query("SELECT value FROM system.server_settings WHERE name = 'max_partition_size_to_drop'")
    return int(rows[0][0]) if rows else DROP_GUARD


def _expired(rule: text.Rule) -> str:
    """The condition for a row that the rule deletes now. A time of zero means never, as for the server."""
    parts = [f"({rule.expression}) <= now()", f"({rule.expression}) > toDateTime(0)"]
    if rule.condition:
        parts.append(f"({rule.condition})")
    return f"({' AND '.join(parts)})"
