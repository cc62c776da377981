# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The picture of the architecture, as a browser draws it: no text leaves its box."""

from __future__ import annotations

import subprocess
from pathlib import Path

from playwright.sync_api import sync_playwright

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
    path = subprocess.run(["tests/chromium.sh"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()
    alone = ["--no-sandbox", "--single-process", "--no-zygote", "--disable-gpu"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=alone)
        page = browser.new_page(viewport={"width": 920, "height": 470})
        page.goto((ROOT / "docs/architecture.svg").as_uri())
        assert page.evaluate("document.querySelectorAll('text').length") > 20
        assert page.evaluate(OUTSIDE) == []
        browser.close()
