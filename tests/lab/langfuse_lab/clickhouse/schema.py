# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Langfuse's tables, as its migrations leave them: chart major 1 runs Langfuse v3, major 2 runs v4.

The engines are the plain ones. Langfuse v4 on a cluster takes the Replicated ones, which chdb creates read-only.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from langfuse_lab.clickhouse.client import Client

_SQL = Path(__file__).with_name("sql")
_FILES = {1: ("common.sql", "v3.sql"), 2: ("common.sql", "v4.sql")}


@dataclass(frozen=True)
class BulkTable:
    """A table that grows with use, and the column that says how old a row is."""

    name: str
    column: str
    partitioned: bool


_COMMON = (
    BulkTable("traces", "timestamp", partitioned=True),
    BulkTable("observations", "start_time", partitioned=True),
    BulkTable("scores", "timestamp", partitioned=True),
    BulkTable("blob_storage_file_log", "created_at", partitioned=False),
)
_EVENTS = (
    BulkTable("events_full", "start_time", partitioned=True),
    BulkTable("events_core", "start_time", partitioned=True),
)


def bulk_tables(major: int) -> tuple[BulkTable, ...]:
    """Return the tables that need a retention rule under a chart major (1 or 2)."""
    return {1: _COMMON, 2: _EVENTS + _COMMON}[major]


def create_tables(client: Client, major: int) -> list[str]:
    """Run the migrations of a chart major (1 or 2) on database `default`.

    :returns: names of the tables and views that were not there before.
    """
    before = _names(client)
    for file in _FILES[major]:
        for statement in (_SQL / file).read_text().split(";\n"):
            if statement.strip():
                client.execute(statement)
    return [name for name in _names(client) if name not in before]


def drop_tables(client: Client) -> None:
    """Empty database `default`, as a new volume is empty."""
    for name in _names(client):
        client.execute(f"DROP TABLE IF EXISTS `{name}` SYNC", max_table_size_to_drop=0)


def merge_tables(client: Client) -> None:
    """Merge every partition now, which a server does by itself over hours. Merges leave out expired rows."""
    for name in _names(client, "engine LIKE '%MergeTree'"):
        client.execute(f"OPTIMIZE TABLE `{name}` FINAL")


def _names(client: Client, condition: str = "1") -> list[str]:
    rows = client.rows(f"SELECT name FROM system.tables WHERE database = 'default' AND {condition} ORDER BY name")
    return [row["name"] for row in rows]
