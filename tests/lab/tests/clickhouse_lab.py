# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of which only ClickHouse runs."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from langfuse_lab.clickhouse.client import Client
from langfuse_lab.config import HOST

PACKAGES = Path(__file__).resolve().parents[1]
START_SECONDS = 30


class ClickHouseLab:
    """The lab's folder and ports, and the administrator's client."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.native, self.http = free_ports(2)
        ports = {"clickhouse_native": self.native, "clickhouse_http": self.http}
        (directory / "config.json").write_text(json.dumps({"ports": ports}))
        (directory / "state").mkdir(exist_ok=True)
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "langfuse_lab.clickhouse", "--lab-dir", str(self.directory)]
        self._process = subprocess.Popen(command, cwd=PACKAGES, stdout=subprocess.PIPE, text=True)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self._process.poll() is None, "ClickHouse ended"
            assert time.monotonic() < deadline, "ClickHouse does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server as the lab does."""
        assert self._process
        self._process.terminate()
        assert self._process.wait(10) == 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.http}/ping", timeout=2) as answer:
                return answer.read() == b"Ok.\n"
        except OSError:
            return False

    @property
    def admin(self) -> Client:
        """The administrator's client."""
        return Client.of_lab(self.directory)

    @property
    def admin_password(self) -> str:
        """The administrator's password."""
        return json.loads((self.directory / "state" / "clickhouse-admin.json").read_text())["password"]

    def set_users(self, **users: str) -> None:
        """Write Langfuse's users as the controllers do."""
        (self.directory / "state" / "clickhouse-users.json").write_text(json.dumps(users))

    def statements(self) -> list[dict[str, Any]]:
        """The statement log."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    @property
    def log_file(self) -> Path:
        """Where the statement log is."""
        return self.directory / "log" / "clickhouse-statements.jsonl"


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    sockets = [socket.create_server((HOST, 0)) for _number in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


@contextmanager
def running(directory: Path) -> Iterator[ClickHouseLab]:
    """Run ClickHouse in a folder."""
    lab = ClickHouseLab(directory)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()
