# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long resources take: no time at all, unless a file of the lab says so, by type and in seconds.

`state/cloudformation-seconds.json`, e.g. {"AWS::EKS::Cluster": 45}. An operation on a stack with such a resource goes
on after its call has returned, as on AWS, and can be watched.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable

from langfuse_lab.aws import lab
from langfuse_lab.aws.state import LOCK

FILE = "cloudformation-seconds.json"


def run(operation: Callable[[], None], types: Iterable[str]) -> None:
    """Run an operation on resources of these types: at once, or behind the caller's back when one takes time."""
    if not any(_seconds(name) for name in types):
        operation()
        return
    threading.Thread(target=_run_locked, args=(operation,), daemon=True).start()


def take_time(type_name: str) -> None:
    """Let a resource take its time, during which other calls are served; it ends when the file comes to say less."""
    if _seconds(type_name):
        LOCK.release()
        begun = time.monotonic()
        while time.monotonic() - begun < _seconds(type_name):
            time.sleep(0.2)
        LOCK.acquire()


def _run_locked(operation: Callable[[], None]) -> None:
    with LOCK:
        operation()


def _seconds(type_name: str) -> float:
    path = lab.current().state / FILE
    return json.loads(path.read_text()).get(type_name, 0) if path.exists() else 0
