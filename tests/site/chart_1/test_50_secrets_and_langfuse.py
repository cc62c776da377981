# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets and the release with chart major 1, whose stores are Bitnami's and read one Secret."""

from __future__ import annotations

import json
import re

MAJOR = '{"platform_chart_major": 1}'


def pods(lab) -> dict[str, str]:
    found = {pod.metadata.name: pod.metadata.uid for pod in lab.kubernetes().list_namespaced_pod("langfuse").items}
    parts = ("clickhouse", "postgresql", "redis", "web", "worker")
    return {part: uid for part in parts for name, uid in found.items() if name.startswith(f"langfuse-{part}-")}


def test_clickhouse_has_its_configuration(lab):
    core = lab.kubernetes()
    server = core.read_namespaced_config_map("langfuse-clickhouse-extra", "langfuse").data["01_extra_overrides.xml"]
    users = core.read_namespaced_config_map("langfuse-clickhouse-users-extra", "langfuse").data
    assert "<ttl>event_date + INTERVAL 10 DAY DELETE</ttl>" in server
    assert '<trace_log remove="1"/>' in server
    assert "<query_profiler_cpu_time_period_ns>0<" in users["01_users_extra_overrides.xml"]


def test_rotation_restarts_only_the_readers(site, lab):
    """All secrets are in one Kubernetes Secret, and ClickHouse is left alone all the same."""
    running = pods(lab)
    rotate = json.dumps({"secrets_rotate": ["redis-password", "postgresql-password"]})
    site.run("site", "--tags", "secrets", "-e", MAJOR, "-e", rotate, name="major-1-rotate").ok()
    now_running = pods(lab)
    restarted = sorted(part for part in running if running[part] != now_running[part])
    assert restarted == ["redis", "web", "worker"]
    assert lab.langfuse("api/public/health?failIfDatabaseUnavailable=true") == {"status": "OK", "version": "3.224.1"}


def test_langfuse_works_and_nothing_changes(site):
    run = site.run("site", "--tags", "langfuse", "-e", MAJOR, name="major-1-langfuse").ok()
    assert run.changed == 0, run.changed_tasks
    assert "web runs the expected version: 3.224.1" in run.output
    assert "ClickHouse is migrated: migration 37" in run.output


def test_refused(site):
    to_two = site.run("site", "-e", '{"platform_chart_major": 2}', name="major-1-to-2")
    assert to_two.code != 0
    text = " ".join(to_two.output.split())
    assert re.search(r"Chart 1\.5\.41 is installed, and platform_chart_major is 2: .*Nothing was changed", text)
    values = json.dumps({"langfuse_values": {"langfuse": {"image": {"tag": "4.16.0"}}}})
    four = site.run("site", "--tags", "langfuse", "-e", MAJOR, "-e", values, name="major-1-version-4")
    assert four.code != 0
    assert "which needs ClickHouse 25.12 or newer" in " ".join(four.output.split())
