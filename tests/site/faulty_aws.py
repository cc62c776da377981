# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A proxy in front of the lab's AWS that answers some calls of one service with a fault, as AWS does on a bad day."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SERVICE = re.compile(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/")
ANSWERS = {
    "throttled": (400, "ThrottlingException", "Rate exceeded"),
    "broken": (500, "InternalFailure", "An internal error has occurred"),
    "unavailable": (503, "ServiceUnavailable", "Please reduce your request rate"),
}
RESET = "reset"
KINDS = (*ANSWERS, RESET)


@dataclass
class Faults:
    """Which calls get which fault: the first `times` of a service."""

    service: str
    kind: str
    times: int
    given: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def hit(self, authorization: str) -> bool:
        """Whether this call gets the fault."""
        found = SERVICE.search(authorization)
        with self.lock:
            if not found or found[1] != self.service or self.given == self.times:
                return False
            self.given += 1
            return True


class Handler(BaseHTTPRequestHandler):
    """Relays to the port, unless the call gets a fault."""

    port: int
    faults: Faults
    protocol_version = "HTTP/1.1"

    def relay(self) -> None:
        body = self._body()
        if self.faults.hit(self.headers.get("Authorization", "")):
            self._fault()
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        upstream.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():  # Host is part of what is signed
            if name.lower() not in ("connection", "expect", "transfer-encoding", "content-length"):
                upstream.putheader(name, value)
        upstream.putheader("Content-Length", str(len(body)))
        upstream.endheaders(body)
        answer = upstream.getresponse()
        content = answer.read()
        headers = [h for h in answer.getheaders() if h[0].lower() not in ("connection", "transfer-encoding")]
        self._send(answer.status, headers, content)
        upstream.close()

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = do_PATCH = relay

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _fault(self) -> None:
        if self.faults.kind == RESET:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.connection.close()
            return
        status, code, message = ANSWERS[self.faults.kind]
        if "json" in self.headers.get("Content-Type", "") or self.faults.service in ("eks", "lambda"):
            text, kind = (
                f'{{"__type": "{code}", "code": "{code}", "message": "{message}"}}',
                "application/x-amz-json-1.1",
            )
        else:
            text = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
            kind = "text/xml"
        self._send(status, [("Content-Type", kind), ("x-amzn-ErrorType", code)], text.encode())

    def _send(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_arguments: object) -> None:
        """Nothing: the runs' own logs tell."""


@contextlib.contextmanager
def proxy(port: int, faults: Faults) -> Iterator[str]:
    """Serve between a client and the lab's AWS at a port of this computer; yields the proxy's URL."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Of", (Handler,), {"port": port, "faults": faults}))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
