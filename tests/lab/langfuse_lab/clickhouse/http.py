# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's HTTP interface: /ping, and a statement in the URL or the body.

Credentials come by Authorization (basic), by X-ClickHouse-User and X-ClickHouse-Key, or in the URL (user, password).
"""

from __future__ import annotations

import base64
import binascii
import gzip
import json
import tempfile
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from langfuse_lab.clickhouse import errors
from langfuse_lab.clickhouse.accounts import Accounts
from langfuse_lab.clickhouse.engine import Answer, Engine
from langfuse_lab.clickhouse.errors import ServerError
from langfuse_lab.clickhouse.statements import Statement

# HTTP status by error code; all others are 500.
STATUS = {36: 400, 46: 404, 47: 404, 48: 501, 60: 404, 62: 400, 81: 404, 115: 404, 159: 408, 164: 403, 497: 403}
STATUS[errors.AUTHENTICATION_FAILED] = 403  # 401 when no credentials came

# Arguments of the interface itself; every other argument of the URL is a setting.
OWN_ARGUMENTS = (
    "query", "user", "password", "database", "default_format", "query_id", "compress", "decompress",
    "enable_http_compression", "session_id", "session_timeout", "session_check", "quota_key", "role",
    "client_protocol_version", "buffer_size", "wait_end_of_query", "stacktrace",
)  # fmt: skip


class Http(BaseHTTPRequestHandler):
    """One client's connection."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    server: HttpServer

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: URLs may hold passwords, and the statement log has the statements."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_HEAD(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        body = self._read_body()
        packed = self.headers.get("Content-Encoding", "")
        if packed == "gzip":
            body = gzip.decompress(body)
        elif packed:
            self._reply(400, f"The lab does not know Content-Encoding {packed}.\n".encode())
            return
        self._serve(body)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _serve(self, body: bytes) -> None:
        url = urllib.parse.urlsplit(self.path)
        arguments = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        if url.path == "/ping" or (url.path == "/" and not arguments and not body):
            self._reply(200, b"Ok.\n")
        elif url.path not in ("", "/"):
            self._reply(404, f"There is no handle {url.path}\n".encode())
        else:
            self._answer(arguments, body)

    def _answer(self, arguments: dict[str, str], body: bytes) -> None:
        query_id = arguments.get("query_id") or str(uuid.uuid4())
        try:
            user, password = self._credentials(arguments)
            self.server.accounts.check(user, password)
            output = arguments.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
            answer, output = self._run(user, arguments, body, output)
        except ServerError as failed:
            self._refuse(failed, query_id)
            return
        kind = "text/tab-separated-values; charset=UTF-8" if output.startswith("Tab") else "application/octet-stream"
        summary = {"read_rows": str(answer.rows_read), "written_rows": str(answer.rows_written)}
        self._reply(
            200,
            b"".join(answer.chunks),
            {
                "Content-Type": kind,
                "X-ClickHouse-Query-Id": query_id,
                "X-ClickHouse-Format": output,
                "X-ClickHouse-Timezone": self.server.engine.timezone,
                "X-ClickHouse-Summary": json.dumps(summary),
            },
        )

    def _credentials(self, arguments: dict[str, str]) -> tuple[str, str]:
        user, password = self.headers.get("X-ClickHouse-User", ""), self.headers.get("X-ClickHouse-Key", "")
        basic = self.headers.get("Authorization", "")
        if basic.startswith("Basic "):
            try:
                user, _, password = base64.b64decode(basic[6:], validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise ServerError(
                    errors.AUTHENTICATION_FAILED, "Authorization is not basic. (AUTHENTICATION_FAILED)"
                ) from None
        return arguments.get("user", user) or "default", arguments.get("password", password)

    def _run(self, user: str, arguments: dict[str, str], body: bytes, output: str) -> tuple[Answer, str]:
        settings = {name: value for name, value in arguments.items() if name not in OWN_ARGUMENTS}
        head = arguments.get("query", "")
        insert = Statement(head).insert_without_rows() if head and body else None
        database = arguments.get("database") or self.headers.get("X-ClickHouse-Database") or "default"
        with tempfile.NamedTemporaryFile() as spool:
            if insert:  # the body is rows, perhaps of a binary format
                spool.write(body)
                spool.flush()
                statement = insert.from_file(spool.name, insert.format or "TabSeparated")
            else:
                statement = Statement("\n".join(filter(None, (head, body.decode("utf-8", "replace")))))
            self._check(statement, user)
            session = self.server.engine.open_session(user, database)
            try:
                output = statement.output_format or output
                return session.run(statement, output, via="http", settings=settings), output
            finally:
                session.close()

    def _check(self, statement: Statement, user: str) -> None:
        if not statement.sql:
            raise ServerError(errors.SYNTAX_ERROR, "Syntax error: Empty query. (SYNTAX_ERROR)")
        if self.command != "POST" and not statement.reads:
            raise ServerError(
                errors.READONLY,
                f"{user}: Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. "
                "You should use method POST for modifying queries. (READONLY)",
            )

    def _refuse(self, failed: ServerError, query_id: str) -> None:
        status = STATUS.get(failed.code, 500)
        headers = {
            "Content-Type": "text/plain; charset=UTF-8",
            "X-ClickHouse-Exception-Code": str(failed.code),
            "X-ClickHouse-Query-Id": query_id,
        }
        asked = self.headers.get("Authorization") or self.headers.get("X-ClickHouse-User")
        if failed.code == errors.AUTHENTICATION_FAILED and not asked:
            status, headers["WWW-Authenticate"] = 401, 'Basic realm="ClickHouse server HTTP API"'
        version = self.server.engine.version
        self._reply(
            status, f"Code: {failed.code}. DB::Exception: {failed.message} (version {version})\n".encode(), headers
        )

    def _reply(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("X-ClickHouse-Server-Display-Name", "clickhouse")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


class HttpServer(ThreadingHTTPServer):
    """Listens for HTTP clients; a thread each."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], engine: Engine, accounts: Accounts) -> None:
        self.engine = engine
        self.accounts = accounts
        super().__init__(address, Http)
