# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Langfuse's own health answers, for its web and worker pods.

What a pod knows is the environment that it started with: a password that has changed since is wrong, as in a real pod.
"""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import hmac
import json
import os
import urllib.parse
from collections.abc import Callable
from pathlib import Path

from langfuse_lab.clickhouse.client import ClickHouseError, Client
from langfuse_lab.config import Lab, write_atomically
from langfuse_lab.controllers.clickhouse import start_of, volume_of
from langfuse_lab.controllers.containers import Materials
from langfuse_lab.controllers.kube import Object
from langfuse_lab.controllers.world import World, is_running, pods_of

SELECTOR = {"app.kubernetes.io/name": "langfuse"}
STORES = {"postgresql": "postgresql", "redis": "redis"}  # by app.kubernetes.io/name of the pods, in both chart majors
ROLES_FILE = "postgresql-roles.json"
Answer = tuple[int, dict[str, str]]


@dataclasses.dataclass(frozen=True)
class Pod:
    """A pod that runs, with the environment of its first container."""

    start: str
    image: str
    environment: dict[str, str] = dataclasses.field(repr=False)

    @property
    def version(self) -> str:
        """Version of what runs in it."""
        return self.image.rsplit(":", 1)[-1]


def verifier(password: str, salt: bytes, iterations: int = 4096) -> str:
    """Return what PostgreSQL keeps of a password."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    parts = [base64.b64encode(each).decode() for each in (salt, stored, hmac.digest(salted, b"Server Key", "sha256"))]
    return f"SCRAM-SHA-256${iterations}:{parts[0]}${parts[1]}:{parts[2]}"


def is_of(stored: str, password: str) -> bool:
    """Tell whether a verifier is of this password."""
    scheme, _, rest = stored.partition("$")
    iterations, _, salt = rest.partition("$")[0].partition(":")
    return scheme == "SCRAM-SHA-256" and verifier(password, base64.b64decode(salt), int(iterations)) == stored


def roles(lab: Lab) -> dict[str, str]:
    """Return the verifiers of PostgreSQL's roles, and the volume that they are on."""
    path = lab.state / ROLES_FILE
    return json.loads(path.read_text()) if path.exists() else {}


def write_roles(lab: Lab, verifiers: dict[str, str]) -> None:
    """Keep the verifiers of PostgreSQL's roles."""
    write_atomically(lab.state / ROLES_FILE, json.dumps(verifiers))


