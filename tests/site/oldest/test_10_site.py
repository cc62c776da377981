# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site, its status and its teardown with the oldest versions that are allowed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
OLDEST = Path(os.environ["OLDEST"])


@pytest.fixture(scope="module")
def oldest(lab) -> dict[str, str | None]:
    """The shell's environment with the oldest Ansible and Helm before those of these tests."""
    lab.up()
    before = [OLDEST / "bin", os.environ["HELM_OLDEST"], lab.config["bin_dir"]]
    return {"PATH": os.pathsep.join([*map(str, before), os.environ["PATH"]])}


def test_versions_are_the_oldest_ones(oldest):
    path = {**os.environ, **oldest}
    helm = subprocess.run(["helm", "version", "--short"], check=True, capture_output=True, text=True, env=path).stdout
    platform = yaml.safe_load((ROOT / "roles/platform/vars/main.yml").read_text())
    assert helm.startswith(f"v{platform['__platform_helm_minimum']}")
    installed = subprocess.run([OLDEST / "bin/pip", "freeze"], check=True, capture_output=True, text=True).stdout
    python = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and line[0] != "#"]
    core = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"]
    assert {each.replace(">=", "==") for each in [f"ansible-core{core}", *python]} <= set(installed.splitlines())
    collections = next(OLDEST.glob("lib/python*/site-packages/ansible_collections"))
    for wanted in yaml.safe_load((ROOT / "requirements.yml").read_text())["collections"]:
        manifest = yaml.safe_load((collections / wanted["name"].replace(".", "/") / "MANIFEST.json").read_text())
        print(wanted["name"], manifest["collection_info"]["version"])
        assert f">={manifest['collection_info']['version']}" == wanted["version"]


def test_site_comes_up_and_a_second_run_changes_nothing(site, oldest):
    first = site.run("site", name="first", env=oldest).ok()
    assert "does not support Ansible" not in first.output
    second = site.run("site", "--diff", name="second", env=oldest).ok()
    assert second.changed == 0, second.changed_tasks


def test_a_change_is_told_and_made(site, oldest):
    more = ["-e", '{"langfuse_sizing": {"worker": {"max_replicas": 4}}, "clickhouse_retention_days": 80}']
    planned = site.run("site", "--check", "--diff", *more, name="planned", env=oldest).ok()
    assert any("Helm" in task for task in planned.changed_tasks), planned.changed_tasks
    site.run("site", *more, name="changed", env=oldest).ok()
    again = site.run("site", *more, name="changed-again", env=oldest).ok()
    assert again.changed == 0, again.changed_tasks


def test_relief_and_status(site, oldest):
    # The disk that the lab's ClickHouse tells of is this computer's.
    by_hand = ["--tags", "clickhouse_retention_relief", "-e", "clickhouse_retention_emergency_target_percent=90"]
    site.run("site", *by_hand, name="relief", env=oldest).ok()
    status = site.run("status", name="status", env=oldest).ok()
    assert "langfuse is degraded." in status.output  # the lab has no metrics for the autoscaler


def test_teardown(site, lab, oldest):
    wanted = ["-e", "teardown_confirm=langfuse", "-e", "teardown_delete_data=true"]
    site.run("teardown", *wanted, name="teardown", env=oldest).ok()
    assert lab.left_over() == []
