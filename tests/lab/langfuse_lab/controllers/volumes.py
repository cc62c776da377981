# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EBS CSI driver: EC2 volumes for claims, their growth and their end."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError
from kubernetes.utils.quantity import parse_quantity

from langfuse_lab.controllers.aws import EBS_ADDON, ROLE_ANNOTATION, error_code, tag_list
from langfuse_lab.controllers.kube import Object, annotations, is_leaving, labels
from langfuse_lab.controllers.world import World

DRIVER = "ebs.csi.aws.com"
ACCOUNT = ("kube-system", "ebs-csi-controller-sa")
FINALIZER = "external-provisioner.volume.kubernetes.io/finalizer"
PROVISIONER = "volume.kubernetes.io/storage-provisioner"
SELECTED_NODE = "volume.kubernetes.io/selected-node"
NAME_TAG = "CSIVolumeName"
ZONE_LABEL = "topology.kubernetes.io/zone"
DEFAULT_TYPE = "gp3"
DEFAULT_FS_TYPE = "ext4"
GIB = 2**30


class DriverError(Exception):
    """Why the driver cannot do what a claim asks for."""


def volume_request(parameters: dict[str, str]) -> tuple[dict[str, Any], dict[str, str], str]:
    """Return the arguments of create_volume, the extra tags and the file system that a StorageClass asks for.

    Raises DriverError.
    """
    request: dict[str, Any] = {"VolumeType": DEFAULT_TYPE}
    tags: dict[str, str] = {}
    fs_type = DEFAULT_FS_TYPE
    for name, value in parameters.items():
        key = name.lower()
        if key == "type":
            request["VolumeType"] = value
        elif key in ("iops", "throughput"):
            request[key.capitalize()] = _number(name, value)
        elif key == "encrypted":
            request["Encrypted"] = value.lower() == "true"
        elif key == "kmskeyid":
            request["KmsKeyId"] = value
        elif key in ("csi.storage.k8s.io/fstype", "fstype"):
            fs_type = value
        elif key.startswith("tagspecification_"):
            tag, _, text = value.partition("=")
            tags[tag] = text
        else:
            raise DriverError(f"Invalid parameter key {name} for CreateVolume")
    return request, tags, fs_type


