# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown, which keeps the data; then the one that does not; then the lab's end."""

from __future__ import annotations

import os
import re
from pathlib import Path


def test_teardown_keeps_the_data(site, lab):
    site.run("teardown", "-e", "teardown_confirm=langfuse", name="teardown").ok()
    left = lab.left_over()
    assert left, "the data is gone"
    assert [
        item for item in left if not re.match(r"(stack langfuse-storage|bucket|ssm parameter|ebs volume)", item, re.I)
    ] == []


def test_teardown_again_changes_nothing(site):
    run = site.run("teardown", "-e", "teardown_confirm=langfuse", name="teardown-again").ok()
    assert run.changed == 0, run.changed_tasks


def test_lab_goes_down_completely(lab):
    done = lab("down")
    assert done.returncode == 0, done.stderr
    lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert [line for line in lines if os.fsencode(lab.dir) in line] == []
