# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible starts it: its options, its answer, its failures. The server is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import Options
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.modules import clickhouse_ttl
from ansible_collections.llmops.langfuse.tests.unit.plugins.modules.started import run_module

TRACES = {"name": "traces", "column": "timestamp", "keep": "30d"}


class Server:
    """A server with one table, traces, which has one old row in ten."""

    version = (26, 9)

    def __init__(self) -> None:
        self.ttl = ""

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        clause = f" TTL {self.ttl}" if self.ttl else ""
        answers = {
            "system.columns": [("default", "traces", "timestamp", "DateTime")],
            "system.tables": [("default", "traces", "MergeTree", f"MergeTree ORDER BY id{clause}", "")],
            "merge_tree_settings": [("ttl_only_drop_parts", "0"), ("materialize_ttl_recalculate_only", "1")],
            "formatQuery": [
                ("CREATE TABLE t (`x` UInt8) ENGINE = MergeTree ORDER BY tuple() TTL timestamp + toIntervalDay(30)",)
            ],
            "DESCRIBE": [("e", "DateTime")],
            "_partition_id": [("all", 10, 1)],
            "system.parts": [("all", 1000, 1000, ["default"])],
            "system.disks": [("default", 10)],
        }
        if sql.startswith("ALTER"):
            self.ttl = "timestamp + toIntervalDay(30)"
            return []
        return next(rows for part, rows in answers.items() if part in sql)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server that the module reaches, whatever its options."""
    server = Server()

    @contextmanager
    def connect(options: Options) -> Iterator[Server]:
        yield server

    monkeypatch.setattr(clickhouse_ttl, "connect", connect)
    return server


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    return run_module(clickhouse_ttl, capsys, **arguments)


def test_check_mode_then_a_run_then_another(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    planned = run(capsys, tables=[TRACES], _ansible_check_mode=True, _ansible_diff=True)
    assert server.ttl == ""
    done = run(capsys, tables=[TRACES], _ansible_diff=True)
    assert server.ttl == "timestamp + toIntervalDay(30)"
    assert planned == done
    assert (done["rc"], done["changed"], len(done["diff"])) == (0, True, 1)
    again = run(capsys, tables=[TRACES], _ansible_diff=True)
    assert (again["rc"], again["changed"], again["diff"]) == (0, False, [])


def test_warnings_are_shown(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning: shown.append(warning))
    done = run(capsys, tables=[TRACES])
    assert shown == done["tables"][0]["warnings"]
    assert "less than the largest part" in shown[0]
    assert "diff" not in done


def test_failure_of_a_table(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(capsys, tables=[TRACES, {"name": "nope", "column": "x", "keep": "1d"}])
    assert (done["rc"], done["failed"], done["changed"]) == (1, True, True)
    assert done["msg"].startswith("1 of 2 tables failed: default.nope: ")
    assert [table["failed"] for table in done["tables"]] == [False, True]


def test_failure_to_connect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def connect(options: Options) -> None:
        raise LangfuseError("ClickHouse at localhost:9000 cannot be reached: refused", code=210)

    monkeypatch.setattr(clickhouse_ttl, "connect", connect)
    done = run(capsys, tables=[TRACES])
    assert (done["rc"], done["msg"], done["code"]) == (
        1,
        "ClickHouse at localhost:9000 cannot be reached: refused",
        210,
    )


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({}, "missing required arguments: tables"),
    ({"tables": [{"column": "timestamp", "keep": "30d"}]}, "missing required arguments: name found in tables"),
    ({"tables": [{"name": "x"}]}, "state is present but any of the following are missing: column, ttl found in tables"),
    ({"tables": [{"name": "x", "column": "c"}]}, "parameters are required together: column, keep found in tables"),
    ({"tables": [{**TRACES, "ttl": "x"}]}, "parameters are mutually exclusive: column|ttl found in tables"),
    ({"tables": [{"name": "x", "ttl": "x", "where": "y"}]}, "mutually exclusive: where|ttl found in tables"),
    ({"tables": [{**TRACES, "state": "gone"}]}, "value of state must be one of: present, absent, got: gone"),
    ({"tables": [{**TRACES, "materialize": "yes"}]}, "value of materialize must be one of: recalculate, none, full"),
    ({"tables": [{**TRACES, "keep": "soon"}]}, "default.traces: keep=soon is not a time"),
    ({"tables": [TRACES], "login_database": "a`b"}, "must not be empty nor hold a backquote or a backslash"),
    ({"tables": [TRACES], "namespace": "langfuse"}, "parameters are required together: namespace, pod_selector"),
    ({"tables": [TRACES], "login_port": "many"}, "login_port"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS)
def test_bad_options(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], message: str
) -> None:
    done = run(capsys, **arguments)
    assert done["rc"] == 1
    assert message in done["msg"]
    assert server.ttl == ""
