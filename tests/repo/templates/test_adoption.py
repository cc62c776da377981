# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles conclude about a VPC or a cluster that somebody else made."""

from __future__ import annotations

import pytest
import yaml
from conftest import builds

SUBNETS = ["subnet-0aaaaaaaaaaaaaaa1", "subnet-0aaaaaaaaaaaaaaa2"]
VPC = {"faults": [], "missing_tags": [], "tag_faults": [], "private_subnet_ids": SUBNETS, "public_subnet_ids": []}
ISSUER = "https://oidc.eks.ap-south-1.amazonaws.com/id/0123456789ABCDEF"
PROVIDER = "arn:aws:iam::123456789012:oidc-provider/" + ISSUER.removeprefix("https://")
TAINT = {"key": "dedicated", "value": "clickhouse", "effect": "NO_SCHEDULE"}
LABELS = {"nodegroup": "clickhouse", "dedicated": "clickhouse"}
ALL_ADDONS = ["vpc-cni", "kube-proxy", "eks-pod-identity-agent"]


def group(name="theirs", labels=None, taints=()):
    return {"name": name, "labels": labels or {}, "taints": list(taints)}


def node(labels=None, taints=(), ready="True"):
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "metadata": {"name": "n", "labels": labels or {}},
        "spec": {"taints": list(taints)},
        "status": {"conditions": conditions},
    }


def workload(name, labels=None):
    return {"metadata": {"name": name, "namespace": "anywhere", **({"labels": labels} if labels else {})}}


@pytest.fixture
def adopt(make_role):
    """A role in an existing cluster: what it has, then what the role's own stacks hold, then variables."""

    def make(role="cluster", groups=(), addons=(), nodes=(), workloads=(), own=(), provider=None, **more):
        cluster = {
            "name": "production",
            "arn": "arn:aws:eks:ap-south-1:123456789012:cluster/production",
            "status": "ACTIVE",
            "version": "1.36",
            "endpoint": "https://0123.eks.amazonaws.com",
            "certificate_authority_data": "LS0t",
            "cluster_security_group_id": "sg-1",
            "authentication_mode": "API",
            "oidc_issuer": ISSUER,
            "oidc_provider_arn": provider,
            "vpc_id": "vpc-0123456789abcdef0",
            "subnet_ids": ["subnet-3"],
            "node_groups": list(groups),
            "addons": [{"name": name} for name in addons],
        }
        found = {
            "cluster": cluster | more.pop("cluster", {}),
            "addon_builds": builds("vpc-cni", "kube-proxy", "eks-pod-identity-agent"),
        }
        stacks = {"langfuse-nodegroups": {"stack_resources": dict.fromkeys(own, "id")}}
        given = {
            "platform_existing_cluster": True,
            "platform_outputs": {"Endpoint": "https://0123", "OidcIssuerUrl": ISSUER, "VpcId": "vpc-0123456789abcdef0"}
            | {"PrivateSubnetIds": ",".join(SUBNETS)},
            "__platform_stacks": {"cloudformation": {}},
            "__platform_existing": found,
            "__platform_nodes": {"resources": list(nodes)},
            "__platform_workloads": {"results": [{"resources": list(workloads)}, {"resources": []}]},
            "__platform_own": {"results": [{"cloudformation": stacks}, {"cloudformation": {}}]},
            "__cluster_found": found,
            "__cluster_vpc": VPC,
        }
        return make_role(role, **(given | more))

    return make


def names(groups):
    return [each["name"] for each in groups]


