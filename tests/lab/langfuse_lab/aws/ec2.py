# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EC2 and load balancers: deletions that AWS refuses or finishes, and names in AWS's form."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from moto.ec2.exceptions import DependencyViolationError
from moto.ec2.models import EC2Backend
from moto.ec2.models.elastic_block_store import EBSBackend, Volume
from moto.ec2.models.elastic_ip_addresses import ElasticAddressBackend
from moto.ec2.models.instances import Instance
from moto.ec2.models.nat_gateways import NatGateway, NatGatewayBackend
from moto.ec2.models.security_groups import SecurityGroupBackend
from moto.ec2.models.subnets import Subnet, SubnetBackend
from moto.ec2.models.vpcs import VPC, VPCBackend
from moto.elbv2.models import ELBv2Backend, FakeLoadBalancer, elbv2_backends

from langfuse_lab.aws.patching import replaces

NAME_DIGITS = 10**10


@replaces(EBSBackend, "create_volume")
def create_volume(original: Callable[..., Volume], self: EC2Backend, *args: Any, **given: Any) -> Volume:
    """moto's volume that comes from no snapshot has no SnapshotId; AWS says that it is empty."""
    volume = original(self, *args, **given)
    volume.snapshot_id = volume.snapshot_id or ""
    return volume


@replaces(VPCBackend, "delete_vpc")
def delete_vpc(original: Callable[..., VPC], self: EC2Backend, vpc_id: str) -> VPC:
    """moto deletes a VPC that still has gateways or security groups."""
    gateways = [g.id for g in self.internet_gateways.values() if g.vpc and g.vpc.id == vpc_id]
    groups = [g.id for g in self.groups.get(vpc_id, {}).values() if g.name != "default"]
    if gateways or groups:
        raise DependencyViolationError(f"The vpc '{vpc_id}' has dependencies and cannot be deleted.")
    return original(self, vpc_id)


@replaces(VPCBackend, "modify_vpc_endpoint")
def modify_vpc_endpoint(original: Callable[..., None], self: EC2Backend, vpc_id: str, **given: Any) -> None:
    """moto leaves the routes of a gateway endpoint as they were, and then cannot delete it."""
    endpoint = self.vpc_end_points[vpc_id]
    before = set(endpoint.route_table_ids or [])
    original(self, vpc_id, **given)
    after, prefix_list = set(endpoint.route_table_ids or []), endpoint.destination_prefix_list_id
    for table in after - before:
        self.create_route(table, None, gateway_id=endpoint.id, destination_prefix_list_id=prefix_list)
    for table in before - after:
        self.delete_route(table, prefix_list)


@replaces(SubnetBackend, "delete_subnet")
def delete_subnet(original: Callable[..., Subnet], self: EC2Backend, subnet_id: str) -> Subnet:
    """moto deletes a subnet in which instances, NAT gateways or load balancers still have addresses."""
    if any(eni.subnet.id == subnet_id for eni in self.enis.values()) or any(_balancers_in(self, subnet_id)):
        raise DependencyViolationError(f"The subnet '{subnet_id}' has dependencies and cannot be deleted.")
    return original(self, subnet_id)


def _balancers_in(backend: EC2Backend, subnet_id: str) -> Iterator[FakeLoadBalancer]:
    for balancer in elbv2_backends[backend.account_id][backend.region_name].load_balancers.values():
        if subnet_id in [subnet.id for subnet in balancer.subnets]:
            yield balancer


@replaces(SecurityGroupBackend, "_delete_security_group")
def delete_security_group(original: Callable[..., None], self: EC2Backend, vpc_id: str | None, group_id: str) -> None:
    """moto deletes a group that an instance has, or that rules of other groups name."""
    others = [group for groups in self.groups.values() for group in groups.values() if group.id != group_id]
    rules = [rule for group in others for rule in (*group.ingress_rules, *group.egress_rules)]
    used = any(group_id in [group.id for group in eni.group_set] for eni in self.enis.values())
    if used or any(source.get("GroupId") == group_id for rule in rules for source in _groups_of(rule)):
        raise DependencyViolationError(f"resource {group_id} has a dependent object")
    original(self, vpc_id, group_id)


def _groups_of(rule: Any) -> list[dict[str, Any]]:
    found = rule.source_group or []
    return found if isinstance(found, list) else [found]


@replaces(Instance, "prep_nics")
def prep_nics(
    original: Callable[..., None], self: Instance, nic_spec: list[dict[str, Any]], *args: Any, **kwargs: Any
) -> None:
    """moto leaves the network interface that came with an instance behind when the instance ends."""
    original(self, nic_spec or [{"DeviceIndex": 0, "DeleteOnTermination": True}], *args, **kwargs)


@replaces(NatGatewayBackend, "delete_nat_gateway")
def delete_nat_gateway(original: Callable[..., NatGateway], self: EC2Backend, nat_gateway_id: str) -> NatGateway:
    """moto leaves the gateway's network interface, and the address tied to it."""
    gateway = original(self, nat_gateway_id)
    for address in self.addresses:
        if address.eni is gateway._eni:
            address.eni = address.association_id = None
    self.enis.pop(gateway._eni.id, None)
    return gateway


@replaces(ElasticAddressBackend, "release_address")
def release_address(
    original: Callable[..., None], self: EC2Backend, address: str | None = None, allocation_id: str | None = None
) -> None:
    """moto releases an address that is in use."""
    for found in self.addresses:
        if allocation_id and found.allocation_id == allocation_id and found.association_id:
            raise DependencyViolationError(f"Address {found.public_ip} is in use.")
    original(self, address=address, allocation_id=allocation_id)


@replaces(VPCBackend, "delete_vpc_endpoints")
def delete_vpc_endpoints(original: Callable[..., None], self: EC2Backend, vpce_ids: list[str] | None = None) -> None:
    """moto keeps deleted endpoints in its list for ever."""
    original(self, vpce_ids)
    for endpoint in vpce_ids or []:
        self.vpc_end_points.pop(endpoint, None)


@replaces(ELBv2Backend, "create_load_balancer")
def create_load_balancer(original: Callable[..., Any], self: ELBv2Backend, *args: Any, **kwargs: Any) -> Any:
    """moto's host names are not like AWS's: [internal-]NAME-DIGITS.REGION.elb.amazonaws.com."""
    balancer = original(self, *args, **kwargs)
    prefix = "internal-" if balancer.scheme == "internal" else ""
    number = f"{secrets.randbelow(NAME_DIGITS):010d}"
    balancer.dns_name = f"{prefix}{balancer.name}-{number}.{self.region_name}.elb.amazonaws.com"
    return balancer
