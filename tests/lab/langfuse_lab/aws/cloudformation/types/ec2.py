# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::EC2::*: networks, security groups, launch templates."""

from __future__ import annotations

from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceType,
    applies,
    as_json,
    removed_tags,
    tag_list,
    tag_map,
)

ROUTE_TARGETS = (
    "GatewayId",
    "NatGatewayId",
    "VpcEndpointId",
    "TransitGatewayId",
    "VpcPeeringConnectionId",
    "NetworkInterfaceId",
)
ALL_TRAFFIC_OUT = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
RULE_RANGES = {  # property of a rule -> (list in the API, key in it)
    "CidrIp": ("IpRanges", "CidrIp"),
    "CidrIpv6": ("Ipv6Ranges", "CidrIpv6"),
    "SourceSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "DestinationSecurityGroupId": ("UserIdGroupPairs", "GroupId"),
    "SourcePrefixListId": ("PrefixListIds", "PrefixListId"),
    "DestinationPrefixListId": ("PrefixListIds", "PrefixListId"),
}
RULE = ("IpProtocol", "FromPort", "ToPort", "Description", *RULE_RANGES)


class Ec2(ResourceType):
    """A resource of EC2."""

    @property
    def ec2(self) -> Any:
        return self.client("ec2")


class Tagged(Ec2):
    """A resource of EC2 whose physical id can be tagged."""

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        _set_tags(self.ec2, physical_id, new, old)


class Vpc(Tagged, type_name="AWS::EC2::VPC", at_creation=["CidrBlock", "InstanceTenancy"]):
    def create(self, p: Properties) -> str:
        made = self.ec2.create_vpc(CidrBlock=p["CidrBlock"], InstanceTenancy=p.get("InstanceTenancy", "default"))
        return made["Vpc"]["VpcId"]

    @applies("EnableDnsSupport")
    def dns_support(self, physical_id: str, new: Properties, old: Properties) -> None:
        value = {"Value": new.get("EnableDnsSupport", True)}
        self.ec2.modify_vpc_attribute(VpcId=physical_id, EnableDnsSupport=value)

    @applies("EnableDnsHostnames")
    def dns_hostnames(self, physical_id: str, new: Properties, old: Properties) -> None:
        value = {"Value": new.get("EnableDnsHostnames", False)}
        self.ec2.modify_vpc_attribute(VpcId=physical_id, EnableDnsHostnames=value)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        of_vpc = [{"Name": "vpc-id", "Values": [physical_id]}]
        groups = self.ec2.describe_security_groups(Filters=[*of_vpc, {"Name": "group-name", "Values": ["default"]}])
        lists = self.ec2.describe_network_acls(Filters=[*of_vpc, {"Name": "default", "Values": ["true"]}])
        return {
            "VpcId": physical_id,
            "CidrBlock": p["CidrBlock"],
            "DefaultSecurityGroup": groups["SecurityGroups"][0]["GroupId"],
            "DefaultNetworkAcl": lists["NetworkAcls"][0]["NetworkAclId"],
        }

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_vpc(VpcId=physical_id)


class Subnet(Tagged, type_name="AWS::EC2::Subnet", at_creation=["VpcId", "CidrBlock", "AvailabilityZone"]):
    def create(self, p: Properties) -> str:
        return self.ec2.create_subnet(**{key: p[key] for key in self.at_creation if key in p})["Subnet"]["SubnetId"]

    @applies("MapPublicIpOnLaunch")
    def public_addresses(self, physical_id: str, new: Properties, old: Properties) -> None:
        value = {"Value": new.get("MapPublicIpOnLaunch", False)}
        self.ec2.modify_subnet_attribute(SubnetId=physical_id, MapPublicIpOnLaunch=value)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        subnet = self.ec2.describe_subnets(SubnetIds=[physical_id])["Subnets"][0]
        return {key: subnet[key] for key in ("SubnetId", "VpcId", "CidrBlock", "AvailabilityZone")}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_subnet(SubnetId=physical_id)


class InternetGateway(Tagged, type_name="AWS::EC2::InternetGateway"):
    def create(self, p: Properties) -> str:
        return self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"InternetGatewayId": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_internet_gateway(InternetGatewayId=physical_id)


