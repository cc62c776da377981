# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether Langfuse works: what its pods answer, how its migrations stand, and what is wrong around them."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import ClickHouseError
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import Api, ApiError, Object

POLL_SECONDS = 5
EVENTS_SHOWN = 5
WORKER_PORT = 3030
UNKNOWN_TABLE = 60
MIGRATIONS = "SELECT version, dirty FROM schema_migrations ORDER BY sequence DESC LIMIT 1"


class Database(t.Protocol):
    """A connection to ClickHouse."""

    def query(self, sql: str) -> list[tuple[t.Any, ...]]: ...


@dataclass(frozen=True)
class Langfuse:
    """What to look at. A version that is not given is not checked."""

    namespace: str
    web_service: str
    worker_selector: str
    version: str | None


@dataclass(frozen=True)
class Check:
    """One question, whether its answer is good, what was found, and what to do about it if not."""

    name: str
    ok: bool
    found: str
    cure: str = ""

    def returned(self) -> Object:
        """As the module returns it."""
        return {"name": self.name, "ok": self.ok, "found": self.found}


class Health:
    """Asks everything once more at each call of `checks`."""

    def __init__(
        self, api: Api, langfuse: Langfuse, database: Callable[[], AbstractContextManager[Database]] | None
    ) -> None:
        self._api = api
        self._langfuse = langfuse
        self._database = database

    def checks(self) -> list[Check]:
        """All of them."""
        database = [self._migrations(self._database)] if self._database else []
        return [*self._web(), *self._workers(), *database]

    def _web(self) -> list[Check]:
        service = f"/api/v1/namespaces/{self._langfuse.namespace}/services/{self._langfuse.web_service}:http/proxy"
        ready, found = self._ask(f"{service}/api/public/ready")
        cure = "Look at the web pods and their logs: web migrates the databases when it starts, and serves after that."
        checks = [Check("web is ready", ready, _status(found), cure)]
        healthy, found = self._ask(f"{service}/api/public/health", failIfDatabaseUnavailable="true")
        cure = "PostgreSQL or its password: compare its pod with the Secret (--tags secrets), and see the log of web."
        checks.append(Check("web and PostgreSQL are healthy", healthy, _status(found), cure))
        wanted, runs = self._langfuse.version, str(found.get("version", "")).removeprefix("v")
        if wanted and healthy:
            cure = f"Version {wanted.removeprefix('v')} was expected: pods of an older release still serve."
            checks.append(Check("web runs the expected version", runs == wanted.removeprefix("v"), runs, cure))
        return checks

    def _workers(self) -> list[Check]:
        pods = self._list("pods", labelSelector=self._langfuse.worker_selector)
        running = [pod for pod in pods if pod["status"].get("phase") == "Running" and not _is_leaving(pod)]
        if not running:
            phases = ", ".join(f"{_name(pod)} is {pod['status'].get('phase')}" for pod in pods) or "there is none"
            return [Check("a worker runs", False, phases, "See the events of the worker's pods.")]
        checks = []
        for pod in running:
            path = f"/api/v1/namespaces/{self._langfuse.namespace}/pods/{_name(pod)}:{WORKER_PORT}/proxy/api/ready"
            ready, found = self._ask(path)
            cure = "It needs PostgreSQL, Redis and ClickHouse: compare their pods with the Secrets (--tags secrets)."
            checks.append(Check(f"worker {_name(pod)} is ready", ready, _status(found), cure))
        return checks

    def _migrations(self, connect: Callable[[], AbstractContextManager[Database]]) -> Check:
        name = "ClickHouse is migrated"
        try:
            with connect() as database:
                rows = database.query(MIGRATIONS)
        except ClickHouseError as error:
            missing = error.code == UNKNOWN_TABLE
            found = "Langfuse has not begun its migrations" if missing else str(error)
            return Check(name, False, found, "See the log of web, which runs them." if missing else "Check ClickHouse.")
        except LangfuseError as error:
            return Check(name, False, str(error), "Check ClickHouse's pods and its password (--tags secrets).")
        if not rows:
            return Check(name, False, "no migration was run", "See the log of web, which runs them.")
        version, dirty = int(rows[0][0]), bool(rows[0][1])
        if not dirty:
            return Check(name, True, f"migration {version}")
        cure = (
            f"Migration {version} was interrupted, and Langfuse does not start before somebody has looked: see its "
            f"statements (packages/shared/clickhouse/migrations of Langfuse) and the log of web, undo what it did by "
            f"half, say so with INSERT INTO default.schema_migrations VALUES ({version - 1}, 0, "
            "toUnixTimestamp64Nano(now64(9))), and restart web: it runs the migration again."
        )
        return Check(name, False, f"migration {version} is dirty", cure)

    def _ask(self, path: str, **query: str) -> tuple[bool, Object]:
        """Ask a pod through the API server; whether it is well, and what it said."""
        try:
            return True, self._api.get(path, **query)
        except ApiError as error:
            return False, {"status": f"{error} ({error.status})"}
        except LangfuseError as error:
            return False, {"status": str(error)}

    def _list(self, kind: str, **query: str) -> list[Object]:
        return self._api.get(f"/api/v1/namespaces/{self._langfuse.namespace}/{kind}", **query)["items"]

    def surroundings(self) -> list[str]:
        """Pods that are not ready and the last warnings, which often say why."""
        try:
            pods = [pod for pod in self._list("pods") if not _is_done(pod) and not _is_ready(pod)]
            events = self._list("events", fieldSelector="type=Warning")
        except LangfuseError:
            return []  # they only explain
        lines = [f"pod {_name(pod)}: {_trouble(pod)}" for pod in pods]
        events.sort(key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")
        lines += [
            f"event of {event['involvedObject']['kind']} {event['involvedObject']['name']}: {event.get('reason')}: "
            f"{' '.join((event.get('message') or '').split())[:200]}"
            for event in events[-EVENTS_SHOWN:]
        ]
        return lines


def wait_until_healthy(
    health: Health,
    timeout: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> list[Check]:
    """Ask until all is well. Raises LangfuseError, with all that is wrong, when the time (in seconds) is over."""
    end = clock() + timeout
    checks = health.checks()
    while not all(check.ok for check in checks) and clock() < end:
        sleep(POLL_SECONDS)
        checks = health.checks()
    if all(check.ok for check in checks):
        return checks
    raise LangfuseError(_fault(checks, health.surroundings()), checks=[check.returned() for check in checks])


def _fault(checks: Sequence[Check], surroundings: Sequence[str]) -> str:
    wrong = [f"Not so: {check.name} ({check.found}). {check.cure}" for check in checks if not check.ok]
    around = [f"Seen: {line}" for line in surroundings]
    return "Langfuse is installed and does not work.\n- " + "\n- ".join([*wrong, *around])


def _status(answer: Object) -> str:
    return str(answer.get("status", answer))[:300]


def _name(pod: Object) -> str:
    return pod["metadata"]["name"]


def _is_leaving(pod: Object) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))


def _is_done(pod: Object) -> bool:
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def _is_ready(pod: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions") or [])


def _trouble(pod: Object) -> str:
    """Why a pod is not ready: what its containers wait for, or why it has no node."""
    for status in pod["status"].get("containerStatuses") or []:
        waiting = status.get("state", {}).get("waiting")
        if waiting:
            ended = status.get("lastState", {}).get("terminated", {}).get("reason")
            return (
                f"{waiting.get('reason')}, {status.get('restartCount', 0)} restarts{f', last {ended}' if ended else ''}"
            )
    for condition in pod["status"].get("conditions") or []:
        if condition["status"] != "True" and condition.get("message"):
            return " ".join(condition["message"].split())[:200]
    return str(pod["status"].get("phase"))
