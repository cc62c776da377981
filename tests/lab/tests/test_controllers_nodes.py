# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Node groups: what an instance offers, how a group is scaled and replaced, what its Nodes carry."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
from langfuse_lab.controllers.capacity import InstanceType, allocatable, capacity
from langfuse_lab.controllers.nodes import (
    SETTINGS_ANNOTATION,
    Member,
    Plan,
    is_current,
    node,
    plan,
    settings_change,
)

MEDIUM = InstanceType("t4g.medium", 2, 4096, "arm64", 3, 6)
XLARGE = InstanceType("r7g.xlarge", 4, 32768, "arm64", 4, 15)
LARGEST = InstanceType("m7g.16xlarge", 64, 262144, "arm64", 15, 50)
SUBNETS = ["subnet-a", "subnet-b", "subnet-c"]
GROUP = {
    "nodegroupName": "langfuse-clickhouse",
    "version": "1.36",
    "launchTemplate": {"id": "lt-1", "version": "2"},
    "labels": {"nodegroup": "clickhouse"},
    "taints": [{"key": "dedicated", "value": "clickhouse", "effect": "NO_SCHEDULE"}],
}
INSTANCE = {
    "InstanceId": "i-0123",
    "InstanceType": "r7g.xlarge",
    "PrivateIpAddress": "10.42.64.10",
    "Placement": {"AvailabilityZone": "ap-south-1a"},
    "Tags": [
        {"Key": "aws:ec2launchtemplate:id", "Value": "lt-1"},
        {"Key": "aws:ec2launchtemplate:version", "Value": "2"},
        {"Key": "eks:kubernetes-version", "Value": "1.36"},
    ],
}


@pytest.mark.parametrize(("kind", "pods"), [(MEDIUM, "17"), (XLARGE, "58"), (LARGEST, "250")])
def test_pods_follow_the_network_interfaces_up_to_the_limit_of_managed_groups(kind: InstanceType, pods: str) -> None:
    assert capacity(kind, 50)["pods"] == pods


@pytest.mark.parametrize(
    ("kind", "cpu", "memory"),
    [(MEDIUM, "1930m", 4096 - 255 - 11 * 17 - 100), (XLARGE, "3920m", 32768 - 255 - 11 * 58 - 100)],
)
def test_the_kubelet_keeps_its_reserve(kind: InstanceType, cpu: str, memory: int) -> None:
    offered = allocatable(kind, 50)
    assert (offered["cpu"], offered["memory"]) == (cpu, f"{memory}Mi")
    assert capacity(kind, 50)["cpu"] == str(kind.cpus)


def test_an_instance_type_is_read_from_what_ec2_says() -> None:
    described = {
        "InstanceType": "m7i.large",
        "VCpuInfo": {"DefaultVCpus": 2},
        "MemoryInfo": {"SizeInMiB": 8192},
        "ProcessorInfo": {"SupportedArchitectures": ["x86_64"]},
        "NetworkInfo": {"MaximumNetworkInterfaces": 3, "Ipv4AddressesPerInterface": 10},
    }
    assert InstanceType.of(described) == InstanceType("m7i.large", 2, 8192, "amd64", 3, 10)


def members(*subnets: str, current: bool = True) -> list[Member]:
    return [Member(f"i-{number}", subnet, float(number), current) for number, subnet in enumerate(subnets)]


def test_a_group_spreads_over_its_subnets() -> None:
    assert Counter(plan(5, SUBNETS, []).launch) == {"subnet-a": 2, "subnet-b": 2, "subnet-c": 1}
    assert plan(3, SUBNETS, members("subnet-a", "subnet-c")).launch == ("subnet-b",)


def test_a_group_of_the_right_size_is_left_alone() -> None:
    assert plan(2, SUBNETS, members("subnet-a", "subnet-b")) == Plan()


