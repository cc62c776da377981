# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible starts it, with AWS's answers given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.llmops.langfuse.plugins.modules import eks_vpc_info
from botocore.stub import Stubber

REGION = "ap-south-1"
OF_VPC = {"Filters": [{"Name": "vpc-id", "Values": ["vpc-1"]}]}
MAIN_TABLE = {
    "RouteTableId": "rtb-1",
    "Associations": [{"Main": True}],
    "Routes": [{"DestinationCidrBlock": "0.0.0.0/0", "NatGatewayId": "nat-1", "State": "active"}],
}

pytestmark = pytest.mark.usefixtures("no_aws_environment")


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("ec2", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(AnsibleAWSModule, "client", lambda self, service: client)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def subnet(number: int, zone: str, **more: Any) -> dict[str, Any]:
    tags = [{"Key": "kubernetes.io/role/internal-elb", "Value": "1"}]
    return {
        "SubnetId": f"subnet-{number}",
        "VpcId": "vpc-1",
        "AvailabilityZone": REGION + zone,
        "CidrBlock": f"10.0.{number}.0/24",
        "AvailableIpAddressCount": 200,
        "Tags": tags,
        **more,
    }


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run the module; returns its exit code as rc beside its answer."""
    given = {"region": REGION, "vpc_id": "vpc-1", "cluster_name": "langfuse", "zones": [REGION + "a", REGION + "b"]}
    with patch_module_args({**given, **arguments}), pytest.raises(SystemExit) as stopped:
        eks_vpc_info.main()
    return {"rc": stopped.value.code, **json.loads(capsys.readouterr().out)}


def test_what_is_asked_and_answered(ec2: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ec2.add_response("describe_vpcs", {"Vpcs": [{"VpcId": "vpc-1"}]}, OF_VPC)
    # On two pages.
    ec2.add_response("describe_subnets", {"Subnets": [subnet(2, "b")], "NextToken": "more"}, OF_VPC)
    ec2.add_response("describe_subnets", {"Subnets": [subnet(1, "a", Tags=[])]}, {**OF_VPC, "NextToken": "more"})
    for name, value in (("enableDnsSupport", True), ("enableDnsHostnames", False)):
        answer = {name[0].upper() + name[1:]: {"Value": value}}
        ec2.add_response("describe_vpc_attribute", answer, {"VpcId": "vpc-1", "Attribute": name})
    stranger = {"Filters": [{"Name": "subnet-id", "Values": ["subnet-8", "subnet-9"]}]}
    ec2.add_response("describe_subnets", {"Subnets": [subnet(9, "a", VpcId="vpc-9")]}, stranger)
    ec2.add_response("describe_route_tables", {"RouteTables": [MAIN_TABLE]}, OF_VPC)
    network = {"MaximumNetworkInterfaces": 3, "Ipv4AddressesPerInterface": 6}
    types = {"Filters": [{"Name": "instance-type", "Values": ["t4g.medium", "t5g.none"]}]}
    offer = {"InstanceType": "t4g.medium", "NetworkInfo": network}
    ec2.add_response("describe_instance_types", {"InstanceTypes": [offer]}, types)
    done = run(
        capsys,
        private_subnet_ids=["subnet-2", "subnet-1", "subnet-9", "subnet-8"],
        public_wanted=False,
        node_groups=[
            {"name": "nodes", "instance_type": "t4g.medium", "max_size": 5},
            {"name": "strange", "instance_type": "t5g.none", "max_size": 1},
            {"name": "huge", "instance_type": "t4g.medium", "max_size": 9, "single_zone": True},
        ],
    )
    assert (done["rc"], done["changed"]) == (0, False)
    assert (done["private_subnet_ids"], done["public_subnet_ids"]) == (["subnet-2", "subnet-1"], [])
    dns, elsewhere, nowhere, unknown, addresses = done["faults"]
    assert dns.endswith("aws ec2 modify-vpc-attribute --vpc-id vpc-1 --enable-dns-hostnames")
    assert elsewhere == "Private subnet subnet-9 is in VPC vpc-9: name subnets of one VPC."
    assert nowhere == "Private subnet subnet-8 is not in this account and region: correct its id."
    assert unknown == "Node group strange: AWS has no instance type t5g.none in this region; name another."
    assert addresses == (
        "Private subnet subnet-2 (ap-south-1b, 10.0.2.0/24) has 200 free addresses and 230 are needed (8 for a load "
        "balancer, 6 for the control plane, 54 for 3 node(s) of nodes with their pods, 162 for 9 node(s) of huge with "
        "their pods): name a larger subnet, or ask for fewer or smaller nodes."
    )
    assert done["missing_tags"] == [{"subnet_id": "subnet-1", "key": "kubernetes.io/role/internal-elb", "value": "1"}]
    assert done["tag_faults"] == [
        "Subnet subnet-1 lacks the tag kubernetes.io/role/internal-elb=1: "
        "aws ec2 create-tags --resources subnet-1 --tags Key=kubernetes.io/role/internal-elb,Value=1"
    ]


def test_a_vpc_that_is_not_there(ec2: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ec2.add_response("describe_vpcs", {"Vpcs": []}, OF_VPC)
    done = run(capsys)
    assert done["faults"] == [
        "VPC vpc-1 is not in this account and region: correct its id, the region or the credentials."
    ]
    assert done["private_subnet_ids"] == done["missing_tags"] == []


def test_a_denial_names_the_vpc(ec2: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ec2.add_client_error("describe_vpcs", "UnauthorizedOperation", "no ec2:DescribeVpcs")
    done = run(capsys)
    assert (done["rc"], done["failed"]) == (1, True)
    assert done["msg"].startswith(f"VPC vpc-1 in {REGION} could not be read: ")
