# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What AWS holds beyond what it had before the first run.

`python -m langfuse_lab.aws.left_over --lab-dir DIR` prints one line a thing ("stack langfuse-network") and exits 1 when
there is any. Every region's default VPC, the policies of AWS itself, what the lab planted at its start and KMS keys
that wait for their deletion do not count.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from langfuse_lab import config

Find = Callable[["Account"], Iterable[str]]
_CONFIG = Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30)


class Account:
    """An account in one region, as its administrator sees it."""

    def __init__(
        self, endpoint: str, region: str, access_key_id: str, secret_access_key: str, seed: dict[str, str]
    ) -> None:
        self.seed = seed
        self._session = boto3.Session(access_key_id, secret_access_key, region_name=region)
        self._endpoint = endpoint
        self._clients: dict[str, Any] = {}

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Yield the items under a key of all pages of an operation's answer."""
        client = self.client(service)
        if client.can_paginate(operation):
            for page in client.get_paginator(operation).paginate(**arguments):
                yield from page.get(key, [])
        else:
            yield from getattr(client, operation)(**arguments).get(key, [])

    def client(self, service: str) -> Any:
        """Return a boto3 client."""
        if service not in self._clients:
            self._clients[service] = self._session.client(service, endpoint_url=self._endpoint, config=_CONFIG)
        return self._clients[service]

    def vpcs(self) -> list[str]:
        """Return the ids of the VPCs that are not a region's default one."""
        return [vpc["VpcId"] for vpc in self.pages("ec2", "describe_vpcs", "Vpcs") if not vpc["IsDefault"]]


def left_over(account: Account) -> list[str]:
    """Return what is there, "kind name" each."""
    return [f"{kind} {name}" for kind, find in KINDS.items() for name in sorted(find(account))]


def _names(service: str, operation: str, key: str, name: str | None, **arguments: Any) -> Find:
    """Return a search for everything that an operation lists."""

    def find(account: Account) -> Iterable[str]:
        items = account.pages(service, operation, key, **arguments)
        return [item if name is None else item[name] for item in items]

    return find


def _in_own_vpcs(operation: str, key: str, name: str) -> Find:
    def find(account: Account) -> Iterable[str]:
        own = account.vpcs()
        return [item[name] for item in account.pages("ec2", operation, key) if item["VpcId"] in own]

    return find


def _security_groups(account: Account) -> Iterable[str]:
    groups = account.pages("ec2", "describe_security_groups", "SecurityGroups")
    return [f"{group['GroupId']} {group['GroupName']}" for group in groups if group["GroupName"] != "default"]


def _nat_gateways(account: Account) -> Iterable[str]:
    gateways = account.pages("ec2", "describe_nat_gateways", "NatGateways")
    return [gateway["NatGatewayId"] for gateway in gateways if gateway["State"] != "deleted"]


def _internet_gateways(account: Account) -> Iterable[str]:
    gateways = account.pages("ec2", "describe_internet_gateways", "InternetGateways")
    return [gateway["InternetGatewayId"] for gateway in gateways]


def _instances(account: Account) -> Iterable[str]:
    reservations = account.pages("ec2", "describe_instances", "Reservations")
    instances = [instance for reservation in reservations for instance in reservation["Instances"]]
    return [instance["InstanceId"] for instance in instances if instance["State"]["Name"] != "terminated"]


def _users(account: Account) -> Iterable[str]:
    users = account.pages("iam", "list_users", "Users")
    return [user["UserName"] for user in users if user["UserName"] != account.seed["user"]]


def _roles(account: Account) -> Iterable[str]:
    roles = account.pages("iam", "list_roles", "Roles")
    return [role["RoleName"] for role in roles if not role["Path"].startswith("/aws-service-role/")]


def _keys(account: Account) -> Iterable[str]:
    aliases = account.pages("kms", "list_aliases", "Aliases")
    of_aws = {alias.get("TargetKeyId") for alias in aliases if alias["AliasName"].startswith("alias/aws/")}
    for key in account.pages("kms", "list_keys", "Keys"):
        about = account.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        if about["KeyState"] != "PendingDeletion" and key["KeyId"] not in of_aws:
            yield key["KeyId"]


