# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chart major 1: its volumes are watched, and each of its stores grows under its pod."""

from __future__ import annotations

import pytest
from volumes import NAMESPACE, module, published, run_monitor

SETS = {
    "langfuse-clickhouse-shard0": "data-langfuse-clickhouse-shard0-0",
    "langfuse-postgresql": "data-langfuse-postgresql-0",
    "langfuse-redis-primary": "valkey-data-langfuse-redis-primary-0",
}
SIZE = "210Gi"


def test_every_claim_is_published_under_its_pod(site, lab):
    succeeded, log = run_monitor(lab)
    assert succeeded, log
    figures = published(lab)
    answer = module(site, lab, "pvc_info")
    claims = {claim["name"]: claim for claim in answer["pvcs"]}
    assert set(SETS.values()) <= claims.keys()
    for name, claim in claims.items():
        assert claim["metric_pod"] == claim["pods"][0]
        assert ("UsagePercent", name) in figures
    assert figures["ClaimsUnknown", ""] == 0


def test_the_emergency_listens_to_clickhouse(lab):
    [alarm] = lab.client("cloudwatch").describe_alarms(AlarmNames=["langfuse-clickhouse-disk"])["MetricAlarms"]
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "ClusterName": "langfuse",
        "Namespace": NAMESPACE,
        "PVCName": "data-langfuse-clickhouse-shard0-0",
        "PodName": "langfuse-clickhouse-shard0-0",
    }


def test_both_load_balancers_have_an_address(lab):
    schemes = {each["Scheme"] for each in lab.client("elbv2").describe_load_balancers()["LoadBalancers"]}
    assert schemes == {"internet-facing", "internal"}


@pytest.mark.parametrize("statefulset", SETS)
def test_store_grows_under_its_pod(site, lab, statefulset):
    core = lab.kubernetes()

    def uids():
        pods = core.list_namespaced_pod(NAMESPACE).items
        return {pod.metadata.name: pod.metadata.uid for pod in pods if "pvc-monitor" not in pod.metadata.name}

    before = uids()
    arguments = {"statefulset": statefulset, "size": SIZE, "recreate_statefulset": True, "_ansible_diff": True}
    planned = module(site, lab, "pvc_resize", _ansible_check_mode=True, **arguments)
    done = module(site, lab, "pvc_resize", wait_timeout=120, **arguments)
    assert done["changed"] and done["diff"] == planned["diff"], (planned, done)
    assert {claim["capacity"] for claim in done["claims"]} == {SIZE}
    assert SETS[statefulset] in [claim["name"] for claim in done["claims"]]
    assert uids() == before, "a pod was restarted"
    assert not module(site, lab, "pvc_resize", **arguments)["changed"]