class Langfuse:
    """Answers for one web and one worker pod, by what they and the stores started with."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._pods: dict[str, Pod] = {}

    def reconcile(self, world: World) -> None:
        """Look at the pods; each environment is read once, when its pod starts."""
        pods = [pod for pod in world.list("Pod") if is_running(pod)]
        found = {}
        for name, selector in {
            "web": SELECTOR | {"app": "web"},
            "worker": SELECTOR | {"app": "worker"},
            **{store: {"app.kubernetes.io/name": label} for store, label in STORES.items()},
        }.items():
            # The oldest: an answer that only the newest of two pods could give would hide that the other is wrong.
            own = sorted(pods_of(pods, selector), key=lambda pod: pod["metadata"]["creationTimestamp"])
            if own:
                found[name] = self._read(world, name, own[0])
            if own and name == "postgresql":
                self._keep_roles(volume_of(world, own[0]), found[name])
        self._pods = found

    def answer(self, path: str) -> Answer | None:
        """Return status and body for a path of web's or the worker's; None for one that neither knows."""
        parts = urllib.parse.urlsplit(path)
        with_database = "failIfDatabaseUnavailable=true" in parts.query.split("&")
        handlers: dict[str, Callable[[], Answer]] = {
            "/api/public/health": lambda: self._answer("web", ["postgresql"] if with_database else []),
            "/api/public/ready": lambda: self._answer("web", []),
            "/api/health": lambda: self._answer("worker", ["postgresql"] if with_database else []),
            "/api/ready": lambda: self._answer("worker", ["postgresql", "redis"]),
        }
        handler = handlers.get(parts.path)
        return handler() if handler else None

    def _answer(self, component: str, stores: list[str]) -> Answer:
        pod = self._pods.get(component)
        if pod is None:
            return 503, {"status": f"no {component} pod runs"}
        # Langfuse does not come up without these, so it would answer nothing.
        faults = [fault for fault in [self._clickhouse(pod)] if fault]
        faults += [fault for store in stores if (fault := self._store(pod, store))]
        if faults:
            return 503, {"status": "; ".join(faults), "version": pod.version}
        return 200, {"status": "OK", "version": pod.version}

    def _store(self, pod: Pod, store: str) -> str:
        """Compare what the pod has for a store with what that takes; "" when they agree, or the store is not here."""
        server = self._pods.get(store)
        if not self._is_bundled(pod, store):
            return ""
        if server is None:
            return f"{store} is not reachable"
        environment, own = pod.environment, server.environment
        if store == "redis":
            fits = environment.get("REDIS_PASSWORD") == (own.get("VALKEY_PASSWORD") or own.get("default"))
        else:
            fits = is_of(roles(self._lab).get("langfuse", ""), environment.get("DATABASE_PASSWORD", ""))
        return "" if fits else f"{store} refuses the password"

    def _is_bundled(self, pod: Pod, store: str) -> bool:
        """Tell whether a pod's store is the release's own: nothing in the lab stands for another."""
        host = pod.environment.get("DATABASE_HOST", "")
        if store == "redis":
            host = urllib.parse.urlsplit(pod.environment.get("REDIS_CONNECTION_STRING", "")).hostname or ""
        return "." not in host

    def _clickhouse(self, pod: Pod) -> str:
        """Log in to ClickHouse as the pod does."""
        if "." in urllib.parse.urlsplit(pod.environment.get("CLICKHOUSE_URL", "")).netloc:
            return ""
        client = Client(
            self._lab.ports["clickhouse_http"],
            pod.environment.get("CLICKHOUSE_USER", ""),
            pod.environment.get("CLICKHOUSE_PASSWORD", ""),
            timeout=5,
        )
        try:
            client.execute("SELECT 1")
        except (ClickHouseError, OSError) as error:
            return f"ClickHouse: {str(error).splitlines()[0][:100]}"
        return ""

    def _keep_roles(self, volume: str | None, server: Pod) -> None:
        """A PostgreSQL takes its users' passwords from its environment when its volume is new, and never again."""
        if volume is None or roles(self._lab).get("volume") == volume:
            return
        environment = server.environment
        own = environment.get("USERDB_PASSWORD") or environment["POSTGRES_PASSWORD"]
        admin = environment.get("POSTGRES_POSTGRES_PASSWORD") or environment["POSTGRES_PASSWORD"]
        made = {role: verifier(text, os.urandom(16)) for role, text in {"langfuse": own, "postgres": admin}.items()}
        write_roles(self._lab, {"volume": volume, **made})

    def _read(self, world: World, name: str, pod: Object) -> Pod:
        start = start_of(pod)
        known = self._pods.get(name)
        if known and known.start == start:
            return known
        [container, *_] = pod["spec"]["containers"]
        environment = Materials(world.kubernetes, pod, Path(os.devnull)).environment(container)
        return Pod(start, container["image"], environment | _mounted_users(world, pod))


def _mounted_users(world: World, pod: Object) -> dict[str, str]:
    """Return the users of chart 2's Valkey, which come by a volume of its init container."""
    for volume in pod["spec"].get("volumes") or []:
        if volume["name"] == "users" and "secret" in volume:
            reference = {"valueFrom": {"secretKeyRef": {"name": volume["secret"]["secretName"], "key": "default"}}}
            container = {"env": [{"name": "default", **reference}]}
            return Materials(world.kubernetes, pod, Path(os.devnull)).environment(container)
    return {}
