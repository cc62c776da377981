# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's engine starts with the configuration that role langfuse gives it, and ages its log tables."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

# What a server's own configuration has, into which the role's is merged. A <ttl> beside <engine> would stop the server.
STOCK = """
<clickhouse>
  <query_log><database>system</database><table>query_log</table><partition_by>toYYYYMM(event_date)</partition_by></query_log>
  <part_log><database>system</database><table>part_log</table><partition_by>toYYYYMM(event_date)</partition_by></part_log>
  <error_log><database>system</database><table>error_log</table></error_log>
  <trace_log><database>system</database><table>trace_log</table><partition_by>toYYYYMM(event_date)</partition_by></trace_log>
  <metric_log><database>system</database><table>metric_log</table></metric_log>
  <processors_profile_log><database>system</database><table>processors_profile_log</table>
    <ttl>event_date + INTERVAL 30 DAY DELETE</ttl></processors_profile_log>
  <opentelemetry_span_log><engine>ENGINE = MergeTree PARTITION BY toYYYYMM(finish_date)
    ORDER BY (finish_date, finish_time_us, trace_id)</engine></opentelemetry_span_log>
</clickhouse>
"""
# chdb's threads do not always end by themselves.
RUN = """
import json, os, sys, chdb
connection = chdb.connect(f"{sys.argv[1]}/data?config-file={sys.argv[1]}/config.xml")
connection.query("SELECT 1")
connection.query("SYSTEM FLUSH LOGS")
logs = "FROM system.tables WHERE database = 'system' AND name LIKE '%_log%'"
rows = str(connection.query(f"SELECT name, create_table_query {logs}", "JSONEachRow"))
print(json.dumps({row["name"]: row["create_table_query"] for row in map(json.loads, rows.splitlines())}), flush=True)
os._exit(0)
"""


def start(folder) -> dict[str, str]:
    """Start an engine and end it; its log tables with the statements that made them."""
    done = subprocess.run([sys.executable, "-c", RUN, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


def as_xml(settings: dict) -> str:
    """YAML as XML, which is all that this engine reads: keys are elements, and with @ attributes."""
    elements = []
    for key, value in settings.items():
        attributes = (
            "".join(f' {name[1:]}="{text}"' for name, text in value.items() if name[0] == "@")
            if isinstance(value, dict)
            else ""
        )
        inner = {name: item for name, item in value.items() if name[0] != "@"} if isinstance(value, dict) else value
        elements.append(f"<{key}{attributes}>{as_xml(inner) if isinstance(inner, dict) else inner}</{key}>")
    return "".join(elements)


@pytest.fixture
def configured(make_role, tmp_path):
    """A folder with a stock configuration and the role's beside it, as the pods of a chart major have it."""

    def write(major: int):
        role = make_role("langfuse", platform_chart_major=major)
        clickhouse = json.loads(json.dumps(role.value("__langfuse_values")))["clickhouse"]
        (tmp_path / "config.xml").write_text(STOCK)
        (tmp_path / "config.d").mkdir()
        if major == 1:
            (tmp_path / "config.d" / "01_extra_overrides.xml").write_text(clickhouse["extraOverrides"])
        else:
            text = f"<clickhouse>{as_xml(clickhouse['cluster']['settings'])}</clickhouse>"
            (tmp_path / "config.d" / "99-extra-config.xml").write_text(text)
        return tmp_path

    return write


@pytest.mark.parametrize("major", [1, 2])
def test_logs_age_and_restarts_rename_nothing(configured, major):
    folder = configured(major)
    first = start(folder)
    assert "toIntervalDay(10)" in first["query_log"]
    assert "PARTITION BY event_date" in first["query_log"]
    assert "ttl_only_drop_parts = 1" in first["query_log"]
    assert not {"trace_log", "metric_log", "opentelemetry_span_log", "text_log"} & first.keys()
    assert start(folder) == first


@pytest.mark.parametrize("major", [1, 2])
def test_profilers_are_off(make_role, major):
    clickhouse = json.loads(json.dumps(make_role("langfuse", platform_chart_major=major).value("__langfuse_values")))[
        "clickhouse"
    ]
    text = clickhouse["usersExtraOverrides"] if major == 1 else json.dumps(clickhouse["cluster"]["profileSettings"])
    for profiler in ("query_profiler_real_time_period_ns", "query_profiler_cpu_time_period_ns"):
        assert (f"<{profiler}>0</{profiler}>" if major == 1 else f'"{profiler}": 0') in text
