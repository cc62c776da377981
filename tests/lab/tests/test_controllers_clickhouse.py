# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ClickHouse operator's objects, and what a pod's start means for the database."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from langfuse_lab.controllers.clickhouse import major_of, start_of
from langfuse_lab.controllers.clickhouse_objects import CONFIGURATION, objects, own_secret


def resource(kind: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "clickhouse.com/v1alpha1",
        "kind": kind,
        "metadata": {"name": "langfuse", "namespace": "langfuse", "uid": "u", "generation": 1},
        "spec": {
            "replicas": 1,
            "dataVolumeClaimSpec": {"resources": {"requests": {"storage": "100Gi"}}},
            "containerTemplate": {"image": {"repository": "clickhouse/x", "tag": "26.4"}, "resources": {"limits": {}}},
            "podTemplate": {"nodeSelector": {"nodegroup": "clickhouse"}, "tolerations": [{"key": "dedicated"}]},
            **spec,
        },
    }


def clickhouse(**spec: Any) -> dict[str, Any]:
    secret = {"name": "langfuse-secrets", "key": "clickhouse-password"}
    settings = {"defaultUserPassword": {"secret": secret}, "extraConfig": {"logger": {"level": "warning"}}}
    return resource("ClickHouseCluster", keeperClusterRef={"name": "langfuse"}, settings=settings, **spec)


def names(items: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in items:
        found.setdefault(item["kind"], []).append(item["metadata"]["name"])
    return found


def of_kind(items: list[dict[str, Any]], kind: str) -> dict[str, Any]:
    return next(item for item in items if item["kind"] == kind)


def test_clickhouse_has_the_operators_names() -> None:
    assert names(objects(clickhouse(replicas=2))) == {
        "Service": ["langfuse-clickhouse-headless"],
        "PodDisruptionBudget": ["langfuse-clickhouse-0"],
        "ConfigMap": ["langfuse-clickhouse-0-0", "langfuse-clickhouse-0-1"],
        "StatefulSet": ["langfuse-clickhouse-0-0", "langfuse-clickhouse-0-1"],
    }


def test_keeper_has_the_operators_names() -> None:
    assert names(objects(resource("KeeperCluster", replicas=3))) == {
        "Service": ["langfuse-keeper-headless"],
        "PodDisruptionBudget": ["langfuse-keeper"],
        "ConfigMap": [
            "langfuse-keeper-quorum-configmap-1",
            *(f"langfuse-keeper-{number}-configmap-v1" for number in range(3)),
        ],
        "StatefulSet": [f"langfuse-keeper-{number}" for number in range(3)],
    }


def test_the_pod_template_takes_over_what_the_resource_says() -> None:
    stateful_set = of_kind(objects(clickhouse()), "StatefulSet")
    template = stateful_set["spec"]["template"]
    [container] = template["spec"]["containers"]
    assert template["spec"]["nodeSelector"] == {"nodegroup": "clickhouse"}
    assert template["spec"]["tolerations"] == [{"key": "dedicated"}]
    assert (container["name"], container["image"]) == ("clickhouse-server", "clickhouse/x:26.4")
    assert container["env"][0] == {
        "name": "CLICKHOUSE_DEFAULT_USER_PASSWORD",
        "valueFrom": {"secretKeyRef": {"name": "langfuse-secrets", "key": "clickhouse-password"}},
    }
    assert template["metadata"]["labels"] == {
        "app": "langfuse-clickhouse",
        "app.kubernetes.io/name": "clickhouse-server",
        "app.kubernetes.io/instance": "langfuse-clickhouse",
        "clickhouse.com/role": "clickhouse-server",
        "clickhouse.com/shard-id": "0",
        "clickhouse.com/replica-id": "0",
    }
    assert stateful_set["spec"]["volumeClaimTemplates"][0]["metadata"]["name"] == "clickhouse-storage-volume"
    assert stateful_set["spec"]["serviceName"] == "langfuse-clickhouse-headless"


def test_the_headless_service_selects_by_app_only() -> None:
    service = of_kind(objects(clickhouse()), "Service")
    ports = {port["name"]: port["port"] for port in service["spec"]["ports"]}
    assert ports == {"http": 8123, "tcp": 9000, "management": 9001, "interserver": 9009, "prometheus": 9363}
    assert service["spec"]["selector"] == {"app": "langfuse-clickhouse"}
    assert service["spec"]["publishNotReadyAddresses"] is True


def test_new_settings_restart_the_pod_and_a_new_size_does_not() -> None:
    def checksum(item: dict[str, Any]) -> str:
        template = of_kind(objects(item), "StatefulSet")["spec"]["template"]
        return template["metadata"]["annotations"][CONFIGURATION]

    changed = copy.deepcopy(clickhouse())
    changed["spec"]["settings"]["extraUsersConfig"] = {"profiles": {"default": {"max_threads": 2}}}
    assert checksum(changed) != checksum(clickhouse())
    bigger = copy.deepcopy(clickhouse())
    bigger["spec"]["dataVolumeClaimSpec"]["resources"]["requests"]["storage"] = "200Gi"
    assert checksum(bigger) == checksum(clickhouse())


def test_extra_settings_are_files_of_their_own() -> None:
    data = of_kind(objects(clickhouse()), "ConfigMap")["data"]
    assert data["99-extra-config.yaml"] == "logger:\n  level: warning\n"
    assert "99-extra-users-config.yaml" not in data


def test_all_objects_belong_to_the_resource() -> None:
    made = [*objects(clickhouse()), own_secret(clickhouse(), {"cluster-secret": "x"})]
    assert all(item["metadata"]["ownerReferences"][0]["uid"] == "u" for item in made)


def test_one_replica_does_not_block_a_drain() -> None:
    for item in (clickhouse(), resource("KeeperCluster")):
        assert of_kind(objects(item), "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_restarted_container_is_another_start() -> None:
    def pod(restarts: int) -> dict[str, Any]:
        return {"metadata": {"uid": "u"}, "status": {"containerStatuses": [{"restartCount": restarts}]}}

    assert start_of(pod(0)) == start_of(pod(0))
    assert start_of(pod(0)) != start_of(pod(1))


@pytest.mark.parametrize(("chart", "major"), [("langfuse-1.5.41", 1), ("langfuse-2.0.1", 2)])
def test_the_major_is_the_charts(chart: str, major: int) -> None:
    assert major_of(chart) == major
