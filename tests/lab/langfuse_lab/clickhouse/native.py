# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's native protocol, as far as clickhouse-driver and clickhouse-client of that revision speak it.

Result blocks are the engine's own FORMAT Native, one packet a block, so they need no encoding here. Not supported:
compression, TLS, server-side parameters, cancelling.
"""

from __future__ import annotations

import os
import socket
import socketserver
import struct
import tempfile
from typing import Any

from clickhouse_driver.columns.service import read_column
from clickhouse_driver.connection import ServerInfo
from clickhouse_driver.context import Context

from langfuse_lab.clickhouse import errors
from langfuse_lab.clickhouse.accounts import Accounts
from langfuse_lab.clickhouse.engine import Engine, Session
from langfuse_lab.clickhouse.errors import ServerError
from langfuse_lab.clickhouse.statements import Insert, Statement

REVISION = 54429  # the last one without server-side parameters

# Packets from the client and to it.
CLIENT_HELLO, CLIENT_QUERY, CLIENT_DATA, CLIENT_CANCEL, CLIENT_PING = range(5)
HELLO, DATA, EXCEPTION, PROGRESS, PONG, END_OF_STREAM, PROFILE_INFO = range(7)

_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"


def varint(number: int) -> bytes:
    """Write an unsigned number, seven bits a byte."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def text(value: str) -> bytes:
    """Write a string."""
    raw = value.encode()
    return varint(len(raw)) + raw


class Reader:
    """Buffered reading from a socket; what it hands out can be recorded as well."""

    def __init__(self, sock: socket.socket) -> None:
        self._socket = sock
        self._buffer = b""
        self._position = 0
        self.recording: bytearray | None = None

    def read(self, size: int) -> bytes:
        """Read exactly so many bytes.

        :raises EOFError: when the client went away.
        """
        while len(self._buffer) - self._position < size:
            more = self._socket.recv(1 << 16)
            if not more:
                raise EOFError
            self._buffer, self._position = self._buffer[self._position :] + more, 0
        out = self._buffer[self._position : self._position + size]
        self._position += size
        if self.recording is not None:
            self.recording += out
        return out

    def read_one(self) -> int:
        """Read one byte as a number."""
        return self.read(1)[0]

    def varint(self) -> int:
        """Read an unsigned number."""
        shift = result = 0
        while True:
            byte = self.read_one()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7

    def string(self) -> str:
        """Read a string."""
        return self.read(self.varint()).decode("utf-8", "replace")

    def read_strings(self, count: int, encoding: str | None = None) -> tuple[Any, ...]:
        """Read a column of strings; clickhouse-driver's column readers call this."""
        raw = [self.read(self.varint()) for _ in range(count)]
        return tuple(item.decode(encoding) if encoding else item for item in raw)


