# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A status for a terminal, and as one HTML page that needs no network."""

from __future__ import annotations

import typing as t
from html import escape

from ansible_collections.llmops.langfuse.plugins.module_utils._status import (
    CRITICAL_PERCENT,
    OK,
    WARNING_PERCENT,
    Part,
    Status,
)

MOST_TABLES = 12
WIDEST = 44  # of the table's first column; longer names push the rest of their line aside
STYLE = """
:root { color-scheme: light dark; --page: #fff; --text: #1b2733; --soft: #5a6a7a; --line: #d7dfe7; --bar: #4a7fb5;
  --ok: #2e7d4f; --degraded: #955c00; --broken: #b3261e; --unknown: #6b5aa8; }
@media (prefers-color-scheme: dark) {
  :root { --page: #14191f; --text: #e3eaf1; --soft: #9db1c5; --line: #2c3742; --bar: #6fa3d8;
    --ok: #6fc48d; --degraded: #e6ae4a; --broken: #f08b84; --unknown: #b3a4ec; }
}
* { box-sizing: border-box }
body { margin: 0 auto; padding: 1rem; max-width: 60rem; background: var(--page); color: var(--text);
  font: 15px/1.45 system-ui, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.15rem }
h2 { font-size: 1rem; margin: 1.6rem 0 .4rem }
h3 { font-size: .9rem; margin: .8rem 0 .3rem; color: var(--soft) }
svg { display: block; width: 100%; max-width: 40rem; height: auto; margin-bottom: .6rem }
table { width: 100%; border-collapse: collapse }
td { padding: .3rem .6rem .3rem 0; border-top: 1px solid var(--line); vertical-align: top }
td:first-child { width: 38% }
.why { color: var(--soft) }
.verdict { font-size: 1.5rem; font-weight: 600 }
.ok { color: var(--ok); fill: var(--ok) }
.degraded { color: var(--degraded); fill: var(--degraded) }
.broken { color: var(--broken); fill: var(--broken) }
.unknown { color: var(--unknown); fill: var(--unknown) }
.track { fill: var(--line) }
.bar { fill: var(--bar) }
.mark { stroke: var(--text); stroke-dasharray: 3 3 }
svg text { fill: var(--text); font-size: 12px }
"""


def table(status: Status, title: str) -> list[str]:
    """One line a thing: name, what was found, and what is wrong with it."""
    width = min(max((len(row.what) for part in status.parts for row in part.rows), default=0), WIDEST)
    lines = [title, ""]
    for part in status.parts:
        lines.append(part.title)
        for row in part.rows:
            wrong = "" if row.state == OK else f"  [{row.state}{': ' + row.why if row.why else ''}]"
            lines.append(f"  {row.what:<{width}}  {row.found}{wrong}")
    return [*lines, "", f"All in all: {status.verdict}"]


def page(status: Status, title: str) -> str:
    """The page. Every word that was read is escaped."""
    mood = {"healthy": "ok"}.get(status.verdict, status.verdict)
    reasons = "".join(f"<li>{escape(reason)}</li>" for reason in status.reasons)
    parts = "\n".join(_section(part) for part in status.parts)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}: {status.verdict}</title><style>{STYLE}</style></head><body>
<h1>{escape(title)}</h1><p class="verdict {mood}">{status.verdict}</p><ul>{reasons}</ul>
{parts}
</body></html>
"""


def _section(part: Part) -> str:
    rows = "".join(
        f'<tr><td>{escape(row.what)}</td><td>{escape(row.found)} <span class="{row.state}">{row.state}</span>'
        f"{_why(row.why)}</td></tr>"
        for row in part.rows
    )
    return f"<section><h2>{escape(part.title)}</h2>{_pictures(part)}<table>{rows}</table></section>"


def _why(why: str) -> str:
    return f'<br><span class="why">{escape(why)}</span>' if why else ""


def _pictures(part: Part) -> str:
    if not part.figures:
        return ""
    if "percent" in part.figures[0]:
        used = [(f["name"], f["percent"], _percent(f["percent"]), f["state"]) for f in part.figures]
        return f"<h3>Used, with marks at {WARNING_PERCENT} and {CRITICAL_PERCENT} %</h3>{_bars(used, 100, marks=True)}"
    largest = sorted(part.figures, key=lambda figure: -figure["bytes"])[:MOST_TABLES]
    sizes = [(f["name"], f["bytes"], _human(f["bytes"]), "bar") for f in largest]
    kept = [
        (f["name"], f["days"], _window(f), "ok" if f["days"] == f["wanted"] else "degraded")
        for f in part.figures
        if f["wanted"]
    ]
    most = max((figure[1] or 0 for figure in kept), default=0)
    return f"<h3>Bytes by table</h3>{_bars(sizes, sizes[0][1])}<h3>Days kept</h3>{_bars(kept, most)}"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.0f} %"


def _window(figure: dict[str, t.Any]) -> str:
    found = "for ever" if figure["days"] is None else f"{figure['days']} days"
    return found if figure["days"] == figure["wanted"] else f"{found}, wanted {figure['wanted']}"


def _human(size: float) -> str:
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def _bars(figures: list[tuple[str, float | None, str, str]], most: float, marks: bool = False) -> str:
    """A bar each: name, value (None is unknown), its text, and the class that colours it."""
    height, width = 34, 400
    marked = [width * percent / 100 for percent in (WARNING_PERCENT, CRITICAL_PERCENT)] if marks else []
    drawn = []
    for number, (name, value, text, kind) in enumerate(figures):
        top = number * height
        length = width * min((value or 0) / most, 1) if most else 0
        # What is unknown, or kept for ever, has no bar.
        filled = (
            f'<rect class="{kind}" x="0" y="{top + 16}" width="{length:.1f}" height="10"/>' if value is not None else ""
        )
        drawn.append(
            f'<text x="0" y="{top + 12}">{escape(name)}</text><text x="{width}" y="{top + 12}" text-anchor="end">'
            f'{escape(text)}</text><rect class="track" x="0" y="{top + 16}" width="{width}" height="10"/>{filled}'
        )
        drawn += [f'<line class="mark" x1="{x}" x2="{x}" y1="{top + 15}" y2="{top + 28}"/>' for x in marked]
    return f'<svg viewBox="0 0 {width} {len(figures) * height}" role="img">{"".join(drawn)}</svg>'
