# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stores of the Langfuse stand-ins and what each major refuses."""

from __future__ import annotations

from typing import Any

import pytest
from charts_rendering import Objects, container, environment, ports, refusal, render

NAME, INSTANCE, COMPONENT = "app.kubernetes.io/name", "app.kubernetes.io/instance", "app.kubernetes.io/component"
CLICKHOUSE_PORTS = {"http": 8123, "tcp": 9000, "tcp-mysql": 9004, "tcp-postgresql": 9005, "http-intersrv": 9009}

# Chart 1: everything that tests and roles rely on, per store.
CHART_1: dict[str, dict[str, Any]] = {
    "clickhouse": {
        "workload": "langfuse-clickhouse-shard0",
        "component": "clickhouse",
        "version": ("clickhouse-8.0.5", "25.2.1"),
        "more_labels": {"shard": "0"},
        "container": "clickhouse",
        "image": "docker.io/bitnamilegacy/clickhouse:25.2.1-debian-12-r0",
        "ports": CLICKHOUSE_PORTS,
        "services": {"langfuse-clickhouse": CLICKHOUSE_PORTS, "langfuse-clickhouse-headless": CLICKHOUSE_PORTS},
        "claim": ("data", "200Gi", "gp3", "/bitnami/clickhouse"),
        "account": "langfuse-clickhouse",
        "liveness": ({"tcpSocket": {"port": "http"}}, (10, 10, 1, 3)),
        "readiness": ({"httpGet": {"path": "/ping", "port": "http"}}, (10, 10, 1, 3)),
        "budget": True,
        "policy": "langfuse-clickhouse",
        "checksums": {"checksum/config", "checksum/config-extra", "checksum/config-users-extra"},
        "secrets": {"CLICKHOUSE_ADMIN_PASSWORD": "langfuse-secrets:clickhouse-password"},
    },
    "postgresql": {
        "workload": "langfuse-postgresql",
        "component": "primary",
        "version": ("postgresql-16.4.9", "17.3.0"),
        "container": "postgresql",
        "image": "docker.io/bitnamilegacy/postgresql:17.3.0-debian-12-r1",
        "ports": {"tcp-postgresql": 5432},
        "services": {
            "langfuse-postgresql": {"tcp-postgresql": 5432},
            "langfuse-postgresql-hl": {"tcp-postgresql": 5432},
        },
        "claim": ("data", "20Gi", "gp2", "/bitnami/postgresql"),
        "account": "langfuse-postgresql",
        "liveness": ("pg_isready", (30, 10, 5, 6)),
        "readiness": ("pg_isready", (5, 10, 5, 6)),
        "budget": True,
        "policy": "langfuse-postgresql",
        "checksums": set(),
        "secrets": {
            "POSTGRES_PASSWORD": "langfuse-secrets:postgresql-password",
            "POSTGRES_POSTGRES_PASSWORD": "langfuse-secrets:postgresql-admin-password",
        },
    },
    "redis": {
        "workload": "langfuse-redis-primary",
        "component": "primary",
        "version": ("redis-2.2.4", "8.0.2"),
        "object_labels": {"app.kubernetes.io/part-of": "valkey"},
        "container": "valkey",
        "image": "docker.io/bitnamilegacy/valkey:8.0.2-debian-12-r2",
        "ports": {"redis": 6379},
        "services": {"langfuse-redis-primary": {"tcp-redis": 6379}, "langfuse-redis-headless": {"tcp-redis": 6379}},
        "claim": ("valkey-data", "2Gi", "gp2", "/data"),
        "account": "langfuse-redis-primary",
        "liveness": ("/health/ping_liveness_local.sh 5", (20, 5, 6, 5)),
        "readiness": ("/health/ping_readiness_local.sh 1", (20, 5, 2, 5)),
        "budget": False,
        "policy": "langfuse-redis",
        "checksums": {"checksum/configmap", "checksum/health", "checksum/scripts", "checksum/secret"},
        "secrets": {"VALKEY_PASSWORD": "langfuse-secrets:redis-password"},
    },
}
stores = pytest.mark.parametrize("name", CHART_1)


def selector(name: str, component: str) -> dict[str, str]:
    return {INSTANCE: "langfuse", NAME: name, COMPONENT: component}


def assert_probe(probe: dict[str, Any], expected: tuple[Any, tuple[int, ...]]) -> None:
    action, timing = expected
    names = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "failureThreshold")
    assert tuple(probe[name] for name in names) == timing
    if isinstance(action, str):
        assert action in probe["exec"]["command"][-1]
    else:
        assert action.items() <= probe.items()


