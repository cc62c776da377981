# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS node groups. Their nodes are made by the lab's controllers, which read the groups."""

from __future__ import annotations

import uuid
from typing import Any

from moto.core.utils import utcnow

from langfuse_lab.aws.eks import access, versions
from langfuse_lab.aws.eks.clusters import Cluster, EksBackend, Record
from langfuse_lab.aws.eks.errors import InUse, InvalidParameter, InvalidRequest, NotFound

DEFAULT_TYPES = ["t3.medium"]
DEFAULT_AMI_TYPE = "AL2023_x86_64_STANDARD"


def create(backend: EksBackend, p: Record) -> Record:
    """Make a node group of CreateNodegroup's parameters."""
    cluster, name = backend.get(p["clusterName"]), p["nodegroupName"]
    if name in cluster.node_groups:
        raise InUse(f"NodeGroup already exists with name {name} and cluster name {cluster.name}")
    backend.check_role(p["nodeRole"])
    backend.subnets(p["subnets"])
    scaling = _checked_scaling({"minSize": 1, "maxSize": 2, "desiredSize": 2, **p.get("scalingConfig", {})})
    version = _checked_version(p.get("version") or cluster.version, cluster)
    template = _launch_template(backend, p.get("launchTemplate"))
    types, ami_type = _instance_types(backend, p, template), p.get("amiType") or DEFAULT_AMI_TYPE
    _check_architecture(backend, types, ami_type)
    group = {
        "nodegroupName": name,
        "nodegroupArn": backend.arn("nodegroup", cluster.name, name, str(uuid.uuid4())),
        "clusterName": cluster.name,
        "version": version,
        "releaseVersion": p.get("releaseVersion") or _release(version),
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
        "status": "ACTIVE",
        "capacityType": p.get("capacityType") or "ON_DEMAND",
        "scalingConfig": scaling,
        "subnets": p["subnets"],
        "amiType": ami_type,
        "nodeRole": p["nodeRole"],
        "labels": p.get("labels") or {},
        "taints": p.get("taints") or [],
        "resources": {"autoScalingGroups": [{"name": f"eks-{name}-{uuid.uuid4()}"}]},
        "health": {"issues": []},
        "updateConfig": p.get("updateConfig") or {"maxUnavailable": 1},
        "nodeRepairConfig": p.get("nodeRepairConfig") or {"enabled": False},
        "tags": p.get("tags") or {},
        **({"launchTemplate": template} if template else {"diskSize": p.get("diskSize") or 20, "instanceTypes": types}),
    }
    if "instanceTypes" in p:
        group["instanceTypes"] = types
    cluster.node_groups[name] = group
    access.admit_nodes(backend, cluster, p["nodeRole"])
    return group


def get(backend: EksBackend, cluster_name: str, name: str) -> Record:
    """Return a node group, or refuse the call."""
    groups = backend.get(cluster_name).node_groups
    if name not in groups:
        raise NotFound(f"No node group found for name: {name}.")
    return groups[name]


def update_config(backend: EksBackend, p: Record) -> Record:
    """Change a node group by UpdateNodegroupConfig's parameters; return the update's record."""
    group = get(backend, p["clusterName"], p["nodegroupName"])
    if "scalingConfig" in p:
        group["scalingConfig"] = _checked_scaling({**group["scalingConfig"], **p["scalingConfig"]})
    for key in ("updateConfig", "nodeRepairConfig"):
        if key in p:
            group[key] = p[key]
    if "labels" in p:
        removed = p["labels"].get("removeLabels", [])
        kept = {key: value for key, value in group["labels"].items() if key not in removed}
        group["labels"] = {**kept, **p["labels"].get("addOrUpdateLabels", {})}
    if "taints" in p:
        group["taints"] = _merged_taints(group["taints"], p["taints"])
    group["modifiedAt"] = utcnow()
    return backend.get(p["clusterName"]).note_update("ConfigUpdate", NodegroupName=p["nodegroupName"])


