# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: judge whether a VPC can hold an EKS cluster with its nodes and load balancers."""

from __future__ import annotations

import math
import typing as t
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from botocore.client import BaseClient

Record = dict[str, t.Any]

# By these tags the AWS Load Balancer Controller finds subnets; it takes an empty value as well as 1.
ROLE_TAGS = {"private": "kubernetes.io/role/internal-elb", "public": "kubernetes.io/role/elb"}
CLUSTER_TAG = "kubernetes.io/cluster/"
# AWS asks for so many free addresses in each subnet, of a control plane and of an application load balancer.
CONTROL_PLANE_ADDRESSES = 6
LOAD_BALANCER_ADDRESSES = 8
MIN_ZONES = 2


@dataclass(frozen=True)
class NodeGroup:
    """A node group that is to be made."""

    name: str
    instance_type: str
    max_size: int
    single_zone: bool = False


@dataclass(frozen=True)
class Wish:
    """What is to be placed where. Subnets that are not named are found by their role tags."""

    vpc_id: str
    cluster_name: str
    zones: tuple[str, ...]
    private: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    public_wanted: bool = True
    new_cluster: bool = True
    node_groups: tuple[NodeGroup, ...] = ()


@dataclass(frozen=True)
class Found:
    """What AWS says of the VPC, in AWS's own records."""

    vpc: Record | None
    dns: dict[str, bool] = field(default_factory=dict)  # EnableDnsSupport, EnableDnsHostnames
    subnets: Sequence[Record] = ()
    strangers: Sequence[Record] = ()  # subnets of other VPCs that the wish names
    route_tables: Sequence[Record] = ()
    addresses: dict[str, int] = field(default_factory=dict)  # by instance type: what a node takes


@dataclass
class Judgement:
    """The subnets to use, and every reason why not to."""

    subnets: dict[str, list[str]] = field(default_factory=lambda: {"private": [], "public": []})
    faults: list[str] = field(default_factory=list)
    missing_tags: list[Record] = field(default_factory=list)


def read(ec2: BaseClient, wish: Wish) -> Found:
    """Ask AWS for all that a judgement needs."""
    vpcs = ec2.describe_vpcs(Filters=_filters("vpc-id", [wish.vpc_id]))["Vpcs"]
    if not vpcs:
        return Found(None)
    of_vpc = _filters("vpc-id", [wish.vpc_id])
    subnets = _pages(ec2, "describe_subnets", "Subnets", of_vpc)
    unknown = sorted({*wish.private, *wish.public} - {subnet["SubnetId"] for subnet in subnets})
    types = sorted({group.instance_type for group in wish.node_groups})
    return Found(
        vpc=vpcs[0],
        dns={name: _vpc_attribute(ec2, wish.vpc_id, name) for name in ("EnableDnsSupport", "EnableDnsHostnames")},
        subnets=subnets,
        strangers=_pages(ec2, "describe_subnets", "Subnets", _filters("subnet-id", unknown)) if unknown else [],
        route_tables=_pages(ec2, "describe_route_tables", "RouteTables", of_vpc),
        addresses=_addresses(ec2, types) if types else {},
    )


def judge(wish: Wish, found: Found) -> Judgement:
    """Choose the subnets and say all that is wrong, each with its cure."""
    judgement = Judgement()
    if found.vpc is None:
        judgement.faults.append(
            f"VPC {wish.vpc_id} is not in this account and region: correct its id, the region or the credentials."
        )
        return judgement
    judgement.faults += _dns_faults(wish.vpc_id, found.dns)
    chosen = {side: _choose(side, wish, found, judgement.faults) for side in ("private", "public")}
    judgement.subnets = {side: [subnet["SubnetId"] for subnet in subnets] for side, subnets in chosen.items()}
    for side, subnets in chosen.items():
        judgement.faults += _zone_faults(side, subnets, wish)
        judgement.faults += [_route_fault(side, subnet, found.route_tables) for subnet in subnets]
        judgement.missing_tags += [tag for subnet in subnets for tag in _missing_tags(side, subnet, wish)]
    judgement.faults += _address_faults(chosen, wish, found.addresses)
    judgement.faults = [fault for fault in judgement.faults if fault]
    return judgement


def tag_fault(tag: Record) -> str:
    """Say that a tag is missing, and how to set it."""
    return (
        f"Subnet {tag['subnet_id']} lacks the tag {tag['key']}={tag['value']}: "
        f"aws ec2 create-tags --resources {tag['subnet_id']} --tags Key={tag['key']},Value={tag['value']}"
    )