@stores
def test_chart_1_workload(name: str) -> None:
    expected = CHART_1[name]
    workload = render("langfuse-1")[f"StatefulSet/{expected['workload']}"]
    match = selector(name, expected["component"])
    chart, version = expected["version"]
    pod_labels = {
        **match,
        "app.kubernetes.io/managed-by": "Helm",
        "app.kubernetes.io/version": version,
        "helm.sh/chart": chart,
        **expected.get("more_labels", {}),
    }
    spec = workload["spec"]
    assert workload["metadata"]["labels"] == {**pod_labels, **expected.get("object_labels", {})}
    assert spec["selector"]["matchLabels"] == match
    assert spec["template"]["metadata"]["labels"] == pod_labels
    assert spec.get("podManagementPolicy") == ("Parallel" if name == "clickhouse" else None)
    assert set(spec["template"]["metadata"].get("annotations", {})) == expected["checksums"]
    assert spec["template"]["spec"]["serviceAccountName"] == expected["account"]
    assert spec["template"]["spec"]["automountServiceAccountToken"] is False


@stores
def test_chart_1_container_and_claim(name: str) -> None:
    expected = CHART_1[name]
    workload = render("langfuse-1")[f"StatefulSet/{expected['workload']}"]
    pod = container(workload, expected["container"])
    claim, size, storage_class, path = expected["claim"]
    assert pod["image"] == expected["image"]
    assert ports(workload, expected["container"]) == expected["ports"]
    assert_probe(pod["livenessProbe"], expected["liveness"])
    assert_probe(pod["readinessProbe"], expected["readiness"])
    assert expected["secrets"].items() <= environment(workload, expected["container"]).items()
    (template,) = workload["spec"]["volumeClaimTemplates"]
    assert template["metadata"] == {"name": claim}, "the claims get their labels from the selector"
    assert template["spec"]["resources"]["requests"]["storage"] == size
    assert template["spec"]["storageClassName"] == storage_class
    assert {"name": claim, "mountPath": path} in pod["volumeMounts"]


@stores
def test_chart_1_objects_beside(name: str) -> None:
    expected = CHART_1[name]
    objects = render("langfuse-1")
    match = selector(name, expected["component"])
    for service, service_ports in expected["services"].items():
        narrow = not (name == "redis" and service.endswith("-headless"))
        spec = objects[f"Service/{service}"]["spec"]
        assert ports(objects[f"Service/{service}"]) == service_ports
        assert spec["selector"] == (match if narrow else {INSTANCE: "langfuse", NAME: "redis"})
        assert spec.get("clusterIP") == ("None" if service.endswith(("-headless", "-hl")) else None)
    assert objects[f"ServiceAccount/{expected['account']}"]["automountServiceAccountToken"] is False
    policy = objects[f"NetworkPolicy/{expected['policy']}"]["spec"]
    assert policy["podSelector"]["matchLabels"] == (match if name != "redis" else {INSTANCE: "langfuse", NAME: "redis"})
    assert [item["port"] for item in policy["ingress"][0]["ports"]] == list(expected["ports"].values())
    assert "from" not in policy["ingress"][0]
    assert policy["egress"] == [{}]
    budget = objects.get(f"PodDisruptionBudget/{expected['workload']}")
    assert bool(budget) is expected["budget"]
    if budget:
        assert budget["spec"] == {"maxUnavailable": 1, "selector": {"matchLabels": match}}


def test_chart_1_clickhouse_configuration() -> None:
    plain = render("langfuse-1")
    values = {"clickhouse": {"extraOverrides": "<clickhouse/>", "usersExtraOverrides": "<users/>"}}
    changed = render("langfuse-1", values)
    assert "00_default_overrides.xml" in plain["ConfigMap/langfuse-clickhouse"]["data"]
    assert "setup.sh" in plain["ConfigMap/langfuse-clickhouse-scripts"]["data"]
    assert "ConfigMap/langfuse-clickhouse-extra" not in plain
    assert changed["ConfigMap/langfuse-clickhouse-extra"]["data"] == {"01_extra_overrides.xml": "<clickhouse/>"}
    assert changed["ConfigMap/langfuse-clickhouse-users-extra"]["data"] == {"01_users_extra_overrides.xml": "<users/>"}
    before, after = (
        objects["StatefulSet/langfuse-clickhouse-shard0"]["spec"]["template"] for objects in (plain, changed)
    )
    restarts = {
        key
        for key, value in before["metadata"]["annotations"].items()
        if value != after["metadata"]["annotations"][key]
    }
    assert restarts == {"checksum/config-extra", "checksum/config-users-extra"}
    mounted = {item["mountPath"] for item in container({"spec": {"template": after}}, "clickhouse")["volumeMounts"]}
    assert "/bitnami/clickhouse/etc/conf.d/extra-configmap" in mounted
    assert "/bitnami/clickhouse/etc/users.d/users-extra-configmap" in mounted


