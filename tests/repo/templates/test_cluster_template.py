# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `cluster` of role cluster."""

from __future__ import annotations

import pytest

ADMINS = ["arn:aws:iam::123456789012:role/admins", "arn:aws:iam::123456789012:user/ops/anne"]
SETS = {
    "defaults": {},
    "an older version": {"cluster_kubernetes_version": "1.35"},
    "private": {"cluster_public_access": False},
    "open to an office": {"cluster_public_access_cidrs": ["203.0.113.0/24", "198.51.100.7/32"]},
    "admins": {"cluster_admin_principal_arns": ADMINS},
    "few logs": {"cluster_log_types": ["audit"], "cluster_log_retention_days": 365},
    "no logs": {"cluster_log_types": []},
    "pinned add-ons": {"cluster_addon_versions": {"vpc-cni": "v1.20.4-eksbuild.1"}},
    "before the network": {"platform_outputs": {}},
}


@pytest.fixture
def cluster(make_role, of_type):
    """The properties of the cluster that the given variables make."""
    return lambda **given: of_type(make_role("cluster", **given).stack("cluster"), "AWS::EKS::Cluster")["Cluster"]


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("cluster", **given).body("cluster")) == []


def test_secrets_are_encrypted_with_a_rotated_key(cluster, make_role, of_type):
    assert cluster()["EncryptionConfig"] == [
        {"Provider": {"KeyArn": {"Fn::GetAtt": ["SecretsKey", "Arn"]}}, "Resources": ["secrets"]}
    ]
    key = of_type(make_role("cluster").stack("cluster"), "AWS::KMS::Key")["SecretsKey"]
    assert key["EnableKeyRotation"] is True


def test_support_ends_without_silent_charges(cluster):
    assert cluster()["UpgradePolicy"] == {"SupportType": "STANDARD"}


def test_access_entries_work(cluster):
    assert cluster()["AccessConfig"] == {
        "AuthenticationMode": "API_AND_CONFIG_MAP",
        "BootstrapClusterCreatorAdminPermissions": True,
    }


def test_no_add_on_escapes_the_stacks(cluster, make_role, of_type):
    assert cluster()["BootstrapSelfManagedAddons"] is False
    addons = of_type(make_role("cluster").stack("cluster"), "AWS::EKS::Addon").values()
    assert {addon["AddonName"] for addon in addons} == {"vpc-cni", "kube-proxy", "eks-pod-identity-agent"}


def test_endpoint_networks(cluster):
    office = cluster(cluster_public_access_cidrs=["203.0.113.0/24"])["ResourcesVpcConfig"]
    assert office["EndpointPrivateAccess"] is True
    assert office["EndpointPublicAccess"] is True
    assert office["PublicAccessCidrs"] == ["203.0.113.0/24"]


def test_private_endpoint_names_no_networks(cluster):
    private = cluster(cluster_public_access=False)["ResourcesVpcConfig"]
    assert private["EndpointPublicAccess"] is False
    assert "PublicAccessCidrs" not in private


def test_values_of_the_command_line_are_text(cluster):
    assert cluster(cluster_public_access="false") == cluster(cluster_public_access=False)


def test_logs(cluster, make_role, of_type):
    types = {entry["Type"] for entry in cluster()["Logging"]["ClusterLogging"]["EnabledTypes"]}
    assert types == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    assert cluster(cluster_log_types=[])["Logging"]["ClusterLogging"]["EnabledTypes"] == []
    group = of_type(make_role("cluster").stack("cluster"), "AWS::Logs::LogGroup")["ClusterLogs"]
    assert group == {"LogGroupName": "/aws/eks/langfuse/cluster", "RetentionInDays": 30}


def test_the_teardown_can_lift_deletion_protection_by_a_parameter(cluster):
    assert cluster()["DeletionProtection"] == {"Ref": "DeletionProtection"}


def test_admins_keep_their_entries_when_one_goes(make_role, of_type):
    both = of_type(make_role("cluster", cluster_admin_principal_arns=ADMINS).stack("cluster"), "AWS::EKS::AccessEntry")
    one = of_type(
        make_role("cluster", cluster_admin_principal_arns=ADMINS[1:]).stack("cluster"), "AWS::EKS::AccessEntry"
    )
    assert sorted(entry["PrincipalArn"] for entry in both.values()) == sorted(ADMINS)
    assert one.items() <= both.items()


def test_an_update_may_not_replace_the_cluster(make_role):
    assert make_role("cluster").value("__cluster_control_plane.protected") == ["Cluster"]


def test_the_version_changes_alone(make_role):
    """The stack's own template, so that an upgrade is nothing else."""
    upgrade = make_role(
        "cluster",
        cluster_kubernetes_version="1.36",
        platform_stacks={
            "langfuse-cluster": {"stack_parameters": {"KubernetesVersion": "1.35", "DeletionProtection": "true"}}
        },
    ).value("__cluster_upgrade")
    assert "body" not in upgrade
    assert upgrade["parameters"] == {"KubernetesVersion": "1.36", "DeletionProtection": "true"}


def test_every_add_on_has_a_build(make_role, of_type):
    """Without one EKS would leave it behind when Kubernetes moves on."""
    addons = of_type(make_role("cluster").stack("cluster"), "AWS::EKS::Addon").values()
    assert {addon["AddonVersion"] for addon in addons} == {"v1.2.0-eksbuild.1"}
