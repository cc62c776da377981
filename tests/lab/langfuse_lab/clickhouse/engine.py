# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine: one chdb directory, and a session in it for every client."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb

from langfuse_lab.clickhouse import errors
from langfuse_lab.clickhouse.errors import ServerError
from langfuse_lab.clickhouse.statements import Statement

SERVER_CONFIG = Path(__file__).with_name("server.xml")

# A server's defaults where chdb's differ: it waits for every mutation, a server answers at once.
SERVER_SETTINGS = {"mutations_sync": "0"}

# Before chdb 4 a process has one session: all clients share it, one statement at a time, and SET is seen by all.
SHARES_SESSION = int(chdb.__version__.split(".")[0]) < 4

# What a server answers to ON CLUSTER: one line a host.
_CLUSTER_REPORT = (
    "SELECT 'localhost' AS host, toUInt16(9000) AS port, toInt64(0) AS status, '' AS error, "
    "toUInt64(0) AS num_hosts_remaining, toUInt64(0) AS num_hosts_active"
)


def quote(value: str) -> str:
    """Write a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


@dataclass
class Answer:
    """What a statement gave: its output in the format asked for (in blocks, when streamed) and what it touched."""

    chunks: list[bytes] = field(default_factory=list)
    rows_read: int = 0
    rows_written: int = 0


class StatementLog:
    """One JSON line for every statement. Passwords never come here: they are taken out before a statement is run."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def write(self, **what: Any) -> None:
        """Append one line."""
        with self._lock:
            self._file.write(json.dumps(what) + "\n")


class Engine:
    """One data directory, kept open as long as the process lives (chdb allows one a process)."""

    def __init__(self, data: Path, log: StatementLog) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self._url = f"{data}?config-file={SERVER_CONFIG}"
        self._opening = threading.Lock()
        self._first = chdb.connect(self._url)
        self.log = log
        self.version = _text(self._first.query("SELECT version()", "TabSeparatedRaw"))
        self.timezone = _text(self._first.query("SELECT timezone()", "TabSeparatedRaw"))

    def open_session(self, user: str, database: str) -> Session:
        """Start a session for a user that is already known.

        :raises ServerError: 81 when there is no such database.
        """
        if SHARES_SESSION:
            return Session(self, self._first, user, database or "default", self._opening)
        with self._opening:
            connection = chdb.connect(self._url)
        try:
            return Session(self, connection, user, database or "default", threading.Lock())
        except ServerError:
            connection.close()
            raise


class Session:
    """What one client sees: its current database and its settings."""

    def __init__(self, engine: Engine, connection: Any, user: str, database: str, lock: threading.Lock) -> None:
        self._engine = engine
        self._connection = connection
        self._lock = lock
        self._user = user
        self._database = database
        name = database.replace("\\", "\\\\").replace("`", "\\`")
        self._use = f"USE `{name}`"
        with self._lock:
            self._query(self._use)
            for name, value in SERVER_SETTINGS.items():
                self._set(name, value)

    def close(self) -> None:
        """End the session."""
        if not SHARES_SESSION:
            self._connection.close()

    def run(
        self, statement: Statement, output: str, *, via: str, settings: Mapping[str, str], stream: bool = False
    ) -> Answer:
        """Run one statement and log it.

        :param output: format of the answer.
        :param via: the protocol, for the log.
        :param settings: for this statement only; param_NAME sets a query parameter.
        :param stream: one chunk a block; asked for by the native protocol.
        :raises ServerError: whatever the engine says.
        """
        begun = time.time()
        error: ServerError | None = None
        try:
            with self._lock:
                return self._run(statement, output, settings, stream)
        except ServerError as failed:
            error = failed
            raise
        finally:
            self._engine.log.write(
                time=round(begun, 3),
                seconds=round(time.time() - begun, 4),
                via=via,
                user=self._user,
                database=self._database,
                sql=statement.sql,
                settings=dict(settings),
                error=[error.code, error.message[:300]] if error else None,
            )

    def columns(self, select: str) -> list[tuple[str, str]]:
        """Names and types of the columns of a SELECT."""
        with self._lock:
            lines = _text(self._query(f"DESCRIBE TABLE ({select.rstrip().rstrip(';')})")).splitlines()
        # chdb 3 ends with a line of its own.
        return [(name, kind) for name, kind, *_ in (line.split("\t") for line in lines if "\t" in line)]

    def _run(self, statement: Statement, output: str, settings: Mapping[str, str], stream: bool) -> Answer:
        sql, on_cluster = statement.local()
        if SHARES_SESSION:
            self._query(self._use)
        before = self._current(settings)
        try:
            for name, value in settings.items():
                self._set(name, value)
            if stream and statement.queries:
                return Answer(self._blocks(statement.without_format(), output))
            result = self._query(sql, output)
            written = result.rows_written() if hasattr(result, "rows_written") else 0  # before chdb 4 nobody counts
            answer = Answer([_bytes(result)], result.storage_rows_read(), written)
            if on_cluster:
                answer.chunks = [_bytes(self._query(_CLUSTER_REPORT, output))]
            answer.chunks = [chunk for chunk in answer.chunks if chunk]
            return answer
        finally:
            for name, value in before.items():
                self._set(name, value)

    def _current(self, settings: Mapping[str, str]) -> dict[str, str]:
        """The values that settings have now; query parameters have none."""
        for name in settings:
            if not re.fullmatch(r"\w+", name):
                raise ServerError(errors.UNKNOWN_SETTING, f"Unknown setting '{name}'. (UNKNOWN_SETTING)")
        if not settings:
            return {}
        names = ", ".join(map(quote, settings))
        known = self._query(f"SELECT name, value FROM system.settings WHERE name IN ({names})")
        return dict(line.split("\t", 1) for line in _text(known).splitlines())

    def _set(self, name: str, value: str) -> None:
        self._query(f"SET {name} = {quote(value)}")

    def _query(self, sql: str, output: str = "TabSeparatedRaw") -> Any:
        try:
            return self._connection.query(sql, output)
        except Exception as error:
            raise errors.from_engine(error) from None

    def _blocks(self, sql: str, output: str) -> list[bytes]:
        try:
            return [block for block in map(_bytes, self._connection.send_query(sql, output)) if block]
        except Exception as error:
            raise errors.from_engine(error) from None


def _bytes(result: Any) -> bytes:
    data = None if result is None else result.bytes()
    return b"" if data is None else bytes(data)


def _text(result: Any) -> str:
    return _bytes(result).decode().rstrip("\n")
