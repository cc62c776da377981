# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is asked of Langfuse, and what is said when an answer is not good."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import ClickHouseError, ConnectionLost
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._langfuse_health import (
    Health,
    Langfuse,
    wait_until_healthy,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError

LANGFUSE = Langfuse("langfuse", "langfuse-web", "app=worker", "4.16.0")
WEB = "/api/v1/namespaces/langfuse/services/langfuse-web:http/proxy/api/public"
WORKER = "/api/v1/namespaces/langfuse/pods/worker-1:3030/proxy/api/ready"


def pod(name: str, ready: str = "True", **status: Any) -> dict[str, Any]:
    conditions = [{"type": "Ready", "status": ready, "message": ""}]
    return {"metadata": {"name": name}, "status": {"phase": "Running", "conditions": conditions} | status}


class Api:
    """An API server by paths; an exception is raised, a list is given one by one."""

    def __init__(self, **changes: Any) -> None:
        self.answers: dict[str, Any] = {
            f"{WEB}/ready": {"status": "OK"},
            f"{WEB}/health": {"status": "OK", "version": "4.16.0"},
            WORKER: {"status": "OK"},
            "/api/v1/namespaces/langfuse/pods": {"items": [pod("worker-1")]},
            "/api/v1/namespaces/langfuse/events": {"items": []},
        }
        self.queries: list[tuple[str, dict[str, str]]] = []

    def get(self, path: str, **query: str) -> Any:
        self.queries.append((path, query))
        answer = self.answers[path]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def database(rows: Any) -> Any:
    """A ClickHouse with rows, or an error when it is asked."""

    class Connection:
        def query(self, _sql: str) -> Any:
            if isinstance(rows, Exception):
                raise rows
            return rows

    @contextmanager
    def connect() -> Iterator[Connection]:
        yield Connection()

    return connect


def check(api: Api, rows: Any = ((46, 0),), langfuse: Langfuse = LANGFUSE) -> Any:
    """Ask once and give up."""
    return wait_until_healthy(Health(api, langfuse, database(rows)), 0, sleep=lambda _: None)


def fault(api: Api, rows: Any = ((46, 0),)) -> str:
    with pytest.raises(LangfuseError) as caught:
        check(api, rows)
    assert caught.value.details["checks"]
    return str(caught.value)


def test_all_is_well() -> None:
    api = Api()
    assert {each.name: each.found for each in check(api)} == {
        "web is ready": "OK",
        "web and PostgreSQL are healthy": "OK",
        "web runs the expected version": "4.16.0",
        "worker worker-1 is ready": "OK",
        "ClickHouse is migrated": "migration 46",
    }
    assert (f"{WEB}/health", {"failIfDatabaseUnavailable": "true"}) in api.queries


def test_without_a_version_and_clickhouse_they_are_not_checked() -> None:
    health = Health(Api(), Langfuse("langfuse", "langfuse-web", "app=worker", None), None)
    assert len(wait_until_healthy(health, 0)) == 3


def test_a_leading_v_is_no_difference() -> None:
    api = Api()
    api.answers[f"{WEB}/health"] = {"status": "OK", "version": "v4.16.0"}
    assert all(each.ok for each in check(api))


def test_it_waits() -> None:
    api, waits = Api(), []
    api.answers[f"{WEB}/ready"] = [ApiError("no endpoints available", 503), {"status": "OK"}]
    times = iter([0.0, 1.0, 2.0])
    wait_until_healthy(Health(api, LANGFUSE, None), 300, sleep=waits.append, clock=lambda: next(times))
    assert waits == [5]


def test_everything_that_is_wrong_is_told_with_its_cure() -> None:
    api = Api()
    api.answers[f"{WEB}/ready"] = ApiError("no endpoints available for service", 503)
    api.answers[f"{WEB}/health"] = ApiError('{"status":"Database not available"}', 503)
    api.answers[WORKER] = LangfuseError("The Kubernetes API cannot be reached: timed out")
    text = fault(api)
    for part in (
        "Not so: web is ready (no endpoints available for service (503)). Look at the web pods",
        'Not so: web and PostgreSQL are healthy ({"status":"Database not available"} (503)). PostgreSQL or its',
        "Not so: worker worker-1 is ready (The Kubernetes API cannot be reached: timed out)",
    ):
        assert part in text
    assert "ClickHouse is migrated" not in text


def test_an_older_version_still_serves() -> None:
    api = Api()
    api.answers[f"{WEB}/health"] = {"status": "OK", "version": "4.4.0"}
    assert "web runs the expected version (4.4.0). Version 4.16.0 was expected" in fault(api)


@pytest.mark.parametrize(
    ("pods", "found"),
    [
        ([], "a worker runs (there is none)"),
        ([pod("worker-1", phase="Pending")], "a worker runs (worker-1 is Pending)"),
        ([{"metadata": {"name": "w", "deletionTimestamp": "x"}, "status": {"phase": "Running"}}], "(w is Running)"),
    ],
)
def test_no_worker_runs(pods: list[Any], found: str) -> None:
    api = Api()
    api.answers["/api/v1/namespaces/langfuse/pods"] = {"items": pods}
    assert found in fault(api)


@pytest.mark.parametrize(
    ("rows", "parts"),
    [
        ([(38, 1)], ["migration 38 is dirty", "Migration 38 was interrupted", "VALUES (37, 0, ", "restart web"]),
        ([], ["no migration was run"]),
        (ClickHouseError("x", 60), ["Langfuse has not begun its migrations"]),
        (ClickHouseError("ClickHouse refuses user 'default' (code 516)", 516), ["refuses user 'default'"]),
        (ConnectionLost("ClickHouse at pod x cannot be reached"), ["cannot be reached", "Check ClickHouse's pods"]),
    ],
)
def test_migrations(rows: Any, parts: list[str]) -> None:
    text = fault(Api(), rows)
    assert all(part in text for part in parts), text


def test_what_is_around_is_shown() -> None:
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 4}
    waiting["lastState"] = {"terminated": {"reason": "OOMKilled"}}
    unscheduled = [{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]
    pods = [
        pod("web-1", "False", containerStatuses=[waiting]),
        pod("web-2", "False", conditions=unscheduled),
        pod("web-3", "False"),
        pod("job", "False", phase="Succeeded"),
        pod("worker-1"),
    ]
    api = Api()
    api.answers[f"{WEB}/ready"] = ApiError("no endpoints", 503)
    api.answers["/api/v1/namespaces/langfuse/pods"] = [{"items": [pod("worker-1")]}, {"items": pods}]
    involved = {"kind": "Pod", "name": "web-2"}
    event = {"involvedObject": involved, "reason": "FailedScheduling", "message": "0/3\n nodes", "lastTimestamp": "2"}
    api.answers["/api/v1/namespaces/langfuse/events"] = {"items": [event]}
    text = fault(api)
    for part in (
        "Seen: pod web-1: CrashLoopBackOff, 4 restarts, last OOMKilled",
        "Seen: pod web-2: 0/3 nodes are available",
        "Seen: pod web-3: Running",
        "Seen: event of Pod web-2: FailedScheduling: 0/3 nodes",
    ):
        assert part in text, text
    assert "pod job" not in text


def test_what_is_around_may_be_unknown() -> None:
    api = Api()
    api.answers[f"{WEB}/ready"] = ApiError("no endpoints", 503)
    api.answers["/api/v1/namespaces/langfuse/events"] = ApiError("forbidden", 403)
    assert "Seen" not in fault(api)
