# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole site on the lab, in the order of a platform's life.

Empty account, first run, second run, parts, teardown, the other chart major. The tests build on each other; the run
stops at the first failure (-x).
"""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from langfuse_lab.clickhouse.client import Client

ROLES = ["cluster", "storage", "addons", "secrets", "langfuse", "ingress", "monitoring", "clickhouse_retention"]
SECRETS = "/langfuse/lab"


def test_lab_starts_empty(lab):
    begun = time.monotonic()
    done = lab("up")
    assert done.returncode == 0, done.stdout + done.stderr
    print(f"lab start {time.monotonic() - begun:.1f} s")
    assert lab.left_over() == []


def test_lab_up_again_does_nothing(lab):
    pids = {p.name: p.read_text() for p in (lab.dir / "run").glob("*.pid")}
    assert pids
    done = lab("up")
    assert done.returncode == 0, done.stderr
    assert {p.name: p.read_text() for p in (lab.dir / "run").glob("*.pid")} == pids


BAD_INPUT = {
    "no region": (["-e", '{"platform_region": null}'], {}, r"platform_region"),
    "unknown size": (
        ["-e", "platform_size=huge"],
        {},
        r"platform_size must be one of: small, medium, large, got: huge",
    ),
    "chart major 3": (["-e", "platform_chart_major=3"], {}, r"platform_chart_major must be one of: 1, 2, got: 3"),
    "two faults of two roles": (
        ["-e", "langfuse_host=https://x", "-e", "clickhouse_retention_days=0"],
        {},
        r"(?s)langfuse_host is 'https://x'.*clickhouse_retention_days is 0",
    ),
    "no credentials": (
        [],
        {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": "/nonexistent"},
        r"No credentials were found",
    ),
    "unreachable endpoint": (
        [],
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
        r"endpoint cannot be reached",
    ),
    "no Helm": ([], {"PATH": "without helm"}, r"Helm is not on PATH"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_before_anything_changes(name, site, lab):
    args, env, message = BAD_INPUT[name]
    if env.get("PATH"):
        path = site.environment["PATH"].split(":")
        env = {"PATH": ":".join(p for p in path if not os.path.exists(os.path.join(p, "helm")))}
    run = site.run("site", *args, name="bad-" + name.replace(" ", "-"), env=env)
    assert run.code != 0
    assert re.search(message, run.output), run.output[-3000:]
    assert "Traceback" not in run.output
    assert run.output.count("fatal:") == 1, run.output[-3000:]
    assert lab.left_over() == []


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


def test_stand_in_charts_on_the_api_server(site):
    """What the charts do at upgrades and uninstalls needs a server; the rest of their tests needs none."""
    run = subprocess.run(
        ["pytest", "-p", "no:cacheprovider", "tests/lab/tests/test_charts_server.py"],
        cwd=Path(__file__).parents[2],
        env=site.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]
    assert "skipped" not in run.stdout


def test_stores_are_in_cloudwatch(lab):
    metrics = lab.client("cloudwatch").list_metrics(Namespace="LangfusePVC", MetricName="UsagePercent")["Metrics"]
    claims = {d["Value"] for m in metrics for d in m["Dimensions"] if d["Name"] == "PVCName"}
    stores = {
        "clickhouse-storage-volume-langfuse-clickhouse-0-0-0",
        "postgres-data-langfuse-postgresql-0",
        "langfuse-redis",
    }
    assert stores <= claims


def test_old_rows_go_and_young_ones_stay(lab):
    """Partitions are months, and a part goes when all its rows are expired: what is a month older is gone."""
    client = Client.of_lab(lab.dir)
    times = {
        "events_full": "start_time",
        "events_core": "start_time",
        "traces": "timestamp",
        "observations": "start_time",
        "scores": "timestamp",
        "blob_storage_file_log": "created_at",
    }

    def rows(condition: str) -> dict[str, int]:
        count = "SELECT count() FROM default.{} WHERE " + condition
        return {table: int(client.execute(count.format(table, time=time_))) for table, time_ in times.items()}

    def old() -> dict[str, int]:
        months = rows("toDateTime({time}) < toStartOfMonth(now() - INTERVAL 30 DAY)")
        days = rows("toDateTime({time}) < now() - INTERVAL 30 DAY")
        return months | {"blob_storage_file_log": days["blob_storage_file_log"]}

    for table in times:
        client.execute(f"SYSTEM STOP TTL MERGES default.{table}")
    loaded = lab("load", "--days", "100", "--rows-per-day", "50")
    assert loaded.returncode == 0, loaded.stderr
    young = rows("{time} >= now() - INTERVAL 29 DAY")
    assert min(young.values()) >= 28 * 50
    assert min(old().values()) >= 30 * 50

    for table in times:
        client.execute(f"SYSTEM START TTL MERGES default.{table}")
    deadline = time.monotonic() + 90
    while any(old().values()) and time.monotonic() < deadline:
        time.sleep(1)
    assert not any(old().values()), old()
    assert rows("{time} >= now() - INTERVAL 29 DAY") == young


def test_clickhouse_pod_needs_its_toleration(lab):
    """The node of ClickHouse is tainted: nothing else runs there, and a pod without the toleration stays Pending."""
    core = lab.kubernetes()
    (node,) = core.list_node(label_selector="dedicated=clickhouse").items
    there = core.list_pod_for_all_namespaces(field_selector=f"spec.nodeName={node.metadata.name}").items
    assert [pod.metadata.name for pod in there] == ["langfuse-clickhouse-0-0-0"]


def test_teardown_keeps_the_data(site, lab):
    site.run("teardown", name="teardown").ok()
    left = lab.left_over()
    assert left, "the data is gone"
    assert [
        item for item in left if not re.match(r"(stack langfuse-storage|bucket|ssm parameter|ebs volume)", item, re.I)
    ] == []


def test_teardown_again_changes_nothing(site):
    run = site.run("teardown", name="teardown-again").ok()
    assert run.changed == 0, run.changed_tasks


def test_killed_run_of_the_other_major_converges(site):
    """Chart major 1 on what a teardown kept; the first run is killed while Helm installs Langfuse."""
    process, log = site.start("site", "-e", "platform_chart_major=1", name="major-1-killed")
    deadline = time.monotonic() + 600
    while "Helm | Apply langfuse" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-3000:]
        time.sleep(0.2)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    site.run("site", "-e", "platform_chart_major=1", name="major-1").ok()


def test_other_major_second_run_changes_nothing(site):
    run = site.run("site", "-e", "platform_chart_major=1", name="major-1-second").ok()
    assert run.changed == 0, run.changed_tasks


def test_other_major_has_its_own_layout(lab):
    claims = {c.metadata.name for c in lab.kubernetes().list_namespaced_persistent_volume_claim("langfuse").items}
    assert {
        "data-langfuse-clickhouse-shard0-0",
        "data-langfuse-postgresql-0",
        "valkey-data-langfuse-redis-primary-0",
    } <= claims


def test_teardown_with_data_leaves_nothing(site, lab):
    site.run("teardown", "-e", "platform_chart_major=1", "-e", "teardown_delete_data=true", name="teardown-data").ok()
    assert lab.left_over() == []
    run = site.run(
        "teardown", "-e", "platform_chart_major=1", "-e", "teardown_delete_data=true", name="teardown-data-again"
    ).ok()
    assert run.changed == 0, run.changed_tasks


def test_lab_goes_down_completely(lab):
    done = lab("down")
    assert done.returncode == 0, done.stderr
    lines = [p.read_bytes() for p in Path("/proc").glob("[0-9]*/cmdline") if p.exists()]
    assert [line for line in lines if os.fsencode(lab.dir) in line] == []
