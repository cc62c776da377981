# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the architecture, as a browser draws it: no text leaves its box."""

from __future__ import annotations

from pathlib import Path

from browser import opened

ROOT = Path(__file__).parents[2]
OUTSIDE = """() => {
  const boxes = [...document.querySelectorAll('rect')].map((each) => each.getBoundingClientRect());
  const area = (box) => box.width * box.height;
  return [...document.querySelectorAll('text')].filter((each) => {
    const text = each.getBoundingClientRect();
    const beside = (box) => box.left <= text.left && box.right >= text.left;
    const holds = (box) => beside(box) && box.top <= text.top && box.bottom >= text.bottom;
    const own = boxes.filter(holds).sort((one, other) => area(one) - area(other))[0];
    return !own || text.right > own.right - 3;
  }).map((each) => each.textContent);
}"""


def test_no_text_leaves_its_box() -> None:
    with opened(ROOT / "docs/architecture.svg", viewport={"width": 920, "height": 470}) as page:
        assert page.evaluate("document.querySelectorAll('text').length") > 20
        assert page.evaluate(OUTSIDE) == []