def _number(name: str, value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise DriverError(f"Could not parse invalid {name}: {value!r} is not a whole number") from None


def size_gib(quantity: str) -> int:
    """Return the whole GiB of a volume that holds a quantity such as 20Gi or 100G."""
    return max(1, math.ceil(parse_quantity(quantity) / GIB))


def reconcile(world: World) -> None:
    """Serve claims and volumes of the driver, while its EKS add-on is there."""
    if world.view.ebs_addon is None:
        return
    driver = _Driver(world, world.view.ebs_addon)
    volumes = {each["metadata"]["name"]: each for each in world.list("PersistentVolume") if _volume_id(each)}
    for claim in world.list("PersistentVolumeClaim"):
        volume = volumes.get(claim["spec"].get("volumeName", ""))
        if needs_volume(claim):
            driver.attempt("ProvisioningFailed", claim, driver.provision)
        elif volume and wants_to_grow(claim):
            driver.attempt("VolumeResizeFailed", claim, lambda claim, volume=volume: driver.grow(claim, volume))
    for volume in volumes.values():
        if volume.get("status", {}).get("phase") in ("Released", "Failed"):
            driver.attempt("VolumeFailedDelete", volume, driver.release)


def needs_volume(claim: Object) -> bool:
    """Tell whether a claim waits for the driver; Kubernetes says so once a pod that uses it has a node."""
    waits = annotations(claim).get(PROVISIONER) == DRIVER and not claim["spec"].get("volumeName")
    return waits and not is_leaving(claim)


def wants_to_grow(claim: Object) -> bool:
    """Tell whether a bound claim asks for more than it has."""
    status = claim.get("status", {})
    if status.get("phase") != "Bound" or is_leaving(claim):
        return False
    return size_gib(_requested(claim)) > size_gib(status["capacity"]["storage"])


class _Driver:
    """The driver in one round, with the role that its add-on names."""

    def __init__(self, world: World, addon: dict[str, Any]) -> None:
        self._world = world
        self._role = addon.get("serviceAccountRoleArn")

    def attempt(self, reason: str, about: Object, act: Callable[[Object], None]) -> None:
        """Do something about an object; what goes wrong becomes an event about it, and is tried again."""
        try:
            act(about)
        except (ClientError, DriverError) as error:
            self._world.event(about, reason, str(error), source=DRIVER)

    def _ec2(self) -> Any:
        if not self._role:
            raise DriverError(f"No AWS credentials: the add-on {EBS_ADDON} has no serviceAccountRoleArn")
        namespace, name = ACCOUNT
        account = self._world.kubernetes.get("ServiceAccount", name, namespace)
        if account is None or annotations(account).get(ROLE_ANNOTATION) != self._role:
            self._install_account()
        return self._world.identity.client("ec2", namespace, name, self._role)

    def _install_account(self) -> None:
        """Make the service account that the add-on brings along."""
        namespace, name = ACCOUNT
        metadata = {
            "name": name,
            "namespace": namespace,
            "annotations": {ROLE_ANNOTATION: self._role},
            "labels": {"app.kubernetes.io/name": "aws-ebs-csi-driver"},
        }
        self._world.kubernetes.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})

    def provision(self, claim: Object) -> None:
        """Make the EC2 volume of a claim, and its PersistentVolume."""
        storage_class = self._world.find("StorageClass", claim["spec"]["storageClassName"])
        if storage_class is None:
            raise DriverError(f"StorageClass {claim['spec']['storageClassName']} not found")
        zone = self._zone(claim, storage_class)
        if zone is None:
            return
        request, tags, fs_type = volume_request(storage_class.get("parameters") or {})
        ec2 = self._ec2()
        volume_id = self._made_before(ec2, claim)
        if volume_id is None:
            made = ec2.create_volume(
                AvailabilityZone=zone,
                Size=size_gib(_requested(claim)),
                TagSpecifications=[{"ResourceType": "volume", "Tags": tag_list(tags | self._tags(claim))}],
                **request,
            )
            volume_id = made["VolumeId"]
        self._world.kubernetes.create_if_missing(persistent_volume(claim, storage_class, volume_id, zone, fs_type))

    def _zone(self, claim: Object, storage_class: Object) -> str | None:
        """Return the zone of the node that the scheduler chose; None after sending the pod back to the scheduler."""
        name = annotations(claim).get(SELECTED_NODE)
        if name is None:  # a class that binds immediately
            zones = sorted(labels(node)[ZONE_LABEL] for node in self._world.list("Node") if ZONE_LABEL in labels(node))
            if not zones:
                raise DriverError(f"StorageClass {storage_class['metadata']['name']} binds at once, but no node exists")
            return zones[0]
        node = self._world.find("Node", name)
        if node is None:
            self._world.kubernetes.patch(claim, {"metadata": {"annotations": {SELECTED_NODE: None}}})
            return None
        return labels(node)[ZONE_LABEL]

    def _made_before(self, ec2: Any, claim: Object) -> str | None:
        """Return the volume made for a claim by a round that was interrupted."""
        filters = [{"Name": f"tag:{NAME_TAG}", "Values": [_volume_name(claim)]}]
        volumes = ec2.describe_volumes(Filters=filters)["Volumes"]
        return volumes[0]["VolumeId"] if volumes else None

    def _tags(self, claim: Object) -> dict[str, str]:
        name, cluster = _volume_name(claim), self._world.view.cluster["name"]
        return {
            NAME_TAG: name,
            "ebs.csi.aws.com/cluster": "true",
            "kubernetes.io/created-for/pv/name": name,
            "kubernetes.io/created-for/pvc/name": claim["metadata"]["name"],
            "kubernetes.io/created-for/pvc/namespace": claim["metadata"]["namespace"],
            "KubernetesCluster": cluster,
            f"kubernetes.io/cluster/{cluster}": "owned",
            "Name": f"{cluster}-dynamic-{name}",
        }

    def grow(self, claim: Object, volume: Object) -> None:
        """Grow the EC2 volume, then the PersistentVolume, then what the claim says it has."""
        ec2, volume_id, size = self._ec2(), _volume_id(volume), size_gib(_requested(claim))
        if ec2.describe_volumes(VolumeIds=[volume_id])["Volumes"][0]["Size"] < size:
            ec2.modify_volume(VolumeId=volume_id, Size=size)
        capacity = {"storage": f"{size}Gi"}
        self._world.kubernetes.patch(volume, {"spec": {"capacity": capacity}})
        change = {"status": {"capacity": capacity, "conditions": None}}
        self._world.kubernetes.patch(claim, change, subresource="status")

    def release(self, volume: Object) -> None:
        """Delete what a released PersistentVolume stands for, unless its policy is to keep it."""
        if volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
            try:
                self._ec2().delete_volume(VolumeId=_volume_id(volume))
            except ClientError as error:
                if error_code(error) != "InvalidVolume.NotFound":
                    raise
        elif not is_leaving(volume):
            return
        kept = [each for each in volume["metadata"].get("finalizers") or [] if each != FINALIZER]
        self._world.kubernetes.patch(volume, {"metadata": {"finalizers": kept}})
        self._world.kubernetes.delete(volume)


def persistent_volume(claim: Object, storage_class: Object, volume_id: str, zone: str, fs_type: str) -> Object:
    """Return the PersistentVolume of an EC2 volume, bound to the claim it was made for."""
    metadata, spec = claim["metadata"], claim["spec"]
    policy = storage_class.get("reclaimPolicy", "Delete")
    source: Object = {"driver": DRIVER, "volumeHandle": volume_id}
    if spec.get("volumeMode", "Filesystem") == "Filesystem":
        source["fsType"] = fs_type
    in_zone = {"key": ZONE_LABEL, "operator": "In", "values": [zone]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": _volume_name(claim),
            "annotations": {"pv.kubernetes.io/provisioned-by": DRIVER},
            "finalizers": [FINALIZER] if policy == "Delete" else [],
        },
        "spec": {
            "capacity": {"storage": f"{size_gib(_requested(claim))}Gi"},
            "accessModes": spec["accessModes"],
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": storage_class["metadata"]["name"],
            "mountOptions": storage_class.get("mountOptions") or [],
            "volumeMode": spec.get("volumeMode", "Filesystem"),
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "csi": source,
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [in_zone]}]}},
        },
    }


def _requested(claim: Object) -> str:
    return claim["spec"]["resources"]["requests"]["storage"]


def _volume_name(claim: Object) -> str:
    return f"pvc-{claim['metadata']['uid']}"


def _volume_id(volume: Object) -> str | None:
    """Return the EC2 volume of a PersistentVolume of the driver."""
    source = volume["spec"].get("csi") or {}
    return source.get("volumeHandle") if source.get("driver") == DRIVER else None
