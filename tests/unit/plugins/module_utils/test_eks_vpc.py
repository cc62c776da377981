# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is said of VPCs: good ones, and each fault alone."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._eks_vpc import Found, Judgement, NodeGroup, Wish, judge

INTERNAL, EXTERNAL = "kubernetes.io/role/internal-elb", "kubernetes.io/role/elb"
CLUSTER = "kubernetes.io/cluster/"
NODES = NodeGroup("nodes", "t4g.medium", 5)
CLICKHOUSE = NodeGroup("clickhouse", "r7g.xlarge", 1, single_zone=True)
WISH = Wish("vpc-1", "langfuse", ("x-1a", "x-1b"), node_groups=(NODES, CLICKHOUSE))


def subnet(name: str, zone: str, tag: str) -> dict[str, Any]:
    return {
        "SubnetId": name,
        "VpcId": "vpc-1",
        "AvailabilityZone": zone,
        "CidrBlock": "10.0.0.0/24",
        "AvailableIpAddressCount": 251,
        "Tags": [{"Key": "Name", "Value": name}, {"Key": tag, "Value": "1"}],
    }


def table(name: str, *subnets: str, main: bool = False, **route: str) -> dict[str, Any]:
    """A route table of some subnets; its default route goes where `route` says."""
    local = {"DestinationCidrBlock": "10.0.0.0/16", "GatewayId": "local", "State": "active"}
    default = [{"DestinationCidrBlock": "0.0.0.0/0", "State": "active", **route}] if route else []
    return {
        "RouteTableId": name,
        "Associations": [{"Main": main}, *({"Main": False, "SubnetId": each} for each in subnets)],
        "Routes": [local, *default],
    }


GOOD = Found(
    vpc={"VpcId": "vpc-1"},
    dns={"EnableDnsSupport": True, "EnableDnsHostnames": True},
    # Not in the order of their zones.
    subnets=[
        subnet("private-b", "x-1b", INTERNAL),
        subnet("public-a", "x-1a", EXTERNAL),
        subnet("private-a", "x-1a", INTERNAL),
        subnet("public-b", "x-1b", EXTERNAL),
    ],
    # The private subnets have the main table.
    route_tables=[
        table("rtb-public", "public-a", "public-b", GatewayId="igw-1"),
        table("rtb-main", main=True, NatGatewayId="nat-1"),
    ],
    addresses={"t4g.medium": 18, "r7g.xlarge": 60},
)


def with_subnet(name: str, found: Found = GOOD, **changes: Any) -> Found:
    """The good VPC with one subnet changed."""
    subnets = [{**each, **changes} if each["SubnetId"] == name else each for each in found.subnets]
    return replace(found, subnets=subnets)


def with_main_route(**route: str) -> Found:
    return replace(GOOD, route_tables=[GOOD.route_tables[0], table("rtb-main", main=True, **route)])


def with_tag(name: str, key: str, value: str | None) -> Found:
    """The good VPC with a tag of one subnet set, or taken away."""
    (old,) = [each["Tags"] for each in GOOD.subnets if each["SubnetId"] == name]
    tags = [tag for tag in old if tag["Key"] != key]
    return with_subnet(name, Tags=[*tags, {"Key": key, "Value": value}] if value is not None else tags)


def test_a_good_vpc() -> None:
    given = copy.deepcopy(GOOD)
    assert judge(WISH, GOOD) == Judgement({"private": ["private-a", "private-b"], "public": ["public-a", "public-b"]})
    assert given == GOOD


def test_named_subnets_keep_their_order() -> None:
    wish = replace(WISH, private=("private-b", "private-a"), public=("public-b", "public-a"))
    assert judge(wish, GOOD).subnets == {"private": ["private-b", "private-a"], "public": ["public-b", "public-a"]}


