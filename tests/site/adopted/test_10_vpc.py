# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster in a VPC that somebody else made: all that is wrong with it, its tags, two runs and the teardown."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

import pytest
from foreign import EXTERNAL, Vpc

INTERNAL_TAG, EXTERNAL_TAG = "kubernetes.io/role/internal-elb", "kubernetes.io/role/elb"


@dataclass
class Network:
    """The VPC of this file, its good subnets, and what AWS held before the first run."""

    vpc: Vpc
    private: list[str]
    public: list[str]
    left_over: list[str]

    @property
    def variables(self) -> tuple[str, str]:
        """Public subnets are left to be found by their tags."""
        return "-e", json.dumps({"cluster_vpc_id": self.vpc.id, "cluster_private_subnet_ids": self.private})


@pytest.fixture(scope="module")
def network(lab) -> Network:
    lab.up()
    vpc = Vpc(lab.client("ec2"), lab.config["region"])
    private = [vpc.subnet("b", "10.60.0.0/20"), vpc.subnet("a", "10.60.16.0/20")]
    public = [vpc.subnet(zone, f"10.60.{net}.0/24", "internet", EXTERNAL) for zone, net in (("b", 64), ("a", 65))]
    return Network(vpc, private, public, lab.left_over())


def stacks(lab) -> set[str]:
    found = lab.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"] for stack in found}


def test_every_fault_is_told_at_once_and_nothing_is_changed(site, lab, network):
    vpc, other = network.vpc, Vpc(lab.client("ec2"), lab.config["region"], "10.60.0.0/16")
    vpc.set_dns(False)
    small, closed = vpc.subnet("a", "10.60.80.0/27"), vpc.subnet("a", "10.60.81.0/24", "nothing")
    foreign, absent = other.subnet("b", "10.60.82.0/24"), "subnet-0123456789abcdef0"
    unreachable = vpc.subnet("a", "10.60.83.0/24")
    named = {
        "cluster_vpc_id": vpc.id,
        "cluster_private_subnet_ids": [small, closed, foreign, absent],
        "cluster_public_subnet_ids": [network.public[1], unreachable],
    }
    before = vpc.picture()
    run = site.run("site", "--tags", "cluster", "-e", json.dumps(named), name="faults")
    assert run.code != 0
    told = run.output.split("fatal:")[1]
    expected = [
        f"EnableDnsSupport of VPC {vpc.id} is off",
        f"--vpc-id {vpc.id} --enable-dns-hostnames",
        f"Private subnet {foreign} is in VPC {other.id}: name subnets of one VPC.",
        f"Private subnet {absent} is not in this account and region: correct its id.",
        "The private subnets are all in ap-south-1a: EKS and load balancers need 2 zones",
        "The public subnets are all in ap-south-1a",
        f"Private subnet {closed} (route table {vpc.tables['nothing']}) has no way out: add a route",
        f"Public subnet {unreachable} (route table {vpc.tables['nat']}) does not send 0.0.0.0/0 to an internet gateway",
        f"Private subnet {small} (ap-south-1a, 10.60.80.0/27) has 27 free addresses and 128 are needed",
        *(f"--resources {each} --tags Key={INTERNAL_TAG},Value=1" for each in (small, closed)),
        f"Subnet {unreachable} lacks the tag {EXTERNAL_TAG}=1",
        "cluster_vpc_fix_tags",
    ]
    assert [each for each in expected if each not in told] == [], told
    assert len(re.findall(r"^ +- ", told, re.M)) == len(expected), told
    assert stacks(lab) == set()
    assert vpc.picture() == before
    vpc.set_dns(True)


def test_check_mode_foretells_the_run(site, lab, network):
    before, tags = network.vpc.picture(), network.vpc.tags()
    fixing = ("--tags", "cluster", *network.variables, "-e", "cluster_vpc_fix_tags=true")
    check = site.run("site", "--check", *fixing, name="vpc-check").ok()
    assert network.vpc.picture() == before
    assert stacks(lab) == set()

    run = site.run("site", *fixing, name="vpc-first").ok()
    tagging = re.compile(r"^changed: .*=> \(item=(subnet-\S+ \S+)\)", re.M)
    assert tagging.findall(check.output) == tagging.findall(run.output) != []
    assert set(re.findall(r"Stack (\S+) would be created", check.output)) == stacks(lab)
    assert stacks(lab) == {"langfuse-cluster", "langfuse-nodegroups"}
    assert network.vpc.tags() == {
        each: {**old, INTERNAL_TAG: "1"} if each in network.private else old for each, old in tags.items()
    }


def test_it_is_there_and_nowhere_else(lab, network):
    eks = lab.client("eks")
    cluster = eks.describe_cluster(name="langfuse")["cluster"]["resourcesVpcConfig"]
    assert (cluster["vpcId"], cluster["subnetIds"]) == (network.vpc.id, network.private)
    group = eks.describe_nodegroup(clusterName="langfuse", nodegroupName="langfuse-clickhouse")["nodegroup"]
    assert group["subnets"] == network.private[:1]
    outputs = lab.client("cloudformation").describe_stacks(StackName="langfuse-cluster")["Stacks"][0]["Outputs"]
    values = {each["OutputKey"]: each["OutputValue"] for each in outputs}
    assert values["VpcId"] == network.vpc.id
    assert values["PrivateSubnetIds"] == ",".join(network.private)
    # By their zones.
    assert values["PublicSubnetIds"].split(",")[-1] == network.public[0]


def test_the_second_run_changes_nothing(site, network):
    run = site.run("site", "--tags", "cluster", *network.variables, name="vpc-second").ok()
    assert run.changed == 0, run.changed_tasks


def test_the_vpc_cannot_be_left(site, network):
    run = site.run("site", "--tags", "cluster", name="vpc-left")
    assert run.code != 0
    assert f"Stack langfuse-cluster was made in VPC {network.vpc.id}, and cluster_vpc_id is empty" in run.output


def test_the_teardown_leaves_the_vpc_with_its_tags(site, lab, network):
    before = network.vpc.picture()
    gone = ("-e", "teardown_delete_data=true", "-e", "teardown_confirm=langfuse")
    site.run("teardown", *network.variables, *gone, name="vpc-teardown").ok()
    assert network.vpc.picture() == before
    assert stacks(lab) == set()
    # The VPC of the first test came later.
    assert [each for each in network.left_over if each not in lab.left_over()] == []
