# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands after the site's runs."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from langfuse_lab.clickhouse.client import Client


def test_stand_in_charts_on_the_api_server(site):
    """What the charts do at upgrades and uninstalls needs a server; the rest of their tests needs none."""
    run = subprocess.run(
        ["pytest", "-p", "no:cacheprovider", "tests/lab/tests/test_charts_server.py"],
        cwd=Path(__file__).parents[3],
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
