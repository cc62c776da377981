# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: read an EKS cluster and what EKS offers, in plain types."""

from __future__ import annotations

import re
import typing as t

if t.TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from botocore.client import BaseClient

Record = dict[str, t.Any]


def read_cluster(eks: BaseClient, iam: BaseClient, name: str) -> Record | None:
    """Return what stands of a cluster, or None when there is none of this name."""
    try:
        cluster = eks.describe_cluster(name=name)["cluster"]
    except eks.exceptions.ResourceNotFoundException:
        return None
    issuer = cluster.get("identity", {}).get("oidc", {}).get("issuer")
    return {
        **_cluster(cluster),
        "oidc_issuer": issuer,
        "oidc_provider_arn": _provider_of(iam, issuer) if issuer else None,
        "addons": [
            _addon(eks.describe_addon(clusterName=name, addonName=addon)["addon"])
            for addon in _pages(eks, "list_addons", "addons", clusterName=name)
        ],
        "node_groups": [
            _node_group(eks.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"])
            for group in _pages(eks, "list_nodegroups", "nodegroups", clusterName=name)
        ],
    }


def read_builds(
    eks: BaseClient, addons: Iterable[str], kubernetes_version: str, cluster: Record | None
) -> dict[str, Record]:
    """Return for each add-on EKS's default build for a Kubernetes version, all that fit it, and the one to install."""
    installed = {addon["name"]: addon["version"] for addon in cluster["addons"]} if cluster else {}
    return {addon: _builds(eks, addon, kubernetes_version, installed.get(addon)) for addon in addons}


def _builds(eks: BaseClient, addon: str, kubernetes_version: str, installed: str | None) -> Record:
    wish = {"addonName": addon, "kubernetesVersion": kubernetes_version}
    found = {
        build["addonVersion"]: any(
            each["defaultVersion"]
            for each in build["compatibilities"]
            if each.get("clusterVersion") == kubernetes_version
        )
        for offer in _pages(eks, "describe_addon_versions", "addons", **wish)
        for build in offer["addonVersions"]
    }
    default = next((version for version, is_default in found.items() if is_default), None)
    stays = installed in found and _follows(addon, installed, kubernetes_version)
    return {
        "default": default,
        "versions": sorted(found, key=_build_order, reverse=True),
        "proposed": installed if stays else default,
    }


def _follows(addon: str, build: str, kubernetes_version: str) -> bool:
    """Tell whether a build fits a Kubernetes version: kube-proxy's are numbered, and meant, as Kubernetes is."""
    return addon != "kube-proxy" or build.startswith(f"v{kubernetes_version}.")


def _build_order(version: str) -> list[int]:
    """Sort v1.9.0-eksbuild.2 before v1.10.0-eksbuild.1."""
    return [int(number) for number in re.findall(r"\d+", version)]


def _pages(eks: BaseClient, operation: str, key: str, **wish: str) -> Iterator[t.Any]:
    for page in eks.get_paginator(operation).paginate(**wish):
        yield from page[key]


def _provider_of(iam: BaseClient, issuer: str) -> str | None:
    """Return the ARN of the IAM provider for an issuer, which ends with its URL."""
    ending = ":oidc-provider/" + issuer.removeprefix("https://")
    providers = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((each["Arn"] for each in providers if each["Arn"].endswith(ending)), None)


def _cluster(cluster: Mapping[str, t.Any]) -> Record:
    network = cluster["resourcesVpcConfig"]
    return {
        "name": cluster["name"],
        "arn": cluster["arn"],
        "status": cluster["status"],
        "version": cluster["version"],
        "platform_version": cluster.get("platformVersion"),
        # These two are not there before the control plane is.
        "endpoint": cluster.get("endpoint"),
        "certificate_authority_data": cluster.get("certificateAuthority", {}).get("data"),
        "vpc_id": network["vpcId"],
        "subnet_ids": network["subnetIds"],
        "security_group_ids": network.get("securityGroupIds", []),
        "cluster_security_group_id": network.get("clusterSecurityGroupId"),
        "endpoint_public_access": network["endpointPublicAccess"],
        "endpoint_private_access": network["endpointPrivateAccess"],
        "public_access_cidrs": network.get("publicAccessCidrs", []),
        # Clusters from before there were access entries have no access configuration.
        "authentication_mode": cluster.get("accessConfig", {}).get("authenticationMode", "CONFIG_MAP"),
        "support_type": cluster.get("upgradePolicy", {}).get("supportType"),
        "deletion_protection": cluster.get("deletionProtection", False),
        "tags": cluster.get("tags", {}),
    }


def _addon(addon: Mapping[str, t.Any]) -> Record:
    return {
        "name": addon["addonName"],
        "version": addon["addonVersion"],
        "status": addon["status"],
        "service_account_role_arn": addon.get("serviceAccountRoleArn"),
        "issues": _issues(addon),
        "tags": addon.get("tags", {}),
    }


def _node_group(group: Mapping[str, t.Any]) -> Record:
    scaling = group["scalingConfig"]
    template = group.get("launchTemplate")
    return {
        "name": group["nodegroupName"],
        "status": group["status"],
        "version": group["version"],
        "release_version": group.get("releaseVersion"),
        "min_size": scaling["minSize"],
        "desired_size": scaling["desiredSize"],
        "max_size": scaling["maxSize"],
        "ami_type": group.get("amiType"),
        "capacity_type": group.get("capacityType"),
        "instance_types": group.get("instanceTypes") or [],
        "labels": group.get("labels") or {},
        "taints": [{"value": "", **taint} for taint in group.get("taints") or []],
        "subnet_ids": group["subnets"],
        "node_role_arn": group["nodeRole"],
        "launch_template": {key: template.get(key) for key in ("id", "name", "version")} if template else None,
        "issues": _issues(group),
        "tags": group.get("tags", {}),
    }


def _issues(record: Mapping[str, t.Any]) -> list[str]:
    return [f"{issue['code']}: {issue['message']}" for issue in record.get("health", {}).get("issues", [])]
