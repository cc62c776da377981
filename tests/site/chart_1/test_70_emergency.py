# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The emergency with chart major 1's tables and names; the whole chain is in chart_2."""

from __future__ import annotations

import emergency
import pytest
from emergency import ALARM, wait
from small_disk import small_disk

DISK = 64 << 20
MAJOR = 1


@pytest.fixture
def ear(lab):
    ear = emergency.Ear(lab)
    yield ear
    ear.close()


@pytest.fixture
def disk(lab):
    """Nearly full, most of it with rows of four months."""
    with small_disk(lab, DISK) as disk:
        emergency.load_old_rows(lab, disk.client, MAJOR, days=120, rows_a_day=130)
        disk.fill(95)
        yield disk


def test_alarm_frees_the_disk(lab, ear, disk):
    since = emergency.young_since()
    young = emergency.rows_since(disk.client, MAJOR, since)
    with emergency.no_schedule(lab):
        for state in ("OK", "ALARM"):
            lab.client("cloudwatch").set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="test")
        wait("a free disk", lambda: disk.percent <= 75)
        (told,) = wait("the message", lambda: ear.said("ClickHouse disk freed"))
    assert "drop partition default.observations" in told["Message"]
    assert emergency.rows_since(disk.client, MAJOR, since) == young
    assert ear.dead_letters() == []


def test_by_hand(site, lab, disk):
    """By the role's settings, without alarm and function. Check mode changes nothing."""
    since = emergency.young_since()
    young = emergency.rows_since(disk.client, MAJOR, since)
    by_hand = ["--tags", "clickhouse_retention_relief", "-e", "platform_chart_major=1"]
    with emergency.no_schedule(lab):
        planned = site.run(
            "site", *by_hand, "--check", "-e", "clickhouse_retention_emergency_keep_days=3650", name="relief-planned"
        ).ok()
        assert "younger than 3650 days" in planned.output and "drop partition" not in planned.output
        assert disk.percent > 90
        freed = site.run("site", *by_hand, name="relief").ok()
    assert "drop partition default.observations" in freed.output
    assert disk.percent <= 75
    assert emergency.rows_since(disk.client, MAJOR, since) == young


def test_a_run_afterwards_changes_nothing(site):
    run = site.run(
        "site", "-e", "platform_chart_major=1", "--tags", "clickhouse_retention", name="retention-afterwards"
    ).ok()
    assert run.changed == 0, run.changed_tasks
