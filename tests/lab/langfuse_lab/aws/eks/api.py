# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS's API, in the place of moto's, which lacks add-ons, access entries, versions and more."""

from __future__ import annotations

from urllib.parse import unquote

from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import utcnow
from moto.sts.models import sts_backends

from langfuse_lab.aws.eks import access, addons, node_groups, versions
from langfuse_lab.aws.eks.clusters import EksBackend, Record, backends
from langfuse_lab.aws.eks.errors import InvalidRequest, NotFound


class EksResponse(BaseResponse):
    """The calls; moto finds a method by the name of the operation."""

    def __init__(self) -> None:
        super().__init__(service_name="eks")
        self.automated_parameter_parsing = True

    @property
    def _backend(self) -> EksBackend:
        return backends[self.current_account][self.region]

    @property
    def _p(self) -> Record:
        return {key: value for key, value in self._get_params().items() if value is not None}

    # Clusters

    def create_cluster(self) -> ActionResult:
        cluster = self._backend.create(self._p)
        access.admit_creator(self._backend, cluster, self._caller())
        return ActionResult({"cluster": {**cluster.record, "status": "CREATING"}})

    def describe_cluster(self) -> ActionResult:
        return ActionResult({"cluster": self._backend.get(self._p["name"]).record})

    def list_clusters(self) -> ActionResult:
        return ActionResult({"clusters": sorted(self._backend.clusters)})

    def delete_cluster(self) -> ActionResult:
        return ActionResult({"cluster": self._backend.delete(self._p["name"])})

    def update_cluster_config(self) -> ActionResult:
        return ActionResult({"update": self._backend.update_config(self._p)})

    def update_cluster_version(self) -> ActionResult:
        return ActionResult({"update": self._backend.update_version(self._p["name"], self._p["version"])})

    def describe_cluster_versions(self) -> ActionResult:
        wanted = self._p.get("clusterVersions") or list(versions.VERSIONS)
        found = [_describe_version(version) for name, version in versions.VERSIONS.items() if name in wanted]
        if self._p.get("defaultOnly"):
            found = [version for version in found if version["defaultVersion"]]
        return ActionResult({"clusterVersions": found})

    def describe_update(self) -> ActionResult:
        updates = self._backend.get(self._p["name"]).updates
        if self._p["updateId"] not in updates:
            raise NotFound(f"No update found for ID: {self._p['updateId']}")
        return ActionResult({"update": updates[self._p["updateId"]]})

    def list_updates(self) -> ActionResult:
        return ActionResult({"updateIds": list(self._backend.get(self._p["name"]).updates)})

    # Node groups

    def create_nodegroup(self) -> ActionResult:
        return ActionResult({"nodegroup": {**node_groups.create(self._backend, self._p), "status": "CREATING"}})

    def describe_nodegroup(self) -> ActionResult:
        return ActionResult(
            {"nodegroup": node_groups.get(self._backend, self._p["clusterName"], self._p["nodegroupName"])}
        )

    def list_nodegroups(self) -> ActionResult:
        return ActionResult({"nodegroups": sorted(self._backend.get(self._p["clusterName"]).node_groups)})

    def delete_nodegroup(self) -> ActionResult:
        group = node_groups.delete(self._backend, self._p["clusterName"], self._p["nodegroupName"])
        return ActionResult({"nodegroup": group})

    def update_nodegroup_config(self) -> ActionResult:
        return ActionResult({"update": node_groups.update_config(self._backend, self._p)})

    def update_nodegroup_version(self) -> ActionResult:
        return ActionResult({"update": node_groups.update_version(self._backend, self._p)})

    # Add-ons

    def create_addon(self) -> ActionResult:
        return ActionResult({"addon": {**addons.create(self._backend, self._p), "status": "CREATING"}})

    def describe_addon(self) -> ActionResult:
        return ActionResult({"addon": addons.get(self._backend, self._p["clusterName"], self._p["addonName"])})

    def list_addons(self) -> ActionResult:
        return ActionResult({"addons": sorted(self._backend.get(self._p["clusterName"]).addons)})

    def update_addon(self) -> ActionResult:
        return ActionResult({"update": addons.update(self._backend, self._p)})

    def delete_addon(self) -> ActionResult:
        return ActionResult({"addon": addons.delete(self._backend, self._p["clusterName"], self._p["addonName"])})

    def describe_addon_versions(self) -> ActionResult:
        wanted = self._p.get("addonName")
        kubernetes = self._p.get("kubernetesVersion")
        found = [_describe_addon(name, kubernetes) for name in versions.ADDONS if wanted in (None, name)]
        return ActionResult({"addons": found})

    # Access

    def create_access_entry(self) -> ActionResult:
        return ActionResult({"accessEntry": access.create_entry(self._backend, self._p)})

    def describe_access_entry(self) -> ActionResult:
        return ActionResult({"accessEntry": access.get_entry(self._backend, self._p)})

    def list_access_entries(self) -> ActionResult:
        return ActionResult({"accessEntries": access.list_entries(self._backend, self._p)})

    def update_access_entry(self) -> ActionResult:
        return ActionResult({"accessEntry": access.update_entry(self._backend, self._p)})

    def delete_access_entry(self) -> ActionResult:
        access.delete_entry(self._backend, self._p)
        return EmptyResult()

    def associate_access_policy(self) -> ActionResult:
        policy = access.associate_policy(self._backend, self._p)
        return ActionResult({**self._entry_names(), "associatedAccessPolicy": policy})

    def disassociate_access_policy(self) -> ActionResult:
        access.disassociate_policy(self._backend, self._p)
        return EmptyResult()

    def list_associated_access_policies(self) -> ActionResult:
        policies = access.list_policies(self._backend, self._p)
        return ActionResult({**self._entry_names(), "associatedAccessPolicies": policies})

    def list_access_policies(self) -> ActionResult:
        return ActionResult({"accessPolicies": [{"name": name, "arn": arn} for arn, name in access.POLICIES.items()]})

    def _entry_names(self) -> Record:
        return {key: self._p[key] for key in ("clusterName", "principalArn")}

    # Pod identity

    def create_pod_identity_association(self) -> ActionResult:
        return ActionResult({"association": access.create_pod_identity(self._backend, self._p)})

    def describe_pod_identity_association(self) -> ActionResult:
        return ActionResult({"association": access.get_pod_identity(self._backend, self._p)})

    def list_pod_identity_associations(self) -> ActionResult:
        filters = {key: self._p[key] for key in ("namespace", "serviceAccount") if key in self._p}
        every = self._backend.get(self._p["clusterName"]).pod_identities.values()
        return ActionResult({"associations": [a for a in every if filters.items() <= a.items()]})

    def update_pod_identity_association(self) -> ActionResult:
        association = access.get_pod_identity(self._backend, self._p)
        self._backend.check_role(self._p["roleArn"])
        association |= {"roleArn": self._p["roleArn"], "modifiedAt": utcnow()}
        return ActionResult({"association": association})

    def delete_pod_identity_association(self) -> ActionResult:
        association = access.get_pod_identity(self._backend, self._p)
        del self._backend.get(self._p["clusterName"]).pod_identities[association["associationId"]]
        return ActionResult({"association": association})

    # Tags

    def tag_resource(self) -> ActionResult:
        self._tagged()["tags"] |= self._p["tags"]
        return EmptyResult()

    def untag_resource(self) -> ActionResult:
        tags = self._tagged()["tags"]
        for key in self._p["tagKeys"]:
            tags.pop(key, None)
        return EmptyResult()

    def list_tags_for_resource(self) -> ActionResult:
        return ActionResult({"tags": self._tagged()["tags"]})

    def _tagged(self) -> Record:
        arn = unquote(self._p["resourceArn"])
        for cluster in self._backend.clusters.values():
            parts = (cluster.node_groups, cluster.addons, cluster.entries, cluster.pod_identities)
            for record in (cluster.record, *(each for part in parts for each in part.values())):
                if arn in record.values():
                    return record
        raise NotFound(f"No resource found for ARN: {arn}")

    def _caller(self) -> str:
        """Return the ARN of the user or role that calls; a role's session counts as its role."""
        sts = sts_backends[self.current_account]["aws"]
        session = sts.get_assumed_role_from_access_key(self.access_key)
        if session:
            return session.role_arn
        _, arn, _ = sts.get_caller_identity(self.access_key, self.region)
        return arn


