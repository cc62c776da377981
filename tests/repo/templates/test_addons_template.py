# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `addons` of role addons."""

from __future__ import annotations

import json

import pytest

INLINE_POLICY_CHARACTERS = 10_240  # IAM's limit for all inline policies of a role, white space not counted
SETS = {
    "defaults": {},
    "another namespace": {"platform_namespace": "observability"},
    "pinned add-ons": {
        "addons_eks_versions": {"coredns": "v1.13.1-eksbuild.1", "aws-ebs-csi-driver": "v1.52.1-eksbuild.1"}
    },
    "before the cluster": {"platform_outputs": {}},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("addons", **given).body("addons")) == []


@pytest.fixture
def roles(make_role, of_type):
    """The IAM roles that the given variables make."""
    return lambda **given: of_type(make_role("addons", **given).stack("addons"), "AWS::IAM::Role")


def statements(role):
    """The statements of a role's inline policies."""
    return [statement for policy in role.get("Policies", []) for statement in policy["PolicyDocument"]["Statement"]]


def as_list(value):
    """Policies write one as a text, several as a list."""
    return value if isinstance(value, list) else [value]


def test_policies_name_what_is_in_the_partition_of_the_region(roles):
    """IAM takes no policy that names what another partition has."""
    for partition in ("aws", "aws-us-gov"):
        caller = {"account": "123456789012", "arn": f"arn:{partition}:iam::123456789012:user/admin"}
        controller = roles(__platform_identity=caller)["LoadBalancerControllerRole"]
        resources = [each for statement in statements(controller) for each in as_list(statement["Resource"])]
        named = {each.split(":")[1] for each in resources if each != "*"}
        assert named == {partition}


def test_each_role_trusts_one_service_account_with_a_token_for_sts(make_role, roles):
    outputs = make_role("addons").variables["platform_outputs"]
    issuer = outputs["OidcIssuerUrl"].removeprefix("https://")
    accounts = {}
    for name, role in roles(platform_namespace="observability").items():
        [trust] = role["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Action"] == "sts:AssumeRoleWithWebIdentity"
        assert trust["Principal"] == {"Federated": outputs["OidcProviderArn"]}
        assert trust["Condition"].keys() == {"StringEquals"}
        claims = trust["Condition"]["StringEquals"]
        assert claims.keys() == {f"{issuer}:aud", f"{issuer}:sub"}
        assert claims[f"{issuer}:aud"] == "sts.amazonaws.com"
        accounts[name] = claims[f"{issuer}:sub"].removeprefix("system:serviceaccount:")
    assert accounts == {
        "EbsCsiRole": "kube-system:ebs-csi-controller-sa",
        "LoadBalancerControllerRole": "kube-system:aws-load-balancer-controller",
        "LangfuseS3Role": "observability:langfuse",
        "PvcMonitorRole": "observability:langfuse-pvc-monitor",
    }


def test_every_role_is_an_output(make_role, roles):
    outputs = make_role("addons").stack("addons")["Outputs"]
    del outputs["ControllerReleases"]
    assert outputs == {f"{name}Arn": {"Value": {"Fn::GetAtt": [name, "Arn"]}} for name in roles()}


def test_inline_policies_fit(roles):
    for role in roles().values():
        assert (
            sum(len(json.dumps(policy["PolicyDocument"], separators=(",", ":"))) for policy in role.get("Policies", []))
            <= INLINE_POLICY_CHARACTERS
        )


def test_langfuse_reaches_its_bucket_only(make_role, roles):
    policy = make_role("addons").variables["platform_outputs"]["BucketAccessPolicyArn"]
    assert roles()["LangfuseS3Role"]["ManagedPolicyArns"] == [policy]
    assert "Policies" not in roles()["LangfuseS3Role"]


def test_with_a_user_the_service_account_has_no_role(make_role):
    resources = make_role("addons", storage_s3_access="user").stack("addons")["Resources"]
    assert "LangfuseS3Role" not in resources


def test_every_add_on_has_a_build(make_role, of_type):
    """Without one EKS would leave it behind when Kubernetes moves on."""
    addons = of_type(make_role("addons").stack("addons"), "AWS::EKS::Addon").values()
    assert {addon["AddonVersion"] for addon in addons} == {"v1.2.0-eksbuild.1"}


def test_the_monitor_writes_its_own_metrics_only(roles):
    [statement] = statements(roles()["PvcMonitorRole"])
    assert statement["Action"] == "cloudwatch:PutMetricData"
    assert statement["Condition"] == {"StringEquals": {"cloudwatch:namespace": "LangfusePVC"}}


def test_the_load_balancer_controller_deletes_only_what_is_its_own(roles):
    # Listeners and rules have no tag that AWS could ask for here.
    untagged = {"elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteRule", "shield:DeleteProtection"}
    for statement in statements(roles()["LoadBalancerControllerRole"]):
        deleting = {action for action in as_list(statement["Action"]) if ":Delete" in action} - untagged
        if deleting:
            assert statement["Condition"]["Null"]["aws:ResourceTag/elbv2.k8s.aws/cluster"] == "false", deleting


def test_the_ebs_driver_acts_as_its_role(make_role, of_type, roles):
    addons = of_type(make_role("addons").stack("addons"), "AWS::EKS::Addon")
    assert {addon["AddonName"] for addon in addons.values()} == {"coredns", "aws-ebs-csi-driver", "metrics-server"}
    assert addons["Addonawsebscsidriver"]["ServiceAccountRoleArn"] == {"Fn::GetAtt": ["EbsCsiRole", "Arn"]}
    [policy] = roles()["EbsCsiRole"]["ManagedPolicyArns"]
    assert policy == {"Fn::Sub": "arn:${AWS::Partition}:iam::aws:policy/AmazonEBSCSIDriverPolicyV2"}


def test_a_pinned_build(make_role, of_type):
    addons = of_type(make_role("addons", **SETS["pinned add-ons"]).stack("addons"), "AWS::EKS::Addon")
    assert addons["Addoncoredns"]["AddonVersion"] == "v1.13.1-eksbuild.1"
    assert addons["Addonmetricsserver"]["AddonVersion"] == "v1.2.0-eksbuild.1"