def test_chart_1_redis_flags_and_postgresql_configuration() -> None:
    extended = {"postgresql": {"primary": {"extendedConfiguration": "max_connections = 50"}}}
    objects = render("langfuse-1", extended)
    assert "--maxmemory-policy noeviction" in objects["ConfigMap/langfuse-redis-scripts"]["data"]["start-primary.sh"]
    assert {"valkey.conf", "primary.conf", "replica.conf"} == set(
        objects["ConfigMap/langfuse-redis-configuration"]["data"]
    )
    annotations = objects["StatefulSet/langfuse-postgresql"]["spec"]["template"]["metadata"]["annotations"]
    assert set(annotations) == {"checksum/extended-configuration"}


def test_chart_1_zookeeper_and_replicas() -> None:
    objects = render("langfuse-1", {"clickhouse": {"replicaCount": 3, "zookeeper": {"enabled": True}}})
    zookeeper = objects["StatefulSet/langfuse-zookeeper"]
    assert zookeeper["spec"]["replicas"] == 3
    assert zookeeper["spec"]["selector"]["matchLabels"] == selector("zookeeper", "zookeeper")
    assert zookeeper["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] == "8Gi"
    assert set(ports(zookeeper, "zookeeper").values()) == {2181, 2888, 3888}
    assert "Service/langfuse-zookeeper-headless" in objects
    assert objects["StatefulSet/langfuse-clickhouse-shard0"]["spec"]["replicas"] == 3
    web = environment(objects["Deployment/langfuse-web"], "langfuse-web")
    assert "CLICKHOUSE_CLUSTER_ENABLED" not in web, "the application's own default is true"


def test_chart_1_loses_its_stores_under_another_release_name() -> None:
    objects = render("langfuse-1", release="obs")
    web = environment(objects["Deployment/obs-langfuse-web"], "langfuse-web")
    assert web["DATABASE_HOST"] == "obs-langfuse-postgresql"
    assert "StatefulSet/obs-postgresql" in objects


def test_chart_1_image_from_a_mirror() -> None:
    image = {"registry": "mirror.example.com", "repository": "valkey", "tag": "8"}
    objects = render("langfuse-1", {"redis": {"image": image}})
    assert container(objects["StatefulSet/langfuse-redis-primary"], "valkey")["image"] == "mirror.example.com/valkey:8"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"redis": {"primary": {"extraFlags": []}}}, "`--maxmemory-policy noeviction`"),
        ({"clickhouse": {"shards": 2}}, "clickhouse.shards is 2"),
        ({"global": {"security": {"allowInsecureImages": False}}}, "allowInsecureImages must be true"),
        ({"langfuse": {"salt": {"secretKeyRef": None}}}, "langfuse.salt must be given by value"),
        ({"redis": {"architecture": "replication"}}, "redis.architecture: replication is not modelled"),
        ({"clickhouse": {"metrics": {"enabled": True}}}, "clickhouse.metrics.enabled: true is not modelled"),
    ],
)
def test_chart_1_refusals(values: dict, message: str) -> None:
    assert message in refusal("langfuse-1", values)


def sub_labels(name: str, chart: str) -> dict[str, str]:
    return {"helm.sh/chart": chart, NAME: name, INSTANCE: "langfuse", "app.kubernetes.io/managed-by": "Helm"}


