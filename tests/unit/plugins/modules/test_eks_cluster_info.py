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
from ansible_collections.llmops.langfuse.plugins.module_utils._eks import read_builds
from ansible_collections.llmops.langfuse.plugins.modules import eks_cluster_info
from botocore.stub import Stubber

REGION = "ap-south-1"
ISSUER = f"https://oidc.eks.{REGION}.amazonaws.com/id/0123456789ABCDEF"
PROVIDERS = "arn:aws:iam::123456789012:oidc-provider/"
ROLE = "arn:aws:iam::123456789012:role/"

# A cluster from before there were access entries, upgrade policies and deletion protection.
OLD_CLUSTER = {
    "name": "production",
    "arn": f"arn:aws:eks:{REGION}:123456789012:cluster/production",
    "status": "ACTIVE",
    "version": "1.35",
    "platformVersion": "eks.4",
    "endpoint": "https://0123456789ABCDEF.gr7.ap-south-1.eks.amazonaws.com",
    "certificateAuthority": {"data": "LS0t"},
    "identity": {"oidc": {"issuer": ISSUER}},
    "resourcesVpcConfig": {
        "vpcId": "vpc-1",
        "subnetIds": ["subnet-1", "subnet-2"],
        "securityGroupIds": ["sg-1"],
        "clusterSecurityGroupId": "sg-2",
        "endpointPublicAccess": True,
        "endpointPrivateAccess": False,
        "publicAccessCidrs": ["0.0.0.0/0"],
    },
}
NEW_CLUSTER = {
    **OLD_CLUSTER,
    "accessConfig": {"authenticationMode": "API"},
    "upgradePolicy": {"supportType": "STANDARD"},
    "deletionProtection": True,
    "tags": {"owner": "others"},
}
BEING_MADE = {
    key: value for key, value in OLD_CLUSTER.items() if key not in ("endpoint", "certificateAuthority", "identity")
}
ADDON = {
    "addonName": "coredns",
    "addonVersion": "v1.13.2-eksbuild.1",
    "status": "DEGRADED",
    "health": {"issues": [{"code": "InsufficientNumberOfReplicas", "message": "no node runs its pods"}]},
}
GROUP = {
    "nodegroupName": "nodes",
    "status": "ACTIVE",
    "version": "1.35",
    "releaseVersion": "1.35.0-20261101",
    "scalingConfig": {"minSize": 1, "desiredSize": 2, "maxSize": 3},
    "amiType": "AL2023_ARM_64_STANDARD",
    "capacityType": "ON_DEMAND",
    "subnets": ["subnet-1"],
    "nodeRole": ROLE + "nodes",
}
TAINTED_GROUP = {
    **GROUP,
    "nodegroupName": "tainted",
    "labels": {"nodegroup": "clickhouse"},
    "taints": [{"key": "dedicated", "effect": "NO_SCHEDULE"}],
    "instanceTypes": ["r7g.xlarge"],
    "launchTemplate": {"name": "tainted", "version": "1", "id": "lt-1"},
}

pytestmark = pytest.mark.usefixtures("no_aws_environment")


