# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS node groups: instances in EC2, and a Node for each."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from typing import Any

from langfuse_lab.controllers import capacity
from langfuse_lab.controllers.aws import CLUSTER_TAG, tag_list, tags_of
from langfuse_lab.controllers.capacity import InstanceType
from langfuse_lab.controllers.kube import Object, annotations, condition, is_leaving, labels
from langfuse_lab.controllers.world import World

GROUP_TAG = "eks:nodegroup-name"
VERSION_TAG = "eks:kubernetes-version"
TEMPLATE_ID_TAG = "aws:ec2launchtemplate:id"
TEMPLATE_VERSION_TAG = "aws:ec2launchtemplate:version"
GROUP_LABEL = "eks.amazonaws.com/nodegroup"
SETTINGS_ANNOTATION = "eks.amazonaws.com/nodegroup-settings"  # what the group last set, to take it off again
DEFAULT_DISK_GIB = 20
EFFECTS = {
    "NO_SCHEDULE": "NoSchedule",
    "NO_EXECUTE": "NoExecute",
    "PREFER_NO_SCHEDULE": "PreferNoSchedule",
}

Group = dict[str, Any]  # as eks.describe_nodegroup returns it
Instance = dict[str, Any]  # as ec2.describe_instances returns it


@dataclasses.dataclass(frozen=True)
class Member:
    """An instance of a node group, as far as a plan needs it."""

    instance_id: str
    subnet: str
    launched: float = 0.0
    is_current: bool = True  # of the group's launch template and version
    is_ready: bool = True
    is_cordoned: bool = False


@dataclasses.dataclass(frozen=True)
class Plan:
    """What brings a group nearer to what it should be."""

    launch: tuple[str, ...] = ()  # subnets
    remove: tuple[str, ...] = ()  # instance ids: surplus, goes without asking disruption budgets
    drain: tuple[str, ...] = ()  # instance ids: replaced, goes when its pods let it


def plan(desired: int, subnets: list[str], members: list[Member]) -> Plan:
    """Plan one step: scale to the desired number; replace old instances one by one, the new one first."""
    stale = [member for member in members if not member.is_current]
    current = [member for member in members if member.is_current]
    wanted = desired + (1 if stale and desired else 0)
    missing = wanted - len(members)
    if missing > 0:
        return Plan(launch=_spread(missing, subnets, Counter(member.subnet for member in current)))
    crowd = Counter(member.subnet for member in members)

    def dispensable(member: Member) -> tuple[bool, bool, int, float]:
        return (not member.is_current, member.is_cordoned, crowd[member.subnet], member.launched)

    if missing < 0:
        surplus = sorted(members, key=dispensable, reverse=True)[:-missing]
        return Plan(remove=tuple(member.instance_id for member in surplus))
    if stale and all(member.is_ready for member in current):
        return Plan(drain=(max(stale, key=dispensable).instance_id,))
    return Plan()


def _spread(count: int, subnets: list[str], crowd: Counter[str]) -> tuple[str, ...]:
    crowd, chosen = Counter(crowd), []
    for _ in range(count):
        chosen.append(min(subnets, key=lambda subnet: crowd[subnet]))
        crowd[chosen[-1]] += 1
    return tuple(chosen)