def test_chart_2_postgresql() -> None:
    objects = render("langfuse-2")
    workload = objects["StatefulSet/langfuse-postgresql"]
    match = {NAME: "postgresql", INSTANCE: "langfuse"}
    template = workload["spec"]["template"]
    assert sub_labels("postgresql", "postgresql-1.6.3").items() <= workload["metadata"]["labels"].items()
    assert COMPONENT not in workload["metadata"]["labels"]
    assert workload["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"] == match
    assert workload["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert set(template["metadata"]["annotations"]) == {
        f"checksum/{name}" for name in ("customconfig", "secureconfig", "customscripts", "scripts")
    }
    assert [item["name"] for item in template["spec"]["initContainers"]] == ["postgresql-init"]
    assert template["spec"]["serviceAccountName"] == "default"
    assert ports(workload, "postgresql") == ports(objects["Service/langfuse-postgresql"]) == {"postgres": 5432}
    assert environment(workload, "postgresql") == {
        "PGDATA": "/var/lib/postgresql/data/pg",
        **{
            key: f"langfuse-secrets:{key}"
            for key in ("POSTGRES_PASSWORD", "POSTGRES_DB", "USERDB_USER", "USERDB_PASSWORD")
        },
    }
    pod = container(workload, "postgresql")
    assert_probe(pod["startupProbe"], ("pg_isready", (10, 10, 5, 30)))
    assert_probe(pod["livenessProbe"], ("pg_isready", (10, 10, 5, 3)))
    assert_probe(pod["readinessProbe"], ("pg_isready", (10, 10, 5, 3)))
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    assert claim["metadata"]["name"] == "postgres-data"
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert {"name": "postgres-data", "mountPath": "/var/lib/postgresql/data"} in pod["volumeMounts"]
    superuser = render("langfuse-2", {"postgresql": {"settings": {"superuser": {"secretKey": "POSTGRES_USER"}}}})
    named = environment(superuser["StatefulSet/langfuse-postgresql"], "postgresql")
    assert named["POSTGRES_USER"] == "langfuse-secrets:POSTGRES_USER"


def test_chart_2_redis() -> None:
    objects = render("langfuse-2")
    workload = objects["Deployment/langfuse-redis"]
    match = {NAME: "redis", INSTANCE: "langfuse"}
    template = workload["spec"]["template"]
    assert workload["spec"]["selector"]["matchLabels"] == template["metadata"]["labels"] == match
    assert workload["spec"]["strategy"] == {"type": "Recreate"}
    assert set(template["metadata"]["annotations"]) == {"checksum/initconfig", "checksum/config"}
    assert [item["name"] for item in template["spec"]["initContainers"]] == ["langfuse-redis-init"]
    assert ports(workload, "langfuse-redis") == ports(objects["Service/langfuse-redis"]) == {"tcp": 6379}
    assert objects["Service/langfuse-redis"]["metadata"]["labels"][COMPONENT] == "primary"
    pod = container(workload, "langfuse-redis")
    ping = {"exec": {"command": ["sh", "-c", "valkey-cli ping"]}}
    assert pod["startupProbe"] == pod["livenessProbe"] == ping
    assert "readinessProbe" not in pod
    users = next(item for item in template["spec"]["volumes"] if "secret" in item)
    assert users["secret"]["secretName"] == "langfuse-redis-users"
    assert users["name"] not in {item["name"] for item in pod["volumeMounts"]}, (
        "only the init container sees the Secret"
    )
    assert "maxmemory-policy noeviction" in objects["ConfigMap/langfuse-redis-config"]["data"]["valkey.conf"]
    assert "ConfigMap/langfuse-redis-init-scripts" in objects
    assert objects["ServiceAccount/langfuse-redis"]["automountServiceAccountToken"] is False
    hook = objects["Pod/langfuse-redis-test-auth-existing"]["metadata"]
    assert hook["annotations"] == {"helm.sh/hook": "test"}
    assert match.items() <= hook["labels"].items(), "the real chart's trap: the test pod stands behind the Service"