GOOD_TOO: dict[str, tuple[Wish, Found]] = {
    "a transit gateway": (WISH, with_main_route(TransitGatewayId="tgw-1")),
    "a NAT instance": (WISH, with_main_route(NetworkInterfaceId="eni-1")),
    "a virtual gateway": (WISH, with_main_route(GatewayId="vgw-1")),
    "an empty tag": (WISH, with_tag("private-a", INTERNAL, "")),
    "a tag of this cluster and another": (
        WISH,
        with_subnet(
            "private-a",
            Tags=[
                {"Key": INTERNAL, "Value": "1"},
                {"Key": CLUSTER + "other", "Value": "shared"},
                {"Key": CLUSTER + "langfuse", "Value": "shared"},
            ],
        ),
    ),
    "just enough addresses": (
        WISH,
        # 8 + 6 + 3 nodes of 18 + 1 node of 60
        with_subnet("private-a", AvailableIpAddressCount=128),
    ),
    "a full subnet when all stands": (
        replace(WISH, new_cluster=False, node_groups=()),
        with_subnet("private-a", AvailableIpAddressCount=0),
    ),
    "no public subnets where none are wanted": (
        replace(WISH, public_wanted=False),
        replace(GOOD, subnets=[each for each in GOOD.subnets if each["SubnetId"].startswith("private")]),
    ),
    "a tagged subnet in a zone that EKS cannot use": (
        WISH,
        replace(GOOD, subnets=[*GOOD.subnets, subnet("private-c", "x-1c", INTERNAL)]),
    ),
}


@pytest.mark.parametrize("name", GOOD_TOO)
def test_other_good_vpcs(name: str) -> None:
    judgement = judge(*GOOD_TOO[name])
    assert (judgement.faults, judgement.missing_tags) == ([], [])
    assert judgement.subnets["private"] == ["private-a", "private-b"]


def without(side: str) -> Found:
    """The good VPC without the tags of one side."""
    return replace(
        GOOD,
        subnets=[{**each, "Tags": []} if each["SubnetId"].startswith(side) else each for each in GOOD.subnets],
    )


