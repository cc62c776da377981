# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What only shows on a Kubernetes server: upgrades of the stand-in charts. Runs on the lab of LAB_DIR when that is up.

The releases get namespaces of their own and pods that no node takes: the lab's controllers leave them alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from charts_rendering import CHARTS, helm, values_file
from kubernetes import client, config

NOWHERE = {"nodeSelector": {"example.com/no-such-node": "true"}}
IDLE = {"langfuse": {"replicas": 0, "web": {"replicas": None}, "worker": {"hpa": {"enabled": False}}}}
EXTERNAL_CLICKHOUSE = {"clickhouse": {"deploy": False, "host": "clickhouse.example.com"}}
EXTERNAL_REDIS = {"redis": {"deploy": False, "host": "redis.example.com"}}
IDLE_1 = {**IDLE, **EXTERNAL_REDIS, "clickhouse": {"replicaCount": 0}, "postgresql": {"primary": NOWHERE}}
IDLE_2 = {**IDLE, **EXTERNAL_REDIS, **EXTERNAL_CLICKHOUSE, "postgresql": NOWHERE}


@dataclass(frozen=True)
class Space:
    """A namespace of one test on the lab's API server."""

    namespace: str
    kubeconfig: str

    def helm(
        self, verb: str, release: str, chart: Path, values: dict[str, Any], *flags: str | Path
    ) -> subprocess.CompletedProcess[str]:
        """Run Helm on a release in this namespace; a Langfuse chart gets its example values first."""
        name = chart.name.removesuffix(".tgz")
        given = ["--values", values_file(int(name.split("-")[1][0]))] if name.startswith("langfuse-") else []
        target = ["--namespace", self.namespace, "--kubeconfig", self.kubeconfig]
        return helm(verb, release, chart, *target, *given, *flags, values=values)

    def secret(self, name: str) -> dict[str, str]:
        """Data of a Secret, base64."""
        return client.CoreV1Api().read_namespaced_secret(name, self.namespace).data

    def wait_for_claim(self, name: str) -> None:
        """Wait up to 10 s for a claim that a controller makes."""
        core = client.CoreV1Api()
        for _ in range(100):
            claims = core.list_namespaced_persistent_volume_claim(self.namespace).items
            if name in [claim.metadata.name for claim in claims]:
                return
            time.sleep(0.1)
        pytest.fail(f"no claim {name}: is kube-controller-manager running?")


@pytest.fixture(scope="session")
def kubeconfig() -> str:
    """Kubeconfig of the lab's administrator."""
    settings = Path(os.environ.get("LAB_DIR", ".lab")) / "config.json"
    if not settings.exists():
        pytest.skip(f"no lab in {settings.parent} (make lab-up)")
    path = json.loads(settings.read_text(encoding="utf-8"))["admin_kubeconfig"]
    config.load_kube_config(path)
    try:
        client.VersionApi().get_code(_request_timeout=5)
    except Exception as error:  # whatever keeps the server from answering
        pytest.skip(f"the lab in {settings.parent} does not answer: {error}")
    return path


@pytest.fixture
def space(kubeconfig: str) -> Iterator[Space]:
    """A fresh namespace, deleted after the test."""
    core = client.CoreV1Api()
    name = f"charts-test-{uuid.uuid4().hex[:8]}"
    core.create_namespace({"metadata": {"name": name}})
    yield Space(name, kubeconfig)
    core.delete_namespace(name)


def succeed(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stderr


def test_second_upgrade_of_chart_2_0_0_fails(space: Space, tmp_path: Path) -> None:
    """langfuse-k8s issue 399, which is why 2.0.0 is refused as a pin."""
    succeed(helm("package", CHARTS / "langfuse-2", "--version", "2.0.0", "--destination", tmp_path))
    broken = tmp_path / "langfuse-2.0.0.tgz"
    succeed(space.helm("install", "langfuse", broken, IDLE_2))
    again = space.helm("upgrade", "langfuse", broken, IDLE_2)
    assert again.returncode != 0
    assert "index of untyped nil" in again.stderr
    succeed(space.helm("upgrade", "langfuse", CHARTS / "langfuse-2", IDLE_2))
    succeed(space.helm("upgrade", "langfuse", CHARTS / "langfuse-2", IDLE_2))


def test_chart_2_keeps_generated_credentials(space: Space) -> None:
    values = {**IDLE_2, "langfuse": {**IDLE_2["langfuse"], "salt": {"secretKeyRef": None}}}
    succeed(space.helm("install", "langfuse", CHARTS / "langfuse-2", values))
    first = space.secret("langfuse-app")
    succeed(space.helm("upgrade", "langfuse", CHARTS / "langfuse-2", values))
    assert space.secret("langfuse-app") == first
    assert first.keys() == {"salt"}


def test_chart_2_refuses_to_replace_the_stores_of_chart_1(space: Space) -> None:
    succeed(space.helm("install", "langfuse", CHARTS / "langfuse-1", IDLE_1))
    space.wait_for_claim("data-langfuse-postgresql-0")
    upgrade = ("upgrade", "langfuse", CHARTS / "langfuse-2")
    refused = space.helm(*upgrade, {**IDLE_2, "clickhouse": {"crdCheck": False}})
    assert "Upgrade refused" in refused.stderr
    assert "StatefulSet/langfuse-clickhouse-shard0, PersistentVolumeClaim/data-langfuse-postgresql-0" in refused.stderr
    external = {**IDLE_2, "postgresql": {"deploy": False, "host": "pg.example.com"}}
    succeed(space.helm(*upgrade, external, "--dry-run=server"))
    forced = {**IDLE_2, "langfuse": {**IDLE_2["langfuse"], "allowV1Upgrade": True}}
    succeed(space.helm(*upgrade, forced, "--dry-run=server"))


def test_a_claim_of_a_stateful_set_does_not_grow_by_upgrade(space: Space) -> None:
    succeed(space.helm("install", "langfuse", CHARTS / "langfuse-1", IDLE_1))
    larger = {**IDLE_1, "postgresql": {"primary": {**NOWHERE, "persistence": {"size": "30Gi"}}}}
    assert "updates to statefulset spec" in space.helm("upgrade", "langfuse", CHARTS / "langfuse-1", larger).stderr


def test_keep_tls_secret(space: Space) -> None:
    values = {"clusterName": "langfuse", "replicaCount": 0, "createIngressClassResource": False}
    certificates = []
    for verb, keep in (("install", False), ("upgrade", False), ("upgrade", True)):
        chart = CHARTS / "aws-load-balancer-controller"
        succeed(space.helm(verb, "alb", chart, {**values, "keepTLSSecret": keep}, "--skip-crds"))
        certificates.append(space.secret("aws-load-balancer-tls")["tls.crt"])
    first, second, kept = certificates
    assert first != second == kept
