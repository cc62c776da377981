# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown with all data."""

from __future__ import annotations

from helm_records import deployed, set_state


def test_teardown_with_data_leaves_nothing(site, lab):
    """After one that was killed just when Helm had begun."""
    set_state(lab, deployed(lab), "uninstalling")
    site.run(
        "teardown",
        "-e",
        "teardown_confirm=langfuse",
        "-e",
        "platform_chart_major=1",
        "-e",
        "teardown_delete_data=true",
        name="teardown-data",
    ).ok()
    assert lab.left_over() == []
    run = site.run(
        "teardown",
        "-e",
        "teardown_confirm=langfuse",
        "-e",
        "platform_chart_major=1",
        "-e",
        "teardown_delete_data=true",
        name="teardown-data-again",
    ).ok()
    assert run.changed == 0, run.changed_tasks