def _filters(name: str, values: Iterable[str]) -> list[Record]:
    return [{"Name": name, "Values": list(values)}]


def _pages(ec2: BaseClient, operation: str, key: str, filters: list[Record]) -> list[Record]:
    return [each for page in ec2.get_paginator(operation).paginate(Filters=filters) for each in page[key]]


def _vpc_attribute(ec2: BaseClient, vpc_id: str, name: str) -> bool:
    answer = ec2.describe_vpc_attribute(VpcId=vpc_id, Attribute=name[0].lower() + name[1:])
    return bool(answer[name]["Value"])


def _addresses(ec2: BaseClient, types: list[str]) -> dict[str, int]:
    """Return how many addresses a node of each type takes when it is full of pods. What AWS lacks is left out."""
    offers = _pages(ec2, "describe_instance_types", "InstanceTypes", _filters("instance-type", types))
    networks = {offer["InstanceType"]: offer["NetworkInfo"] for offer in offers}
    return {
        name: network["MaximumNetworkInterfaces"] * network["Ipv4AddressesPerInterface"]
        for name, network in networks.items()
    }


def _dns_faults(vpc_id: str, dns: dict[str, bool]) -> Iterator[str]:
    options = {"EnableDnsSupport": "--enable-dns-support", "EnableDnsHostnames": "--enable-dns-hostnames"}
    for name, option in options.items():
        if not dns[name]:
            yield (
                f"{name} of VPC {vpc_id} is off, so nodes do not find the API server: "
                f"aws ec2 modify-vpc-attribute --vpc-id {vpc_id} {option}"
            )


def _choose(side: str, wish: Wish, found: Found, faults: list[str]) -> list[Record]:
    """Return the subnets of a side: those that are named, in that order, else those with the side's tag, by zone."""
    named = wish.private if side == "private" else wish.public
    if named:
        return list(_named_subnets(side, named, found, faults))
    tagged = [
        subnet
        for subnet in found.subnets
        if _has_tag(subnet, ROLE_TAGS[side]) and subnet["AvailabilityZone"] in wish.zones
    ]
    if not tagged and (side == "private" or wish.public_wanted):
        faults.append(
            f"No {side} subnet is named, and none of VPC {wish.vpc_id} in a zone that EKS can use has the tag "
            f"{ROLE_TAGS[side]}=1 by which they are found: name them. {_candidates(side, found)}"
        )
    return sorted(tagged, key=lambda subnet: (subnet["AvailabilityZone"], subnet["SubnetId"]))


def _named_subnets(side: str, named: Iterable[str], found: Found, faults: list[str]) -> Iterator[Record]:
    known = {subnet["SubnetId"]: subnet for subnet in found.subnets}
    elsewhere = {subnet["SubnetId"]: subnet["VpcId"] for subnet in found.strangers}
    for subnet_id in named:
        if subnet_id in known:
            yield known[subnet_id]
        elif subnet_id in elsewhere:
            faults.append(
                f"{side.capitalize()} subnet {subnet_id} is in VPC {elsewhere[subnet_id]}: name subnets of one VPC."
            )
        else:
            faults.append(f"{side.capitalize()} subnet {subnet_id} is not in this account and region: correct its id.")


def _candidates(side: str, found: Found) -> str:
    """Say which subnets the routes speak for."""
    fitting = [subnet for subnet in found.subnets if not _route_fault(side, subnet, found.route_tables)]
    names = ", ".join(f"{subnet['SubnetId']} ({subnet['AvailabilityZone']})" for subnet in fitting)
    return f"By their routes these could be: {names}." if names else "By its route none could be."


def _zone_faults(side: str, subnets: list[Record], wish: Wish) -> Iterator[str]:
    for subnet in subnets:
        if subnet["AvailabilityZone"] not in wish.zones:
            yield (
                f"{side.capitalize()} subnet {subnet['SubnetId']} is in {subnet['AvailabilityZone']}, which EKS cannot "
                f"use: name one in {', '.join(wish.zones)}."
            )
    zones = sorted({subnet["AvailabilityZone"] for subnet in subnets})
    if len(subnets) > 0 and len(zones) < MIN_ZONES and (side == "private" or wish.public_wanted):
        yield (
            f"The {side} subnets are all in {zones[0]}: EKS and load balancers need {MIN_ZONES} zones, "
            "so name or make a subnet in another."
        )