MADE_GROUPS = {
    "an empty cluster": ({}, ["langfuse-clickhouse"]),
    "another group": ({"groups": [group(labels={"team": "x"})]}, ["langfuse-clickhouse"]),
    "a group with the labels alone": ({"groups": [group(labels=LABELS)]}, ["langfuse-clickhouse"]),
    "a group with the taint alone": ({"groups": [group(taints=[TAINT])]}, ["langfuse-clickhouse"]),
    "a group that offers both": ({"groups": [group(labels=LABELS | {"a": "b"}, taints=[TAINT])]}, []),
    "a node that offers both": ({"nodes": [node(LABELS, [TAINT | {"effect": "NoSchedule"}])]}, []),
    "a node with a taint without value": (
        {"nodes": [node(LABELS, [{"key": "dedicated", "effect": "NoSchedule"}])]},
        ["langfuse-clickhouse"],
    ),
    "ours": (
        {"groups": [group("langfuse-clickhouse", LABELS, [TAINT])], "own": ["Langfuseclickhouse"]},
        ["langfuse-clickhouse"],
    ),
    "ours with its node": (
        {
            "groups": [group("langfuse-clickhouse", LABELS, [TAINT])],
            "nodes": [
                node(
                    {**LABELS, "eks.amazonaws.com/nodegroup": "langfuse-clickhouse"}, [TAINT | {"effect": "NoSchedule"}]
                )
            ],
            "own": ["Langfuseclickhouse"],
        },
        ["langfuse-clickhouse"],
    ),
    "ours and a later one that offers both": (
        {
            "groups": [group("langfuse-clickhouse", LABELS, [TAINT]), group(labels=LABELS, taints=[TAINT])],
            "own": ["Langfuseclickhouse"],
        },
        ["langfuse-clickhouse"],
    ),
    "ours that a killed run has not begun": ({"own": ["NodeRole"]}, ["langfuse-clickhouse"]),
    "a foreign one of our name": ({"groups": [group("langfuse-clickhouse", LABELS, [TAINT])]}, []),
    "named groups": (
        {
            "groups": [group(labels=LABELS, taints=[TAINT]), group("two")],
            "cluster_node_groups": [{"name": "one"}, {"name": "two"}],
        },
        ["one"],
    ),
}


@pytest.mark.parametrize("name", MADE_GROUPS)
def test_node_groups_that_are_made(adopt, name):
    given, made = MADE_GROUPS[name]
    assert names(adopt(**given).value("__cluster_node_groups")) == made


def test_a_new_cluster_gets_all_groups(make_role):
    role = make_role("cluster", __cluster_found={"cluster": None})
    assert names(role.value("__cluster_node_groups")) == ["langfuse-nodes", "langfuse-clickhouse"]
    # No node has addresses yet.
    assert [each["max_size"] for each in role.value("__cluster_new_groups")] == [5, 1]


def test_groups_that_stand_need_no_addresses(make_role):
    found = {"cluster": {"node_groups": [group("langfuse-nodes")]}}
    assert names(make_role("cluster", __cluster_found=found).value("__cluster_new_groups")) == ["langfuse-clickhouse"]


def test_a_foreign_group_of_our_name_must_be_alike(adopt):
    role = adopt(groups=[group("langfuse-clickhouse", LABELS)])
    (fault,) = role.value("__cluster_adoption_faults")
    assert "lack the labels or taints of cluster_node_groups: langfuse-clickhouse." in fault


MADE_ADDONS = {
    "nothing there": ({}, ALL_ADDONS),
    "managed": ({"addons": ["vpc-cni"]}, ["kube-proxy", "eks-pod-identity-agent"]),
    "by hand": ({"workloads": [workload("aws-node"), workload("kube-proxy")]}, ["eks-pod-identity-agent"]),
    "ready nodes, so another network": ({"nodes": [node()]}, ["eks-pod-identity-agent"]),
    "nodes without a network": ({"nodes": [node(ready="False")]}, ALL_ADDONS),
    "all ours": (
        {"addons": ALL_ADDONS, "nodes": [node()], "own": ["Addonvpccni", "Addonkubeproxy", "Addonekspodidentityagent"]},
        ALL_ADDONS,
    ),
    "one ours": ({"addons": ALL_ADDONS, "own": ["Addonkubeproxy"]}, ["kube-proxy"]),
}