class Aws:
    """EKS and IAM, which answer what a test gives, in that order."""

    def __init__(self) -> None:
        self.clients = {
            service: boto3.client(service, region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
            for service in ("eks", "iam")
        }
        self.stubs = {service: Stubber(client) for service, client in self.clients.items()}

    def expect(self, operation: str, answer: dict[str, Any], **request: str) -> None:
        self.stubs["eks"].add_response(operation, answer, request)

    def expect_cluster(self, cluster: dict[str, Any]) -> None:
        self.expect("describe_cluster", {"cluster": cluster}, name="production")

    def expect_providers(self, *urls: str) -> None:
        providers = [{"Arn": PROVIDERS + url} for url in urls]
        self.stubs["iam"].add_response("list_open_id_connect_providers", {"OpenIDConnectProviderList": providers}, {})

    def expect_lists(self, addons: list[dict[str, Any]], groups: list[dict[str, Any]]) -> None:
        """A list of add-ons on two pages with a description each, then the same of node groups."""
        self._expect_list("addon", "addons", "addonName", addons)
        self._expect_list("nodegroup", "nodegroups", "nodegroupName", groups)

    def _expect_list(self, kind: str, key: str, name_key: str, records: list[dict[str, Any]]) -> None:
        cluster = {"clusterName": "production"}
        names = [record[name_key] for record in records]
        self.expect(f"list_{key}", {key: names[:1], **({"nextToken": "more"} if names[1:] else {})}, **cluster)
        for number, record in enumerate(records):
            if number == 1:
                self.expect(f"list_{key}", {key: names[1:]}, **cluster, nextToken="more")
            self.expect(f"describe_{kind}", {kind: record}, **cluster, **{name_key: record[name_key]})


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    aws = Aws()
    monkeypatch.setattr(AnsibleAWSModule, "client", lambda self, service: aws.clients[service])
    for stub in aws.stubs.values():
        stub.activate()
    yield aws
    for stub in aws.stubs.values():
        stub.assert_no_pending_responses()


def run(capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run the module; returns its exit code as rc beside its answer."""
    given = {"name": "production", "region": REGION, **arguments}
    with patch_module_args(given), pytest.raises(SystemExit) as stopped:
        eks_cluster_info.main()
    answer = json.loads(capsys.readouterr().out)
    return {"rc": stopped.value.code, **answer}


def test_all_of_a_cluster(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.expect_cluster(NEW_CLUSTER)
    aws.expect_providers("oidc.eks.eu-west-1.amazonaws.com/id/FF", ISSUER.removeprefix("https://"))
    aws.expect_lists(
        [ADDON, {**ADDON, "addonName": "vpc-cni", "serviceAccountRoleArn": ROLE + "cni", "health": {}}], []
    )
    done = run(capsys)
    assert (done["rc"], done["changed"]) == (0, False)
    assert "addon_builds" not in done
    assert done["cluster"] == {
        "name": "production",
        "arn": f"arn:aws:eks:{REGION}:123456789012:cluster/production",
        "status": "ACTIVE",
        "version": "1.35",
        "platform_version": "eks.4",
        "endpoint": "https://0123456789ABCDEF.gr7.ap-south-1.eks.amazonaws.com",
        "certificate_authority_data": "LS0t",
        "vpc_id": "vpc-1",
        "subnet_ids": ["subnet-1", "subnet-2"],
        "security_group_ids": ["sg-1"],
        "cluster_security_group_id": "sg-2",
        "endpoint_public_access": True,
        "endpoint_private_access": False,
        "public_access_cidrs": ["0.0.0.0/0"],
        "authentication_mode": "API",
        "support_type": "STANDARD",
        "deletion_protection": True,
        "tags": {"owner": "others"},
        "oidc_issuer": ISSUER,
        "oidc_provider_arn": PROVIDERS + ISSUER.removeprefix("https://"),
        "addons": [
            {
                "name": "coredns",
                "version": "v1.13.2-eksbuild.1",
                "status": "DEGRADED",
                "service_account_role_arn": None,
                "issues": ["InsufficientNumberOfReplicas: no node runs its pods"],
                "tags": {},
            },
            {
                "name": "vpc-cni",
                "version": "v1.13.2-eksbuild.1",
                "status": "DEGRADED",
                "service_account_role_arn": ROLE + "cni",
                "issues": [],
                "tags": {},
            },
        ],
        "node_groups": [],
    }


def test_node_groups(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.expect_cluster(NEW_CLUSTER)
    aws.expect_providers()
    aws.expect_lists([], [GROUP, TAINTED_GROUP])
    plain, tainted = run(capsys)["cluster"]["node_groups"]
    assert plain == {
        "name": "nodes",
        "status": "ACTIVE",
        "version": "1.35",
        "release_version": "1.35.0-20261101",
        "min_size": 1,
        "desired_size": 2,
        "max_size": 3,
        "ami_type": "AL2023_ARM_64_STANDARD",
        "capacity_type": "ON_DEMAND",
        "instance_types": [],
        "labels": {},
        "taints": [],
        "subnet_ids": ["subnet-1"],
        "node_role_arn": ROLE + "nodes",
        "launch_template": None,
        "issues": [],
        "tags": {},
    }
    assert {key: tainted[key] for key in plain if tainted[key] != plain[key]} == {
        "name": "tainted",
        "instance_types": ["r7g.xlarge"],
        "labels": {"nodegroup": "clickhouse"},
        # A taint without a value has an empty one.
        "taints": [{"key": "dedicated", "value": "", "effect": "NO_SCHEDULE"}],
        "launch_template": {"id": "lt-1", "name": "tainted", "version": "1"},
    }


@pytest.mark.parametrize(
    ("cluster", "facts"),
    [
        (OLD_CLUSTER, {"authentication_mode": "CONFIG_MAP", "support_type": None, "deletion_protection": False}),
        (BEING_MADE, {"endpoint": None, "certificate_authority_data": None, "oidc_issuer": None}),
    ],
    ids=["old", "being made"],
)
def test_what_a_cluster_may_lack(
    aws: Aws, capsys: pytest.CaptureFixture[str], cluster: dict[str, Any], facts: dict[str, Any]
) -> None:
    aws.expect_cluster(cluster)
    if "identity" in cluster:
        aws.expect_providers("oidc.eks.eu-west-1.amazonaws.com/id/0123456789ABCDEF")
    aws.expect_lists([], [])
    found = run(capsys)["cluster"]
    assert {**found, **facts, "oidc_provider_arn": None} == found


def test_builds_without_a_cluster(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    def build(version: str, **default_of: bool) -> dict[str, Any]:
        compatible = [
            {"clusterVersion": key.replace("_", "."), "defaultVersion": value} for key, value in default_of.items()
        ]
        return {"addonVersion": version, "compatibilities": compatible}

    def offer(*builds: dict[str, Any], **more: str) -> dict[str, Any]:
        return {"addons": [{"addonName": "vpc-cni", "addonVersions": list(builds)}], **more}

    aws.stubs["eks"].add_client_error("describe_cluster", "ResourceNotFoundException")
    wish = {"addonName": "vpc-cni", "kubernetesVersion": "1.36"}
    # The default of another Kubernetes version is none.
    first = build("v1.9.0-eksbuild.3", **{"1_36": False, "1_35": True})
    aws.expect("describe_addon_versions", offer(first, nextToken="more"), **wish)
    second = [build("v1.21.1-eksbuild.1", **{"1_36": False}), build("v1.21.1-eksbuild.10", **{"1_36": True})]
    aws.expect("describe_addon_versions", offer(*second), **wish, nextToken="more")
    aws.expect("describe_addon_versions", {"addons": []}, addonName="snow", kubernetesVersion="1.36")
    done = run(capsys, kubernetes_version="1.36", addons=["vpc-cni", "snow"])
    assert done["cluster"] is None
    assert done["addon_builds"] == {
        "vpc-cni": {
            "default": "v1.21.1-eksbuild.10",
            "proposed": "v1.21.1-eksbuild.10",
            "versions": ["v1.21.1-eksbuild.10", "v1.21.1-eksbuild.1", "v1.9.0-eksbuild.3"],
        },
        "snow": {"default": None, "proposed": None, "versions": []},
    }


@pytest.mark.parametrize(
    ("addon", "installed", "proposed"),
    [
        ("vpc-cni", "v1.20.4-eksbuild.2", "v1.20.4-eksbuild.2"),  # fits, so it stays
        ("vpc-cni", "v1.9.0-eksbuild.1", "v1.21.1-eksbuild.1"),  # not offered any more
        ("vpc-cni", None, "v1.21.1-eksbuild.1"),
        ("kube-proxy", "v1.35.0-eksbuild.2", "v1.36.0-eksbuild.2"),  # EKS still offers it, but Kubernetes is newer
        ("kube-proxy", "v1.36.0-eksbuild.1", "v1.36.0-eksbuild.1"),
    ],
)
def test_proposed_build(addon: str, installed: str | None, proposed: str) -> None:
    offered = {
        "vpc-cni": ["v1.21.1-eksbuild.1", "v1.20.4-eksbuild.2"],
        "kube-proxy": ["v1.36.0-eksbuild.2", "v1.36.0-eksbuild.1", "v1.35.0-eksbuild.2"],
    }[addon]
    eks = boto3.client("eks", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    stub = Stubber(eks)
    builds = [
        {
            "addonVersion": build,
            "compatibilities": [{"clusterVersion": "1.36", "defaultVersion": build == offered[0]}],
        }
        for build in offered
    ]
    stub.add_response("describe_addon_versions", {"addons": [{"addonName": addon, "addonVersions": builds}]})
    cluster = {"addons": [{"name": addon, "version": installed}] if installed else []}
    with stub:
        assert read_builds(eks, [addon], "1.36", cluster)[addon]["proposed"] == proposed


def test_a_denial_names_the_cluster(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.stubs["eks"].add_client_error("describe_cluster", "AccessDeniedException", "no eks:DescribeCluster")
    done = run(capsys)
    assert (done["rc"], done["failed"]) == (1, True)
    assert done["msg"].startswith(f"EKS cluster production in {REGION} could not be read: ")
    assert "no eks:DescribeCluster" in done["msg"]


def test_a_version_needs_addons(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        "missing parameter(s) required by 'kubernetes_version': addons" in run(capsys, kubernetes_version="1.36")["msg"]
    )


def test_no_version_and_no_cluster_tell_no_builds(aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    aws.stubs["eks"].add_client_error("describe_cluster", "ResourceNotFoundException")
    assert "addon_builds" not in run(capsys, addons=["vpc-cni"])
