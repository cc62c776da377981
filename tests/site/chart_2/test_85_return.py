# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A site run after a teardown takes the kept data back; the teardown with data leaves nothing; then the lab's end."""

from __future__ import annotations

import os
from pathlib import Path


def test_the_next_run_takes_the_data_back(site, lab, kept):
    site.run("site", name="return").ok()
    assert lab.volumes_of_claims() == kept["claims"]
    assert lab.rows("default.traces") == kept["rows"]
    assert lab.client("s3").get_object(Bucket=lab.bucket, Key="media/picture")["Body"].read() == b"kept"


def test_and_changes_nothing_after_that(site):
    run = site.run("site", "--tags", "cluster,storage,addons", name="return-again").ok()
    assert run.changed == 0, run.changed_tasks


def test_teardown_with_data_leaves_nothing(site, lab):
    site.run(
        "teardown", "-e", "teardown_confirm=langfuse", "-e", "teardown_delete_data=true", name="teardown-data"
    ).ok()
    assert lab.left_over() == []


def test_lab_goes_down_completely(lab):
    done = lab("down")
    assert done.returncode == 0, done.stderr
    lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert [line for line in lines if os.fsencode(lab.dir) in line] == []
