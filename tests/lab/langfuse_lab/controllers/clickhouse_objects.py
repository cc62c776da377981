# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects that the ClickHouse operator makes of its custom resources (its sources of early 2026)."""

from __future__ import annotations

import copy
import dataclasses
import hashlib
import json
from typing import Any

import yaml

from langfuse_lab.controllers.kube import Object, owner_reference

CLAIM = "clickhouse-storage-volume"
CONFIGURATION = "checksum/configuration"
PROBE = {"timeoutSeconds": 10, "failureThreshold": 10}
LIVENESS = PROBE | {"initialDelaySeconds": 60, "periodSeconds": 5}
READINESS = PROBE | {"initialDelaySeconds": 5, "periodSeconds": 1, "successThreshold": 5}
OWN_PASSWORDS = {  # variable of the container: key in the operator's own Secret
    "CLICKHOUSE_INTERSERVER_PASSWORD": "interserver-password",
    "CLICKHOUSE_KEEPER_IDENTITY": "keeper-identity",
    "CLICKHOUSE_CLUSTER_SECRET": "cluster-secret",
}
MANAGEMENT_PASSWORD = "management-password"


@dataclasses.dataclass(frozen=True)
class Flavour:
    """What ClickHouse and its Keeper have different."""

    suffix: str
    role: str
    container: str
    data_mounts: dict[str, str]  # path in the container: sub-path of the volume
    ports: dict[str, int]
    probe: list[str]


CLICKHOUSE = Flavour(
    "clickhouse",
    "clickhouse-server",
    "clickhouse-server",
    {"/var/lib/clickhouse": "var-lib-clickhouse", "/var/log/clickhouse-server": "var-log-clickhouse"},
    {"http": 8123, "tcp": 9000, "management": 9001, "interserver": 9009, "prometheus": 9363},
    ["wget", "--quiet", "--tries=1", "--spider", "http://127.0.0.1:8123"],
)
KEEPER = Flavour(
    "keeper",
    "clickhouse-keeper",
    "clickhouse-keeper",
    {"/var/lib/clickhouse": "var-lib-clickhouse", "/var/log/clickhouse-keeper": "var-log-clickhouse"},
    {"keeper": 2181, "raft-ipc": 9234},
    ["wget", "--quiet", "--tries=1", "--spider", "http://127.0.0.1:9123/ready"],
)
FLAVOURS = {"ClickHouseCluster": CLICKHOUSE, "KeeperCluster": KEEPER}


def app_name(resource: Object) -> str:
    """Return the name that all objects of a custom resource start with."""
    return f"{resource['metadata']['name']}-{FLAVOURS[resource['kind']].suffix}"


def objects(resource: Object) -> list[Object]:
    """Return what a custom resource is made of, except the Secret of the operator's own passwords."""
    if resource["kind"] == "ClickHouseCluster":
        return _clickhouse(resource)
    return _keeper(resource)


def _clickhouse(cluster: Object) -> list[Object]:
    app, spec = app_name(cluster), cluster["spec"]
    items = [_headless_service(cluster)]
    for shard in range(spec.get("shards", 1)):
        budget = {"maxUnavailable": 1} if spec["replicas"] == 1 else {"minAvailable": 1}
        shard_labels = {"app": app, "clickhouse.com/shard-id": str(shard)}
        items.append(_disruption_budget(cluster, f"{app}-{shard}", budget, shard_labels))
        for replica in range(spec["replicas"]):
            name = f"{app}-{shard}-{replica}"
            ids = {"clickhouse.com/shard-id": str(shard), "clickhouse.com/replica-id": str(replica)}
            files = _clickhouse_files(cluster, shard, replica)
            items.append(_object(cluster, "v1", "ConfigMap", name, _own_labels(cluster), data=files))
            items.append(
                _stateful_set(cluster, name, ids, files, _clickhouse_env(cluster), _clickhouse_mounts(name, files))
            )
    return items


