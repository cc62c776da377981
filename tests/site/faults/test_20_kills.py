# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of the site at random moments, each run on what the one before left; then a run that may end.

KILLS says how many (50), SEED which moments. A chain of killed runs begins on an empty lab and ends with the first run
that was quicker than its kill. What stands then must be what an uninterrupted run makes, and no secret that was ever
written may have another value.
"""

from __future__ import annotations

import os
import random
import subprocess
import time

from runs import kill
from standing import empty_lab, standing

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))


def ended_before(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait; kill the run and everything it started unless it has ended by then."""
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        kill(process)
        return False


def test_killed_runs_end_where_an_uninterrupted_one_does(site, lab):
    print(f"SEED={SEED} KILLS={KILLS}")
    chance = random.Random(SEED)
    empty_lab(lab)
    begun = time.monotonic()
    site.run("site", name="uninterrupted").ok()
    longest = time.monotonic() - begun
    wanted = standing(lab)
    killed = 0
    while killed < KILLS:
        empty_lab(lab)
        seen: dict[str, str] = {}
        while killed < KILLS:
            process, log = site.start("site", name=f"killed-{killed + 1}")
            if ended_before(process, chance.uniform(1, longest)):
                assert process.returncode == 0, log.read_text()[-6000:]
                break
            killed += 1
            print(f"killed {killed}: {log.read_text().rpartition('TASK [')[2].partition(']')[0]}", flush=True)
            now = lab.secrets
            assert seen.items() <= now.items(), "a secret was lost or written twice"
            seen = now
        site.run("site", name=f"after-{killed}").ok()
        assert standing(lab) == wanted
        assert seen.items() <= lab.secrets.items()
