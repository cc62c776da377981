# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster that somebody else made: only what is missing is added, and only that is taken down again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import pytest
from foreign import CLUSTER, EXTERNAL, INTERNAL, Cluster, Vpc

INVENTORY = ("-i", "inventories/existing_cluster")
TAGS = ("--tags", "cluster,storage,addons")


@dataclass
class Adopted:
    """The cluster of this file, its network, and pictures from before the first run."""

    vpc: Vpc
    cluster: Cluster
    network: Any = None
    inside: Any = None
    left_over: Any = None


@pytest.fixture(scope="module")
def adopted(lab) -> Adopted:
    vpc = Vpc(lab.client("ec2"), lab.config["region"])
    vpc.set_dns(True)
    private = [vpc.subnet(zone, f"10.60.{net}.0/20", "nat", INTERNAL) for zone, net in (("a", 0), ("b", 16))]
    for zone, net in (("a", 64), ("b", 65)):
        vpc.subnet(zone, f"10.60.{net}.0/24", "internet", EXTERNAL)
    cluster = Cluster(lab, private)
    return Adopted(vpc, cluster)


def wait_until_quiet(adopted: Adopted) -> Any:
    """A picture of the cluster when its objects and nodes have come up."""
    last = None
    for _ in range(30):
        picture = adopted.cluster.picture()
        if picture == last:
            return picture
        last = picture
        time.sleep(2)
    raise AssertionError("the cluster does not come to rest")


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What was there before and is not, or is different."""
    return [name for name, record in before.items() if after.get(name) != record]


def stack_resources(lab, name: str) -> list[str]:
    found = lab.client("cloudformation").list_stack_resources(StackName=name)["StackResourceSummaries"]
    return sorted(each["LogicalResourceId"] for each in found)


def test_an_old_cluster_is_refused(site, lab, adopted):
    run = site.run("site", *INVENTORY, *TAGS, name="cluster-refused")
    assert run.code != 0
    assert "authenticationMode=API_AND_CONFIG_MAP" in run.output
    assert lab.client("cloudformation").describe_stacks()["Stacks"] == []


def test_only_what_is_missing_is_added(site, lab, adopted):
    adopted.cluster.admit_entries()
    adopted.cluster.install_by_hand()
    adopted.inside = wait_until_quiet(adopted)
    adopted.network, adopted.left_over = adopted.vpc.picture(), lab.left_over()

    run = site.run("site", *INVENTORY, *TAGS, name="cluster-first").ok()
    told = " ".join(run.output.split())
    assert "so they are left alone: coredns, metrics-server, aws-load-balancer-controller" in told
    assert stack_resources(lab, "langfuse-additions") == ["Addonekspodidentityagent", "OidcProvider"]
    assert stack_resources(lab, "langfuse-nodegroups") == [
        "Langfuseclickhouse",
        "LangfuseclickhouseLaunchTemplate",
        "NodeRole",
    ]
    addons = [name for name in stack_resources(lab, "langfuse-addons") if name.startswith("Addon")]
    assert addons == ["Addonawsebscsidriver"]
    stacks = {each["StackName"] for each in lab.client("cloudformation").describe_stacks()["Stacks"]}
    assert stacks == {f"langfuse-{name}" for name in ("additions", "nodegroups", "storage", "addons")}


def test_what_others_made_is_as_it_was(adopted):
    assert differing(adopted.inside, adopted.cluster.picture()) == []
    assert adopted.vpc.picture() == adopted.network


def test_what_was_added_is_there(lab, adopted):
    now = adopted.cluster.picture()
    added = {name for name in now if name not in adopted.inside}
    assert {
        "addon eks-pod-identity-agent",
        "addon aws-ebs-csi-driver",
        "node group langfuse-clickhouse",
        "StorageClass /gp3",
        "Deployment cert-manager/cert-manager",
    } <= added
    assert [name for name in added if "load-balancer" in name] == []
    gp3 = now["StorageClass /gp3"]["metadata"]["annotations"]
    assert gp3["storageclass.kubernetes.io/is-default-class"] == "false"
    assert lab.client("eks").describe_cluster(name=CLUSTER)["cluster"]["version"] == "1.35"


def test_the_second_run_changes_nothing(site, adopted):
    run = site.run("site", *INVENTORY, *TAGS, name="cluster-second").ok()
    assert run.changed == 0, run.changed_tasks


# Helm made these namespaces, and others may have put something there since.
KEPT = {
    f"{kind}{name}" for name in ("cert-manager", "clickhouse-operator") for kind in ("Namespace /", "ServiceAccount ")
}


def test_the_teardown_takes_what_was_added_and_nothing_else(site, lab, adopted):
    gone = ("-e", "teardown_delete_data=true", "-e", "teardown_confirm=langfuse")
    site.run("teardown", *INVENTORY, *gone, name="cluster-teardown").ok()
    now = adopted.cluster.picture()
    assert differing(adopted.inside, now) == []
    assert adopted.vpc.picture() == adopted.network
    assert lab.left_over() == adopted.left_over
    assert {name.removesuffix("/default") for name in now if name not in adopted.inside} <= KEPT
