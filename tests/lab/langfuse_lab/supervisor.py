# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts, watches and stops the parts of a lab."""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from langfuse_lab import processes
from langfuse_lab.config import REPOSITORY, Lab, LabError

START_TIMEOUT = 90  # seconds for one part to answer once what it needs answers
ANSWER_TIMEOUT = 2  # seconds for one health question
STOP_TIMEOUT = 10  # seconds until what does not stop is killed
POLL_INTERVAL = 0.1  # seconds
LOG_LINES = 15


@dataclasses.dataclass(frozen=True)
class Part:
    """A process of the lab; it is up when its health URL answers 200. It is started once the parts it needs are up."""

    name: str
    command: tuple[str, ...]
    needs: tuple[str, ...]
    health: str


class Supervisor:
    """The parts of one lab."""

    def __init__(self, lab: Lab, parts: Iterable[Part]) -> None:
        self.lab = lab
        self.parts = {part.name: part for part in parts}
        self._up: set[str] = set()
        self._pids: dict[str, int] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._waiting_since: dict[str, float] = {}

    def states(self) -> dict[str, tuple[int | None, bool]]:
        """Return for each part its process id (None: no process) and whether it answers."""
        pids = processes.leaders(self.lab.directory)
        return {name: (pids.get(name), name in pids and self._answers(part)) for name, part in self.parts.items()}

    def down(self) -> list[str]:
        """Return the parts that are not up."""
        return [name for name, (_, answers) in self.states().items() if not answers]

    def start(self) -> list[str]:
        """Start the parts that are not up and wait until all are; return the names of those started.

        A part that runs but does not answer, although what it needs does, is replaced.
        Raises LabError with the end of its log when a part does not come up; the others stay up.
        """
        states = self.states()
        self._pids = {name: pid for name, (pid, _) in states.items() if pid}
        self._up = {name for name, (_, answers) in states.items() if answers}
        for name in self._pids.keys() - self._up:
            if self._ready_to_start(self.parts[name]):
                stop(self.lab.directory, [name])
                del self._pids[name]
        while pending := [part for part in self.parts.values() if part.name not in self._up]:
            for part in pending:
                if self._ready_to_start(part):
                    self._advance(part)
            time.sleep(POLL_INTERVAL)
        return list(self._children)

    def _ready_to_start(self, part: Part) -> bool:
        return self._up.issuperset(part.needs)

    def _advance(self, part: Part) -> None:
        """Take one part, whose needs are up, one step further: start it, find it up, or give up on it."""
        waiting_since = self._waiting_since.setdefault(part.name, time.monotonic())
        if part.name not in self._pids:
            self._spawn(part)
        elif self._answers(part):
            self._up.add(part.name)
        elif part.name in self._children and (code := self._children[part.name].poll()) is not None:
            raise LabError(f"{part.name} ended with code {code} while starting. {self._last_lines(part)}")
        elif not processes.command_of(self._pids[part.name]):  # died after it was asked first
            del self._pids[part.name]
        elif time.monotonic() - waiting_since > START_TIMEOUT:
            message = f"{part.name} does not answer at {part.health} after {START_TIMEOUT} s."
            raise LabError(f"{message} {self._last_lines(part)}")

    def _spawn(self, part: Part) -> None:
        with self.lab.log(part.name).open("ab") as log:
            child = subprocess.Popen(
                part.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.lab.directory,
                env=self._environment(part),
                start_new_session=True,  # survives the terminal
            )
        self._children[part.name] = child
        self._pids[part.name] = child.pid
        (self.lab.directory / "run" / f"{part.name}.pid").write_text(f"{child.pid}\n")

    def _environment(self, part: Part) -> dict[str, str]:
        kept = processes.inherited_environment()
        path = os.pathsep.join([str(self.lab.bin_dir), str(Path(sys.executable).parent), kept.get("PATH", os.defpath)])
        return {
            **kept,
            **processes.mark(part.name, self.lab.directory),
            "LAB_DIR": str(self.lab.directory),
            "PATH": path,
            "PYTHONPATH": str(REPOSITORY / "tests" / "lab"),
            "PYTHONUNBUFFERED": "1",
        }

    def _answers(self, part: Part) -> bool:
        url = urlsplit(part.health)
        try:
            with contextlib.closing(self._connection(url.scheme, url.netloc)) as connection:
                connection.request("GET", url.path)
                return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False

    def _connection(self, scheme: str, address: str) -> http.client.HTTPConnection:
        if scheme == "http":
            return http.client.HTTPConnection(address, timeout=ANSWER_TIMEOUT)
        context = ssl.create_default_context(cafile=self.lab.pki / "ca.crt")
        return http.client.HTTPSConnection(address, timeout=ANSWER_TIMEOUT, context=context)

    def _last_lines(self, part: Part) -> str:
        path = self.lab.log(part.name)
        lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
        return "\n".join([f"The last lines of {path}:", *lines])


def stop(directory: Path, parts: Iterable[str] | None = None) -> list[str]:
    """Stop parts (None: all) of the lab in a folder, with all they started; return the names of those that ran."""
    running = set(processes.find(directory).values())
    names = running if parts is None else running.intersection(parts)
    _stop(directory, names - {"etcd"})
    _stop(directory, names & {"etcd"})  # last: without it the API server does not end in time
    return sorted(names)


def _stop(directory: Path, names: set[str]) -> None:
    def running() -> list[int]:
        return [pid for pid, name in processes.find(directory).items() if name in names]

    _signal(running(), signal.SIGTERM)
    deadline = time.monotonic() + STOP_TIMEOUT
    while left := running():
        if time.monotonic() > deadline:
            _signal(left, signal.SIGKILL)
        time.sleep(POLL_INTERVAL)


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