def _keeper(keeper: Object) -> list[Object]:
    app, replicas = app_name(keeper), keeper["spec"]["replicas"]
    budget = {"maxUnavailable": max(1, replicas // 2)}
    quorum = {"config.yaml": _yaml({"keeper_server": {"raft_configuration": _raft(keeper)}})}
    items = [
        _headless_service(keeper),
        _disruption_budget(keeper, app, budget, {"app": app}),
        _object(keeper, "v1", "ConfigMap", f"{app}-quorum-configmap-1", _own_labels(keeper), data=quorum),
    ]
    for replica in range(replicas):
        name = f"{app}-{replica}"
        files = {"config.yaml": _yaml(_keeper_configuration(keeper, replica))}
        map_name = f"{name}-configmap-v1"
        items.append(_object(keeper, "v1", "ConfigMap", map_name, _own_labels(keeper), data=files))
        env = [{"name": "KEEPER_CONFIG", "value": "/etc/clickhouse-keeper/config.yaml"}]
        mounts = {"/etc/clickhouse-keeper": {"name": "keeper-config", "configMap": {"name": map_name}}}
        items.append(
            _stateful_set(keeper, name, {"clickhouse.com/keeper-replica-id": str(replica)}, files, env, mounts)
        )
    return items


def _object(owner: Object, version: str, kind: str, name: str, labels: dict[str, str], **content: Any) -> Object:
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": owner["metadata"]["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(owner)],
        },
        **content,
    }


def own_secret(cluster: Object, passwords: dict[str, str]) -> Object:
    """Return the Secret of the passwords that only the operator and its pods know."""
    return _object(cluster, "v1", "Secret", app_name(cluster), _own_labels(cluster), stringData=passwords)


def _own_labels(resource: Object) -> dict[str, str]:
    flavour, app = FLAVOURS[resource["kind"]], app_name(resource)
    return {
        "app": app,
        "app.kubernetes.io/name": flavour.role,
        "app.kubernetes.io/instance": app,
        "clickhouse.com/role": flavour.role,
    }


def _headless_service(resource: Object) -> Object:
    flavour, app = FLAVOURS[resource["kind"]], app_name(resource)
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"app": app},
        "ports": [{"name": name, "port": port, "protocol": "TCP"} for name, port in flavour.ports.items()],
    }
    return _object(resource, "v1", "Service", f"{app}-headless", {"app": app}, spec=spec)


def _disruption_budget(resource: Object, name: str, budget: dict[str, int], selector: dict[str, str]) -> Object:
    spec = {**budget, "selector": {"matchLabels": selector}}
    return _object(resource, "policy/v1", "PodDisruptionBudget", name, _own_labels(resource), spec=spec)


def _stateful_set(
    resource: Object,
    name: str,
    ids: dict[str, str],
    files: dict[str, str],
    env: list[Object],
    mounts: dict[str, Object],
) -> Object:
    """Return a StatefulSet of one pod; `mounts` are volumes by their path beside the data."""
    flavour, app, spec = FLAVOURS[resource["kind"]], app_name(resource), resource["spec"]
    labels = _own_labels(resource) | ids
    settings = copy.deepcopy(spec.get("containerTemplate") or {})
    image = settings.pop("image", None) or {}
    env = [*env, *settings.pop("env", [])]
    probe = {"exec": {"command": flavour.probe}}
    container = {
        "livenessProbe": probe | LIVENESS,
        "readinessProbe": probe | READINESS,
        **settings,
        "name": flavour.container,
        "image": f"{image.get('repository', f'docker.io/clickhouse/{flavour.role}')}:{image.get('tag', 'latest')}",
        "env": env,
        "ports": [{"name": key, "containerPort": port, "protocol": "TCP"} for key, port in flavour.ports.items()],
        "volumeMounts": [
            *({"name": CLAIM, "mountPath": path, "subPath": sub} for path, sub in flavour.data_mounts.items()),
            *({"name": volume["name"], "mountPath": path, "readOnly": True} for path, volume in mounts.items()),
        ],
    }
    template = spec.get("podTemplate") or {}
    pod_spec = {
        "terminationGracePeriodSeconds": 30,
        **template,
        "containers": [container],
        "volumes": list(mounts.values()),
    }
    checksum = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    claim = {"metadata": {"name": CLAIM, "labels": labels}, "spec": spec["dataVolumeClaimSpec"]}
    stateful_set = _object(resource, "apps/v1", "StatefulSet", name, labels)
    stateful_set["spec"] = {
        "replicas": 1,
        "podManagementPolicy": "Parallel",
        "serviceName": f"{app}-headless",
        "selector": {"matchLabels": {"app": app} | ids},
        "template": {"metadata": {"labels": labels, "annotations": {CONFIGURATION: checksum}}, "spec": pod_spec},
        "volumeClaimTemplates": [claim],
    }
    return stateful_set


