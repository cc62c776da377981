# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on an empty account, the first run, the second run, each tag alone."""

from __future__ import annotations

import base64

import pytest

ROLES = ["cluster", "storage", "addons", "secrets", "langfuse", "ingress", "monitoring", "clickhouse_retention"]
SECRETS = "/langfuse/lab"


def test_check_mode_on_the_empty_account(site, lab):
    run = site.run("site", "--check", name="check-empty").ok()
    for what in (
        "Stack langfuse-network would be created",
        "Stack langfuse-cluster would be created",
        "StorageClass gp3",
        "Helm release langfuse",
        "events_full 30d",
    ):
        assert what in run.output, what
    assert lab.left_over() == []


def test_first_run(site, lab):
    run = site.run("site", "-vvvv", name="first").ok()
    print(f"first run {run.seconds:.0f} s, {run.changed} changes")
    values = secret_values(lab)
    assert len(values) >= 9
    shown = [
        name
        for name, value in values.items()
        if value in run.output or base64.b64encode(value.encode()).decode() in run.output
    ]
    assert shown == [], f"secret values in the output: {shown}"


def secret_values(lab) -> dict[str, str]:
    pages = (
        lab.client("ssm")
        .get_paginator("get_parameters_by_path")
        .paginate(Path=SECRETS, Recursive=True, WithDecryption=True)
    )
    return {p["Name"]: p["Value"] for page in pages for p in page["Parameters"]}


def test_second_run_changes_nothing(site):
    run = site.run("site", name="second").ok()
    print(f"second run {run.seconds:.0f} s")
    assert run.changed == 0, run.changed_tasks


def test_check_mode_then_changes_nothing(site):
    run = site.run("site", "--check", "--diff", name="check-diff").ok()
    assert run.changed == 0, run.changed_tasks


@pytest.mark.parametrize("role", ROLES)
def test_each_tag_alone(role, site):
    run = site.run("site", "--tags", role, name=f"tag-{role}").ok()
    assert run.changed == 0, run.changed_tasks
