# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything in AWS says whose it is: the platform, the role that made it, and what platform_tags say."""

from __future__ import annotations

from collections.abc import Iterator

TAGS = {"app": "langfuse", "environment": "lab", "platform": "langfuse", "cost-centre": "4711"}


def test_everything_is_tagged(site, lab):
    arguments = ["--tags", "cluster,storage", "-e", '{"platform_tags": {"cost-centre": "4711"}}']
    more = ["-e", "storage_s3_access=user", "-e", "storage_versioning=true", "-e", "cluster_zone_count=3"]
    site.run("site", *arguments, *more, name="tags").ok()
    found = dict(tagged(lab))
    kinds = {name.split()[0] for name in found}
    assert kinds >= {"vpc", "subnet", "natgateway", "elastic-ip", "route-table", "internet-gateway", "cluster", "role"}
    wrong = {name: tags for name, tags in found.items() if not TAGS.items() <= tags.items()}
    assert wrong == {}
    assert {tags["role"] for tags in found.values()} == {"cluster", "storage"}


def tagged(lab) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and tags of each thing that the stacks made and that bears tags."""
    ec2, eks, iam = lab.client("ec2"), lab.client("eks"), lab.client("iam")
    own = {each["VpcId"] for each in ec2.describe_vpcs()["Vpcs"] if not each["IsDefault"]}
    for kind, items, key in (
        ("vpc", ec2.describe_vpcs()["Vpcs"], "VpcId"),
        ("subnet", ec2.describe_subnets()["Subnets"], "SubnetId"),
        ("natgateway", ec2.describe_nat_gateways()["NatGateways"], "NatGatewayId"),
    ):
        yield from ((f"{kind} {each[key]}", pairs(each)) for each in items if each["VpcId"] in own)
    for table in ec2.describe_route_tables()["RouteTables"]:
        main = any(each.get("Main") for each in table["Associations"])
        if table["VpcId"] in own and not main:
            yield f"route-table {table['RouteTableId']}", pairs(table)
    for gateway in ec2.describe_internet_gateways()["InternetGateways"]:
        if {each["VpcId"] for each in gateway["Attachments"]} & own:
            yield f"internet-gateway {gateway['InternetGatewayId']}", pairs(gateway)
    yield from ((f"elastic-ip {a['AllocationId']}", pairs(a)) for a in ec2.describe_addresses()["Addresses"])
    yield "cluster langfuse", eks.describe_cluster(name="langfuse")["cluster"]["tags"]
    yield from ((f"nodegroup {name}", group["tags"]) for name, group in lab.node_groups().items())
    for addon in eks.list_addons(clusterName="langfuse")["addons"]:
        yield f"addon {addon}", eks.describe_addon(clusterName="langfuse", addonName=addon)["addon"]["tags"]
    for role in iam.list_roles()["Roles"]:
        if role["RoleName"].startswith("langfuse-"):
            yield f"role {role['RoleName']}", pairs(iam.list_role_tags(RoleName=role["RoleName"]))
    bucket = lab.client("s3").get_bucket_tagging(Bucket=lab.bucket)
    yield f"bucket {lab.bucket}", {each["Key"]: each["Value"] for each in bucket["TagSet"]}


def pairs(item: dict) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}
