# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a benchmark has to reach."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Goal:
    """A measured value and the most that it may be, in a unit ("s", "%", or a word for the ratio's other side)."""

    name: str
    value: float
    most: float
    unit: str

    @property
    def missed(self) -> bool:
        return self.value > self.most

    @property
    def figure(self) -> str:
        """For people."""
        return f"{self.value:.2f} {self.unit}, at most {self.most:g}"


def add_option(parser: argparse.ArgumentParser) -> None:
    """Where to keep them for the report."""
    parser.add_argument("--goals", type=Path, help="write the goals to this file, as JSON")


def finish(reached: list[Goal], path: Path | None) -> int:
    """Keep them for the report, name those that were missed, and return the exit code."""
    if path:
        path.write_text(json.dumps([asdict(goal) for goal in reached]))
    for goal in reached:
        if goal.missed:
            print(f"MISSED {goal.name}: {goal.figure}", file=sys.stderr)
    return int(any(goal.missed for goal in reached))


def read(path: Path) -> list[Goal]:
    """What finish kept."""
    return [Goal(**goal) for goal in json.loads(path.read_text())]