def _route_fault(side: str, subnet: Record, tables: Sequence[Record]) -> str:
    """Say what is wrong with the way out of a subnet, or nothing."""
    table = _table_of(subnet["SubnetId"], tables)
    route = _default_route(table)
    place = f"{side.capitalize()} subnet {subnet['SubnetId']} (route table {table['RouteTableId']})"
    if route is None:
        wanted = "a NAT gateway" if side == "private" else "an internet gateway"
        return f"{place} has no way out: add a route for 0.0.0.0/0 to {wanted}."
    if route.get("State") == "blackhole":
        return f"{place} has a route for 0.0.0.0/0 to something that is gone: replace it."
    to_internet = route.get("GatewayId", "").startswith("igw-")
    if side == "private" and to_internet:
        return (
            f"{place} sends 0.0.0.0/0 to {route['GatewayId']}, where nodes without public addresses get no answer: "
            "route it to a NAT gateway, or name another subnet."
        )
    if side == "public" and not to_internet:
        return f"{place} does not send 0.0.0.0/0 to an internet gateway, so nobody reaches it: add that route."
    return ""


def _table_of(subnet_id: str, tables: Sequence[Record]) -> Record:
    """Return the route table of a subnet: its own, else the main one of the VPC."""
    own = [table for table in tables if any(a.get("SubnetId") == subnet_id for a in table["Associations"])]
    main = [table for table in tables if any(a.get("Main") for a in table["Associations"])]
    return (own or main)[0]


def _default_route(table: Record) -> Record | None:
    routes = [route for route in table["Routes"] if route.get("DestinationCidrBlock") == "0.0.0.0/0"]
    return routes[0] if routes else None


def _tags(subnet: Record) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in subnet.get("Tags", [])}


def _has_tag(subnet: Record, key: str) -> bool:
    return _tags(subnet).get(key) in ("", "1")


def _missing_tags(side: str, subnet: Record, wish: Wish) -> Iterator[Record]:
    if not _has_tag(subnet, ROLE_TAGS[side]):
        yield {"subnet_id": subnet["SubnetId"], "key": ROLE_TAGS[side], "value": "1"}
    # A subnet that is tagged for other clusters is no one else's.
    clusters = [key for key in _tags(subnet) if key.startswith(CLUSTER_TAG)]
    if clusters and CLUSTER_TAG + wish.cluster_name not in clusters:
        yield {"subnet_id": subnet["SubnetId"], "key": CLUSTER_TAG + wish.cluster_name, "value": "shared"}


def _address_faults(chosen: dict[str, list[Record]], wish: Wish, addresses: dict[str, int]) -> Iterator[str]:
    if not wish.new_cluster and not wish.node_groups:
        return
    unknown = [group for group in wish.node_groups if group.instance_type not in addresses]
    for group in unknown:
        yield f"Node group {group.name}: AWS has no instance type {group.instance_type} in this region; name another."
    groups = [group for group in wish.node_groups if group not in unknown]
    for side, subnets in chosen.items():
        for index, subnet in enumerate(subnets):
            needs = {"a load balancer": LOAD_BALANCER_ADDRESSES}
            if side == "private":
                needs |= {"the control plane": CONTROL_PLANE_ADDRESSES} if wish.new_cluster else {}
                needs |= dict(_node_needs(groups, addresses, index, len(subnets)))
            needed, free = sum(needs.values()), subnet["AvailableIpAddressCount"]
            if free < needed:
                what = ", ".join(f"{count} for {name}" for name, count in needs.items())
                yield (
                    f"{side.capitalize()} subnet {subnet['SubnetId']} ({subnet['AvailabilityZone']}, "
                    f"{subnet['CidrBlock']}) has {free} free addresses and {needed} are needed ({what}): "
                    "name a larger subnet, or ask for fewer or smaller nodes."
                )


def _node_needs(
    groups: list[NodeGroup], addresses: dict[str, int], index: int, subnets: int
) -> Iterator[tuple[str, int]]:
    """What the nodes of each group and their pods take in a private subnet, when the group is at its largest."""
    for group in groups:
        in_first = group.max_size if index == 0 else 0
        nodes = in_first if group.single_zone else math.ceil(group.max_size / subnets)
        if nodes:
            yield f"{nodes} node(s) of {group.name} with their pods", nodes * addresses[group.instance_type]