class GatewayAttachment(Ec2, type_name="AWS::EC2::VPCGatewayAttachment", at_creation=["VpcId", "InternetGatewayId"]):
    def create(self, p: Properties) -> str:
        self.ec2.attach_internet_gateway(VpcId=p["VpcId"], InternetGatewayId=p["InternetGatewayId"])
        return f"IGW|{p['VpcId']}"

    @applies("InternetGatewayId")
    def gateway(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.delete(physical_id, old)
        self.create(new)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"AttachmentType": "IGW"}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.detach_internet_gateway(VpcId=p["VpcId"], InternetGatewayId=p["InternetGatewayId"])


class RouteTable(Tagged, type_name="AWS::EC2::RouteTable", at_creation=["VpcId"]):
    def create(self, p: Properties) -> str:
        return self.ec2.create_route_table(VpcId=p["VpcId"])["RouteTable"]["RouteTableId"]

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"RouteTableId": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_route_table(RouteTableId=physical_id)


class Route(Ec2, type_name="AWS::EC2::Route", at_creation=["RouteTableId", "DestinationCidrBlock", *ROUTE_TARGETS]):
    def create(self, p: Properties) -> str:
        self.ec2.create_route(**p)
        return f"{p['RouteTableId']}|{p['DestinationCidrBlock']}"

    @applies(*ROUTE_TARGETS)
    def target(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.ec2.replace_route(**new)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"CidrBlock": p["DestinationCidrBlock"]}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_route(RouteTableId=p["RouteTableId"], DestinationCidrBlock=p["DestinationCidrBlock"])


class RouteTableAssociation(
    Ec2, type_name="AWS::EC2::SubnetRouteTableAssociation", at_creation=["RouteTableId", "SubnetId"]
):
    def create(self, p: Properties) -> str:
        return self.ec2.associate_route_table(**p)["AssociationId"]

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.disassociate_route_table(AssociationId=physical_id)


class ElasticIp(Ec2, type_name="AWS::EC2::EIP", at_creation=["Domain"]):
    def create(self, p: Properties) -> str:
        return self.ec2.allocate_address(Domain=p.get("Domain", "vpc"))["PublicIp"]

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        _set_tags(self.ec2, self._allocation(physical_id), new, old)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"AllocationId": self._allocation(physical_id), "PublicIp": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.release_address(AllocationId=self._allocation(physical_id))

    def _allocation(self, public_ip: str) -> str:
        return self.ec2.describe_addresses(PublicIps=[public_ip])["Addresses"][0]["AllocationId"]


class NatGateway(
    Tagged, type_name="AWS::EC2::NatGateway", at_creation=["SubnetId", "AllocationId", "ConnectivityType"]
):
    def create(self, p: Properties) -> str:
        given = {key: p[key] for key in self.at_creation if key in p}
        return self.ec2.create_nat_gateway(**given)["NatGateway"]["NatGatewayId"]

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"NatGatewayId": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_nat_gateway(NatGatewayId=physical_id)