@pytest.mark.parametrize("name", MADE_ADDONS)
def test_addons_that_are_made(adopt, name):
    given, made = MADE_ADDONS[name]
    assert adopt(**given).value("__cluster_made_addons") == made


@pytest.mark.parametrize(
    ("provider", "own", "makes"),
    [(None, [], True), (PROVIDER, [], False), (PROVIDER, ["OidcProvider"], True)],
    ids=["absent", "theirs", "ours"],
)
def test_the_oidc_provider(adopt, provider, own, makes):
    assert adopt(provider=provider, own=own).value("__cluster_makes_provider") is makes


def test_the_stack_of_additions(adopt, lint):
    role = adopt(addons=["vpc-cni"], workloads=[workload("kube-proxy")])
    assert lint(role.body("additions")) == []
    resources = role.stack("additions")["Resources"]
    assert sorted(resources) == ["Addonekspodidentityagent", "OidcProvider"]
    assert resources["Addonekspodidentityagent"]["Properties"]["ResolveConflicts"] == "NONE"
    assert resources["OidcProvider"]["Properties"]["Url"] == ISSUER


def test_nothing_to_add(adopt):
    assert adopt(addons=ALL_ADDONS, provider=PROVIDER).value("__cluster_lacks") is False


def test_the_node_group_stack_of_an_existing_cluster_keeps_the_subnets(adopt, lint):
    role = adopt()
    assert lint(role.body("nodegroups")) == []
    outputs = role.stack("nodegroups")["Outputs"]
    assert outputs["PrivateSubnetIds"] == {"Value": ",".join(SUBNETS)}
    # An output cannot be empty.
    assert "PublicSubnetIds" not in outputs


def test_the_cluster_stack_in_an_existing_vpc_keeps_the_network(make_role, lint):
    vpc = VPC | {"public_subnet_ids": ["subnet-0bbbbbbbbbbbbbbb1"]}
    role = make_role("cluster", cluster_vpc_id="vpc-0123456789abcdef0", __cluster_vpc=vpc)
    assert lint(role.body("cluster")) == []
    outputs = role.stack("cluster")["Outputs"]
    assert {name: outputs[name]["Value"] for name in ("VpcId", "PrivateSubnetIds", "PublicSubnetIds")} == {
        "VpcId": "vpc-0123456789abcdef0",
        "PrivateSubnetIds": ",".join(SUBNETS),
        "PublicSubnetIds": "subnet-0bbbbbbbbbbbbbbb1",
    }
    assert "VpcId" not in make_role("cluster").stack("cluster")["Outputs"]


CLUSTER_FAULTS = {
    "none": ({}, None),
    "being made": ({"cluster": {"status": "UPDATING"}}, "Cluster langfuse is UPDATING: run again when it is ACTIVE."),
    "no access entries": (
        {"cluster": {"authentication_mode": "CONFIG_MAP"}},
        "--access-config authenticationMode=API_AND_CONFIG_MAP",
    ),
    "too old": ({"cluster": {"version": "1.29"}}, "has Kubernetes 1.29: this collection knows "),
    "newer than this collection": ({"cluster": {"version": "1.99"}}, "Upgrade the cluster, or this collection."),
    # What worked yesterday works on: its owner pays AWS for longer support, or lets AWS upgrade it.
    "out of standard support": ({"__cluster_kubernetes_versions": {"1.36": "2020-01-01"}}, None),
    "absent": (
        {"__platform_existing": {"cluster": None}, "__cluster_found": {"cluster": None}, "platform_outputs": {}},
        "there is no EKS cluster langfuse in account 123456789012, region ap-south-1",
    ),
    "made by us": (
        {"__platform_stacks": {"cloudformation": {"langfuse-cluster": {}}}},
        "stack langfuse-cluster stands, which made a cluster",
    ),
}


