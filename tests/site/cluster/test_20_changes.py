# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes of a standing cluster: an upgrade, another size, what would be replaced, what fails."""

from __future__ import annotations

import json
import re

import pytest

PLANNED = re.compile(r"Stack (langfuse-\S+): (.+?)(?:\n\n|\Z)", re.S)
NODES = {
    "name": "langfuse-nodes",
    "instance_type": "t4g.medium",
    "min_size": 2,
    "desired_size": 3,
    "max_size": 5,
    "labels": {"nodegroup": "langfuse"},
}
CLICKHOUSE = {
    "name": "langfuse-clickhouse",
    "instance_type": "r7g.xlarge",
    "min_size": 1,
    "desired_size": 1,
    "max_size": 1,
    "single_zone": True,
    "labels": {"nodegroup": "clickhouse", "dedicated": "clickhouse"},
    "taints": [{"key": "dedicated", "value": "clickhouse", "effect": "NO_SCHEDULE"}],
}
# Another size, and all in one zone.
SCALED = {"cluster_node_groups": [NODES | {"max_size": 8, "single_zone": True}, CLICKHOUSE]}


@pytest.fixture
def cluster(site):
    """Run role cluster with variables."""

    def run(*args: str, name: str, **variables):
        return site.run("site", "--tags", "cluster", "-e", json.dumps(variables), *args, name=name)

    return run


def planned(run) -> set[str]:
    """What check mode says it would do: "stack: Action Resource" each."""
    lines = re.findall(r"Stack langfuse-(\S+): (.*)", run.output.replace("\n    ", " "))
    return {f"{stack}: {' '.join(change.split()[:2])}" for stack, text in lines for change in text.split("; ")}


def done(lab, since) -> set[str]:
    """What AWS did to resources since a moment, in the same words."""
    verbs = {"CREATE_COMPLETE": "Add", "UPDATE_COMPLETE": "Modify", "DELETE_COMPLETE": "Remove"}
    cloudformation = lab.client("cloudformation")
    return {
        f"{stack.removeprefix('langfuse-')}: {verbs[event['ResourceStatus']]} {event['LogicalResourceId']}"
        for stack in ("langfuse-network", "langfuse-cluster", "langfuse-nodegroups")
        for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        if event["EventId"] not in since
        and event["ResourceStatus"] in verbs
        and event["ResourceType"] != "AWS::CloudFormation::Stack"
    }


def events(lab) -> set[str]:
    cloudformation = lab.client("cloudformation")
    stacks = [stack["StackName"] for stack in cloudformation.describe_stacks()["Stacks"]]
    return {
        event["EventId"]
        for stack in stacks
        for event in cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
    }


def test_an_older_version_is_refused(cluster, lab):
    before = events(lab)
    run = cluster(name="downgrade", cluster_kubernetes_version="1.34")
    assert run.code != 0
    assert "EKS takes no cluster back to an older version; set it to 1.35" in " ".join(run.output.split())
    assert events(lab) == before


def test_an_upgrade_does_what_check_mode_says_and_leaves_the_autoscaler_alone(cluster, lab):
    eks = lab.client("eks")
    eks.update_nodegroup_config(
        clusterName="langfuse", nodegroupName="langfuse-nodes", scalingConfig={"desiredSize": 4}
    )
    assert cluster(name="autoscaled", cluster_kubernetes_version="1.35").ok().changed == 0
    plan = planned(cluster("--check", name="upgrade-check", cluster_kubernetes_version="1.36").ok())
    assert plan == {
        "cluster: Modify Cluster",
        "cluster: Modify Addonkubeproxy",
        "nodegroups: Modify Langfusenodes",
        "nodegroups: Modify Langfuseclickhouse",
    }
    before = events(lab)
    cluster(name="upgrade", cluster_kubernetes_version="1.36").ok()
    assert done(lab, before) == plan
    assert eks.describe_cluster(name="langfuse")["cluster"]["version"] == "1.36"
    assert eks.describe_addon(clusterName="langfuse", addonName="kube-proxy")["addon"]["addonVersion"].startswith(
        "v1.36."
    )
    assert {group["version"] for group in lab.node_groups().values()} == {"1.36"}
    assert lab.node_groups()["langfuse-nodes"]["scalingConfig"]["desiredSize"] == 4


def test_the_control_plane_goes_first(lab):
    cloudformation = lab.client("cloudformation")

    def last(stack: str, resource: str):
        found = cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return next(
            e["Timestamp"]
            for e in found
            if (e["LogicalResourceId"], e["ResourceStatus"]) == (resource, "UPDATE_COMPLETE")
        )

    assert last("langfuse-cluster", "Cluster") < last("langfuse-nodegroups", "Langfusenodes")


def test_another_size_changes_that_group_only(cluster, lab):
    variables = {"cluster_node_groups": [NODES | {"max_size": 8}, CLICKHOUSE]}
    plan = planned(cluster("--check", name="scale-check", **variables).ok())
    assert plan == {"nodegroups: Modify Langfusenodes"}
    before = events(lab)
    cluster(name="scale", **variables).ok()
    assert done(lab, before) == plan
    assert lab.node_groups()["langfuse-nodes"]["scalingConfig"] == {"minSize": 2, "desiredSize": 4, "maxSize": 8}
    assert cluster(name="scale-again", **variables).ok().changed == 0


def test_a_group_is_not_replaced_unless_it_is_allowed(cluster, lab):
    variables = SCALED
    before, arn = events(lab), lab.node_groups()["langfuse-nodes"]["nodegroupArn"]
    run = cluster(name="replace-refused", **variables)
    assert run.code != 0
    message = " ".join(run.output.split())
    assert "Modify Langfusenodes (AWS::EKS::Nodegroup), replaced because of Subnets" in message
    assert "platform_allow_replacement: [nodegroups/Langfusenodes]" in message
    assert events(lab) == before

    cluster(name="replace", platform_allow_replacement=["nodegroups/Langfusenodes"], **variables).ok()
    assert lab.node_groups()["langfuse-nodes"]["nodegroupArn"] != arn
    assert len(lab.node_groups()["langfuse-nodes"]["subnets"]) == 1


def test_a_subnet_does_not_go(cluster, lab):
    cluster(name="three-zones", cluster_zone_count=3, **SCALED).ok()
    before = events(lab)
    run = cluster(name="two-zones", cluster_zone_count=2, **SCALED)
    assert run.code != 0
    message = " ".join(run.output.split())
    assert "Remove PrivateSubnet3 (AWS::EC2::Subnet)" in message
    assert "platform_allow_replacement: [network/" in message
    assert events(lab) == before


def test_a_failed_stack_says_its_first_cause_and_mends_itself(cluster, lab):
    variables = {"cluster_zone_count": 3, **SCALED}
    creator = lab.client("sts").get_caller_identity()["Arn"]
    run = cluster(name="failing", cluster_admin_principal_arns=[creator], **variables)
    assert run.code != 0
    message = " ".join(run.output.split())
    assert re.search(
        r"Stack langfuse-cluster failed: AdminAccess\w+ \(AWS::EKS::AccessEntry\): .*already in use", message
    ), message[-2000:]
    assert cluster(name="mended", **variables).ok().changed == 0
