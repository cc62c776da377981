# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of the site without changes, alone in account and cluster and beside nine more deployments.

Usage: bench.py [--runs 3]. Exits 1 when a goal is missed. Medians. Seconds by the clock have what servers take, and
what else the computer does; CPU seconds are the run's own and its modules'.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import time
from pathlib import Path

import goals
import neighbours

ROOT = Path(__file__).parents[3]
OTHERS = 9
GOAL = 1.2
CHANGED = re.compile(r"^localhost +: ok=\d+ +changed=(\d+)", re.M)


def site() -> dict[str, float]:
    """Run the whole site; its seconds."""
    before, begun = os.times(), time.monotonic()
    command = ["ansible-playbook", "-i", "inventories/local", "playbooks/site.yml"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    seconds, after = time.monotonic() - begun, os.times()
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    return {
        "clock": seconds,
        "CPU": after.children_user + after.children_system - before.children_user - before.children_system,
        "changed": float(CHANGED.search(done.stdout)[1]),
    }


def measure(runs: int) -> dict[str, float]:
    """Medians of that many runs, none of which may change anything."""
    taken = [site() for _run in range(runs)]
    if any(run["changed"] for run in taken):
        sys.exit("A run changed something.")
    return {name: statistics.median(run[name] for run in taken) for name in ("clock", "CPU")}


def main() -> int:
    """Measure, print, and fail when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    goals.add_option(parser)
    options = parser.parse_args()
    os.environ["AWS_DEFAULT_REGION"] = json.loads(Path(os.environ["LAB_DIR"], "config.json").read_text())["region"]
    site()
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