class Nodes:
    """Keeps the instances of node groups, and the Nodes of instances."""

    def __init__(self) -> None:
        self._types: dict[str, InstanceType] = {}
        self._server_version = ""

    def reconcile(self, world: World) -> None:
        """Make, equip and remove instances and Nodes."""
        view = world.view
        if view.cluster is None:
            self._terminate(world, view.instances)
            return
        nodes = {_instance_id(each): each for each in world.list("Node") if GROUP_LABEL in labels(each)}
        groups = {group["nodegroupName"]: group for group in view.node_groups if group["status"] != "DELETING"}
        remove, drain = self._follow(world, groups, nodes)
        for instance in view.instances:
            group = groups.get(tags_of(instance).get(GROUP_TAG, ""))
            if instance["InstanceId"] in remove | drain or group is None:
                continue
            node_object = nodes.get(instance["InstanceId"])
            if node_object is None:
                self._register(world, instance, group)
            else:
                _update(world, node_object, group)
        self._leave(world, nodes, remove, drain)
        known = {instance["InstanceId"] for instance in view.instances}
        _delete_nodes(world, [node_object for instance_id, node_object in nodes.items() if instance_id not in known])

    def _follow(
        self, world: World, groups: dict[str, Group], nodes: dict[str, Object]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Launch what is missing; return the ids of instances that go at once, and of those that are drained."""
        cluster = world.view.cluster
        by_group: dict[str | None, list[Instance]] = {}
        for instance in world.view.instances:
            tags = tags_of(instance)
            own = tags[CLUSTER_TAG] == cluster["name"] and tags.get(GROUP_TAG) in groups
            by_group.setdefault(tags[GROUP_TAG] if own else None, []).append(instance)
        remove = {instance["InstanceId"] for instance in by_group.get(None, [])}
        drain: set[str] = set()
        for name, group in groups.items():
            members = [
                _member(instance, group, nodes.get(instance["InstanceId"])) for instance in by_group.get(name, [])
            ]
            step = plan(group["scalingConfig"]["desiredSize"], group["subnets"], members)
            for subnet in step.launch:
                _launch(world, group, subnet)
            remove.update(step.remove)
            drain.update(step.drain)
        return frozenset(remove), frozenset(drain)

    def _register(self, world: World, instance: Instance, group: Group) -> None:
        kind = self._type(world, instance["InstanceType"])
        version = self._kubelet_version(world, tags_of(instance).get(VERSION_TAG, group["version"]))
        world.kubernetes.create_if_missing(
            node(instance, group, kind, _disk_gib(world, group), version, world.aws.region)
        )

    def _type(self, world: World, name: str) -> InstanceType:
        if name not in self._types:
            found = world.aws.client("ec2").describe_instance_types(InstanceTypes=[name])["InstanceTypes"]
            self._types[name] = InstanceType.of(found[0])
        return self._types[name]

    def _kubelet_version(self, world: World, minor: str) -> str:
        """Return the kubelet's version for a group of e.g. 1.36: the API server's own if it is of that minor."""
        if not self._server_version:
            self._server_version = world.kubernetes.request("GET", "version")["gitVersion"]
        return self._server_version if self._server_version.startswith(f"v{minor}.") else f"v{minor}.0-eks-lab"

    def _leave(self, world: World, nodes: dict[str, Object], remove: frozenset[str], drain: frozenset[str]) -> None:
        """Cordon all that leave before their pods go, so that no pod moves to a node that leaves too."""
        leaving = {instance_id: nodes[instance_id] for instance_id in (*remove, *drain) if instance_id in nodes}
        for node_object in leaving.values():
            if not node_object["spec"].get("unschedulable"):
                world.kubernetes.patch(node_object, {"spec": {"unschedulable": True}})
        busy = {each for each, node_object in leaving.items() if _clear(world, node_object, politely=each in drain)}
        done = (remove | drain) - busy
        _delete_nodes(world, [node_object for instance_id, node_object in leaving.items() if instance_id in done])
        self._terminate(world, [each for each in world.view.instances if each["InstanceId"] in done])

    def _terminate(self, world: World, instances: list[Instance] | tuple[Instance, ...]) -> None:
        if not instances:
            return
        ids = [instance["InstanceId"] for instance in instances]
        world.aws.client("ec2").terminate_instances(InstanceIds=ids)
        world.aws.changed()


def _member(instance: Instance, group: Group, node_object: Object | None) -> Member:
    return Member(
        instance["InstanceId"],
        instance["SubnetId"],
        instance["LaunchTime"].timestamp(),
        is_current(instance, group),
        node_object is not None and condition(node_object, "Ready"),
        node_object is not None and bool(node_object["spec"].get("unschedulable")),
    )


def is_current(instance: Instance, group: Group) -> bool:
    """Tell whether an instance is of its group's launch template, its version and Kubernetes version."""
    tags, template = tags_of(instance), group.get("launchTemplate")
    if tags.get(VERSION_TAG) != group["version"]:
        return False
    if not template:
        return instance["InstanceType"] in group["instanceTypes"]
    return tags.get(TEMPLATE_ID_TAG) == template["id"] and tags.get(TEMPLATE_VERSION_TAG) == str(template["version"])


def _launch(world: World, group: Group, subnet: str) -> None:
    cluster, template = world.view.cluster, group.get("launchTemplate")
    tags = {
        CLUSTER_TAG: cluster["name"],
        GROUP_TAG: group["nodegroupName"],
        VERSION_TAG: group["version"],
        f"kubernetes.io/cluster/{cluster['name']}": "owned",
    }
    # Said explicitly, because moto keeps an interface of its own making when the instance ends.
    interface: dict[str, Any] = {"DeviceIndex": 0, "SubnetId": subnet, "DeleteOnTermination": True}
    security_group = cluster["resourcesVpcConfig"].get("clusterSecurityGroupId")
    if security_group:
        interface["Groups"] = [security_group]
    request: dict[str, Any] = {
        "MinCount": 1,
        "MaxCount": 1,
        "NetworkInterfaces": [interface],
        "TagSpecifications": [{"ResourceType": "instance", "Tags": tag_list(tags)}],
    }
    if template:
        request["LaunchTemplate"] = {"LaunchTemplateId": template["id"], "Version": str(template["version"])}
    if "InstanceType" not in _template_data(world, group):
        request["InstanceType"] = group["instanceTypes"][0]
    world.aws.client("ec2").run_instances(**request)
    world.aws.changed()


def _template_data(world: World, group: Group) -> dict[str, Any]:
    template = group.get("launchTemplate")
    return world.aws.launch_template(template["id"], str(template["version"])) if template else {}


def _disk_gib(world: World, group: Group) -> int:
    for mapping in _template_data(world, group).get("BlockDeviceMappings", []):
        if "VolumeSize" in mapping.get("Ebs", {}):
            return int(mapping["Ebs"]["VolumeSize"])
    return group.get("diskSize") or DEFAULT_DISK_GIB


def node(instance: Instance, group: Group, kind: InstanceType, disk_gib: int, version: str, region: str) -> Object:
    """Return the Node that the instance's kubelet registers, with the status that is known from the beginning."""
    address, zone = instance["PrivateIpAddress"], instance["Placement"]["AvailabilityZone"]
    name = f"ip-{address.replace('.', '-')}.{region}.compute.internal"
    template = group.get("launchTemplate") or {}
    own = {
        "beta.kubernetes.io/arch": kind.architecture,
        "beta.kubernetes.io/instance-type": kind.name,
        "beta.kubernetes.io/os": "linux",
        "eks.amazonaws.com/capacityType": group.get("capacityType") or "ON_DEMAND",
        GROUP_LABEL: group["nodegroupName"],
        "failure-domain.beta.kubernetes.io/region": region,
        "failure-domain.beta.kubernetes.io/zone": zone,
        "kubernetes.io/arch": kind.architecture,
        "kubernetes.io/hostname": name,
        "kubernetes.io/os": "linux",
        "node.kubernetes.io/instance-type": kind.name,
        "topology.kubernetes.io/region": region,
        "topology.kubernetes.io/zone": zone,
    }
    if template:
        own["eks.amazonaws.com/sourceLaunchTemplateId"] = template["id"]
        own["eks.amazonaws.com/sourceLaunchTemplateVersion"] = str(template["version"])
    settings = _settings(group)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": settings["labels"] | own,
            "annotations": {SETTINGS_ANNOTATION: json.dumps(settings, sort_keys=True)},
        },
        "spec": {"providerID": f"aws:///{zone}/{instance['InstanceId']}", "taints": settings["taints"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": address},
                {"type": "InternalDNS", "address": name},
                {"type": "Hostname", "address": name},
            ],
            "capacity": capacity.capacity(kind, disk_gib),
            "allocatable": capacity.allocatable(kind, disk_gib),
            "nodeInfo": _node_info(instance, kind, version),
        },
    }


