# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One Python part of a lab, run by itself."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from langfuse_lab.config import HOST
from langfuse_lab.processes import inherited_environment

PACKAGES = Path(__file__).resolve().parents[1]
START_SECONDS = 120  # on a computer that is busy with other tests


class OnePart:
    """The process of one part, in a lab's folder that the subclass has prepared."""

    python = sys.executable
    before: list[str] = []  # what stands before the command

    def __init__(self, name: str, directory: Path, health: str, healthy: bytes) -> None:
        self._name, self._directory, self._health, self._healthy = name, directory, health, healthy
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [self.python, "-m", f"langfuse_lab.{self._name}", "--lab-dir", str(self._directory)]
        log = self._directory / "log" / f"{self._name}.log"
        log.parent.mkdir(exist_ok=True)
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [*self.before, *command],
                cwd=PACKAGES,
                env=inherited_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            self._wait(self._process, log)
        except AssertionError:
            self._process.kill()
            raise

    def _wait(self, process: subprocess.Popen[bytes], log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, f"{self._name} does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop the server as the lab does."""
        assert self._process
        self._process.terminate()
        assert self._process.wait(10) == 0

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self._health, timeout=2) as answer:
                return answer.read() == self._healthy
        except OSError:
            return False


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on just now."""
    sockets = [socket.create_server((HOST, 0)) for _number in range(count)]
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports
