# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's processes, found by a mark in their environment: pid files can lie, this cannot."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

MARK = "LANGFUSE_LAB_PART"  # value: PART@DIRECTORY; children inherit it
PROC = Path("/proc")


def inherited_environment() -> dict[str, str]:
    """Return the caller's environment without what would lead a part astray: proxies and AWS settings."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("AWS_") and not name.lower().endswith("_proxy")
    }


def mark(part: str, directory: Path) -> dict[str, str]:
    """Return the environment variable that marks a part's process."""
    return {MARK: f"{part}@{directory}"}


def find(directory: Path) -> dict[int, str]:
    """Return the living processes of the lab in a folder: pid -> part. What a part started counts as the part."""
    pids = _pids()
    marked = {pid: part for pid in pids if (part := _marked_part(pid, directory))}
    sessions = {_session(pid): part for pid, part in marked.items() if _session(pid)}
    # A child with an environment of its own (a Lambda function, a pod) is known by its session.
    return {pid: part for pid in pids if (part := marked.get(pid) or sessions.get(_session(pid)))}


def leaders(directory: Path) -> dict[str, int]:
    """Return the processes that the supervisor started: part -> pid."""
    found = find(directory)
    return {part: pid for pid, part in found.items() if _session(pid) == pid and _parent(pid) not in found}


def command_of(pid: int) -> str:
    """Return a process's command line, or an empty text when it is gone."""
    return _read(PROC / str(pid) / "cmdline").replace("\0", " ").strip()


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has in use, 0 when it is gone."""
    fields = _read(PROC / str(pid) / "statm").split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") if fields else 0


def owner_of_port(port: int) -> str | None:
    """Return "pid N (command)" of the process that listens on a TCP port; None when it cannot be seen."""
    inodes = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    for pid in _pids():
        try:
            if any(os.readlink(link) in inodes for link in (PROC / str(pid) / "fd").iterdir()):
                return f"pid {pid} ({command_of(pid)[:80]})"
        except OSError:  # gone, or another user's
            continue
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    listen = "0A"
    for table in ("tcp", "tcp6"):
        for line in _read(PROC / "net" / table).splitlines()[1:]:
            fields = line.split()
            if fields[3] == listen and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _pids() -> list[int]:
    return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]


def _marked_part(pid: int, directory: Path) -> str | None:
    for variable in _read(PROC / str(pid) / "environ").split("\0"):
        name, _, value = variable.partition("=")
        part, _, of = value.partition("@")
        if name == MARK and of == str(directory):
            return part
    return None


def _parent(pid: int) -> int:
    return _stat(pid, 1)


def _session(pid: int) -> int:
    return _stat(pid, 3)


def _stat(pid: int, field: int) -> int:
    """Return a number of /proc/PID/stat, counted after the command's name; 0 when the process is gone or a zombie."""
    _, _, text = _read(PROC / str(pid) / "stat").rpartition(")")  # the name may hold anything
    fields = text.split()
    return int(fields[field]) if fields and fields[0] not in "ZX" else 0


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:  # gone, or another user's
        return ""