def _node_info(instance: Instance, kind: InstanceType, version: str) -> dict[str, str]:
    return {
        "architecture": kind.architecture,
        "bootID": "",
        "containerRuntimeVersion": "containerd://2.1",
        "kernelVersion": "6.12",
        "kubeProxyVersion": "",
        "kubeletVersion": version,
        "machineID": instance["InstanceId"].removeprefix("i-"),
        "operatingSystem": "linux",
        "osImage": "Amazon Linux 2023",
        "systemUUID": instance["InstanceId"],
    }


def _settings(group: Group) -> dict[str, Any]:
    """Return the labels and taints that a group sets on its Nodes."""
    taints = [
        {"key": taint["key"], "effect": EFFECTS[taint["effect"]]}
        | ({"value": taint["value"]} if taint.get("value") else {})
        for taint in group.get("taints") or []
    ]
    return {"labels": dict(group.get("labels") or {}), "taints": taints}


def settings_change(node_object: Object, group: Group) -> Object | None:
    """Return the merge patch that brings a Node to its group's labels and taints; what others set stays."""
    new = _settings(group)
    recorded = json.dumps(new, sort_keys=True)
    old_text = annotations(node_object).get(SETTINGS_ANNOTATION)
    if old_text == recorded:
        return None
    old = json.loads(old_text) if old_text else {"labels": {}, "taints": []}
    gone = dict.fromkeys(old["labels"].keys() - new["labels"].keys())
    managed = {(taint["key"], taint["effect"]) for taint in old["taints"] + new["taints"]}
    kept = [
        taint for taint in node_object["spec"].get("taints") or [] if (taint["key"], taint["effect"]) not in managed
    ]
    return {
        "metadata": {"labels": gone | new["labels"], "annotations": {SETTINGS_ANNOTATION: recorded}},
        "spec": {"taints": kept + new["taints"]},
    }


