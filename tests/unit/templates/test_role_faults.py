# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles cluster, storage and addons say of variables that cannot be used."""

from __future__ import annotations

import pytest

GROUP = {"name": "one", "instance_type": "m7g.large", "min_size": 1, "desired_size": 1, "max_size": 1}
CASES = [
    (
        "cluster",
        {"cluster_kubernetes_version": "1.29"},
        "cluster_kubernetes_version is '1.29': allowed are 1.34, 1.35, 1.36 (in standard support until",
    ),
    (
        "cluster",
        {"cluster_vpc_cidr": "10.0.0.0"},
        "cluster_vpc_cidr is '10.0.0.0': the first address of an IPv4 network",
    ),
    ("cluster", {"cluster_vpc_cidr": "10.0.0.0/24"}, "of /16 to /22 is allowed"),
    ("cluster", {"cluster_vpc_cidr": "10.42.1.0/16"}, "cluster_vpc_cidr is '10.42.1.0/16': the first address"),
    ("cluster", {"cluster_vpc_cidr": "10.300.0.0/16"}, "cluster_vpc_cidr is '10.300.0.0/16'"),
    ("cluster", {"cluster_zones": ["ap-south-1a"]}, "cluster_zones is ['ap-south-1a']: 2 or 3 different zones"),
    ("cluster", {"cluster_zones": ["ap-south-1a", "ap-south-1a"]}, "2 or 3 different zones"),
    ("cluster", {"cluster_public_access_cidrs": []}, "cluster_public_access_cidrs is empty"),
    ("cluster", {"cluster_public_access_cidrs": ["10.0.0.0/8", "office"]}, "cluster_public_access_cidrs holds office:"),
    (
        "cluster",
        {"cluster_admin_principal_arns": ["arn:aws:sts::123456789012:assumed-role/admins/anne"]},
        "(of a role, not of its session)",
    ),
    (
        "cluster",
        {"cluster_addon_versions": {"coredns": "v1.13.1-eksbuild.1"}},
        "cluster_addon_versions names coredns: allowed are vpc-cni,",
    ),
    (
        "cluster",
        {"cluster_addon_versions": {"vpc-cni": "latest"}},
        "cluster_addon_versions holds latest: builds of EKS",
    ),
    ("cluster", {"cluster_node_groups": [GROUP | {"name": "a b"}]}, "cluster_node_groups holds the names a b:"),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"name": "a-b"}, GROUP | {"name": "AB"}]},
        "differ in nothing but case, '-' and '_': a-b, AB",
    ),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"desired_size": 2}]},
        "one has min_size 1, desired_size 2, max_size 1: each must be at least",
    ),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"min_size": 0, "desired_size": 0, "max_size": 0}]},
        "the last at least 1.",
    ),
    ("storage", {"storage_bucket_name": "My_Bucket"}, "storage_bucket_name is 'My_Bucket': 3 to 63"),
    ("storage", {"storage_bucket_name": "a..b"}, "storage_bucket_name is 'a..b'"),
    ("storage", {"storage_events_expiration_days": -1}, "storage_events_expiration_days is -1: 0 (never)"),
    ("storage", {"storage_exports_expiration_days": -7}, "storage_exports_expiration_days is -7: 0 (never)"),
    ("storage", {"storage_gp3_iops": 2999}, "storage_gp3_iops is 2999: 3000 to 80000"),
    ("storage", {"storage_gp3_throughput_mib": 1000}, "at most a quarter of storage_gp3_iops (750)"),
    (
        "addons",
        {"addons_eks_versions": {"kube-proxy": "v1.36.0-eksbuild.1"}},
        "addons_eks_versions names kube-proxy: allowed are coredns,",
    ),
    ("addons", {"addons_eks_versions": {"coredns": "1.13"}}, "addons_eks_versions holds 1.13: builds of EKS"),
    ("addons", {"addons_helm_timeout": "600"}, "addons_helm_timeout is '600': a duration"),
]


@pytest.mark.parametrize(("name", "given", "expected"), CASES)
def test_fault(make_role, name, given, expected):
    [fault] = make_role(name, **given).value(f"__{name}_faults")
    assert expected in fault


@pytest.mark.parametrize("name", ["cluster", "storage", "addons"])
def test_defaults_have_no_fault(make_role, name):
    assert make_role(name).value(f"__{name}_faults") == []


def test_values_of_the_command_line_are_text(make_role):
    role = make_role(
        "storage", storage_gp3_iops="6000", storage_gp3_throughput_mib="1500", storage_events_expiration_days="0"
    )
    assert role.value("__storage_faults") == []
    assert (
        make_role("cluster", cluster_public_access="false", cluster_public_access_cidrs=[]).value("__cluster_faults")
        == []
    )


def test_all_faults_at_once(make_role):
    role = make_role(
        "cluster", cluster_kubernetes_version="2", cluster_vpc_cidr="x", cluster_node_groups=[GROUP | {"max_size": 0}]
    )
    assert len(role.value("__cluster_faults")) == 3