FAULTS: dict[str, tuple[Wish, Found, list[str]]] = {
    "no VPC": (WISH, Found(None), ["VPC vpc-1 is not in this account and region"]),
    "DNS support": (
        WISH,
        replace(GOOD, dns={"EnableDnsSupport": False, "EnableDnsHostnames": True}),
        ["EnableDnsSupport of VPC vpc-1 is off", "--enable-dns-support"],
    ),
    "DNS host names": (
        WISH,
        replace(GOOD, dns={"EnableDnsSupport": True, "EnableDnsHostnames": False}),
        ["EnableDnsHostnames of VPC vpc-1 is off", "--enable-dns-hostnames"],
    ),
    "one private zone": (
        WISH,
        with_subnet("private-b", AvailabilityZone="x-1a"),
        ["The private subnets are all in x-1a: EKS and load balancers need 2 zones"],
    ),
    "one public zone": (
        WISH,
        with_subnet("public-a", AvailabilityZone="x-1b"),
        ["The public subnets are all in x-1b"],
    ),
    "a refused zone": (
        replace(WISH, private=("private-a", "private-b", "private-c")),
        replace(GOOD, subnets=[*GOOD.subnets, subnet("private-c", "x-1c", INTERNAL)]),
        ["Private subnet private-c is in x-1c, which EKS cannot use: name one in x-1a, x-1b."],
    ),
    "no such subnet": (
        replace(WISH, private=("private-a", "private-b", "private-z")),
        GOOD,
        ["Private subnet private-z is not in this account and region"],
    ),
    "another VPC": (
        replace(WISH, public=("public-a", "public-b", "public-z")),
        replace(GOOD, strangers=[{"SubnetId": "public-z", "VpcId": "vpc-9"}]),
        ["Public subnet public-z is in VPC vpc-9: name subnets of one VPC."],
    ),
    "no private tags": (
        WISH,
        without("private"),
        ["No private subnet is named, and none of VPC vpc-1", INTERNAL + "=1", "private-b (x-1b), private-a (x-1a)."],
    ),
    "no public tags": (WISH, without("public"), ["No public subnet is named", "public-a (x-1a), public-b (x-1b)."]),
    "nothing that could be public": (
        WISH,
        replace(without("public"), route_tables=GOOD.route_tables[1:]),
        ["By its route none could be."],
    ),
    "no way out": (
        replace(WISH, private=("private-a", "private-b")),
        replace(
            GOOD,
            route_tables=[
                *GOOD.route_tables,
                table("rtb-closed", "private-a"),
            ],
        ),
        ["Private subnet private-a (route table rtb-closed) has no way out: add a route for 0.0.0.0/0 to a NAT "],
    ),
    "no way in": (
        WISH,
        replace(
            GOOD,
            route_tables=[
                *GOOD.route_tables[1:],
                table("rtb-1", "public-a", GatewayId="igw-1"),
                table("rtb-2", "public-b"),
            ],
        ),
        ["Public subnet public-b (route table rtb-2) has no way out: add a route for 0.0.0.0/0 to an internet "],
    ),
    "a lost NAT gateway": (
        WISH,
        replace(
            GOOD,
            route_tables=[
                *GOOD.route_tables,
                table("rtb-lost", "private-b", NatGatewayId="nat-2", State="blackhole"),
            ],
        ),
        ["Private subnet private-b (route table rtb-lost) has a route for 0.0.0.0/0 to something that is gone"],
    ),
    "private in name only": (
        WISH,
        replace(GOOD, route_tables=[*GOOD.route_tables, table("rtb-open", "private-b", GatewayId="igw-1")]),
        ["Private subnet private-b (route table rtb-open) sends 0.0.0.0/0 to igw-1"],
    ),
    "public in name only": (
        WISH,
        replace(
            GOOD,
            route_tables=[
                *GOOD.route_tables[1:],
                table("rtb-1", "public-a", GatewayId="igw-1"),
                table("rtb-nat", "public-b", NatGatewayId="nat-1"),
            ],
        ),
        ["Public subnet public-b (route table rtb-nat) does not send 0.0.0.0/0 to an internet gateway"],
    ),
    "one address too few for a group of one zone": (
        WISH,
        with_subnet("private-a", AvailableIpAddressCount=127),
        ["Private subnet private-a (x-1a, 10.0.0.0/24) has 127 free addresses and 128 are needed", "60 for 1 node(s)"],
    ),
    "one address too few for the other groups": (
        WISH,
        with_subnet("private-b", AvailableIpAddressCount=67),
        ["Private subnet private-b (x-1b, 10.0.0.0/24) has 67 free addresses and 68 are needed"],
    ),
    "one address too few for a load balancer": (
        WISH,
        with_subnet("public-b", AvailableIpAddressCount=7),
        ["Public subnet public-b (x-1b, 10.0.0.0/24) has 7 free addresses and 8 are needed (8 for a load balancer)"],
    ),
    "one address too few beside a cluster that stands": (
        replace(WISH, new_cluster=False, node_groups=(CLICKHOUSE,)),
        with_subnet("private-a", AvailableIpAddressCount=67),
        ["has 67 free addresses and 68 are needed (8 for a load balancer, 60 for 1 node(s) of clickhouse"],
    ),
    "an unknown instance type": (
        replace(WISH, node_groups=(replace(NODES, instance_type="t5g.none"),)),
        GOOD,
        ["Node group nodes: AWS has no instance type t5g.none in this region"],
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_alone(name: str) -> None:
    wish, found, parts = FAULTS[name]
    judgement = judge(wish, found)
    assert len(judgement.faults) == 1, judgement.faults
    assert [part for part in parts if part not in judgement.faults[0]] == [], judgement.faults[0]
    assert judgement.missing_tags == []


TAGS: dict[str, tuple[Found, dict[str, str]]] = {
    "internal": (with_tag("private-a", INTERNAL, None), {"key": INTERNAL, "value": "1"}),
    "internal, switched off": (with_tag("private-a", INTERNAL, "0"), {"key": INTERNAL, "value": "1"}),
    "of another cluster": (
        with_tag("private-a", CLUSTER + "other", "owned"),
        {"key": CLUSTER + "langfuse", "value": "shared"},
    ),
}


@pytest.mark.parametrize("name", TAGS)
def test_missing_tags(name: str) -> None:
    found, tag = TAGS[name]
    judgement = judge(replace(WISH, private=("private-a", "private-b")), found)
    assert judgement.missing_tags == [{"subnet_id": "private-a", **tag}]
    assert judgement.faults == []


def test_a_missing_external_tag() -> None:
    judgement = judge(replace(WISH, public=("public-a", "public-b")), with_tag("public-b", EXTERNAL, None))
    assert judgement.missing_tags == [{"subnet_id": "public-b", "key": EXTERNAL, "value": "1"}]


def test_all_faults_at_once() -> None:
    found = replace(
        with_subnet("private-a", AvailableIpAddressCount=3),
        dns={"EnableDnsSupport": False, "EnableDnsHostnames": False},
        route_tables=[table("rtb-main", main=True)],
    )
    wish = replace(WISH, private=("private-a", "private-z"), public=("public-a",))
    judgement = judge(wish, found)
    # DNS twice, a subnet, a zone and a route of each side, addresses.
    assert len(judgement.faults) == 8, judgement.faults
