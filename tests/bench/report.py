# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All benchmarks one after the other, in one Markdown report with a picture of what was reached of each goal.

Usage: report.py [--output tests/output/bench] [BENCH ...]. Exits 1 when a goal is missed or a benchmark failed.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import subprocess
import sys
from pathlib import Path
from xml.sax.saxutils import escape

import goals

HERE = Path(__file__).parent
WIDTH, LABEL, ROW = 960, 470, 24  # pixels
AT_GOAL = 140  # pixels of a bar that is the goal
MOST = 3.2  # goals at which a bar is cut


def picture(reached: list[goals.Goal]) -> str:
    """An SVG: a bar for each goal, the line is the goal itself."""
    height = ROW * (len(reached) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12" role="img" aria-label="What was measured, as a share of each goal">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for number, goal in enumerate(reached):
        y, share = ROW * (number + 1), goal.value / goal.most
        colour = "#b3401f" if goal.missed else "#3f7d52"
        length = max(2, round(AT_GOAL * min(share, MOST)))
        lines += [
            f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end" fill="#1b2733">{escape(goal.name)}</text>',
            f'<rect x="{LABEL}" y="{y + 3}" width="{length}" height="{ROW - 8}" fill="{colour}"/>',
            f'<text x="{LABEL + max(length, AT_GOAL) + 8}" y="{y + 13}" fill="#1b2733">'
            f"{escape(goal.figure)}{' (the bar is cut)' if share > MOST else ''}</text>",
        ]
    line = LABEL + AT_GOAL
    lines += [
        f'<line x1="{line}" y1="{ROW - 4}" x2="{line}" y2="{height - ROW}" stroke="#1b2733" stroke-dasharray="4 3"/>',
        f'<text x="{line}" y="{ROW - 8}" text-anchor="middle" fill="#1b2733">goal</text>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def table(reached: list[goals.Goal]) -> list[str]:
    """Markdown."""
    rows = [
        f"| {goal.name} | {goal.value:.2f} | {goal.most:g} {goal.unit} | {'missed' if goal.missed else 'met'} |"
        for goal in reached
    ]
    return ["| what | measured | at most | |", "|---|---|---|---|", *rows]


def run(bench: str, folder: Path) -> tuple[str, list[goals.Goal] | None]:
    """What a benchmark printed, and its goals; None when it did not come to its end."""
    kept = folder / f"{bench}.json"
    kept.unlink(missing_ok=True)
    command = [str(HERE / bench / "run.sh"), "--goals", str(kept)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    print(done.stdout, flush=True)
    if not kept.exists():
        return f"It did not come to its end (exit code {done.returncode}).\n", None
    return done.stdout, goals.read(kept)


def main() -> int:
    """Run, write, and say where."""
    every = sorted(path.parent.name for path in HERE.glob("*/run.sh"))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("benches", nargs="*", metavar="BENCH", help=f"of {', '.join(every)}; all")
    parser.add_argument("--output", type=Path, default=Path("tests/output/bench"))
    options = parser.parse_args()
    if unknown := set(options.benches) - set(every):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(every)}")
    folder: Path = options.output.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    ran = {bench: run(bench, folder) for bench in options.benches or every}
    reached = [goal for _printed, found in ran.values() for goal in found or []]
    (folder / "goals.svg").write_text(picture(reached))
    report = [
        "# Benchmarks",
        "",
        f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}.",
        "",
        "![What was measured, as a share of each goal](goals.svg)",
        "",
        *table(reached),
    ]
    for bench, (printed, _found) in ran.items():
        report += ["", f"## {bench}", "", printed.strip()]
    (folder / "report.md").write_text("\n".join(report) + "\n")
    print(f"Report: {folder / 'report.md'}")
    return int(any(goal.missed for goal in reached) or any(found is None for _printed, found in ran.values()))


if __name__ == "__main__":
    sys.exit(main())
