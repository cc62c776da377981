# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs controllers round after round, and remembers how each of them fares."""

from __future__ import annotations

import json
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from langfuse_lab.controllers.world import HoldError, World

IDLE_SECONDS = 1.0  # pause after a round that changed nothing
BUSY_SECONDS = 0.2  # pause after one that did: there may be more to do
STUCK_SECONDS = 120
HERE = Path(__file__).parent

Reconcile = Callable[[World], None]


class Loop:
    """Rounds of controllers, in their order."""

    def __init__(self, make_world: Callable[[], World], controllers: dict[str, Reconcile]) -> None:
        self._make_world = make_world
        self._controllers = controllers
        self._failing: dict[str, str] = {}
        self._last_failure: dict[str, str] | None = None
        self._round_ended = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Run until the event is set."""
        pause = 0.0
        while not stop.wait(pause):
            world = self._make_world()
            writes = world.kubernetes.writes
            self.round(world)
            pause = BUSY_SECONDS if world.kubernetes.writes > writes else IDLE_SECONDS

    def round(self, world: World) -> None:
        """Let each controller act once; what one fails at does not stop the others."""
        for name, reconcile in self._controllers.items():
            try:
                reconcile(world)
            except Exception as error:  # whatever it is, the next round tries again
                self._failed(name, _describe(error))
                if isinstance(error, HoldError):
                    break
            else:
                self._worked(name)
        self._round_ended = time.monotonic()

    def _failed(self, name: str, message: str) -> None:
        if self._failing.get(name) != message:
            _log(f"{name}: {message}")
        self._failing[name] = message
        self._last_failure = {
            "controller": name,
            "error": message,
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        }

    def _worked(self, name: str) -> None:
        if self._failing.pop(name, None):
            _log(f"{name}: works again")

    def is_alive(self) -> bool:
        """Tell whether rounds go on."""
        return time.monotonic() - self._round_ended < STUCK_SECONDS

    def report(self) -> str:
        """Return JSON: which controllers fail now and why, and which failed last."""
        return json.dumps({"failing": self._failing, "last_failure": self._last_failure}, indent=1) + "\n"


def _describe(error: Exception) -> str:
    """Return an error in one line, with the place in this package that it came through last."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the round's own
    own = [frame for frame in frames if Path(frame.filename).parent == HERE]
    text = " ".join(str(error).split())
    place = f" ({Path(own[-1].filename).name}:{own[-1].lineno})" if own else ""
    return f"{type(error).__name__}: {text}{place}"


def _log(message: str) -> None:
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {message}", file=sys.stderr, flush=True)
