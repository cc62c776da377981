# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of the site without changes, alone in account and cluster and beside nine more deployments.

Usage: bench.py [--runs 3]. Exits 1 when a goal is missed. Medians. Seconds by the clock have what servers take, and
what else the computer does; CPU seconds are the run's own and its modules'.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time

import goals
import neighbours
import site_run

OTHERS = 9
GOAL = 1.2


def run() -> dict[str, float]:
    """Run the whole site, which may not change anything; its seconds."""
    before, begun = os.times(), time.monotonic()
    printed = site_run.site()
    seconds, after = time.monotonic() - begun, os.times()
    site_run.tasks_without_change(printed)
    return {
        "clock": seconds,
        "CPU": after.children_user + after.children_system - before.children_user - before.children_system,
    }


def measure(runs: int) -> dict[str, float]:
    """Medians of that many runs."""
    taken = [run() for _run in range(runs)]
    return {name: statistics.median(each[name] for each in taken) for name in taken[0]}


def main() -> int:
    """Measure, print, and fail when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    goals.add_option(parser)
    options = parser.parse_args()
    site_run.lab()
    site_run.site()
    alone = measure(options.runs)
    neighbours.add(OTHERS)
    beside = measure(options.runs)
    print(f"A run of the site without changes, medians of {options.runs}.\n")
    print(f"| seconds | alone | beside {OTHERS} more | ratio |\n|---|---|---|---|")
    ratios = {name: beside[name] / alone[name] for name in alone}
    for name, ratio in ratios.items():
        print(f"| {name} | {alone[name]:.1f} | {beside[name]:.1f} | {ratio:.2f} |")
    reached = [
        goals.Goal(f"site beside {OTHERS} more, {name}", ratio, GOAL, "of alone") for name, ratio in ratios.items()
    ]
    return goals.finish(reached, options.goals)


if __name__ == "__main__":
    sys.exit(main())
