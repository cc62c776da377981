# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VPC and a cluster that somebody else made, and pictures of them to compare."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from kubernetes import config, dynamic

CLUSTER = "production"
INTERNAL, EXTERNAL = ({"Key": f"kubernetes.io/role/{role}", "Value": "1"} for role in ("internal-elb", "elb"))
# What changes without anybody's doing.
NOISE = ("AvailableIpAddressCount", "ResponseMetadata", "modifiedAt", "health", "status")


@dataclass
class Vpc:
    """A VPC with an internet gateway and a NAT gateway, and what is made in it."""

    ec2: Any
    region: str
    cidr: str = "10.60.0.0/16"
    tables: dict[str, str] = field(default_factory=dict)  # by what their default route leads to

    def __post_init__(self) -> None:
        self.id = self.ec2.create_vpc(CidrBlock=self.cidr)["Vpc"]["VpcId"]
        gateway = self.ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
        self.ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=self.id)
        self.tables["internet"] = self._table(GatewayId=gateway)
        self.tables["nothing"] = self._table()
        address = self.ec2.allocate_address(Domain="vpc")["AllocationId"]
        outside = self.subnet("a", "10.60.255.0/24", "internet")
        nat = self.ec2.create_nat_gateway(SubnetId=outside, AllocationId=address)["NatGateway"]["NatGatewayId"]
        # The main table: subnets without an association of their own have it.
        (main,) = self.ec2.describe_route_tables(
            Filters=[{"Name": "vpc-id", "Values": [self.id]}, {"Name": "association.main", "Values": ["true"]}]
        )["RouteTables"]
        self.tables["nat"] = main["RouteTableId"]
        self.ec2.create_route(RouteTableId=main["RouteTableId"], DestinationCidrBlock="0.0.0.0/0", NatGatewayId=nat)

    def _table(self, **route: str) -> str:
        table = self.ec2.create_route_table(VpcId=self.id)["RouteTable"]["RouteTableId"]
        if route:
            self.ec2.create_route(RouteTableId=table, DestinationCidrBlock="0.0.0.0/0", **route)
        return table

    def subnet(self, zone: str, cidr: str, way: str = "nat", *tags: dict[str, str]) -> str:
        """Make a subnet whose default route leads to `way`."""
        made = self.ec2.create_subnet(VpcId=self.id, CidrBlock=cidr, AvailabilityZone=self.region + zone)["Subnet"]
        if way != "nat":
            self.ec2.associate_route_table(SubnetId=made["SubnetId"], RouteTableId=self.tables[way])
        if tags:
            self.ec2.create_tags(Resources=[made["SubnetId"]], Tags=list(tags))
        return made["SubnetId"]

    def set_dns(self, on: bool) -> None:
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            self.ec2.modify_vpc_attribute(VpcId=self.id, **{name: {"Value": on}})

    def picture(self) -> Any:
        """All of it as EC2 describes it, but for what changes by itself."""
        of_vpc = {"Filters": [{"Name": "vpc-id", "Values": [self.id]}]}
        attributes = [
            self.ec2.describe_vpc_attribute(VpcId=self.id, Attribute=name)
            for name in ("enableDnsSupport", "enableDnsHostnames")
        ]
        return plain(
            [
                self.ec2.describe_vpcs(VpcIds=[self.id]),
                attributes,
                self.ec2.describe_subnets(**of_vpc),
                self.ec2.describe_route_tables(**of_vpc),
                self.ec2.describe_internet_gateways(
                    Filters=[{"Name": "attachment.vpc-id", "Values": [self.id]}],
                ),
                self.ec2.describe_nat_gateways(Filter=of_vpc["Filters"]),
            ]
        )

    def tags(self) -> dict[str, dict[str, str]]:
        """The tags of its subnets."""
        subnets = self.ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [self.id]}])["Subnets"]
        return {each["SubnetId"]: {tag["Key"]: tag["Value"] for tag in each.get("Tags", [])} for each in subnets}


