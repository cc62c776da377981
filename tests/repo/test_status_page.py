# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status page as a browser shows it: its figures, on a phone and a desk, in the light and in the dark."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.filter.status_report import status_report
from ansible_collections.llmops.langfuse.tests.unit.plugins.filter.found import HEALTHY, NOW
from browser import opened
from playwright.sync_api import Page

CLICKHOUSE = "clickhouse-storage-volume-langfuse-clickhouse-0-0-0"
PHONE, DESK = 360, 1280
# The contrast of each state's word with the page, as WCAG counts it.
CONTRAST = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/\\d+/g).map(Number).map((c) => c / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const page = light(getComputedStyle(document.body).backgroundColor);
  return [...document.querySelectorAll('td span, td, h2, .verdict')].map((each) => {
    const own = light(getComputedStyle(each).color);
    return (Math.max(own, page) + 0.05) / (Math.min(own, page) + 0.05);
  });
}"""


def found() -> dict[str, Any]:
    """A platform with a full volume, an unknown one, a rule that is another, and words that are no HTML."""
    given = copy.deepcopy(HEALTHY)
    (claim,) = given["claims"]
    full = {**claim, "name": CLICKHOUSE, "used_percent": 93.0, "state": "critical", "reason": "93 % is used"}
    lost = {**claim, "name": "lost", "used_percent": None, "days_until_full": None, "state": "unknown"}
    given["claims"] += [full, {**lost, "reason": "<script>document.title = 'taken'</script>"}]
    given["tables"]["tables"][0]["ttl"] = "toDateTime(timestamp) + toIntervalDay(90)"
    del given["certificates"]
    return given


@pytest.fixture(params=[(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")], ids=str)
def shown(request: Any, tmp_path: Path) -> Iterator[Page]:
    """The page, opened from a file."""
    width, scheme = request.param
    made = status_report(found(), name="langfuse", region="ap-south-1", now=NOW, unknown={"certificates": "denied"})
    file = tmp_path / "status.html"
    file.write_text(made["page"])
    with opened(file, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        yield page


def bar(page: Page, name: str) -> float:
    """The share of its track that the bar under a name fills, 0 without one."""
    track = page.locator(f"svg text:text-is('{name}') ~ rect.track").first.bounding_box()
    bars = [each.bounding_box() for each in page.locator("svg rect:not(.track)").all()]
    return sum(each["width"] for each in bars if abs(each["y"] - track["y"]) < 1) / track["width"]


def test_it_shows_the_figures(shown: Page) -> None:
    text = shown.inner_text("body")
    assert shown.title() == f"langfuse in ap-south-1, {NOW}: broken"
    assert shown.inner_text(".verdict") == "broken"
    for figure in (
        "42 % of 200Gi, full in 90 days ok",
        "93 % of 200Gi",
        "kept 90 days degraded",
        "is kept 90 days, wanted are 30 days",
        "unknown unknown\ndenied",
        "k8s-prod.elb.amazonaws.com ok",
        "3 MiB",
        "idle since 2026-11-20T01:02:03",
        "3 x t4g.medium, 1 x r7g.xlarge",
    ):
        assert figure in text


def test_bars_are_as_long_as_their_figures(shown: Page) -> None:
    assert bar(shown, "data-0") == pytest.approx(0.416, abs=0.005)
    assert bar(shown, CLICKHOUSE) == pytest.approx(0.93, abs=0.005)
    assert bar(shown, "lost") == 0
    assert bar(shown, "system.query_log") == pytest.approx(1 / 3, abs=0.005)


def test_it_fits_and_can_be_read(shown: Page) -> None:
    assert shown.evaluate("document.documentElement.scrollWidth") <= shown.viewport_size["width"]
    assert min(shown.evaluate(CONTRAST)) >= 4.5
    dark = shown.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    background = shown.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == ("rgb(20, 25, 31)" if dark else "rgb(255, 255, 255)")


def test_it_asks_for_nothing_else(shown: Page) -> None:
    asked: list[str] = []
    shown.on("request", lambda request: asked.append(request.url))
    shown.reload()
    assert asked == [shown.url]
