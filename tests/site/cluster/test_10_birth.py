# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's first hour: what a failed creation left, a run that dies while AWS works, and one that waits for it."""

from __future__ import annotations

import json

from runs import kill, wait_until_said

CLUSTER = ["--tags", "cluster", "-e", "cluster_kubernetes_version=1.35"]
MAKING = "Cluster (AWS::EKS::Cluster) CREATE_IN_PROGRESS"
BROKEN = {
    "Resources": {
        "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": "alias/none", "TopicName": "a b"}}
    }
}


def statuses(lab) -> dict[str, str]:
    stacks = lab.client("cloudformation").describe_stacks()["Stacks"]
    return {stack["StackName"]: stack["StackStatus"] for stack in stacks}


def test_lab_starts_with_a_stack_whose_creation_failed(lab):
    lab.up()
    lab.client("cloudformation").create_stack(StackName="langfuse-network", TemplateBody=json.dumps(BROKEN))
    assert statuses(lab) == {"langfuse-network": "ROLLBACK_COMPLETE"}


def test_a_run_is_killed_while_aws_makes_the_cluster(site, lab):
    lab.slow_down({"AWS::EKS::Cluster": 1800})
    process, log = site.start("site", *CLUSTER, name="killed")
    wait_until_said(process, log, MAKING)
    kill(process)
    assert statuses(lab)["langfuse-cluster"] == "CREATE_IN_PROGRESS"


def test_the_next_run_waits_for_aws_and_says_for_what(site, lab):
    process, log = site.start("site", *CLUSTER, name="after-killed")
    wait_until_said(process, log, MAKING)
    lab.slow_down({})
    assert process.wait(timeout=900) == 0, log.read_text()[-3000:]
    assert set(statuses(lab).values()) <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
    protected = {
        stack["StackName"]: stack["EnableTerminationProtection"]
        for stack in lab.client("cloudformation").describe_stacks()["Stacks"]
    }
    assert protected == {"langfuse-network": True, "langfuse-cluster": True, "langfuse-nodegroups": True}
    cluster = lab.client("eks").describe_cluster(name="langfuse")["cluster"]
    assert (cluster["version"], cluster["deletionProtection"]) == ("1.35", True)


def test_second_run_changes_nothing(site):
    run = site.run("site", *CLUSTER, name="second").ok()
    assert run.changed == 0, run.changed_tasks