@pytest.mark.parametrize("name", CLUSTER_FAULTS)
def test_faults_of_an_existing_cluster(adopt, name):
    given, part = CLUSTER_FAULTS[name]
    faults = adopt(**given).value("__cluster_adoption_faults")
    assert [part in fault for fault in faults] == ([True] if part else []), faults


def test_all_faults_at_once(adopt):
    vpc = VPC | {"faults": ["DNS is off"], "tag_faults": ["a tag is missing"]}
    old = {"authentication_mode": "CONFIG_MAP", "status": "UPDATING", "version": "1.29"}
    role = adopt(cluster=old, __cluster_vpc=vpc)
    assert len(role.value("__cluster_adoption_faults")) == 6
    fixing = adopt(cluster=old, __cluster_vpc=vpc, cluster_vpc_fix_tags=True)
    assert len(fixing.value("__cluster_adoption_faults")) == 4


def stacks(**outputs):
    return {"cloudformation": {name.replace("_", "-"): {"stack_outputs": each} for name, each in outputs.items()}}


IN_VPC_1 = stacks(langfuse_cluster={"VpcId": "vpc-00000001", "PrivateSubnetIds": "subnet-1,subnet-2"})


@pytest.mark.parametrize(
    ("vpc", "standing", "part"),
    [
        ("vpc-00000001", stacks(), None),
        ("vpc-00000001", IN_VPC_1, None),
        ("vpc-00000001", stacks(langfuse_network={}), "the network of this platform stands (stack langfuse-network)"),
        ("vpc-00000002", IN_VPC_1, "is in vpc-00000001: a cluster stays in its VPC."),
    ],
)
def test_a_stand_stays_in_its_vpc(make_role, vpc, standing, part):
    role = make_role("cluster", cluster_vpc_id=vpc, __platform_stacks=standing, __cluster_vpc=VPC)
    faults = role.value("__cluster_adoption_faults")
    assert [part in fault for fault in faults] == ([True] if part else []), faults
    assert role.value("__cluster_leaving_faults") == []


@pytest.mark.parametrize(
    ("standing", "part"),
    [
        (stacks(), None),
        (stacks(langfuse_cluster={}, langfuse_network={}), None),
        (IN_VPC_1, "Stack langfuse-cluster was made in VPC vpc-00000001, and cluster_vpc_id is empty"),
        (stacks(langfuse_additions={}), "Stack langfuse-additions belongs to an existing cluster"),
    ],
)
def test_what_was_adopted_is_not_left(make_role, standing, part):
    faults = make_role("cluster", __platform_stacks=standing).value("__cluster_leaving_faults")
    assert [part in fault for fault in faults] == ([True] if part else []), faults


def test_a_run_keeps_the_subnets_of_the_one_before(make_role):
    role = make_role("cluster", cluster_vpc_id="vpc-00000001", __platform_stacks=IN_VPC_1)
    assert role.value("__cluster_recorded_subnets") == {"private": ["subnet-1", "subnet-2"], "public": []}


BAD_VARIABLES = [
    ({"cluster_vpc_id": "vpc-1"}, "cluster_vpc_id is 'vpc-1': a VPC's id is allowed"),
    ({"cluster_vpc_id": "vpc-00000001", "platform_existing_cluster": True}, "an existing cluster has a VPC"),
    (
        {"cluster_vpc_id": "vpc-00000001", "cluster_private_subnet_ids": ["a"]},
        "cluster_public_subnet_ids hold a: ids of",
    ),
    (
        {
            "cluster_vpc_id": "vpc-00000001",
            "cluster_private_subnet_ids": ["subnet-00000001"],
            "cluster_public_subnet_ids": ["subnet-00000001"],
        },
        "name a subnet twice: subnet-00000001, subnet-00000001.",
    ),
    ({"cluster_public_subnet_ids": ["subnet-00000001"]}, "name subnets, and no VPC is adopted"),
    (
        {"cluster_vpc_id": "vpc-00000001", "cluster_vpc_cidr": "10.1.0.0/16", "cluster_nat_per_zone": True},
        "cluster_vpc_cidr, cluster_nat_per_zone say(s) what a new VPC is like",
    ),
    ({"platform_existing_cluster": True, "cluster_zone_count": 3}, "cluster_zone_count say(s) what a new VPC is like"),
]


