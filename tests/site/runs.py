# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What tests do to a run that goes on: wait for what it prints, and kill it or a part of the lab."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path


def wait_until_said(process: subprocess.Popen[str], log: Path, text: str, seconds: float = 600) -> None:
    """Wait until the run's log has this text; fail when the run ends first, or after these seconds."""
    deadline = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.05)


def kill(process: subprocess.Popen[str]) -> None:
    """SIGKILL the run and everything that it started; Ansible's workers, and so Helm, have sessions of their own."""
    for pid in halted(process.pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def halted(pid: int) -> list[int]:
    """Halt a process and its descendants, each before its children are looked up, so that none starts another."""
    os.kill(pid, signal.SIGSTOP)
    lists = [each.read_text() for each in Path(f"/proc/{pid}/task").glob("*/children")]
    return [pid, *(each for children in lists for child in children.split() for each in halted(int(child)))]


def kill_part(lab, part: str) -> None:
    """SIGKILL a part of the lab, such as kube-apiserver."""
    os.kill(int((lab.dir / "run" / f"{part}.pid").read_text().split()[0]), signal.SIGKILL)