class Native(socketserver.BaseRequestHandler):
    """One client's connection."""

    server: NativeServer

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.reader = Reader(self.request)
        self.session: Session | None = None

    def finish(self) -> None:
        if self.session:
            self.session.close()

    def handle(self) -> None:
        try:
            self._greet()
            while True:
                self._answer(self.reader.varint())
        except ServerError as failed:
            self._fail(failed)
        except (EOFError, ConnectionError):
            pass

    def _send(self, data: bytes) -> None:
        self.request.sendall(data)

    def _fail(self, failed: ServerError) -> None:
        name, message, trace = text("DB::Exception"), text(f"DB::Exception: {failed.message}"), text("")
        self._send(bytes([EXCEPTION]) + struct.pack("<i", failed.code) + name + message + trace + b"\x00")

    def _greet(self) -> None:
        """Log the client in; an exception ends the connection, as on a server."""
        reader, engine = self.reader, self.server.engine
        if reader.varint() != CLIENT_HELLO:
            raise _unexpected()
        reader.string(), reader.varint(), reader.varint(), reader.varint()  # the client's name and version
        database, user, password = reader.string(), reader.string() or "default", reader.string()
        self.server.accounts.check(user, password)
        self.session = engine.open_session(user, database)
        major, minor, patch = engine.version.split(".")[:3]
        self._send(
            bytes([HELLO]) + text("ClickHouse") + varint(int(major)) + varint(int(minor)) + varint(REVISION)
            + text(engine.timezone) + text("clickhouse") + varint(int(patch))
        )  # fmt: skip

    def _answer(self, packet: int) -> None:
        if packet == CLIENT_PING:
            self._send(bytes([PONG]))
        elif packet == CLIENT_QUERY:
            self._query()
        elif packet != CLIENT_CANCEL:  # by the time a cancel is read, the query has ended
            raise _unexpected()

    def _query(self) -> None:
        sql, settings = self._read_query()
        if self._read_block()[0]:  # external tables, ended by an empty block
            raise ServerError(errors.NOT_IMPLEMENTED, "The lab takes no external tables. (NOT_IMPLEMENTED)")
        try:
            statement = Statement(sql)
            insert = statement.insert_without_rows()
            if insert:
                self._insert(insert, settings)
            else:
                self._run(statement, settings)
            self._send(bytes([END_OF_STREAM]))
        except ServerError as failed:
            self._fail(failed)

    def _read_query(self) -> tuple[str, dict[str, str]]:
        reader = self.reader
        reader.string()  # query id
        if reader.read_one():  # who asks: kind, user, id, address, interface, names, versions, quota key, patch
            reader.string(), reader.string(), reader.string()
            reader.read_one()
            reader.string(), reader.string(), reader.string()
            reader.varint(), reader.varint(), reader.varint()
            reader.string()
            reader.varint()
        settings = {}
        while name := reader.string():
            reader.read_one()  # flags
            settings[name] = reader.string()
        _stage, compression, sql = reader.varint(), reader.varint(), reader.string()
        if compression:
            raise ServerError(errors.NOT_IMPLEMENTED, "The lab does not compress. (NOT_IMPLEMENTED)")
        return sql, settings

    def _read_block(self) -> tuple[int, bytes]:
        """Read a Data packet: its number of rows and its bytes in the Native format."""
        reader = self.reader
        if reader.varint() != CLIENT_DATA:
            raise _unexpected()
        reader.string()  # table name
        while field := reader.varint():  # block info
            reader.read(1 if field == 1 else 4)
        reader.recording = bytearray()
        columns, rows = reader.varint(), reader.varint()
        for _ in range(columns):
            reader.string()
            kind = reader.string()
            if rows:  # the driver's own column reader finds where the column ends
                read_column(_COLUMNS_CONTEXT, kind, rows, reader)
        raw, reader.recording = bytes(reader.recording), None
        return rows, raw

    def _run(self, statement: Statement, settings: dict[str, str]) -> None:
        session = self._logged_in()
        answer = session.run(statement, "Native", via="native", settings=settings, stream=True)
        for block in answer.chunks:
            self._send_block(block)
        if not answer.chunks and statement.queries:
            self._send_header(session.columns(statement.without_format()))
        rows, size = sum(map(_count_rows, answer.chunks)), sum(map(len, answer.chunks))
        self._send_progress(rows, size, answer.rows_written)
        profile = varint(rows) + varint(len(answer.chunks)) + varint(size) + b"\x00" + varint(0) + b"\x00"
        self._send(bytes([PROFILE_INFO]) + profile)

    def _insert(self, insert: Insert, settings: dict[str, str]) -> None:
        session = self._logged_in()
        self._send_header(session.columns(f"SELECT {insert.columns} FROM {insert.table}"))
        total = 0
        with tempfile.NamedTemporaryFile(suffix=".native") as spool:
            while True:
                rows, raw = self._read_block()
                if not rows:
                    break
                total += rows
                spool.write(raw)
            spool.flush()
            size = os.path.getsize(spool.name)
            if total:
                session.run(insert.from_file(spool.name, "Native"), "Null", via="native", settings=settings)
        self._send_progress(total, size, total)

    def _logged_in(self) -> Session:
        if self.session is None:
            raise _unexpected()
        return self.session

    def _send_block(self, block: bytes) -> None:
        self._send(bytes([DATA]) + text("") + _BLOCK_INFO + block)

    def _send_header(self, columns: list[tuple[str, str]]) -> None:
        self._send_block(varint(len(columns)) + varint(0) + b"".join(text(name) + text(kind) for name, kind in columns))

    def _send_progress(self, rows: int, size: int, written: int) -> None:
        self._send(bytes([PROGRESS]) + varint(rows) + varint(size) + varint(0) + varint(written) + varint(0))


class NativeServer(socketserver.ThreadingTCPServer):
    """Listens for native clients; a thread each."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, accounts: Accounts) -> None:
        self.engine = engine
        self.accounts = accounts
        super().__init__(address, Native)


def _unexpected() -> ServerError:
    return ServerError(errors.UNEXPECTED_PACKET, "Unexpected packet from client. (UNEXPECTED_PACKET_FROM_CLIENT)")


def _count_rows(block: bytes) -> int:
    """The number of rows of a Native block: its second number."""
    position = shift = value = 0
    for _ in range(2):
        shift = value = 0
        while True:
            byte = block[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
    return value


def _columns_context() -> Context:
    context = Context()
    context.settings = {}
    context.client_settings = {
        "input_format_null_as_default": False,
        "namedtuple_as_json": True,
        "server_side_params": False,
        "strings_as_bytes": True,
        "strings_encoding": "utf-8",
        "use_numpy": False,
    }
    context.server_info = ServerInfo("ClickHouse", 1, 1, 1, REVISION, "UTC", "clickhouse", REVISION)
    return context


_COLUMNS_CONTEXT = _columns_context()