@pytest.mark.parametrize(("given", "part"), BAD_VARIABLES)
def test_variables_that_cannot_be_used(make_role, given, part):
    (fault,) = make_role("cluster", **given).value("__cluster_faults")
    assert part in fault


@pytest.mark.parametrize(
    "given", [{"cluster_vpc_id": "vpc-00000001", "cluster_zone_count": "2"}, {"platform_existing_cluster": True}]
)
def test_variables_that_can(make_role, given):
    assert make_role("cluster", **given).value("__cluster_faults") == []


def test_settings_of_a_new_vpc_are_known_by_their_defaults(make_role):
    role = make_role("cluster")
    defaults = yaml.safe_load((role.path / "defaults/main.yml").read_text())
    known = role.value("__cluster_new_vpc")
    assert known == {name: defaults[name] for name in known}


def test_an_existing_cluster_gives_the_outputs_of_one_that_is_made(adopt):
    made = adopt(
        "platform", cluster_private_subnet_ids=["subnet-1", "subnet-2"], cluster_public_subnet_ids=["subnet-9"]
    )
    assert made.value("__platform_existing_outputs") == {
        "ClusterName": "production",
        "ClusterArn": "arn:aws:eks:ap-south-1:123456789012:cluster/production",
        "Endpoint": "https://0123.eks.amazonaws.com",
        "CertificateAuthorityData": "LS0t",
        "ClusterSecurityGroupId": "sg-1",
        "OidcIssuerUrl": ISSUER,
        "VpcId": "vpc-0123456789abcdef0",
        "PrivateSubnetIds": "subnet-1,subnet-2",
        "PublicSubnetIds": "subnet-9",
    }
    # A role that runs without the role cluster does not know its variables.
    outputs = adopt("platform", provider=PROVIDER).value("__platform_existing_outputs")
    assert (outputs["PrivateSubnetIds"], outputs["OidcProviderArn"]) == ("subnet-3", PROVIDER)


@pytest.mark.parametrize("cluster", [{"endpoint": None}, None])
def test_a_cluster_without_an_api_server_gives_none(adopt, cluster):
    found = {"cluster": cluster}
    assert adopt("platform", __platform_existing=found).value("__platform_existing_outputs") == {}


ADDONS_LEFT = {
    "nothing there": ({}, []),
    "managed": ({"addons": ["coredns"]}, ["coredns"]),
    "by hand": (
        {"workloads": [workload("ebs-csi-controller"), workload("metrics-server")]},
        ["aws-ebs-csi-driver", "metrics-server"],
    ),
    "ours": ({"addons": ["coredns"], "workloads": [workload("coredns")], "own": ["Addoncoredns"]}, []),
    "a new cluster": ({"platform_existing_cluster": False, "addons": ["coredns"]}, []),
}


@pytest.mark.parametrize("name", ADDONS_LEFT)
def test_addons_that_are_left_alone(adopt, name):
    given, left = ADDONS_LEFT[name]
    role = adopt("addons", **given)
    assert role.value("__addons_foreign_eks") == left
    made = [each for each in ("coredns", "aws-ebs-csi-driver", "metrics-server") if each not in left]
    assert list(role.value("__addons_made_eks")) == made


