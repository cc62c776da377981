# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::EKS::*."""

from __future__ import annotations

from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceFailure,
    ResourceType,
    applies,
    removed_tags,
    tag_map,
)


class Eks(ResourceType):
    """A resource of EKS."""

    @property
    def eks(self) -> Any:
        return self.client("eks")

    def _arn(self, physical_id: str, p: Properties) -> str:
        raise NotImplementedError

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        arn = self._arn(physical_id, new)
        if removed_tags(new, old):
            self.eks.untag_resource(resourceArn=arn, tagKeys=removed_tags(new, old))
        if tag_map(new):
            self.eks.tag_resource(resourceArn=arn, tags=tag_map(new))


class Cluster(
    Eks,
    type_name="AWS::EKS::Cluster",
    name="Name",
    at_creation=[
        "RoleArn",
        "Version",
        "ResourcesVpcConfig",
        "AccessConfig",
        "BootstrapSelfManagedAddons",
        "DeletionProtection",
        "EncryptionConfig",
        "KubernetesNetworkConfig",
        "Logging",
        "UpgradePolicy",
        "ZonalShiftConfig",
    ],
):
    name_length = 100

    def create(self, p: Properties) -> str:
        name = self.name(p)
        taken = _api(
            {key: value for key, value in p.items() if key in self.at_creation and key not in ("Name", "Logging")}
        )
        self.eks.create_cluster(name=name, logging=_logging(p), **taken)
        return name

    @applies("Version")
    def version(self, physical_id: str, new: Properties, old: Properties) -> None:
        present = self.eks.describe_cluster(name=physical_id)["cluster"]["version"]
        if new.get("Version", present) != present:  # the same after a failed upgrade that is rolled back
            self.eks.update_cluster_version(name=physical_id, version=new["Version"])

    @applies("ResourcesVpcConfig")
    def network(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.eks.update_cluster_config(name=physical_id, resourcesVpcConfig=_api(new["ResourcesVpcConfig"]))

    @applies("Logging")
    def logging(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.eks.update_cluster_config(name=physical_id, logging=_logging(new))

    @applies("AccessConfig")
    def access(self, physical_id: str, new: Properties, old: Properties) -> None:
        mode = new.get("AccessConfig", {}).get("AuthenticationMode", "CONFIG_MAP")
        self.eks.update_cluster_config(name=physical_id, accessConfig={"authenticationMode": mode})

    @applies("UpgradePolicy")
    def upgrade_policy(self, physical_id: str, new: Properties, old: Properties) -> None:
        policy = _api(new.get("UpgradePolicy", {"SupportType": "EXTENDED"}))
        self.eks.update_cluster_config(name=physical_id, upgradePolicy=policy)

    @applies("DeletionProtection")
    def protection(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.eks.update_cluster_config(name=physical_id, deletionProtection=new.get("DeletionProtection", False))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        cluster = self.eks.describe_cluster(name=physical_id)["cluster"]
        return {
            "Arn": cluster["arn"],
            "Id": physical_id,
            "Endpoint": cluster["endpoint"],
            "CertificateAuthorityData": cluster["certificateAuthority"]["data"],
            "ClusterSecurityGroupId": cluster["resourcesVpcConfig"]["clusterSecurityGroupId"],
            "OpenIdConnectIssuerUrl": cluster["identity"]["oidc"]["issuer"],
        }

    def delete(self, physical_id: str, p: Properties) -> None:
        self.eks.delete_cluster(name=physical_id)

    def _arn(self, physical_id: str, p: Properties) -> str:
        return self.eks.describe_cluster(name=physical_id)["cluster"]["arn"]


class Nodegroup(
    Eks,
    type_name="AWS::EKS::Nodegroup",
    name="NodegroupName",
    at_creation=[
        "ClusterName",
        "NodeRole",
        "Subnets",
        "AmiType",
        "CapacityType",
        "DiskSize",
        "InstanceTypes",
        "RemoteAccess",
        "ScalingConfig",
        "UpdateConfig",
        "NodeRepairConfig",
        "LaunchTemplate",
        "Labels",
        "Taints",
        "Version",
        "ReleaseVersion",
    ],
):
    name_length = 63

    def create(self, p: Properties) -> str:
        name = self.name(p)
        taken = {
            key: value for key, value in p.items() if key in self.at_creation and key not in ("NodegroupName", "Labels")
        }
        self.eks.create_nodegroup(nodegroupName=name, labels=p.get("Labels", {}), **_api(taken))
        return f"{p['ClusterName']}/{name}"

    @applies("ScalingConfig")
    def scaling(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._configure(physical_id, scalingConfig=_api(new["ScalingConfig"]))

    @applies("UpdateConfig")
    def update_config(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._configure(physical_id, updateConfig=_api(new.get("UpdateConfig", {"MaxUnavailable": 1})))

    @applies("NodeRepairConfig")
    def repair(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._configure(physical_id, nodeRepairConfig=_api(new.get("NodeRepairConfig", {"Enabled": False})))

    @applies("Labels")
    def labels(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = new.get("Labels", {}), old.get("Labels", {})
        changes = {"addOrUpdateLabels": after, "removeLabels": sorted(set(before) - set(after))}
        self._configure(physical_id, labels=changes)

    @applies("Taints")
    def taints(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = _api(new.get("Taints", [])), _api(old.get("Taints", []))
        gone = [taint for taint in before if not any(_same_taint(taint, other) for other in after)]
        self._configure(physical_id, taints={"addOrUpdateTaints": after, "removeTaints": gone})

    @applies("LaunchTemplate", "Version", "ReleaseVersion")
    def roll(self, physical_id: str, new: Properties, old: Properties) -> None:
        changed = [key for key in ("LaunchTemplate", "Version", "ReleaseVersion") if new.get(key) != old.get(key)]
        wanted = {key: new[key] for key in changed if key in new}
        self.eks.update_nodegroup_version(**self._names(physical_id), **_api(wanted))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        group = self.eks.describe_nodegroup(**self._names(physical_id))["nodegroup"]
        return {
            "Arn": group["nodegroupArn"],
            "Id": physical_id,
            "ClusterName": group["clusterName"],
            "NodegroupName": group["nodegroupName"],
        }

    def delete(self, physical_id: str, p: Properties) -> None:
        self.eks.delete_nodegroup(**self._names(physical_id))

    def _configure(self, physical_id: str, **settings: Any) -> None:
        self.eks.update_nodegroup_config(**self._names(physical_id), **settings)

    def _names(self, physical_id: str) -> dict[str, str]:
        cluster, name = physical_id.split("/")
        return {"clusterName": cluster, "nodegroupName": name}

    def _arn(self, physical_id: str, p: Properties) -> str:
        return self.eks.describe_nodegroup(**self._names(physical_id))["nodegroup"]["nodegroupArn"]


class Addon(
    Eks,
    type_name="AWS::EKS::Addon",
    at_creation=[
        "ClusterName",
        "AddonName",
        "AddonVersion",
        "ServiceAccountRoleArn",
        "ConfigurationValues",
        "ResolveConflicts",
        "PreserveOnDelete",
    ],
):
    def create(self, p: Properties) -> str:
        self.eks.create_addon(**self._settings(p))
        health = self.eks.describe_addon(clusterName=p["ClusterName"], addonName=p["AddonName"])["addon"]
        if health["status"] != "ACTIVE":
            issues = "; ".join(issue["message"] for issue in health["health"]["issues"])
            self.delete("", p)
            raise ResourceFailure(
                f'Resource handler returned message: "Addon {p["AddonName"]} is {health["status"]}: {issues}" '
                "(HandlerErrorCode: NotStabilized)"
            )
        return f"{p['ClusterName']}|{p['AddonName']}"

    @applies("AddonVersion", "ServiceAccountRoleArn", "ConfigurationValues", "ResolveConflicts")
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.eks.update_addon(**self._settings(new))

    @applies("PreserveOnDelete")
    def preservation(self, physical_id: str, new: Properties, old: Properties) -> None:
        """delete() reads it."""

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": self._arn(physical_id, p)}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.eks.delete_addon(
            clusterName=p["ClusterName"], addonName=p["AddonName"], preserve=p.get("PreserveOnDelete", False)
        )

    def _settings(self, p: Properties) -> dict[str, Any]:
        return _api({key: p[key] for key in self.at_creation if key in p and key != "PreserveOnDelete"})

    def _arn(self, physical_id: str, p: Properties) -> str:
        return self.eks.describe_addon(clusterName=p["ClusterName"], addonName=p["AddonName"])["addon"]["addonArn"]


class AccessEntry(
    Eks,
    type_name="AWS::EKS::AccessEntry",
    at_creation=["ClusterName", "PrincipalArn", "Type", "Username", "KubernetesGroups"],
):
    def create(self, p: Properties) -> str:
        self.eks.create_access_entry(**_api({key: p[key] for key in self.at_creation if key in p}))
        return f"{p['PrincipalArn']}|{p['ClusterName']}"

    @applies("Username", "KubernetesGroups")
    def mapping(self, physical_id: str, new: Properties, old: Properties) -> None:
        settings = {key: new[key] for key in ("Username",) if key in new}
        groups = new.get("KubernetesGroups", [])
        self.eks.update_access_entry(**self._names(new), kubernetesGroups=groups, **_api(settings))

    @applies("AccessPolicies")
    def policies(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = (
            {each["PolicyArn"]: each["AccessScope"] for each in p.get("AccessPolicies", [])} for p in (new, old)
        )
        for arn in sorted(set(before) - set(after)):
            self.eks.disassociate_access_policy(**self._names(new), policyArn=arn)
        for arn, scope in after.items():
            self.eks.associate_access_policy(**self._names(new), policyArn=arn, accessScope=_api(scope))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"AccessEntryArn": self._arn(physical_id, p)}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.eks.delete_access_entry(**self._names(p))

    def _names(self, p: Properties) -> dict[str, str]:
        return {"clusterName": p["ClusterName"], "principalArn": p["PrincipalArn"]}

    def _arn(self, physical_id: str, p: Properties) -> str:
        return self.eks.describe_access_entry(**self._names(p))["accessEntry"]["accessEntryArn"]


class PodIdentityAssociation(
    Eks,
    type_name="AWS::EKS::PodIdentityAssociation",
    at_creation=["ClusterName", "Namespace", "ServiceAccount", "RoleArn"],
):
    def create(self, p: Properties) -> str:
        made = self.eks.create_pod_identity_association(**_api({key: p[key] for key in self.at_creation}))
        return made["association"]["associationArn"]

    @applies("RoleArn")
    def role(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.eks.update_pod_identity_association(**self._names(physical_id, new), roleArn=new["RoleArn"])

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"AssociationArn": physical_id, "AssociationId": physical_id.split("/")[-1]}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.eks.delete_pod_identity_association(**self._names(physical_id, p))

    def _names(self, physical_id: str, p: Properties) -> dict[str, str]:
        return {"clusterName": p["ClusterName"], "associationId": physical_id.split("/")[-1]}

    def _arn(self, physical_id: str, p: Properties) -> str:
        return physical_id


def _api(value: Any) -> Any:
    """Return CloudFormation's PascalCase keys as EKS's camelCase ones; never for maps with keys of the user's."""
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: _api(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_api(item) for item in value]
    return value


def _logging(p: Properties) -> dict[str, Any]:
    wanted = [each["Type"] for each in p.get("Logging", {}).get("ClusterLogging", {}).get("EnabledTypes", [])]
    every = ["api", "audit", "authenticator", "controllerManager", "scheduler"]
    setups = [(wanted, True), ([each for each in every if each not in wanted], False)]
    return {"clusterLogging": [{"types": types, "enabled": enabled} for types, enabled in setups if types]}


def _same_taint(one: dict[str, str], other: dict[str, str]) -> bool:
    return (one["key"], one["effect"]) == (other["key"], other["effect"])
