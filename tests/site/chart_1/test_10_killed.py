# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chart major 1, from runs that were interrupted and killed while Helm installed Langfuse."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import yaml
from helm_records import records, wait_until_installing
from runs import kill, wait_until_said
from volumes import until

ROOT = Path(__file__).parents[3]


def test_lab_starts_empty(lab):
    lab.up()
    assert lab.left_over() == []


def states(lab) -> list[str]:
    return list(records(lab).values())


def start_until_installing(site, lab, name: str):
    """Start a run, and give it when Helm has begun."""
    process, log = site.start("site", "-e", "platform_chart_major=1", name=name)
    wait_until_said(process, log, "Helm | Apply langfuse")
    wait_until_installing(lab)
    return process


def test_an_interrupted_run_leaves_nothing_pending(site, lab):
    """Ctrl-C: unlike SIGKILL it reaches Helm, which then says that the release has failed."""
    process = start_until_installing(site, lab, "major-1-interrupted")
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(timeout=60) != 0
    until(lambda: states(lab) == ["failed"], "Helm says that it failed")


def test_killed_run_converges(site, lab):
    """Both times Helm has the wanted values in its record, and little or nothing is installed."""
    kill(start_until_installing(site, lab, "major-1-killed"))
    assert states(lab) == ["pending-install"]
    site.run("site", "-e", "platform_chart_major=1", name="major-1").ok()
    assert states(lab) == ["deployed"]


def numbers_and_switches_as_text() -> str:
    """Every such variable with its default, as name=value on the command line gives it: a text, also false and 0."""
    inventory = yaml.safe_load((ROOT / "inventories/local/group_vars/all.yml").read_text())
    given = []
    for path in sorted(ROOT.glob("roles/*/defaults/main.yml")):
        defaults = yaml.safe_load(path.read_text()) or {}
        numbers = {name: value for name, value in defaults.items() if isinstance(value, int)}
        given += [f"{name}={value}" for name, value in numbers.items() if name not in inventory]
    assert "cluster_nat_per_zone=False" in given
    return " ".join(given)


def test_second_run_changes_nothing(site):
    """By Ansible's own connection, which starts a Python for each module."""
    more = ["-e", "ansible_connection=ansible.builtin.local", "-e", numbers_and_switches_as_text()]
    run = site.run("site", *more, "-e", "platform_chart_major=1", name="major-1-second").ok()
    assert run.changed == 0, run.changed_tasks


def test_layout(lab):
    claims = {c.metadata.name for c in lab.kubernetes().list_namespaced_persistent_volume_claim("langfuse").items}
    assert {
        "data-langfuse-clickhouse-shard0-0",
        "data-langfuse-postgresql-0",
        "valkey-data-langfuse-redis-primary-0",
    } <= claims
