# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A ClickHouse server in a few lines: its tables have a TTL, settings and partitions, and obey the module."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import ClickHouseError

GIB = 1 << 30


@dataclass
class FakeTable:
    """One table. A partition is (rows, expired rows, bytes)."""

    engine: str = "ReplacingMergeTree"
    partition_key: str = "toYYYYMM(timestamp)"
    columns: dict[str, str] = field(default_factory=lambda: {"timestamp": "DateTime64(3)"})
    ttl: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    mutations: list[tuple[str, str]] = field(default_factory=list)

    @property
    def engine_full(self) -> str:
        ttl = f" TTL {self.ttl}" if self.ttl else ""
        settings = {"index_granularity": "8192", **self.settings}
        pairs = ", ".join(f"{name} = {value}" for name, value in settings.items())
        return f"{self.engine} PARTITION BY {self.partition_key} ORDER BY id{ttl} SETTINGS {pairs}"


class FakeServer:
    """Answers the queries of this module by what they hold, and keeps the statements that change something."""

    version = (26, 9)

    def __init__(self, **tables: FakeTable) -> None:
        self.tables = tables
        self.defaults = [("ttl_only_drop_parts", "0"), ("materialize_ttl_recalculate_only", "0")]
        self.free = 100 * GIB
        self.guard: list[tuple[str]] = [("50000000000",)]
        self.time_type = "DateTime"
        self.statements: list[str] = []
        self.queries: list[str] = []
        self.failures: dict[str, Exception] = {}
        self.deaf = False  # takes statements and does nothing
        self.answers: list[tuple[str, Callable[..., list[tuple[Any, ...]]]]] = [
            ("FROM system.columns", self._columns),
            ("FROM system.tables", self._tables),
            ("FROM system.merge_tree_settings", lambda sql, given: self.defaults),
            ("FROM system.server_settings", lambda sql, given: self.guard),
            ("FROM system.disks", lambda sql, given: [("default", self.free), ("other", 1)]),
            ("FROM system.parts", self._parts),
            ("FROM system.mutations", lambda sql, given: self.tables[given["table"]].mutations),
            ("SELECT formatQuerySingleLine", self._format),
            ("DESCRIBE TABLE", lambda sql, given: [("e", self.time_type)] * sql.count(" AS __rule_")),
            ("SELECT _partition_id", self._count),
            ("ALTER TABLE", self._alter),
        ]

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        self.queries.append(sql)
        for part, failure in self.failures.items():
            if part in sql:
                raise failure
        for start, answer in self.answers:
            if start in sql:
                return answer(sql, parameters)
        raise AssertionError(f"unexpected: {sql}")

    def _columns(self, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        return [
            (database, name, column, kind)
            for database, name in given["tables"]
            if name in self.tables
            for column, kind in self.tables[name].columns.items()
            if column in given["columns"]
        ]

    def _tables(self, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        found = [(database, name, self.tables[name]) for database, name in given["tables"] if name in self.tables]
        return [(db, name, table.engine, table.engine_full, table.partition_key) for db, name, table in found]

    def _parts(self, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        partitions = self.tables[given["table"]].partitions
        return [(name, size, size, ["default"]) for name, (_rows, _expired, size) in partitions.items()]

    def _format(self, sql: str, given: dict[str, Any]) -> list[tuple[Any, ...]]:
        wish = given["text"]
        if "???" in wish:
            raise ClickHouseError("ClickHouse answers: Syntax error (code 62)", 62)
        wish = re.sub(r"INTERVAL (\d+) (\w+)", lambda m: f"toInterval{m[2].capitalize()}({m[1]})", wish)
        wish = re.sub(r"`(\w+)`", r"\1", wish).replace(" DELETE", "")
        return [(wish.replace("(x UInt8)", "(`x` UInt8)"),)]

    def _count(self, sql: str, given: Any) -> list[tuple[Any, ...]]:
        table = self.tables[re.search(r"FROM `\w+`\.`(\w+)`", sql)[1]]
        return [(name, rows, expired) for name, (rows, expired, _size) in table.partitions.items() if rows]

    def _alter(self, sql: str, given: Any) -> list[tuple[Any, ...]]:
        self.statements.append(sql)
        name, what = re.match(r"ALTER TABLE `\w+`\.`(\w+)`(?: ON CLUSTER `\w+`)? (.+)", sql).groups()
        table = self.tables[name]
        if self.deaf:
            return []
        if what.startswith("DROP PARTITION"):
            del table.partitions[re.search(r"ID '(\w+)'", what)[1]]
        elif what.startswith("MODIFY SETTING"):
            table.settings.update(pair.split(" = ") for pair in what.removeprefix("MODIFY SETTING ").split(", "))
        else:
            table.ttl = "" if what == "REMOVE TTL" else what.removeprefix("MODIFY TTL ").split(" SETTINGS ")[0]
        return []


@pytest.fixture
def make_table() -> Callable[..., FakeTable]:
    """Make a table of the fake server."""
    return FakeTable


@pytest.fixture
def make_server() -> Callable[..., FakeServer]:
    """Make a fake server with tables by their names."""
    return FakeServer
