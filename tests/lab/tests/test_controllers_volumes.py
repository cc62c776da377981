# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The EBS CSI driver: which claims it serves, what it asks of EC2, and the figures of volumes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from langfuse_lab.controllers.figures import claims_of, figures_of, usage
from langfuse_lab.controllers.volumes import (
    FINALIZER,
    DriverError,
    needs_volume,
    persistent_volume,
    size_gib,
    volume_request,
    wants_to_grow,
)

GIB = 2**30


def claim(requested: str = "100Gi", has: str | None = None, **annotations: str) -> dict[str, Any]:
    item: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "langfuse", "uid": "u-1", "annotations": annotations},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": requested}}},
        "status": {"phase": "Pending"},
    }
    if has:
        item["spec"]["volumeName"] = "pvc-u-1"
        item["status"] = {"phase": "Bound", "capacity": {"storage": has}}
    return item


def test_a_class_of_gp3_becomes_a_request() -> None:
    request, tags, fs_type = volume_request(
        {
            "type": "gp3",
            "iops": "4000",
            "throughput": "250",
            "encrypted": "true",
            "csi.storage.k8s.io/fstype": "xfs",
            "tagSpecification_1": "team=llmops",
        }
    )
    assert request == {"VolumeType": "gp3", "Iops": 4000, "Throughput": 250, "Encrypted": True}
    assert (tags, fs_type) == ({"team": "llmops"}, "xfs")


def test_no_parameters_mean_gp3_and_ext4() -> None:
    assert volume_request({}) == ({"VolumeType": "gp3"}, {}, "ext4")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"iops": "many"}, "Could not parse invalid iops: 'many' is not a whole number"),
        ({"typ": "gp3"}, "Invalid parameter key typ for CreateVolume"),
    ],
)
def test_the_driver_refuses_what_it_does_not_know(parameters: dict[str, str], message: str) -> None:
    with pytest.raises(DriverError, match=message):
        volume_request(parameters)


@pytest.mark.parametrize(("quantity", "size"), [("20Gi", 20), ("100G", 94), ("1", 1), ("1.5Gi", 2), ("1Ti", 1024)])
def test_sizes_are_whole_gib(quantity: str, size: int) -> None:
    assert size_gib(quantity) == size


def test_only_claims_that_kubernetes_handed_to_the_driver_are_served() -> None:
    key = "volume.kubernetes.io/storage-provisioner"
    assert needs_volume(claim(**{key: "ebs.csi.aws.com"}))
    assert not needs_volume(claim()), "no pod has a node yet"
    assert not needs_volume(claim(**{key: "other.csi"}))
    assert not needs_volume(claim(has="100Gi", **{key: "ebs.csi.aws.com"}))


def test_claims_grow_and_never_shrink() -> None:
    assert wants_to_grow(claim("200Gi", has="100Gi"))
    assert not wants_to_grow(claim("100Gi", has="100Gi"))
    assert not wants_to_grow(claim("50Gi", has="100Gi"))
    assert not wants_to_grow(claim("200Gi"))


@pytest.mark.parametrize(("policy", "finalizers"), [("Delete", [FINALIZER]), ("Retain", [])])
def test_a_volume_is_bound_to_its_claim_and_zone(policy: str, finalizers: list[str]) -> None:
    storage_class = {"metadata": {"name": "gp3"}, "reclaimPolicy": policy}
    volume = persistent_volume(claim("100G"), storage_class, "vol-1", "ap-south-1a", "ext4")
    spec = volume["spec"]
    assert volume["metadata"]["finalizers"] == finalizers
    assert spec["capacity"] == {"storage": "94Gi"}
    assert spec["csi"] == {"driver": "ebs.csi.aws.com", "volumeHandle": "vol-1", "fsType": "ext4"}
    assert spec["claimRef"]["uid"] == "u-1"
    assert spec["persistentVolumeReclaimPolicy"] == policy
    [term] = spec["nodeAffinity"]["required"]["nodeSelectorTerms"]
    assert term["matchExpressions"][0] == {
        "key": "topology.kubernetes.io/zone",
        "operator": "In",
        "values": ["ap-south-1a"],
    }


def test_figures_are_true_where_they_can_be() -> None:
    true_one = figures_of(100 * GIB, (3 * GIB, 120))
    assert (true_one["usedBytes"], true_one["inodesUsed"]) == (3 * GIB, 120)
    assert 0.97 * 100 * GIB < true_one["capacityBytes"] < 100 * GIB
    other = figures_of(20 * GIB, None)
    assert 0 < other["usedBytes"] < other["capacityBytes"]
    assert figures_of(GIB, (5 * GIB, 1))["usedBytes"] == figures_of(GIB, None)["capacityBytes"], (
        "a disk is full at most"
    )


def test_usage_counts_each_file_once(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "data.bin").write_bytes(os.urandom(300_000))
    os.link(tmp_path / "part" / "data.bin", tmp_path / "shadow")
    total, inodes = usage(tmp_path)
    assert 300_000 <= total < 400_000
    assert inodes == 2
    assert usage(tmp_path / "missing") == (0, 0)


def test_claims_of_a_pod() -> None:
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]
    pod = {"metadata": {"namespace": "langfuse"}, "spec": {"volumes": volumes}}
    assert claims_of(pod) == ["langfuse/data-0"]
