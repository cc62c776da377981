# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PVC monitor's arithmetic: metrics.jq on small inputs, with figures worked out by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "roles" / "monitoring" / "files" / "metrics.jq"
FIXTURE = Path(__file__).parents[1] / "unit" / "plugins" / "module_utils" / "fixtures" / "pvc_usage.json"
METRICS = {
    "UsagePercent": "percent",
    "UsedGB": "used_gib",
    "TotalGB": "total_gib",
    "InodesUsagePercent": "inodes_percent",
}
GIB = 1024**3


def pod(name, claims, owner=None, labels=None):
    return {
        "metadata": {"name": name, "labels": labels or {}, "ownerReferences": [owner] if owner else []},
        "spec": {"volumes": [{"persistentVolumeClaim": {"claimName": c}} for c in claims]},
    }


def volume(claim, capacity, available, inodes=0, used=0, namespace="langfuse"):
    return {
        "pvcRef": {"name": claim, "namespace": namespace},
        "capacityBytes": capacity,
        "availableBytes": available,
        "inodes": inodes,
        "inodesUsed": used,
    }


def metrics(tmp_path, pods, claims, stats, whole_claims=None):
    """MetricData by (metric, claim or '' for the roll-up, pod)."""
    items = whole_claims or [{"metadata": {"name": c}} for c in claims]
    inputs = {"pods": {"items": pods}, "claims": {"items": items}}
    for name, value in inputs.items():
        (tmp_path / name).write_text(json.dumps(value))
    (tmp_path / "stats").write_text("\n".join(json.dumps(s) for s in stats))
    program = shutil.which("jq") or shutil.which("gojq")
    assert program, "neither jq nor gojq is on PATH"
    command = [program, "-n", "-f", str(PROGRAM), "--arg", "cluster", "c1", "--arg", "namespace", "langfuse"]
    for name in (*inputs, "stats"):
        command += ["--slurpfile", name, str(tmp_path / name)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for metric in json.loads(out):
        dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
        assert dimensions["ClusterName"] == "c1"
        assert dimensions["Namespace"] == "langfuse"
        found[metric["MetricName"], dimensions.get("PVCName", ""), dimensions.get("PodName", "")] = metric["Value"]
    return found


def summary(name, *volumes):
    return {"pods": [{"podRef": {"name": name, "namespace": "langfuse"}, "volume": list(volumes)}]}


def test_figures_are_those_of_pvc_info(tmp_path):
    """The module's unit tests read the same fixture."""
    fixture = json.loads(FIXTURE.read_text())
    stats = list(fixture["summaries"].values())
    names = [claim["metadata"]["name"] for claim in fixture["claims"]]
    got = metrics(tmp_path, fixture["pods"], names, stats, fixture["claims"])
    expected = fixture["expected"]
    wanted = {}
    for claim, figures in expected["known"].items():
        for metric, key in METRICS.items():
            if figures[key] is not None:
                wanted[metric, claim, figures["pod"]] = figures[key]
    wanted["UsagePercent", "", ""] = expected["highest_percent"]
    wanted["InodesUsagePercent", "", ""] = expected["highest_inodes_percent"]
    wanted["ClaimsUnknown", "", ""] = len(expected["unknown"])
    assert got == wanted


def test_percent_is_what_is_not_available(tmp_path):
    got = metrics(
        tmp_path,
        [pod("db-0", ["data-db-0"])],
        ["data-db-0"],
        [summary("db-0", volume("data-db-0", 200 * GIB, 50 * GIB, inodes=1000, used=250))],
    )
    assert got == {
        ("UsagePercent", "data-db-0", "db-0"): 75,
        ("UsedGB", "data-db-0", "db-0"): 150,
        ("TotalGB", "data-db-0", "db-0"): 200,
        ("InodesUsagePercent", "data-db-0", "db-0"): 25,
        ("UsagePercent", "", ""): 75,
        ("InodesUsagePercent", "", ""): 25,
        ("ClaimsUnknown", "", ""): 0,
    }


def test_roll_up_is_the_highest(tmp_path):
    stats = [summary("a-0", volume("a", 100, 70)), summary("b-0", volume("b", 100, 5))]
    got = metrics(tmp_path, [pod("a-0", ["a"]), pod("b-0", ["b"])], ["a", "b"], stats)
    assert got["UsagePercent", "", ""] == 95


def test_claim_without_figures_is_unknown_and_not_empty(tmp_path):
    got = metrics(tmp_path, [pod("a-0", ["a"])], ["a", "b", "c"], [summary("a-0", volume("a", 100, 50))])
    assert got["ClaimsUnknown", "", ""] == 2
    assert not [key for key in got if key[1] in ("b", "c")]


def test_nothing_known_still_says_how_much_is_unknown(tmp_path):
    assert metrics(tmp_path, [], ["a"], []) == {("ClaimsUnknown", "", ""): 1}


@pytest.mark.parametrize(
    ("owner", "labels", "name"),
    [
        ({"kind": "StatefulSet", "name": "redis"}, {}, "redis-7d9f-x2x"),
        ({"kind": "ReplicaSet", "name": "redis-7d9f"}, {"pod-template-hash": "7d9f"}, "redis"),
    ],
)
def test_random_pod_names_become_the_workloads(owner, labels, name, tmp_path):
    got = metrics(
        tmp_path,
        [pod("redis-7d9f-x2x", ["r"], owner, labels)],
        ["r"],
        [summary("redis-7d9f-x2x", volume("r", 100, 90))],
    )
    assert got["UsagePercent", "r", name] == 10


def test_other_namespaces_and_block_volumes_are_left_out(tmp_path):
    stats = [summary("a-0", volume("a", 100, 50), volume("x", 100, 1, namespace="other"), volume("block", 0, 0))]
    got = metrics(tmp_path, [pod("a-0", ["a", "block"])], ["a", "block"], stats)
    assert {key[1] for key in got} == {"a", ""}
    assert got["ClaimsUnknown", "", ""] == 1


def test_claim_seen_on_two_nodes_counts_once(tmp_path):
    stats = [summary("a-0", volume("a", 100, 50)), summary("a-0", volume("a", 100, 40))]
    got = metrics(tmp_path, [pod("a-0", ["a"])], ["a"], stats)
    assert got["UsagePercent", "a", "a-0"] == 50