LB, CERT, OPERATOR = "aws-load-balancer-controller", "cert-manager", "clickhouse-operator"
THEIR_LB = workload("x", {"app.kubernetes.io/name": LB, "app.kubernetes.io/instance": "x"})
RELEASES = {
    "nothing there": ({}, [LB, CERT, OPERATOR]),
    "their load balancer controller": ({"workloads": [THEIR_LB]}, [CERT, OPERATOR]),
    "ours": ({"workloads": [THEIR_LB], "recorded": f"{LB},{CERT}"}, [LB, CERT, OPERATOR]),
    "their cert-manager": ({"workloads": [workload(CERT, {"app.kubernetes.io/name": CERT})]}, [LB, OPERATOR]),
    "another operator": (
        {"workloads": [workload(OPERATOR, {"app.kubernetes.io/name": "altinity-clickhouse-operator"}), workload("y")]},
        [LB, CERT, OPERATOR],
    ),
    "their operator": (
        {"workloads": [workload("z", {"app.kubernetes.io/name": OPERATOR, "control-plane": "controller-manager"})]},
        [LB, CERT],
    ),
}


@pytest.mark.parametrize("name", RELEASES)
def test_controllers_that_are_installed(adopt, name):
    given, installed = RELEASES[name]
    recorded = given.get("recorded", "")
    outputs = {"Endpoint": "https://0123", **({"ControllerReleases": recorded} if recorded else {})}
    role = adopt("addons", workloads=given.get("workloads", ()), platform_outputs=outputs)
    assert names(role.value("__addons_releases")) == installed
    assert sorted(role.value("__addons_own_releases")) == sorted(installed)
    # The teardown goes by the record alone.
    assert names(role.value("__addons_removed_releases")) == [each for each in recorded.split(",") if each]


def test_the_record_outlives_a_change_of_the_chart(adopt):
    outputs = {"Endpoint": "https://0123", "ControllerReleases": f"{LB},{CERT},{OPERATOR}"}
    role = adopt("addons", platform_chart_major=1, platform_outputs=outputs)
    assert role.value("__addons_own_releases") == [LB, CERT, OPERATOR]


def test_the_addons_stack_of_an_existing_cluster(adopt, lint):
    role = adopt("addons", addons=["coredns"], workloads=[THEIR_LB])
    assert lint(role.body("addons")) == []
    stack = role.stack("addons")
    addons = {name: each for name, each in stack["Resources"].items() if each["Type"] == "AWS::EKS::Addon"}
    assert sorted(addons) == ["Addonawsebscsidriver", "Addonmetricsserver"]
    assert {each["Properties"]["ResolveConflicts"] for each in addons.values()} == {"NONE"}
    assert stack["Outputs"]["ControllerReleases"] == {"Value": f"{CERT},{OPERATOR}"}


def storage_class(name, provisioner="ebs.csi.aws.com", **labels):
    return {
        "metadata": {
            "name": name,
            **({"labels": {f"app.kubernetes.io/{key}": value for key, value in labels.items()}} if labels else {}),
        },
        "provisioner": provisioner,
    }


OURS = {"part-of": "langfuse", "managed-by": "llmops.langfuse"}


@pytest.mark.parametrize(
    ("found", "kept", "outdated"),
    [
        ([], [], []),
        ([storage_class("gp2", "kubernetes.io/aws-ebs")], ["gp2"], []),
        ([storage_class("gp3"), storage_class("gp2", **OURS)], ["gp3"], ["gp2"]),
        ([storage_class("gp3", **{"part-of": "platform", "managed-by": "Helm"})], ["gp3"], []),
    ],
    ids=["none", "EKS's gp2", "their gp3", "their chart's gp3"],
)
def test_classes_of_an_existing_cluster(adopt, found, kept, outdated):
    role = adopt("storage", __storage_found={"resources": found})
    assert role.value("__storage_kept") == kept
    assert role.value("__storage_outdated") == outdated
    assert role.value("__storage_foreign") == []


@pytest.mark.parametrize(("given", "default"), [({}, "false"), ({"storage_default_class": True}, "true")])
def test_the_default_class_is_left_alone_unless_asked(adopt, given, default):
    gp3 = adopt("storage", **given).value("__storage_classes")[0]
    assert gp3["metadata"]["annotations"] == {"storageclass.kubernetes.io/is-default-class": default}