def _describe_version(version: versions.Version) -> Record:
    support = version.support(utcnow())
    return {
        "clusterVersion": version.name,
        "clusterType": "eks",
        "defaultPlatformVersion": "eks.1",
        "defaultVersion": version.name == versions.DEFAULT,
        "releaseDate": version.released,
        "endOfStandardSupportDate": version.standard_until,
        "endOfExtendedSupportDate": version.extended_until,
        "status": support.lower().replace("_", "-"),
        "versionStatus": support,
        "kubernetesPatchVersion": f"{version.name}.0",
    }


def _describe_addon(name: str, kubernetes: str | None) -> Record:
    compatible = [kubernetes] if kubernetes in versions.VERSIONS else list(versions.VERSIONS)
    if kubernetes and kubernetes not in versions.VERSIONS:
        raise InvalidRequest(f"unsupported Kubernetes version {kubernetes}")
    return {
        "addonName": name,
        "type": "networking" if name in ("vpc-cni", "kube-proxy", "coredns") else "storage",
        "owner": "aws",
        "publisher": "eks",
        "addonVersions": [
            {
                "addonVersion": build,
                "architecture": ["amd64", "arm64"],
                "compatibilities": [
                    {
                        "clusterVersion": each,
                        "platformVersions": ["*"],
                        "defaultVersion": build == versions.default_build(name, each),
                    }
                    for each in compatible
                ],
                "requiresConfiguration": False,
            }
            for build in versions.ADDONS[name]
        ],
    }