def test_scaling_in_takes_the_newest_of_the_fullest_subnet() -> None:
    assert plan(2, SUBNETS, members("subnet-a", "subnet-a", "subnet-b")).remove == ("i-1",)
    assert set(plan(0, SUBNETS, members("subnet-a", "subnet-b")).remove) == {"i-0", "i-1"}


def test_a_new_launch_template_version_replaces_instances_one_by_one() -> None:
    old = members("subnet-a", "subnet-b", current=False)
    assert plan(2, SUBNETS, old) == Plan(launch=("subnet-a",))
    starting = Member("i-new", "subnet-a", is_ready=False)
    assert plan(2, SUBNETS, [*old, starting]) == Plan(), "nothing is drained before the new node is ready"
    ready = Member("i-new", "subnet-a")
    assert plan(2, SUBNETS, [*old, ready]) == Plan(drain=("i-0",)), "the old one of the new one's subnet goes"
    assert plan(2, SUBNETS, [old[1], ready]) == Plan(launch=("subnet-b",))


def test_a_replacement_that_is_taken_back_ends_with_the_cordoned_node() -> None:
    cordoned = Member("i-0", "subnet-a", 0.0, is_cordoned=True)
    assert plan(1, SUBNETS, [cordoned, Member("i-1", "subnet-b", 1.0)]).remove == ("i-0",)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, True),
        ({"launchTemplate": {"id": "lt-1", "version": "3"}}, False),
        ({"launchTemplate": {"id": "lt-2", "version": "2"}}, False),
        ({"version": "1.37"}, False),
        ({"launchTemplate": None, "instanceTypes": ["r7g.xlarge"]}, True),
        ({"launchTemplate": None, "instanceTypes": ["r7g.large"]}, False),
    ],
)
def test_an_instance_is_current_by_template_and_kubernetes_version(change: dict[str, object], expected: bool) -> None:
    assert is_current(INSTANCE, GROUP | change) is expected


def test_a_node_says_what_eks_says() -> None:
    made = node(INSTANCE, GROUP, XLARGE, 50, "v1.36.3-eks-lab", "ap-south-1")
    labels = made["metadata"]["labels"]
    assert made["metadata"]["name"] == "ip-10-42-64-10.ap-south-1.compute.internal"
    assert made["spec"]["providerID"] == "aws:///ap-south-1a/i-0123"
    assert made["spec"]["taints"] == [{"key": "dedicated", "value": "clickhouse", "effect": "NoSchedule"}]
    assert labels["eks.amazonaws.com/nodegroup"] == "langfuse-clickhouse"
    assert labels["topology.kubernetes.io/zone"] == "ap-south-1a"
    assert labels["topology.kubernetes.io/region"] == "ap-south-1"
    assert labels["node.kubernetes.io/instance-type"] == "r7g.xlarge"
    assert labels["kubernetes.io/arch"] == "arm64"
    assert labels["nodegroup"] == "clickhouse"
    assert {"type": "InternalIP", "address": "10.42.64.10"} in made["status"]["addresses"]
    assert made["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3-eks-lab"


def test_labels_and_taints_follow_the_group_and_others_stay() -> None:
    made = node(INSTANCE, GROUP, XLARGE, 50, "v1.36.3-eks-lab", "ap-south-1")
    assert settings_change(made, GROUP) is None
    made["spec"]["taints"].append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    new = copy.deepcopy(GROUP) | {
        "labels": {"tier": "data"},
        "taints": [{"key": "dedicated", "value": "other", "effect": "NO_EXECUTE"}],
    }
    change = settings_change(made, new)
    assert change is not None
    assert change["metadata"]["labels"] == {"nodegroup": None, "tier": "data"}
    assert change["spec"]["taints"] == [
        {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"},
        {"key": "dedicated", "value": "other", "effect": "NoExecute"},
    ]
    made["metadata"]["annotations"][SETTINGS_ANNOTATION] = change["metadata"]["annotations"][SETTINGS_ANNOTATION]
    assert settings_change(made, new) is None
