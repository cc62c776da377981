# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS clusters. Records of all that EKS keeps are in the form that its API shows."""

from __future__ import annotations

import base64
import dataclasses
import secrets
import uuid
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.utils import utcnow
from moto.ec2.models import EC2Backend, ec2_backends
from moto.iam.models import IAMBackend, iam_backends

from langfuse_lab.aws import lab
from langfuse_lab.aws.eks import versions
from langfuse_lab.aws.eks.errors import InUse, InvalidParameter, InvalidRequest, NotFound
from langfuse_lab.aws.errors import AwsError

ENTRY_MODES = ("API", "API_AND_CONFIG_MAP")
MODE_ORDER = ["CONFIG_MAP", *reversed(ENTRY_MODES)]
GROUP_DESCRIPTION = (
    "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, "
    "as well as any managed workloads."
)

Record = dict[str, Any]


@dataclasses.dataclass
class Cluster:
    """A cluster, and what belongs to it."""

    record: Record
    node_groups: dict[str, Record] = dataclasses.field(default_factory=dict)
    addons: dict[str, Record] = dataclasses.field(default_factory=dict)
    entries: dict[str, Record] = dataclasses.field(default_factory=dict)  # by principal
    policies: dict[str, list[Record]] = dataclasses.field(default_factory=dict)  # by principal
    pod_identities: dict[str, Record] = dataclasses.field(default_factory=dict)
    updates: dict[str, Record] = dataclasses.field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.record["name"]

    @property
    def version(self) -> str:
        return self.record["version"]

    @property
    def has_entries(self) -> bool:
        """Whether the cluster uses access entries."""
        return self.record["accessConfig"]["authenticationMode"] in ENTRY_MODES

    def note_update(self, kind: str, **params: Any) -> Record:
        """Record a change that has been made, and return the record."""
        update = {
            "id": str(uuid.uuid4()),
            "status": "Successful",
            "type": kind,
            "params": [{"type": key, "value": str(value)} for key, value in params.items()],
            "createdAt": utcnow(),
            "errors": [],
        }
        self.updates[update["id"]] = update
        return update