def _clickhouse_env(cluster: Object) -> list[Object]:
    def from_secret(variable: str, name: str, key: str) -> Object:
        return {"name": variable, "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}

    own = [from_secret(variable, app_name(cluster), key) for variable, key in OWN_PASSWORDS.items()]
    secret = (cluster["spec"].get("settings", {}).get("defaultUserPassword") or {}).get("secret")
    if not secret:
        return own
    return [from_secret("CLICKHOUSE_DEFAULT_USER_PASSWORD", secret["name"], secret["key"]), *own]


def _clickhouse_mounts(map_name: str, files: dict[str, str]) -> dict[str, Object]:
    def volume(name: str, keys: list[str]) -> Object:
        items = [{"key": key, "path": key} for key in keys]
        return {"name": name, "configMap": {"name": map_name, "items": items}}

    users = sorted(name for name in files if "users-config" in name)
    server = sorted(name for name in files if name[:2].isdigit() and name not in users)
    return {
        "/etc/clickhouse-server": volume("clickhouse-server-config", ["config.yaml", "users.yaml"]),
        "/etc/clickhouse-server/config.d": volume("clickhouse-server-config-d", server),
        **({"/etc/clickhouse-server/users.d": volume("clickhouse-server-users-d", users)} if users else {}),
    }


def _clickhouse_files(cluster: Object, shard: int, replica: int) -> dict[str, str]:
    spec = cluster["spec"]
    settings = spec.get("settings", {})
    keeper = f"{spec['keeperClusterRef']['name']}-{KEEPER.suffix}"
    configuration = {
        "path": "/var/lib/clickhouse",
        "macros": {"cluster": "default", "shard": str(shard), "replica": str(replica)},
        "zookeeper": {"node": [{"host": f"{keeper}-headless", "port": KEEPER.ports["keeper"]}]},
    }
    ports = {
        "http_port": CLICKHOUSE.ports["http"],
        "tcp_port": CLICKHOUSE.ports["tcp"],
        "interserver_http_port": CLICKHOUSE.ports["interserver"],
        "listen_host": "0.0.0.0",
    }
    default_user = {"password": {"@from_env": "CLICKHOUSE_DEFAULT_USER_PASSWORD"}, "profile": "default"}
    files = {
        "config.yaml": _yaml(configuration),
        "users.yaml": _yaml({"users": {"default": default_user}, "profiles": {"default": {}}}),
        "00-network.yaml": _yaml(ports),
        "00-logs-tables.yaml": _yaml({"query_log": {"database": "system", "table": "query_log"}}),
    }
    extra = {"99-extra-config.yaml": "extraConfig", "99-extra-users-config.yaml": "extraUsersConfig"}
    return files | {name: _yaml(settings[key]) for name, key in extra.items() if settings.get(key)}


def _raft(keeper: Object) -> Object:
    app = app_name(keeper)
    return {
        "server": [
            {"id": replica, "hostname": f"{app}-{replica}-0.{app}-headless", "port": KEEPER.ports["raft-ipc"]}
            for replica in range(keeper["spec"]["replicas"])
        ]
    }


def _keeper_configuration(keeper: Object, replica: int) -> Object:
    own = {
        "keeper_server": {
            "tcp_port": KEEPER.ports["keeper"],
            "server_id": replica,
            "storage_path": "/var/lib/clickhouse",
        }
    }
    return own | (keeper["spec"].get("settings", {}).get("extraConfig") or {})


def _yaml(content: Object) -> str:
    return yaml.safe_dump(content, sort_keys=True)
