# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `nodegroups` of role cluster."""

from __future__ import annotations

import pytest

GROUP = {"name": "one", "instance_type": "m7g.large", "min_size": 1, "desired_size": 1, "max_size": 1}
SETS = {
    "small": {"platform_size": "small"},
    "medium": {"platform_size": "medium"},
    "large": {"platform_size": "large"},
    "own group": {"cluster_node_groups": [GROUP]},
    "x86": {"cluster_node_groups": [GROUP | {"instance_type": "m7i.large", "ami_type": "AL2023_x86_64_STANDARD"}]},
    "many": {
        "cluster_node_groups": [
            GROUP,
            GROUP | {"name": "two_2", "min_size": 0, "desired_size": 0, "max_size": 9, "labels": {"a.b/c": "d"}},
            GROUP
            | {"name": "3-three", "taints": [{"key": "gone", "value": "", "effect": "NO_EXECUTE"}], "disk_gib": 200},
        ]
    },
    "awkward tags": {"platform_resource_tags": {"cost:centre": "4711", "says": "a+b=c/d: e@f", "number": 7}},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("cluster", **given).body("nodegroups")) == []


@pytest.fixture
def stack(make_role):
    """The stack of size small."""
    return make_role("cluster").stack("nodegroups")


@pytest.fixture
def launch_data(stack, of_type):
    """What each launch template says of its instances."""
    return [template["LaunchTemplateData"] for template in of_type(stack, "AWS::EC2::LaunchTemplate").values()]


def test_groups_of_the_small_size(stack, of_type):
    groups = of_type(stack, "AWS::EKS::Nodegroup")
    nodes, clickhouse = groups["Langfusenodes"], groups["Langfuseclickhouse"]
    assert nodes["NodegroupName"] == "langfuse-nodes"
    assert nodes["ScalingConfig"] == {"MinSize": 2, "DesiredSize": {"Ref": "LangfusenodesDesiredSize"}, "MaxSize": 5}
    assert len(nodes["Subnets"]) == 2
    assert clickhouse["NodegroupName"] == "langfuse-clickhouse"
    assert clickhouse["ScalingConfig"] == {
        "MinSize": 1,
        "DesiredSize": {"Ref": "LangfuseclickhouseDesiredSize"},
        "MaxSize": 1,
    }
    assert clickhouse["Subnets"] == ["subnet-0aaaaaaaaaaaaaaa1"]
    assert clickhouse["Labels"] == {"nodegroup": "clickhouse", "dedicated": "clickhouse"}
    assert clickhouse["Taints"] == [{"Key": "dedicated", "Value": "clickhouse", "Effect": "NO_SCHEDULE"}]
    assert all(
        group["AmiType"] == "AL2023_ARM_64_STANDARD" and group["NodeRepairConfig"] == {"Enabled": True}
        for group in groups.values()
    )


def test_a_new_instance_type_does_not_replace_the_group(stack, of_type, launch_data):
    assert [data["InstanceType"] for data in launch_data] == ["t4g.medium", "r7g.xlarge"]
    assert not any("InstanceTypes" in group for group in of_type(stack, "AWS::EKS::Nodegroup").values())


def test_pods_cannot_take_the_credentials_of_their_node(launch_data):
    assert all(
        data["MetadataOptions"] == {"HttpTokens": "required", "HttpPutResponseHopLimit": 1} for data in launch_data
    )


def test_nodes_keep_the_security_group_of_the_cluster(launch_data):
    # Groups of its own would take the one away that lets the control plane reach pods and kubelets.
    assert not any("SecurityGroupIds" in data or "NetworkInterfaces" in data for data in launch_data)


def test_root_volumes_are_encrypted(launch_data):
    for data in launch_data:
        [mapping] = data["BlockDeviceMappings"]
        assert mapping["Ebs"] == {"VolumeType": "gp3", "VolumeSize": 50, "Encrypted": True, "DeleteOnTermination": True}


def test_instances_and_volumes_carry_the_tags(launch_data):
    for data, group in zip(launch_data, ["langfuse-nodes", "langfuse-clickhouse"], strict=True):
        tags = {
            spec["ResourceType"]: {tag["Key"]: tag["Value"] for tag in spec["Tags"]}
            for spec in data["TagSpecifications"]
        }
        assert tags["instance"] == tags["volume"]
        assert tags["instance"] == {
            "Name": f"langfuse-{group}",
            "app": "langfuse",
            "environment": "production",
            "platform": "langfuse",
            "role": "cluster",
        }


def test_awkward_tags_come_through(make_role, of_type):
    stack = make_role("cluster", **SETS["awkward tags"]).stack("nodegroups")
    template = of_type(stack, "AWS::EC2::LaunchTemplate")["LangfusenodesLaunchTemplate"]
    tags = {tag["Key"]: tag["Value"] for tag in template["LaunchTemplateData"]["TagSpecifications"][0]["Tags"]}
    assert tags | {"Name": "", "role": ""} == {
        "Name": "",
        "role": "",
        "cost:centre": "4711",
        "says": "a+b=c/d: e@f",
        "number": "7",
    }


FOUND = {"cluster": {"version": "1.36", "node_groups": [{"name": "one", "desired_size": 4}]}, "addon_builds": {}}


@pytest.mark.parametrize(
    ("asked_before", "sizes", "desired"),
    [
        ("one=1", {"max_size": 5}, "4"),  # an autoscaler's number stays
        ("one=1", {"max_size": 3}, "3"),  # within the limits
        ("one=1", {"min_size": 5, "desired_size": 5, "max_size": 9}, "5"),  # the variable changed
        ("", {"max_size": 5}, "1"),  # a group of somebody else's number
    ],
)
def test_an_autoscaler_is_not_fought(make_role, asked_before, sizes, desired):
    role = make_role(
        "cluster",
        cluster_node_groups=[GROUP | sizes],
        __cluster_found=FOUND,
        platform_outputs={"AskedSizes": asked_before, "PrivateSubnetIds": "subnet-1"},
    )
    assert role.value("__cluster_node_group_stack.parameters") == {"OneDesiredSize": desired}


def test_nodes_follow_the_control_plane(make_role, of_type):
    groups = of_type(make_role("cluster", cluster_kubernetes_version="1.35").stack("nodegroups"), "AWS::EKS::Nodegroup")
    assert {group["Version"] for group in groups.values()} == {"1.35"}


def test_a_replaced_group_goes_first(make_role):
    stack = make_role("cluster", __cluster_groups_left_out=["langfuse-clickhouse"]).stack("nodegroups")
    assert "Langfuseclickhouse" not in stack["Resources"]
    assert "Langfusenodes" in stack["Resources"]