def update_version(backend: EksBackend, p: Record) -> Record:
    """Roll a node group to another version or launch template; return the update's record."""
    cluster, group = backend.get(p["clusterName"]), get(backend, p["clusterName"], p["nodegroupName"])
    if "launchTemplate" in p:
        template = _launch_template(backend, p["launchTemplate"])
        _check_architecture(backend, _instance_types(backend, group, template), group["amiType"])
        group["launchTemplate"] = template
    version = _checked_version(p.get("version") or cluster.version, cluster)
    if versions.minor(version) < versions.minor(group["version"]):
        raise InvalidParameter(f"Unsupported Kubernetes minor version update from {group['version']} to {version}")
    group |= {"version": version, "releaseVersion": p.get("releaseVersion") or _release(version)}
    group["modifiedAt"] = utcnow()
    return cluster.note_update("VersionUpdate", Version=version)


def delete(backend: EksBackend, cluster_name: str, name: str) -> Record:
    """Delete a node group with its instances; return its last record."""
    group, cluster = get(backend, cluster_name, name), backend.get(cluster_name)
    of_group = {"tag:eks:cluster-name": [cluster_name], "tag:eks:nodegroup-name": [name]}
    reservations = backend.ec2.all_reservations(filters=of_group)
    instances = [i.id for reservation in reservations for i in reservation.instances if i.state != "terminated"]
    if instances:
        backend.ec2.terminate_instances(instances)
    del cluster.node_groups[name]
    if not any(other["nodeRole"] == group["nodeRole"] for other in cluster.node_groups.values()):
        cluster.entries.pop(group["nodeRole"], None)
    return {**group, "status": "DELETING"}


def _launch_template(backend: EksBackend, wanted: Record | None) -> Record | None:
    if not wanted:
        return None
    templates = backend.ec2.launch_templates.values()
    found = next((t for t in templates if wanted.get("id") == t.id or wanted.get("name") == t.name), None)
    if found is None:
        raise InvalidRequest(f"Launch template {wanted.get('id') or wanted.get('name')} could not be found")
    named = {"$Latest": found.latest_version_number, "$Default": found.default_version_number}
    wanted_version = wanted.get("version") or "$Default"
    number = str(named.get(wanted_version, wanted_version))
    if number not in [str(version.number) for version in found.versions]:
        raise InvalidRequest(f"Launch template {found.id} has no version {wanted_version}")
    return {"id": found.id, "name": found.name, "version": number}


def _instance_types(backend: EksBackend, p: Record, template: Record | None) -> list[str]:
    if not template:
        return p.get("instanceTypes") or DEFAULT_TYPES
    if "diskSize" in p:
        raise InvalidParameter("Disk size must be specified within the launch template.")
    data: dict[str, Any] = backend.ec2.launch_templates[template["id"]].get_version(int(template["version"])).data
    if "InstanceType" not in data:
        return p.get("instanceTypes") or DEFAULT_TYPES
    if p.get("instanceTypes"):
        raise InvalidParameter("Instance types can be in the launch template or in the node group, not in both.")
    return [data["InstanceType"]]


def _check_architecture(backend: EksBackend, types: list[str], ami_type: str) -> None:
    if ami_type == "CUSTOM":
        return
    wanted = "arm64" if "ARM" in ami_type else "x86_64"
    known = {each["InstanceType"]: each for each in backend.ec2.describe_instance_types()}
    for name in types:
        if name not in known:
            raise InvalidRequest(f"The following supplied instance types do not exist: [{name}]")
        if wanted not in known[name]["ProcessorInfo"]["SupportedArchitectures"]:
            raise InvalidParameter(f"[{name}] is not a valid instance type for requested amiType {ami_type}")


def _checked_version(version: str, cluster: Cluster) -> str:
    versions.check(version)
    if not versions.fits(version, cluster.version):
        raise InvalidParameter(
            f"Nodegroup Kubernetes version {version} does not fit cluster Kubernetes version {cluster.version}"
        )
    return version


def _checked_scaling(scaling: Record) -> Record:
    low, desired, high = scaling["minSize"], scaling["desiredSize"], scaling["maxSize"]
    if low > desired:
        raise InvalidParameter(f"Minimum capacity {low} can't be greater than desired size {desired}")
    if desired > high:
        raise InvalidParameter(f"desired capacity {desired} can't be greater than max size {high}")
    return scaling


def _merged_taints(before: list[Record], change: Record) -> list[Record]:
    def key(taint: Record) -> tuple[str, str]:
        return taint["key"], taint["effect"]

    added = change.get("addOrUpdateTaints", [])
    gone = {key(taint) for taint in (*change.get("removeTaints", []), *added)}
    return [taint for taint in before if key(taint) not in gone] + added


def _release(version: str) -> str:
    return f"{version}.0-20261101"