def _certificates(account: Account) -> Iterable[str]:
    certificates = account.pages("acm", "list_certificates", "CertificateSummaryList")
    return [c["CertificateArn"] for c in certificates if c["CertificateArn"] != account.seed["certificate_arn"]]


def _records(account: Account) -> Iterable[str]:
    zone = account.seed["hosted_zone_id"]
    records = account.pages("route53", "list_resource_record_sets", "ResourceRecordSets", HostedZoneId=zone)
    return [f"{record['Name']} {record['Type']}" for record in records if record["Type"] not in ("NS", "SOA")]


KINDS: dict[str, Find] = {
    "stack": _names("cloudformation", "describe_stacks", "Stacks", "StackName"),
    "eks cluster": _names("eks", "list_clusters", "clusters", None),
    "instance": _instances,
    "launch template": _names("ec2", "describe_launch_templates", "LaunchTemplates", "LaunchTemplateName"),
    "ebs volume": _names("ec2", "describe_volumes", "Volumes", "VolumeId"),
    "load balancer": _names("elbv2", "describe_load_balancers", "LoadBalancers", "LoadBalancerName"),
    "target group": _names("elbv2", "describe_target_groups", "TargetGroups", "TargetGroupName"),
    "vpc": Account.vpcs,
    "subnet": _in_own_vpcs("describe_subnets", "Subnets", "SubnetId"),
    "route table": _in_own_vpcs("describe_route_tables", "RouteTables", "RouteTableId"),
    "vpc endpoint": _names("ec2", "describe_vpc_endpoints", "VpcEndpoints", "VpcEndpointId"),
    "nat gateway": _nat_gateways,
    "elastic ip": _names("ec2", "describe_addresses", "Addresses", "AllocationId"),
    "network interface": _names("ec2", "describe_network_interfaces", "NetworkInterfaces", "NetworkInterfaceId"),
    "internet gateway": _internet_gateways,
    "security group": _security_groups,
    "iam role": _roles,
    "iam user": _users,
    "iam policy": _names("iam", "list_policies", "Policies", "PolicyName", Scope="Local"),
    "oidc provider": _names("iam", "list_open_id_connect_providers", "OpenIDConnectProviderList", "Arn"),
    "kms key": _keys,
    "bucket": _names("s3", "list_buckets", "Buckets", "Name"),
    "ssm parameter": _names("ssm", "describe_parameters", "Parameters", "Name"),
    "lambda function": _names("lambda", "list_functions", "Functions", "FunctionName"),
    "event rule": _names("events", "list_rules", "Rules", "Name"),
    "alarm": _names("cloudwatch", "describe_alarms", "MetricAlarms", "AlarmName"),
    "dashboard": _names("cloudwatch", "list_dashboards", "DashboardEntries", "DashboardName"),
    "topic": _names("sns", "list_topics", "Topics", "TopicArn"),
    "subscription": _names("sns", "list_subscriptions", "Subscriptions", "SubscriptionArn"),
    "queue": _names("sqs", "list_queues", "QueueUrls", None),
    "log group": _names("logs", "describe_log_groups", "logGroups", "logGroupName"),
    "certificate": _certificates,
    "dns record": _records,
}


def account_of(lab: config.Lab) -> Account:
    """Return the account of a running lab."""
    keys = json.loads((lab.state / "credentials.json").read_text())
    seed = json.loads((lab.state / "seed.json").read_text())
    return Account(f"http://{lab.address('aws')}", config.REGION, **keys, seed=seed)


def main() -> int:
    parser = argparse.ArgumentParser(prog="langfuse_lab.aws.left_over", description=__doc__)
    parser.add_argument("--lab-dir", type=Path, required=True, help="the folder of a running lab")
    lab = config.read(parser.parse_args().lab_dir.resolve())
    if lab is None:
        print("There is no lab in that folder.", file=sys.stderr)
        return 2
    found = left_over(account_of(lab))
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