def test_chart_2_redis_claim() -> None:
    claim = render("langfuse-2")["PersistentVolumeClaim/langfuse-redis"]
    assert sub_labels("redis", "redis-0.9.4").items() <= claim["metadata"]["labels"].items()
    assert claim["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert claim["spec"]["storageClassName"] == "gp2"
    assert claim["spec"]["resources"]["requests"]["storage"] == "2Gi"
    loose = render("langfuse-2", {"redis": {"dataStorage": {"keepPvc": False}, "deploymentStrategy": None}})
    assert "annotations" not in loose["PersistentVolumeClaim/langfuse-redis"]["metadata"]


def assert_no_operator_objects(objects: Objects) -> None:
    assert not any("clickhouse-0" in name or "keeper-0" in name for name in objects)
    assert not any(name.startswith("NetworkPolicy/") for name in objects)


def test_chart_2_clickhouse_resources() -> None:
    objects = render("langfuse-2")
    cluster = objects["ClickHouseCluster/langfuse"]
    assert cluster["apiVersion"] == "clickhouse.com/v1alpha1"
    assert cluster["metadata"]["labels"]["helm.sh/chart"] == "langfuse-2.0.1"
    resources = {"cpu": "3500m", "memory": "26Gi"}
    toleration = {"key": "dedicated", "operator": "Equal", "value": "clickhouse", "effect": "NoSchedule"}
    assert cluster["spec"] == {
        "replicas": 1,
        "shards": 1,
        "keeperClusterRef": {"name": "langfuse"},
        "dataVolumeClaimSpec": {
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": "gp3",
            "resources": {"requests": {"storage": "200Gi"}},
        },
        "containerTemplate": {
            "image": {"repository": "clickhouse/clickhouse-server", "tag": "26.4"},
            "resources": {"requests": resources, "limits": resources},
        },
        "podTemplate": {"nodeSelector": {"dedicated": "clickhouse"}, "tolerations": [toleration]},
        "settings": {
            "defaultUserPassword": {"secret": {"name": "langfuse-secrets", "key": "clickhouse-password"}},
            "extraConfig": {
                "query_log": {"ttl": "event_date + INTERVAL 10 DAY DELETE"},
                "logger": {"level": "warning", "size": "100M", "count": 5},
            },
            "extraUsersConfig": {"profiles": {"default": {"log_queries": 1}}},
        },
    }
    keeper = objects["KeeperCluster/langfuse"]["spec"]
    assert keeper["replicas"] == 1
    assert keeper["dataVolumeClaimSpec"]["resources"]["requests"]["storage"] == "5Gi"
    assert keeper["containerTemplate"]["image"] == {"repository": "clickhouse/clickhouse-keeper", "tag": "26.4"}
    assert "podTemplate" not in keeper
    assert_no_operator_objects(objects)


def test_chart_2_follows_any_release_name() -> None:
    objects = render("langfuse-2", release="obs")
    web = environment(objects["Deployment/obs-langfuse-web"], "langfuse-web")
    assert web["DATABASE_HOST"] == "obs-postgresql"
    assert web["CLICKHOUSE_URL"] == "http://obs-langfuse-clickhouse-headless:8123"
    assert {"StatefulSet/obs-postgresql", "Deployment/obs-redis", "ClickHouseCluster/obs-langfuse"} <= objects.keys()


def test_chart_2_keeps_the_credentials_that_were_not_given() -> None:
    given = render("langfuse-2")["Secret/langfuse-app"]
    assert given["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert given["data"] is None
    missing = {"langfuse": {"salt": {"secretKeyRef": None}, "encryptionKey": {"secretKeyRef": None}}}
    objects = render("langfuse-2", missing)
    assert objects["Secret/langfuse-app"]["data"].keys() == {"salt", "encryption-key"}
    web = environment(objects["Deployment/langfuse-web"], "langfuse-web")
    assert (web["SALT"], web["ENCRYPTION_KEY"]) == ("langfuse-app:salt", "langfuse-app:encryption-key")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"redis": {"valkeyConfig": ""}}, "`maxmemory-policy noeviction`"),
        ({"redis": {"auth": {"username": "app"}}}, 'redis.auth.username: "app" has no entry'),
        ({"redis": {"auth": {"usersExistingSecret": "langfuse-redis-auth"}}}, "point redis.auth.usersExistingSecret"),
        (
            {"postgresql": {"settings": {"existingSecret": "langfuse-postgresql-auth"}}},
            "point postgresql.settings.existingSecret",
        ),
        ({"clickhouse": {"auth": {"username": "app"}}}, 'clickhouse.auth.username must be "default"'),
        ({"clickhouse": {"keeper": {"enabled": False}}}, "clickhouse.keeper.enabled must be true"),
        ({"clickhouse": {"cluster": {"replicas": 0}}}, "clickhouse.cluster.replicas must be >= 1"),
        ({"redis": {"replica": {"enabled": True}}}, "redis.replica.enabled: true is not modelled"),
    ],
)
def test_chart_2_refusals(values: dict, message: str) -> None:
    assert message in refusal("langfuse-2", values)


def test_chart_2_needs_the_operators_kinds() -> None:
    assert "ClickHouse operator CRDs not found" in refusal("langfuse-2", {}, kinds=())
    assert "KeeperCluster" in refusal("langfuse-2", {}, kinds=("clickhouse.com/v1alpha1/ClickHouseCluster",))
    assert "ClickHouseCluster/langfuse" in render("langfuse-2", {"clickhouse": {"crdCheck": False}}, kinds=())
