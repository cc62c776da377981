# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The release as it stands, and what the role refuses: each run here leaves everything as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from kubernetes import client, config
from langfuse_lab.clickhouse.client import Client


def langfuse(site, name: str, *arguments: str, **variables):
    return site.run("site", "--tags", "langfuse", *arguments, "-e", json.dumps(variables), name=f"langfuse-{name}")


def api(lab, kind):
    return kind(config.new_client_from_config(str(lab.dir / "admin.kubeconfig")))


def test_autoscaler_has_its_behaviour(lab):
    scaler = api(lab, client.AutoscalingV2Api).read_namespaced_horizontal_pod_autoscaler("langfuse-worker", "langfuse")
    targets = {metric.resource.name: metric.resource.target.average_utilization for metric in scaler.spec.metrics}
    assert targets == {"cpu": 70, "memory": 80}
    assert (scaler.spec.min_replicas, scaler.spec.max_replicas) == (1, 3)
    down = scaler.spec.behavior.scale_down
    assert (down.stabilization_window_seconds, down.policies[0].value) == (300, 1)
    assert scaler.spec.behavior.scale_up.policies[0].value == 2


def test_every_pod_may_be_drained(lab):
    budgets = api(lab, client.PolicyV1Api).list_namespaced_pod_disruption_budget("langfuse").items
    allowed = {budget.metadata.name: budget.status.disruptions_allowed for budget in budgets}
    assert {"langfuse-web-pdb", "langfuse-worker-pdb", "langfuse-clickhouse-0", "langfuse-keeper"} <= allowed.keys()
    assert min(allowed.values()) >= 1, allowed


def test_clickhouse_has_its_configuration(lab):
    files = lab.kubernetes().read_namespaced_config_map("langfuse-clickhouse-0-0", "langfuse").data
    assert "event_date + INTERVAL 10 DAY DELETE" in files["99-extra-config.yaml"]
    assert "query_profiler_real_time_period_ns: 0" in files["99-extra-users-config.yaml"]


REFUSALS = {
    "another major": (
        {"platform_chart_major": 1},
        r"Chart 2\.0\.1 is installed, and platform_chart_major is 1: .*Set platform_chart_major: 2\.",
    ),
    "an older version, another store": (
        {
            "langfuse_values": {"langfuse": {"image": {"tag": "4.4.0"}}},
            "langfuse_external_postgresql": {"host": "db.example.com"},
        },
        r"(?s)Langfuse 4\.4\.0 is older than 4\.16\.0.*langfuse_external_postgresql changes the store of a release",
    ),
    "no room": (
        {"langfuse_sizing": {"worker": {"min_replicas": 90, "max_replicas": 90}}},
        r"(?s)no room for size small; nothing was changed.*worker: \d+ of 90 pods find room, each asks for cpu 250m",
    ),
    "a sign-on without its secrets": (
        {"langfuse_google_enabled": True},
        r"langfuse_google_enabled needs the SSM parameter google-client-id",
    ),
}


def lasting_pods(lab) -> set[str]:
    """The uids of Langfuse's pods, without those that the PVC monitor's schedule starts meanwhile."""
    pods = lab.kubernetes().list_namespaced_pod("langfuse", label_selector="!job-name").items
    return {pod.metadata.uid for pod in pods}


@pytest.mark.parametrize("name", REFUSALS)
def test_refused(name, site, lab):
    variables, message = REFUSALS[name]
    before = lasting_pods(lab)
    run = langfuse(site, name.replace(" ", "-"), **variables)
    assert run.code != 0
    text = " ".join(run.output.split())
    assert re.search(message, text), run.output[-3000:]
    assert "nothing was changed" in text.lower()
    assert lasting_pods(lab) == before


def test_all_wrong_variables_at_once(site):
    run = langfuse(
        site,
        "wrong",
        secrets_rotate=["salt", "encryption-key"],
        langfuse_password_login_disabled=True,
        langfuse_values={"fullnameOverride": "x", "s3": {"mediaUpload": {"maxContentLength": 1}}},
    )
    assert run.code != 0
    text = " ".join(run.output.split())
    for message in (
        "5 variable(s) cannot be used",
        "no other way to log in is on",
        "sets s3.mediaUpload.maxContentLength",
        "sets nameOverride or fullnameOverride",
    ):
        assert message in text, run.output[-3000:]


def test_a_change_of_size_and_store_is_foretold(site):
    """In check mode, because volumes never shrink again."""
    run = langfuse(
        site,
        "grown",
        "--check",
        langfuse_sizing={"postgresql": {"storage": "21Gi"}, "worker": {"max_replicas": 4}},
        langfuse_external_redis={"host": "redis.example.com"},
        langfuse_allow_store_change=True,
    ).ok()
    changed = " ".join(run.changed_tasks)
    assert "Storage | Grow the claims that ask for less" in changed
    assert "Helm | Apply langfuse" in changed


def test_an_interrupted_migration_is_named_with_its_remedy(site, lab):
    clickhouse = Client.of_lab(lab.dir)
    row = "INSERT INTO default.schema_migrations SELECT {}, {}, toUnixTimestamp64Nano(now64(9))"
    clickhouse.execute(row.format(46, 1))
    try:
        run = langfuse(site, "dirty", langfuse_health_timeout=10)
    finally:
        clickhouse.execute(row.format(46, 0))
    assert run.code != 0
    text = " ".join(run.output.split())
    assert "Not so: ClickHouse is migrated (migration 46 is dirty)" in text, run.output[-3000:]
    assert "INSERT INTO default.schema_migrations VALUES (45, 0, " in text


# What somebody may have set for other playbooks and clusters. Whatever would become another user fails.
UNUSUAL = {
    "ANSIBLE_BECOME": "true",
    "ANSIBLE_BECOME_ALLOW_SAME_USER": "true",
    "ANSIBLE_BECOME_EXE": "/bin/false",
    "ANSIBLE_GATHERING": "implicit",
    "ANSIBLE_HASH_BEHAVIOUR": "merge",
    "ANSIBLE_INJECT_FACT_VARS": "false",
    "ANSIBLE_PIPELINING": "false",
    "ANSIBLE_STRATEGY": "free",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "HELM_DEBUG": "true",
    "HELM_NAMESPACE": "default",
    "KUBECONFIG": "/nonexistent",
    "TZ": "America/New_York",
}


def test_the_run_after_all_that_changes_nothing(site):
    run = site.run("site", "--tags", "langfuse", name="langfuse-after", env=UNUSUAL).ok()
    assert run.changed == 0, run.changed_tasks
    assert "web and PostgreSQL are healthy: OK" in run.output


def test_helm_diff_finds_no_change_either(site):
    """Not in the certificate, too, that a chart makes anew where it does not look into the cluster."""
    plugins = {"HELM_PLUGINS": str(Path(__file__).parents[1] / "helm_plugins")}
    run = site.run("site", "--tags", "addons,langfuse", name="helm-diff", env=plugins).ok()
    assert run.changed == 0, run.changed_tasks
    assert "Install helm diff" not in run.output, "the plugin was not asked"
