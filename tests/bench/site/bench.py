# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seconds of the site, first and without changes, against a runbook's commands and the bare reads of one process.

Usage: bench.py [--runs 5]. Exits 1 when a goal is missed. Medians; the three take turns, so that what
else the computer does meets all of them. AWS, EKS and Langfuse answer at once here: on AWS the waits that all three
share come on top.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import goals
import reads
import runbook
import site_run

GOALS = {"runbook": 0.8, "reads": 4.0}
ROLE = re.compile(r"^(\w+) -+ ([\d.]+)s$", re.M)


def seconds(call: Callable[[], object]) -> float:
    begun = time.monotonic()
    call()
    return time.monotonic() - begun


def by_commands(commands: list[list[str]]) -> None:
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{' '.join(command[:6])} …: {done.stderr}")


def report(first: float, medians: dict[str, float], runs: int, roles: dict[str, float], count: int, tasks: str) -> str:
    """Markdown, with a bar for each."""
    most = max(medians.values())
    lines = ["The whole site, without changes.", "", f"Medians of {runs} runs, in seconds.", ""]
    lines += ["| what | seconds | site / this | goal | |", "|---|---|---|---|---|"]
    names = {"site": f"the site, {tasks} tasks", "runbook": f"a runbook of {count} commands", "reads": "the bare reads"}
    for name, text in names.items():
        ratio, goal = medians["site"] / medians[name], GOALS.get(name)
        bar = "█" * max(1, round(30 * medians[name] / most))
        lines.append(f"| {text} | {medians[name]:.1f} | {ratio:.2f} | {f'≤ {goal}' if goal else ''} | {bar} |")
    lines += ["", f"First run on an empty account: {first:.0f} s.", "", "| role | seconds |", "|---|---|"]
    lines += [f"| {role} | {spent:.1f} |" for role, spent in sorted(roles.items(), key=lambda item: -item[1])]
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    goals.add_option(parser)
    options = parser.parse_args()
    lab = site_run.lab()
    first = seconds(site_run.site)
    times: dict[str, list[float]] = {"site": [], "runbook": [], "reads": []}
    shares: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        commands = runbook.commands(Path(folder), f"http://127.0.0.1:{lab['ports']['clickhouse_http']}")
        by_commands(commands)  # its own field manager and revisions are there from now on
        site_run.site()  # and the site has taken back what was its own
        for _run in range(options.runs):
            begun = time.monotonic()
            printed = site_run.site()
            times["site"].append(time.monotonic() - begun)
            ok = site_run.tasks_without_change(printed)
            for role, spent in ROLE.findall(printed):
                shares.setdefault(role, []).append(float(spent))
            times["runbook"].append(seconds(lambda: by_commands(commands)))
            times["reads"].append(seconds(lambda: reads.in_a_process_of_its_own()))
    roles = {role: statistics.median(values) for role, values in shares.items() if role not in ("total",)}
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(report(first, medians, options.runs, roles, len(commands), ok))
    reached = [
        goals.Goal("site, no change", medians["site"] / medians[name], most, f"of the {name}")
        for name, most in GOALS.items()
    ]
    return goals.finish(reached, options.goals)


if __name__ == "__main__":
    sys.exit(main())