def _update(world: World, node_object: Object, group: Group) -> None:
    change = settings_change(node_object, group)
    if change:
        world.kubernetes.patch(node_object, change)


def _instance_id(node_object: Object) -> str:
    return node_object["spec"].get("providerID", "").rsplit("/", 1)[-1]


def _clear(world: World, node_object: Object, *, politely: bool) -> bool:
    """Send a Node's pods away, politely by eviction; return whether some are still there."""
    name = node_object["metadata"]["name"]
    waiting = False
    for pod in world.list("Pod"):
        if pod["spec"].get("nodeName") != name or _stays(pod):
            continue
        waiting = True
        if is_leaving(pod):
            continue
        if not politely:
            world.kubernetes.delete(pod)
        elif not world.kubernetes.evict(pod):
            what = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
            message = f"A disruption budget forbids the eviction of {what}"
            world.event(node_object, "EvictionBlocked", message, source="eks")
    return waiting


def _stays(pod: Object) -> bool:
    """Tell whether a drain leaves a pod: it is over, or a DaemonSet's."""
    owners = pod["metadata"].get("ownerReferences") or []
    is_over = pod.get("status", {}).get("phase") in ("Succeeded", "Failed")
    return is_over or any(owner["kind"] == "DaemonSet" for owner in owners)


def _delete_nodes(world: World, nodes: list[Object]) -> None:
    """Delete Nodes, and what still runs there: their kubelets cannot say any more that it is over."""
    for node_object in nodes:
        world.kubernetes.delete(node_object)
    names = {node_object["metadata"]["name"] for node_object in nodes}
    for pod in world.kubernetes.list("Pod") if names else []:  # as they are now that nothing can move to these nodes
        if pod["spec"].get("nodeName") in names:
            world.kubernetes.delete(pod, grace_seconds=0)