class EksBackend(BaseBackend):
    """The clusters of one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.clusters: dict[str, Cluster] = {}

    @property
    def ec2(self) -> EC2Backend:
        return ec2_backends[self.account_id][self.region_name]

    @property
    def iam(self) -> IAMBackend:
        return iam_backends[self.account_id]["aws"]

    def get(self, name: str) -> Cluster:
        """Return a cluster, or refuse the call."""
        if name not in self.clusters:
            raise NotFound(f"No cluster found for name: {name}.")
        return self.clusters[name]

    def arn(self, kind: str, *path: str) -> str:
        """Return the ARN of something of EKS."""
        return f"arn:aws:eks:{self.region_name}:{self.account_id}:{kind}/{'/'.join(path)}"

    def check_role(self, arn: str) -> None:
        """Refuse a role that does not exist."""
        if arn not in [role.arn for role in self.iam.roles.values()]:
            raise InvalidParameter(
                f"Role with arn: {arn}, could not be assumed because it does not exist "
                "or the trusted entity is not correct"
            )

    def subnets(self, ids: list[str]) -> list[Any]:
        """Return moto's subnets with these ids, or refuse the call."""
        known = {subnet.id: subnet for subnet in self.ec2.describe_subnets()}
        strange = [each for each in ids if each not in known]
        if strange:
            raise InvalidParameter(f"The subnet ID '{strange[0]}' does not exist")
        return [known[each] for each in ids]

    def create(self, p: Record) -> Cluster:
        """Make a cluster of CreateCluster's parameters."""
        name = p["name"]
        if name in self.clusters:
            raise InUse(f"Cluster already exists with name: {name}")
        if self.clusters:
            raise AwsError(
                "ResourceLimitExceededException",
                f"The lab has one Kubernetes API server, and cluster {next(iter(self.clusters))} has it",
            )
        self.check_role(p["roleArn"])
        version = p.get("version") or versions.DEFAULT
        versions.check(version)
        self.clusters[name] = Cluster(self._record(p, version, self._network(name, p["resourcesVpcConfig"])))
        return self.clusters[name]

    def _record(self, p: Record, version: str, network: Record) -> Record:
        here = lab.current()
        return {
            "name": p["name"],
            "arn": self.arn("cluster", p["name"]),
            "createdAt": utcnow(),
            "version": version,
            "endpoint": here.cluster_endpoint,
            "roleArn": p["roleArn"],
            "resourcesVpcConfig": network,
            "kubernetesNetworkConfig": {
                "serviceIpv4Cidr": "172.20.0.0/16",
                "ipFamily": "ipv4",
                "elasticLoadBalancing": {"enabled": False},
                **p.get("kubernetesNetworkConfig", {}),
            },
            "logging": p.get("logging") or {"clusterLogging": []},
            "identity": {"oidc": {"issuer": here.issuer}},
            "status": "ACTIVE",
            "certificateAuthority": {"data": base64.b64encode((here.pki / "ca.crt").read_bytes()).decode()},
            "platformVersion": "eks.1",
            "tags": p.get("tags") or {},
            "encryptionConfig": p.get("encryptionConfig", []),
            "health": {"issues": []},
            "accessConfig": {
                "bootstrapClusterCreatorAdminPermissions": True,
                "authenticationMode": "CONFIG_MAP",
                **p.get("accessConfig", {}),
            },
            "upgradePolicy": {"supportType": "EXTENDED", **p.get("upgradePolicy", {})},
            "deletionProtection": p.get("deletionProtection", False),
        }

    def _network(self, name: str, wanted: Record) -> Record:
        subnets = self.subnets(wanted.get("subnetIds", []))
        if len({subnet.availability_zone for subnet in subnets}) < 2:
            raise InvalidParameter("Subnets specified must be in at least two different AZs")
        (vpc_id, *others) = {subnet.vpc_id for subnet in subnets}
        if others:
            raise InvalidParameter("Subnets must all be in the same VPC")
        tags = {f"kubernetes.io/cluster/{name}": "owned", "aws:eks:cluster-name": name}
        group_name = f"eks-cluster-sg-{name}-{secrets.randbelow(10**10):010d}"
        group = self.ec2.create_security_group(group_name, GROUP_DESCRIPTION, vpc_id=vpc_id, tags=tags)
        return {
            "endpointPublicAccess": True,
            "endpointPrivateAccess": False,
            "publicAccessCidrs": ["0.0.0.0/0"],
            "securityGroupIds": [],
            **wanted,
            "vpcId": vpc_id,
            "clusterSecurityGroupId": group.id,
        }

    def delete(self, name: str) -> Record:
        """Delete a cluster and the security group that came with it; return its last record."""
        cluster = self.get(name)
        if cluster.record["deletionProtection"]:
            raise InvalidRequest(f"Cluster {name} has deletion protection enabled. Disable it to delete the cluster.")
        if cluster.node_groups:
            raise InUse("Cluster has nodegroups attached")
        self.ec2.delete_security_group(group_id=cluster.record["resourcesVpcConfig"]["clusterSecurityGroupId"])
        del self.clusters[name]
        return {**cluster.record, "status": "DELETING"}

    def update_config(self, p: Record) -> Record:
        """Change settings of a cluster by UpdateClusterConfig's parameters; return the update's record."""
        cluster = self.get(p["name"])
        record = cluster.record
        for key in ("logging", "upgradePolicy", "kubernetesNetworkConfig"):
            if key in p:
                record[key] = {**record[key], **p[key]}
        if "resourcesVpcConfig" in p:
            self.subnets(p["resourcesVpcConfig"].get("subnetIds", []))
            record["resourcesVpcConfig"] |= p["resourcesVpcConfig"]
        if "accessConfig" in p:
            _change_mode(record["accessConfig"], p["accessConfig"]["authenticationMode"])
        if "deletionProtection" in p:
            record["deletionProtection"] = p["deletionProtection"]
        changed = {key: value for key, value in p.items() if key not in ("name", "clientRequestToken")}
        return cluster.note_update("ConfigUpdate", **changed)

    def update_version(self, name: str, version: str) -> Record:
        """Upgrade by one minor version; return the update's record."""
        cluster = self.get(name)
        versions.check(version)
        if versions.minor(version) != versions.minor(cluster.version) + 1:
            raise InvalidParameter(f"Unsupported Kubernetes minor version update from {cluster.version} to {version}")
        for group in cluster.node_groups.values():
            if not versions.fits(group["version"], version):
                raise InvalidRequest(
                    f"Nodegroup {group['nodegroupName']} has version {group['version']}: update it before the cluster"
                )
        cluster.record["version"] = version
        return cluster.note_update("VersionUpdate", Version=version)


backends = BackendDict(EksBackend, "eks")


def _change_mode(access: Record, mode: str) -> None:
    before = access["authenticationMode"]
    if MODE_ORDER.index(mode) < MODE_ORDER.index(before):
        raise InvalidRequest(f"Unsupported authentication mode update from {before} to {mode}")
    access["authenticationMode"] = mode
