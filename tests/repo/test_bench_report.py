# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The benchmarks' report: what it makes of goals, and that each benchmark can give it some."""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1] / "bench"))

import goals
import report

MET = goals.Goal("a & b", 0.4, 0.8, "of c")
MISSED = goals.Goal("d", 40.0, 4.0, "s")
SVG = "{http://www.w3.org/2000/svg}"


def test_goals_come_back_as_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert goals.finish([MET], tmp_path / "met") == 0
    assert goals.finish([MET, MISSED], tmp_path / "kept") == 1
    assert goals.read(tmp_path / "kept") == [MET, MISSED]
    assert capsys.readouterr().err == "MISSED d: 40.00 s, at most 4\n"


def test_as_much_as_the_goal_is_met() -> None:
    assert not goals.Goal("e", 1.5, 1.5, "s").missed


def test_picture_shows_each_share_and_cuts_what_is_far_off() -> None:
    found = ET.fromstring(report.picture([MET, MISSED]))
    bars = [int(bar.get("width", "")) for bar in found.iter(f"{SVG}rect")][1:]
    assert bars == [70, 448], "half a goal, and the 3.2 goals at which a bar is cut"
    texts = [text.text for text in found.iter(f"{SVG}text")]
    assert texts == ["a & b", "0.40 of c, at most 0.8", "d", "40.00 s, at most 4 (the bar is cut)", "goal"]


def test_table_says_what_was_missed() -> None:
    assert report.table([MET, MISSED])[2:] == ["| a & b | 0.40 | 0.8 of c | met |", "| d | 40.00 | 4 s | missed |"]


def test_a_bench_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "dies").mkdir()
    script = tmp_path / "dies" / "run.sh"
    script.write_text("#!/bin/sh\nexit 7\n")
    script.chmod(0o755)
    monkeypatch.setattr(report, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["report.py", "--output", str(tmp_path / "out")])
    assert report.main() == 1
    assert "exit code 7" in (tmp_path / "out" / "report.md").read_text()
