# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two people run the site at the same time. One of them at least ends well, and nothing is there twice."""

from __future__ import annotations

import pytest
from standing import empty_lab, standing


def at_once(site, name: str) -> tuple[list[int], list[str]]:
    """Run the site twice at once, both alive; the exit codes, and what each printed."""
    alive = ["-e", "platform_release_pending_seconds=900"]
    started = [site.start("site", *alive, name=f"{name}-{number}") for number in (1, 2)]
    return [process.wait(timeout=1800) for process, _log in started], [log.read_text() for _process, log in started]


@pytest.fixture(scope="module")
def alone(site, lab):
    """What a run that is alone makes."""
    empty_lab(lab)
    site.run("site", name="alone").ok()
    return standing(lab)


def test_on_what_stands_both_end_well(alone, site, lab):
    codes, printed = at_once(site, "standing")
    assert codes == [0, 0], [text[-3000:] for text in printed]
    assert standing(lab) == alone


def test_on_an_empty_account_one_wins_or_both_end_well(alone, site, lab):
    empty_lab(lab)
    codes, printed = at_once(site, "empty")
    print(f"exit codes {codes}")
    assert 0 in codes, [text[-3000:] for text in printed]
    assert not any("Traceback" in text for text in printed)
    made = lab.secrets
    site.run("site", name="after-both").ok()
    assert standing(lab) == alone
    assert lab.secrets == made