def plain(value: Any) -> Any:
    """A picture as JSON has it, sorted, without what changes by itself."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in sorted(value.items()) if key not in NOISE}
    if isinstance(value, list):
        return sorted((plain(each) for each in value), key=json.dumps)
    return value if isinstance(value, (bool, int, float, type(None))) else str(value)


class Cluster:
    """A cluster: two EKS add-ons, others installed by hand, a node group, and a load balancer controller."""

    addons = ("vpc-cni", "kube-proxy")
    by_hand = ("coredns", "metrics-server")
    groups = ("shared",)

    def __init__(self, lab: Any, subnets: list[str]) -> None:
        self.eks, self.iam = lab.client("eks"), lab.client("iam")
        self.lab = lab
        role = self._role("foreign-cluster", "eks.amazonaws.com")
        self.eks.create_cluster(
            name=CLUSTER,
            version="1.35",
            roleArn=role,
            resourcesVpcConfig={"subnetIds": subnets},
            accessConfig={"authenticationMode": "CONFIG_MAP"},
        )
        for addon in self.addons:
            self.eks.create_addon(clusterName=CLUSTER, addonName=addon)
        self.eks.create_nodegroup(
            clusterName=CLUSTER,
            nodegroupName="shared",
            subnets=subnets,
            nodeRole=self._role("foreign-nodes", "ec2.amazonaws.com"),
            instanceTypes=["m7g.xlarge"],
            amiType="AL2023_ARM_64_STANDARD",
            scalingConfig={"minSize": 2, "desiredSize": 2, "maxSize": 2},
            labels={"team": "others"},
        )

    def _role(self, name: str, service: str) -> str:
        trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
        return self.iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]

    def admit_entries(self) -> None:
        """Let the cluster use access entries beside its old list."""
        access = {"authenticationMode": "API_AND_CONFIG_MAP"}
        self.eks.update_cluster_config(name=CLUSTER, accessConfig=access)

    @property
    def api(self) -> dynamic.DynamicClient:
        """The cluster's API, as its administrator."""
        return dynamic.DynamicClient(config.new_client_from_config(str(self.lab.dir / "admin.kubeconfig")))

    def install_by_hand(self) -> None:
        """What others run in it without EKS's knowing."""
        for name in self.by_hand:
            self.create(workload("Deployment", name, "kube-system", {"k8s-app": name}))
        controller = {"app.kubernetes.io/name": "aws-load-balancer-controller", "app.kubernetes.io/instance": "theirs"}
        self.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ingress"}})
        self.create(workload("Deployment", "theirs-aws-load-balancer-controller", "ingress", controller))
        self.create(
            {
                "apiVersion": "storage.k8s.io/v1",
                "kind": "StorageClass",
                "metadata": {
                    "name": "fast",
                    "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
                },
                "provisioner": "ebs.csi.aws.com",
                "parameters": {"type": "io2", "iops": "16000"},
            }
        )

    def create(self, body: dict[str, Any]) -> None:
        kind = self.api.resources.get(api_version=body["apiVersion"], kind=body["kind"])
        kind.create(body=body, namespace=body["metadata"].get("namespace"))

    def picture(self) -> dict[str, Any]:
        """What is in it, by name: EKS's records, and Kubernetes objects without their status."""
        found = {"cluster": plain(self.eks.describe_cluster(name=CLUSTER))}
        for addon in self.eks.list_addons(clusterName=CLUSTER)["addons"]:
            found[f"addon {addon}"] = plain(self.eks.describe_addon(clusterName=CLUSTER, addonName=addon))
        for group in self.eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]:
            record = self.eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=group)
            found[f"node group {group}"] = plain(record)
        for entry in self.eks.list_access_entries(clusterName=CLUSTER)["accessEntries"]:
            record = self.eks.describe_access_entry(clusterName=CLUSTER, principalArn=entry)
            found[f"access entry {entry}"] = plain(record)
        for version, kind in KINDS:
            for each in self.api.resources.get(api_version=version, kind=kind).get().to_dict()["items"]:
                metadata = each["metadata"]
                name = f"{kind} {metadata.get('namespace', '')}/{metadata['name']}"
                found[name] = plain(each | {"metadata": without(metadata, "resourceVersion", "managedFields")})
        return found


KINDS = [
    ("v1", "Namespace"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "DaemonSet"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
]


def without(mapping: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def workload(kind: str, name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """A Deployment or DaemonSet of one pod template."""
    container = {"name": "main", "image": "registry.example.com/main:1"}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
