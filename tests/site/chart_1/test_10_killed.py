# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chart major 1, from a run that was killed while Helm installed Langfuse."""

from __future__ import annotations

import time

from runs import kill, wait_until_said


def test_lab_starts_empty(lab):
    lab.up()
    assert lab.left_over() == []


def test_killed_run_converges(site):
    process, log = site.start("site", "-e", "platform_chart_major=1", name="major-1-killed")
    wait_until_said(process, log, "Helm | Apply langfuse")
    time.sleep(2)
    kill(process)

    site.run("site", "-e", "platform_chart_major=1", name="major-1").ok()


def test_second_run_changes_nothing(site):
    run = site.run("site", "-e", "platform_chart_major=1", name="major-1-second").ok()
    assert run.changed == 0, run.changed_tasks


def test_layout(lab):
    claims = {c.metadata.name for c in lab.kubernetes().list_namespaced_persistent_volume_claim("langfuse").items}
    assert {
        "data-langfuse-clickhouse-shard0-0",
        "data-langfuse-postgresql-0",
        "valkey-data-langfuse-redis-primary-0",
    } <= claims
