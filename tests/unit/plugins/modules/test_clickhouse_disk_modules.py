# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""clickhouse_disk_info and clickhouse_disk_relief as Ansible starts them. The server is a model of one disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _clickhouse_disk
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import (
    ClickHouseError,
    ConnectionLost,
    Options,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.modules import clickhouse_disk_info, clickhouse_disk_relief
from ansible_collections.llmops.langfuse.tests.unit.plugins.modules.started import run_module

DAY = 86400
NOW = 1_800_000_000
TABLES = [{"name": "traces", "column": "timestamp"}]


class Server:
    """One disk of 1000 bytes; traces with an old and a young partition, a log, a renamed log, a stuck mutation."""

    def __init__(self) -> None:
        self.parts = {
            ("default", "traces", "202601"): (300, NOW - 90 * DAY),
            ("default", "traces", "202604"): (200, NOW),
            ("system", "trace_log", "all"): (50, 0),
            ("system", "trace_log_0", "all"): (100, 0),
            ("default", "blob_storage_file_log", "all"): (60, 0),
        }
        self.mutations = [("default", "traces", "mutation_1.txt", "DELETE WHERE 1", 2, "")]
        self.detached = [
            ("default", "traces", "202512_1_1_0", "default", 20, ""),
            ("default", "traces", "202511_1_1_0", "default", 20, "broken-on-start"),
            ("other", "x", "all_1_1_0", "default", 10, "broken"),
        ]
        self.other = 200
        self.refuse: dict[str, Exception] = {}
        self.sent: list[str] = []

    @property
    def free(self) -> int:
        detached = sum(part[4] for part in self.detached)
        return 1000 - sum(size for size, _newest in self.parts.values()) - detached - self.other

    def query(self, sql: str, parameters: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        for words, error in self.refuse.items():
            if words in sql:
                raise error
        if not sql.startswith("SELECT"):
            self.sent.append(sql)
            self._change(sql)
            return []
        return next(rows for part, rows in self._answers().items() if part in sql)

    def _answers(self) -> dict[str, list[tuple[Any, ...]]]:
        keys = {"traces": "toYYYYMM(timestamp)"}
        names = {(database, table) for database, table, _partition in self.parts}
        return {
            "toUnixTimestamp(now())": [(NOW,)],
            "system.disks": [("default", self.free, 1000)],
            "system.tables": [(d, n, "MergeTree", keys.get(n, ""), "MergeTree ORDER BY x") for d, n in sorted(names)],
            "system.merges": [],
            "FROM system.parts GROUP": [
                (database, table, partition, "default", 1, size, 10, size, newest)
                for (database, table, partition), (size, newest) in self.parts.items()
            ]
            + [
                ("default", "gone", "all", "default", 1, 1, 1, 1, 0),
                ("default", "traces", "x", "default", 0, 5, 1, 5, 0),
            ],
            "system.mutations": self.mutations,
            "system.detached_parts": self.detached,
            "_partition_id = '202601'": [(10, 10, (NOW - 90 * DAY) * 1000)],
        }

    def _change(self, sql: str) -> None:
        if "KILL" in sql:
            self.mutations = []
        elif "DETACHED" in sql:
            self.detached = [part for part in self.detached if part[2] not in sql]
        elif "PARTITION" in sql:
            self.parts.pop(("default", "traces", sql.split("'")[1]))
        else:
            name = sql.split("`")[3]
            self.parts = {key: value for key, value in self.parts.items() if key[1] != name}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()

    @contextmanager
    def connect(options: Options) -> Iterator[Server]:
        yield server

    for module in (clickhouse_disk_info, clickhouse_disk_relief):
        monkeypatch.setattr(module, "connect", connect)
    return server


def test_info(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    info = run_module(clickhouse_disk_info, capsys, _ansible_check_mode=True)
    assert (info["rc"], info["changed"], server.sent) == (0, False, [])
    assert info["disks"] == [{"name": "default", "free_bytes": 40, "total_bytes": 1000, "used_percent": 96.0}]
    assert info["tables"][0]["name"] == "traces"
    assert (info["tables"][0]["bytes"], info["tables"][0]["inactive_bytes"], info["tables"][0]["ttl"]) == (500, 5, "")
    assert info["leftover_logs"] == [{"name": "system.trace_log_0", "bytes": 100}]
    assert [part["dead"] for part in info["detached_parts"]] == [False, True, True]
    assert (info["mutations"][0]["id"], info["mutations"][0]["lacks_space"]) == ("mutation_1.txt", True)
    assert info["oldest_partitions"] == [
        {"database": "default", "name": "traces", "partition": "202601", "bytes": 300, "newest_row": NOW - 90 * DAY}
    ]


def test_info_without_a_server(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.refuse["now()"] = ConnectionLost("ClickHouse at localhost:9000 cannot be reached: refused")
    failed = run_module(clickhouse_disk_info, capsys)
    assert (failed["rc"], failed["msg"]) == (1, "ClickHouse at localhost:9000 cannot be reached: refused")


def relieve(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    return run_module(clickhouse_disk_relief, capsys, tables=TABLES, **arguments)


def test_relief_in_check_mode_then_really_then_again(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    planned = relieve(capsys, _ansible_check_mode=True, _ansible_diff=True, target_percent=60)
    assert server.sent == []
    done = relieve(capsys, _ansible_diff=True, target_percent=60)
    for answer in (planned, done):
        assert (answer["rc"], answer["changed"], answer["ok"]) == (0, True, True)
        assert [step["action"] for step in answer["steps"]] == [
            "stop mutation",
            "drop renamed log",
            "drop log",
            "drop detached part",
            "drop partition",
        ]
        assert "default.traces 202601" in answer["diff"][0]["before"]
    assert done["freed_bytes"] == planned["freed_bytes"] == 470
    assert "It would be 49.0 % full afterwards" in planned["summary"]
    assert "It is 49.0 % full" in done["summary"]
    assert server.sent[0] == (
        "KILL MUTATION WHERE database = 'default' AND table = 'traces' AND mutation_id = 'mutation_1.txt' SYNC"
    )
    again = relieve(capsys, _ansible_diff=True, target_percent=60)
    assert (again["changed"], again["steps"], again["diff"]) == (False, [], [])


def test_relief_that_falls_short_fails_and_says_why(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    done = relieve(capsys, target_percent=30)
    assert (done["rc"], done["changed"], done["ok"]) == (1, True, False)
    assert "over the target of 30 %, and nothing more may be given away" in done["msg"]
    assert {one["what"]: one["why"] for one in done["not_freed"]} == {
        "default.traces": "younger than 7 days, or in a partition with such rows",
        "default.blob_storage_file_log": "not among the tables that may lose rows",
        "default.traces 202512_1_1_0": "detached by a person",
        "other.x all_1_1_0": "in a database that is not default",
    }
    planned = relieve(capsys, target_percent=30, _ansible_check_mode=True)
    assert planned["rc"] == 0, "a dry run that shows that it would not be enough is no failure"


def test_refused_steps_do_not_hide_the_others(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.refuse["trace_log`"] = ClickHouseError("ClickHouse answers: no rights (code 497), to: TRUNCATE", 497)
    done = relieve(capsys, target_percent=60)
    errors = [step["error"] for step in done["steps"] if "error" in step]
    assert len(errors) == 1 and errors[0].count("no rights") == 2, "both ways were tried, once each"
    assert done["ok"] is True


def test_only_renamed_logs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.other = 0
    done = run_module(clickhouse_disk_relief, capsys, leftover_logs_only=True)
    assert (done["rc"], done["ok"], [step["what"] for step in done["steps"]]) == (0, True, ["system.trace_log_0"])
    assert all(sql.startswith("DROP TABLE") for sql in server.sent)
    assert run_module(clickhouse_disk_relief, capsys, leftover_logs_only=True)["changed"] is False


class Claims:
    """Kubernetes' side of growing."""

    def __init__(self, size: str) -> None:
        self.size = size

    def read(self) -> str:
        return self.size

    def write(self, size: str) -> None:
        if size == "13Gi":
            raise LangfuseError("Claim langfuse/data: forbidden")
        self.size = size


@pytest.mark.parametrize(
    ("limit", "outcome"),
    [
        ("20Gi", {"claim": "langfuse/data", "from_bytes": 10 << 30, "to_bytes": 17 << 30}),
        ("12Gi", {"claim": "langfuse/data", "from_bytes": 10 << 30, "to_bytes": 12 << 30}),
        (
            "10Gi",
            {
                "claim": "langfuse/data",
                "from_bytes": 10 << 30,
                "to_bytes": 10 << 30,
                "error": "the limit of 10.0 GiB is reached",
            },
        ),
        ("13Gi", {"error": "Claim langfuse/data: forbidden"}),
    ],
)
def test_growing_is_the_last_resort(
    server: Server,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    outcome: dict[str, Any],
) -> None:
    claims = Claims("10Gi")
    monkeypatch.setattr(_clickhouse_disk, "open_claim", lambda pod, claim, dry_run: claims)
    done = relieve(
        capsys, target_percent=30, namespace="langfuse", pod_selector="app=x", grow_claim="data", grow_limit=limit
    )
    assert done["grown"] == outcome
    assert [step["action"] for step in done["steps"]][-1] == "drop partition"
    enough = relieve(
        capsys, target_percent=90, namespace="langfuse", pod_selector="app=x", grow_claim="data", grow_limit=limit
    )
    assert enough["grown"] is None


BAD_OPTIONS: list[tuple[dict[str, Any], str]] = [
    ({"target_percent": 0}, "target_percent=0: more than 0 and less than 100 are allowed"),
    ({"target_percent": 100}, "target_percent=100: more than 0"),
    ({"keep_days": 0}, "keep_days=0: 1 or more days are allowed"),
    ({"tables": [{**TABLES[0], "keep_days": -1}], "keep_days": 0}, "keep_days of traces=-1: 1 or more"),
    ({"tables": [{"name": "traces"}]}, "missing required arguments: column found in tables"),
    ({"grow_claim": "data"}, "parameters are required together: grow_claim, grow_limit"),
    ({"grow_claim": "data", "grow_limit": "9Gi"}, "grow_claim needs namespace and pod_selector"),
    (
        {"grow_claim": "data", "grow_limit": "much", "namespace": "x", "pod_selector": "y"},
        "grow_limit: much is not a size; write it as 200Gi",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), BAD_OPTIONS)
def test_bad_options(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: dict[str, Any], message: str
) -> None:
    done = run_module(clickhouse_disk_relief, capsys, **arguments)
    assert done["rc"] == 1
    assert message in done["msg"]
    assert server.sent == []


def test_server_that_is_gone(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.refuse["system.disks"] = ClickHouseError("no rights (code 497)", 497)
    assert relieve(capsys)["msg"] == "no rights (code 497)"
