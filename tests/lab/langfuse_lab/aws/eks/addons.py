# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS add-ons."""

from __future__ import annotations

import uuid

from moto.core.utils import utcnow

from langfuse_lab.aws.eks.clusters import EksBackend, Record
from langfuse_lab.aws.eks.errors import InUse, InvalidParameter, NotFound
from langfuse_lab.aws.eks.versions import ADDONS, ADDONS_WITH_DEPLOYMENTS, default_build

SETTINGS = ("serviceAccountRoleArn", "configurationValues")


def create(backend: EksBackend, p: Record) -> Record:
    """Install an add-on by CreateAddon's parameters."""
    cluster, name = backend.get(p["clusterName"]), p["addonName"]
    if name in cluster.addons:
        raise InUse(f"Addon already exists: {name}")
    if name not in ADDONS:
        raise InvalidParameter(f"Addon {name} specified is not supported")
    version = p.get("addonVersion") or default_build(name, cluster.version)
    _check(backend, name, version, p)
    cluster.addons[name] = {
        "addonName": name,
        "clusterName": cluster.name,
        "addonVersion": version,
        "addonArn": backend.arn("addon", cluster.name, name, str(uuid.uuid4())),
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
        "tags": p.get("tags") or {},
        **{key: p[key] for key in SETTINGS if key in p},
    }
    return get(backend, cluster.name, name)


def get(backend: EksBackend, cluster_name: str, name: str) -> Record:
    """Return an add-on with its present state, or refuse the call."""
    cluster = backend.get(cluster_name)
    if name not in cluster.addons:
        raise NotFound(f"No addon: {name} found in cluster: {cluster_name}")
    nodes = sum(group["scalingConfig"]["desiredSize"] for group in cluster.node_groups.values())
    lacking = name in ADDONS_WITH_DEPLOYMENTS and not nodes
    issue = {"code": "InsufficientNumberOfReplicas", "message": "The add-on is unhealthy: no node runs its pods"}
    state = {"status": "DEGRADED" if lacking else "ACTIVE", "health": {"issues": [issue] if lacking else []}}
    return {**cluster.addons[name], **state}


def update(backend: EksBackend, p: Record) -> Record:
    """Change an add-on by UpdateAddon's parameters; return the update's record."""
    name = p["addonName"]
    get(backend, p["clusterName"], name)
    cluster = backend.get(p["clusterName"])
    addon = cluster.addons[name]
    version = p.get("addonVersion") or addon["addonVersion"]
    _check(backend, name, version, p)
    changed = {key: p[key] for key in SETTINGS if key in p}
    addon |= {"addonVersion": version, "modifiedAt": utcnow(), **changed}
    return cluster.note_update("AddonUpdate", AddonVersion=version)


def delete(backend: EksBackend, cluster_name: str, name: str) -> Record:
    """Remove an add-on; return its last record."""
    addon = get(backend, cluster_name, name)
    del backend.get(cluster_name).addons[name]
    return {**addon, "status": "DELETING"}


def _check(backend: EksBackend, name: str, version: str, p: Record) -> None:
    if version not in ADDONS[name]:
        raise InvalidParameter("Addon version specified is not supported")
    if p.get("serviceAccountRoleArn"):
        backend.check_role(p["serviceAccountRoleArn"])
