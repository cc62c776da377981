# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `network` of role cluster."""

from __future__ import annotations

import ipaddress
import itertools

import pytest

SETS = {
    "defaults": {},
    "three zones": {"cluster_zone_count": 3},
    "a NAT gateway a zone": {"cluster_zone_count": 3, "cluster_nat_per_zone": True},
    "named zones": {"cluster_zones": ["ap-south-1c", "ap-south-1a"]},
    "a small network": {"cluster_vpc_cidr": "172.31.252.0/22", "cluster_zone_count": 3},
    "an odd network": {"cluster_vpc_cidr": "10.200.32.0/19"},
    "other names": {"platform_name": "a-b-c", "platform_cluster_name": "Other_1"},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("cluster", **given).body("network")) == []


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_subnets_lie_in_the_vpc_and_apart(make_role, of_type, given):
    stack = make_role("cluster", **given).stack("network")
    vpc = ipaddress.ip_network(of_type(stack, "AWS::EC2::VPC")["Vpc"]["CidrBlock"])
    subnets = [ipaddress.ip_network(subnet["CidrBlock"]) for subnet in of_type(stack, "AWS::EC2::Subnet").values()]
    assert all(subnet.subnet_of(vpc) for subnet in subnets)
    assert not any(one.overlaps(other) for one, other in itertools.combinations(subnets, 2))


def test_subnets_of_the_defaults(make_role, of_type):
    subnets = of_type(make_role("cluster").stack("network"), "AWS::EC2::Subnet")
    assert {
        name: (subnet["AvailabilityZone"], subnet["CidrBlock"], subnet["MapPublicIpOnLaunch"])
        for name, subnet in subnets.items()
    } == {
        "PublicSubnet1": ("ap-south-1a", "10.42.0.0/20", True),
        "PublicSubnet2": ("ap-south-1b", "10.42.16.0/20", True),
        "PrivateSubnet1": ("ap-south-1a", "10.42.64.0/18", False),
        "PrivateSubnet2": ("ap-south-1b", "10.42.128.0/18", False),
    }


def test_subnets_carry_the_tags_that_load_balancers_look_for(make_role, of_type):
    subnets = of_type(make_role("cluster").stack("network"), "AWS::EC2::Subnet")
    for name, subnet in subnets.items():
        tags = {tag["Key"]: tag["Value"] for tag in subnet["Tags"]}
        role = "elb" if name.startswith("Public") else "internal-elb"
        assert tags[f"kubernetes.io/role/{role}"] == "1"
        assert tags["kubernetes.io/cluster/langfuse"] == "shared"


def test_the_vpc_resolves_names(make_role, of_type):
    vpc = of_type(make_role("cluster").stack("network"), "AWS::EC2::VPC")["Vpc"]
    assert vpc["EnableDnsSupport"] is True
    assert vpc["EnableDnsHostnames"] is True


@pytest.mark.parametrize(("per_zone", "gateways"), [(False, [1, 1, 1]), (True, [1, 2, 3])])
def test_private_subnets_leave_through_a_nat_gateway(make_role, of_type, per_zone, gateways):
    stack = make_role("cluster", cluster_zone_count=3, cluster_nat_per_zone=per_zone).stack("network")
    routes = of_type(stack, "AWS::EC2::Route")
    assert [routes[f"PrivateDefaultRoute{zone}"]["NatGatewayId"] for zone in (1, 2, 3)] == [
        {"Ref": f"NatGateway{n}"} for n in gateways
    ]
    assert len(of_type(stack, "AWS::EC2::NatGateway")) == len(set(gateways))


def test_values_of_the_command_line_are_text(make_role):
    given = {"cluster_zone_count": "3", "cluster_nat_per_zone": "false"}
    same = {"cluster_zone_count": 3, "cluster_nat_per_zone": False}
    assert make_role("cluster", **given).body("network") == make_role("cluster", **same).body("network")


def test_s3_is_reached_from_every_private_subnet_without_nat(make_role, of_type):
    endpoint = of_type(make_role("cluster", cluster_zone_count=3).stack("network"), "AWS::EC2::VPCEndpoint")[
        "S3Endpoint"
    ]
    assert endpoint["ServiceName"] == "com.amazonaws.ap-south-1.s3"
    assert endpoint["RouteTableIds"] == [{"Ref": f"PrivateRoutes{zone}"} for zone in (1, 2, 3)]


def test_zones_that_eks_refuses_are_left_out(make_role):
    zones = [("us-east-1a", "use1-az3", "availability-zone"), ("us-east-1-bos-1a", "use1-bos1-az1", "local-zone")]
    zones += [("us-east-1c", "use1-az1", "availability-zone"), ("us-east-1b", "use1-az2", "availability-zone")]
    found = {
        "availability_zones": [dict(zip(("zone_name", "zone_id", "zone_type"), zone, strict=True)) for zone in zones]
    }
    assert make_role("cluster", __cluster_region_zones=found).value("__cluster_subnet_zones") == [
        "us-east-1b",
        "us-east-1c",
    ]


def test_outputs(make_role):
    outputs = make_role("cluster").stack("network")["Outputs"]
    assert outputs["VpcId"]["Value"] == {"Ref": "Vpc"}
    assert outputs["PublicSubnetIds"]["Value"] == {
        "Fn::Join": [",", [{"Ref": "PublicSubnet1"}, {"Ref": "PublicSubnet2"}]]
    }
    assert outputs["PrivateSubnetIds"]["Value"] == {
        "Fn::Join": [",", [{"Ref": "PrivateSubnet1"}, {"Ref": "PrivateSubnet2"}]]
    }
