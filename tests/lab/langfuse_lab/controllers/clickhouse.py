# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the ClickHouse pod's start and Langfuse's migrations do to the database behind the lab's ClickHouse part."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from langfuse_lab.clickhouse import schema
from langfuse_lab.clickhouse.client import Client
from langfuse_lab.config import write_atomically
from langfuse_lab.controllers.kube import Object, labels
from langfuse_lab.controllers.world import World, is_running, pods_of

SELECTORS = (  # chart 1, chart 2
    {"app.kubernetes.io/name": "clickhouse", "app.kubernetes.io/component": "clickhouse"},
    {"clickhouse.com/role": "clickhouse-server"},
)
PASSWORD_VARIABLES = ("CLICKHOUSE_ADMIN_PASSWORD", "CLICKHOUSE_DEFAULT_USER_PASSWORD")
USER_VARIABLE = "CLICKHOUSE_ADMIN_USER"
DEFAULT_USER = "default"


class ClickHouse:
    """Gives the database the accounts and the tables that it would have in the cluster.

    The pod's password is what its Secret said when the pod started; it stays until the pod is replaced or restarted.
    """

    def __init__(self, lab_dir: Path) -> None:
        self._lab_dir = lab_dir
        self._users = lab_dir / "state" / "clickhouse-users.json"
        self._file = lab_dir / "state" / "clickhouse-pod.json"
        self._state: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}

    def reconcile(self, world: World) -> None:
        """Follow the first running ClickHouse pod, and the release's web Deployment."""
        running = [pod for pod in clickhouse_pods(world) if is_running(pod)]
        if not running:
            self._users.unlink(missing_ok=True)
            self._remember(start=None)
            return
        pod = running[0]
        if self._state.get("start") != start_of(pod) or not self._users.exists():
            self._start(world, pod)
        if self._state.get("start") == start_of(pod):
            self._migrate(world)

    def _start(self, world: World, pod: Object) -> None:
        volume = volume_of(world, pod)
        if volume is None:
            return
        users = _accounts(world, pod)
        if self._state.get("volume") != volume:
            schema.drop_tables(Client.of_lab(self._lab_dir))
            self._remember(volume=volume, migrated=None)
        write_atomically(self._users, json.dumps(users))
        self._remember(start=start_of(pod))

    def _migrate(self, world: World) -> None:
        """Make the tables when Langfuse's web pods, which do it as they start, are ready."""
        web = world.deployment("langfuse", "web")
        chart = labels(web).get("helm.sh/chart", "") if web else ""
        if web and self._state.get("migrated") != chart:
            schema.create_tables(Client.of_lab(self._lab_dir), major_of(chart))
            self._remember(migrated=chart)

    def _remember(self, **changes: Any) -> None:
        if any(self._state.get(key) != value for key, value in changes.items()):
            self._state |= changes
            write_atomically(self._file, json.dumps(self._state))


def clickhouse_pods(world: World) -> list[Object]:
    """Return the ClickHouse server pods of either chart major, by name."""
    pods = [pod for selector in SELECTORS for pod in pods_of(world.list("Pod"), selector)]
    return sorted(pods, key=lambda pod: (pod["metadata"]["namespace"], pod["metadata"]["name"]))


def start_of(pod: Object) -> str:
    """Return what tells one start of a pod's containers from another."""
    restarts = sum(each["restartCount"] for each in pod["status"].get("containerStatuses") or [])
    return f"{pod['metadata']['uid']}/{restarts}"


def major_of(chart: str) -> int:
    """Return the major version of a chart label such as langfuse-2.0.1."""
    return int(chart.rsplit("-", 1)[1].split(".")[0])


def _accounts(world: World, pod: Object) -> dict[str, str]:
    """Return user and password from the environment that the pod's container starts with."""
    variables = {each["name"]: each for container in pod["spec"]["containers"] for each in container.get("env") or []}
    user = variables.get(USER_VARIABLE, {}).get("value") or DEFAULT_USER
    for name in PASSWORD_VARIABLES:
        if name in variables:
            return {user: _value(world, pod["metadata"]["namespace"], variables[name])}
    raise LookupError(f"pod {pod['metadata']['name']} has none of the variables {', '.join(PASSWORD_VARIABLES)}")


def _value(world: World, namespace: str, variable: Object) -> str:
    if "value" in variable:
        return variable["value"]
    reference = variable["valueFrom"]["secretKeyRef"]
    secret = world.kubernetes.get("Secret", reference["name"], namespace)
    if secret is None or reference["key"] not in (secret.get("data") or {}):
        raise LookupError(f"{variable['name']}: Secret {namespace}/{reference['name']} has no key {reference['key']}")
    return base64.b64decode(secret["data"][reference["key"]]).decode()


def volume_of(world: World, pod: Object) -> str | None:
    """Return the EC2 volume that holds the pod's data, or the pod's uid when it claims none.

    None when the claim's volume is not to be seen yet: lists of one round are not of one moment.
    """
    for volume in pod["spec"].get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            name = volume["persistentVolumeClaim"]["claimName"]
            claim = world.find("PersistentVolumeClaim", name, pod["metadata"]["namespace"])
            bound = world.find("PersistentVolume", claim["spec"].get("volumeName", "")) if claim else None
            return bound["spec"]["csi"]["volumeHandle"] if bound else None
    return pod["metadata"]["uid"]