class VpcEndpoint(
    Tagged,
    type_name="AWS::EC2::VPCEndpoint",
    at_creation=[
        "VpcId",
        "ServiceName",
        "VpcEndpointType",
        "RouteTableIds",
        "SubnetIds",
        "SecurityGroupIds",
        "PrivateDnsEnabled",
        "PolicyDocument",
    ],
):
    def create(self, p: Properties) -> str:
        given = {"VpcEndpointType": "Gateway"} | {key: p[key] for key in self.at_creation if key in p}
        if "PolicyDocument" in given:
            given["PolicyDocument"] = as_json(given["PolicyDocument"])
        return self.ec2.create_vpc_endpoint(**given)["VpcEndpoint"]["VpcEndpointId"]

    @applies("RouteTableIds")
    def route_tables(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = set(new.get("RouteTableIds", [])), set(old.get("RouteTableIds", []))
        self.ec2.modify_vpc_endpoint(
            VpcEndpointId=physical_id,
            AddRouteTableIds=sorted(after - before),
            RemoveRouteTableIds=sorted(before - after),
        )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_vpc_endpoints(VpcEndpointIds=[physical_id])


class SecurityGroup(
    Tagged, type_name="AWS::EC2::SecurityGroup", name="GroupName", at_creation=["GroupDescription", "VpcId"]
):
    name_length = 255

    def create(self, p: Properties) -> str:
        given = {"VpcId": p["VpcId"]} if "VpcId" in p else {}
        made = self.ec2.create_security_group(GroupName=self.name(p), Description=p["GroupDescription"], **given)
        return made["GroupId"]

    @applies("SecurityGroupIngress")
    def ingress(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._replace(physical_id, "ingress", new.get("SecurityGroupIngress", []), old.get("SecurityGroupIngress", []))

    @applies("SecurityGroupEgress")
    def egress(self, physical_id: str, new: Properties, old: Properties) -> None:
        # A group lets all traffic out until the template says otherwise.
        default = [ALL_TRAFFIC_OUT]
        after, before = (p.get("SecurityGroupEgress", default) for p in (new, old))
        self._replace(physical_id, "egress", after, before)

    def _replace(self, group: str, way: str, new: list[Properties], old: list[Properties]) -> None:
        if old:
            _change_rules(self.ec2, "revoke", way, group, old)
        if new:
            _change_rules(self.ec2, "authorize", way, group, new)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        group = self.ec2.describe_security_groups(GroupIds=[physical_id])["SecurityGroups"][0]
        return {"GroupId": physical_id, "Id": physical_id, "VpcId": group["VpcId"]}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_security_group(GroupId=physical_id)


class SecurityGroupIngress(Ec2, type_name="AWS::EC2::SecurityGroupIngress", at_creation=["GroupId", *RULE]):
    way = "ingress"

    def create(self, p: Properties) -> str:
        return _change_rules(self.ec2, "authorize", self.way, p["GroupId"], [p])["SecurityGroupRules"][0][
            "SecurityGroupRuleId"
        ]

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        _change_rules(self.ec2, "revoke", self.way, p["GroupId"], [p])


class SecurityGroupEgress(
    SecurityGroupIngress, type_name="AWS::EC2::SecurityGroupEgress", at_creation=["GroupId", *RULE]
):
    way = "egress"


class LaunchTemplate(
    Ec2,
    type_name="AWS::EC2::LaunchTemplate",
    name="LaunchTemplateName",
    at_creation=["LaunchTemplateData", "VersionDescription", "TagSpecifications"],
    volatile=["LatestVersionNumber"],
):
    name_length = 128

    def create(self, p: Properties) -> str:
        made = self.ec2.create_launch_template(
            LaunchTemplateName=self.name(p),
            **{key: p[key] for key in self.at_creation if key in p and key != "LaunchTemplateName"},
        )
        return made["LaunchTemplate"]["LaunchTemplateId"]

    @applies("LaunchTemplateData")
    def data(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.ec2.create_launch_template_version(
            LaunchTemplateId=physical_id, LaunchTemplateData=new["LaunchTemplateData"]
        )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        template = self.ec2.describe_launch_templates(LaunchTemplateIds=[physical_id])["LaunchTemplates"][0]
        return {
            "LaunchTemplateId": physical_id,
            "LatestVersionNumber": str(template["LatestVersionNumber"]),
            "DefaultVersionNumber": str(template["DefaultVersionNumber"]),
        }

    def delete(self, physical_id: str, p: Properties) -> None:
        self.ec2.delete_launch_template(LaunchTemplateId=physical_id)


def _set_tags(ec2: Any, identifier: str, new: Properties, old: Properties) -> None:
    if removed_tags(new, old):
        ec2.delete_tags(Resources=[identifier], Tags=[{"Key": key} for key in removed_tags(new, old)])
    if tag_map(new):
        ec2.create_tags(Resources=[identifier], Tags=tag_list(tag_map(new)))


def _change_rules(ec2: Any, verb: str, way: str, group: str, rules: list[Properties]) -> dict[str, Any]:
    call = getattr(ec2, f"{verb}_security_group_{way}")
    return call(GroupId=group, IpPermissions=[_permission(rule) for rule in rules])


def _permission(rule: Properties) -> dict[str, Any]:
    permission: dict[str, Any] = {key: rule[key] for key in ("IpProtocol", "FromPort", "ToPort") if key in rule}
    permission["IpProtocol"] = str(permission["IpProtocol"])
    for name, (ranges, key) in RULE_RANGES.items():
        if name in rule:
            described = {"Description": rule["Description"]} if "Description" in rule else {}
            permission[ranges] = [{key: rule[name], **described}]
    return permission
