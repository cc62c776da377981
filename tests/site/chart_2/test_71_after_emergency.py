# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands after the emergency is what the site wants."""

from __future__ import annotations


def test_a_run_afterwards_changes_nothing(site):
    run = site.run("site", "--tags", "clickhouse_retention", name="retention-afterwards").ok()
    assert run.changed == 0, run.changed_tasks
