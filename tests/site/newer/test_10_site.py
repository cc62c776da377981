# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site, its status and its teardown with the newer Ansible line and Helm 4."""

from __future__ import annotations

import json
import os
import subprocess

import pytest


@pytest.fixture(scope="module")
def newer(lab) -> dict[str, str | None]:
    """The shell's environment with Helm 4 before the lab's own."""
    lab.up()
    return {"PATH": os.pathsep.join([os.environ["HELM_4"], str(lab.config["bin_dir"]), os.environ["PATH"]])}


def said(newer: dict[str, str | None], *command: str) -> str:
    done = subprocess.run(command, env={**os.environ, **newer}, check=True, capture_output=True, text=True)
    return done.stdout


def test_versions_are_the_newer_ones(newer):
    assert said(newer, "helm", "version", "--short").startswith("v4.")
    assert "core 2.21." in said(newer, "ansible", "--version")


def test_site_comes_up_and_a_second_run_changes_nothing(site, newer):
    first = site.run("site", "-v", name="first", env=newer).ok()
    assert "Timeout when waiting for search string" not in first.output, "a stack's end was not seen"
    second = site.run("site", name="second", env=newer).ok()
    assert second.changed == 0, second.changed_tasks


def test_releases_are_deployed_once(lab, newer):
    config = {**newer, "KUBECONFIG": str(lab.dir / "admin.kubeconfig")}
    releases = json.loads(said(config, "helm", "list", "--all-namespaces", "--output", "json"))
    assert {release["status"] for release in releases} == {"deployed"}
    assert {release["name"]: release["revision"] for release in releases}["langfuse"] == "1"


def test_a_change_upgrades_and_check_mode_tells_of_it(site, newer):
    more = ["--tags", "langfuse", "-e", json.dumps({"langfuse_sizing": {"worker": {"max_replicas": 4}}})]
    planned = site.run("site", "--check", *more, name="planned", env=newer).ok()
    assert any("Helm" in task for task in planned.changed_tasks), planned.changed_tasks
    site.run("site", *more, name="changed", env=newer).ok()
    again = site.run("site", *more, name="changed-again", env=newer).ok()
    assert again.changed == 0, again.changed_tasks


def test_status_is_told(site, newer):
    run = site.run("status", name="status", env=newer).ok()
    assert run.changed == 0
    assert "langfuse is degraded." in run.output  # the lab has no metrics for the autoscaler


def test_teardown(site, lab, newer):
    wanted = ["-e", "teardown_confirm=langfuse", "-e", "teardown_delete_data=true"]
    site.run("teardown", *wanted, name="teardown", env=newer).ok()
    assert lab.left_over() == []
