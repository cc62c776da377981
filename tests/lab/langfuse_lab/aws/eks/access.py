# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access entries: who may do what in a cluster; and pod identities."""

from __future__ import annotations

import secrets
import uuid

from moto.core.utils import utcnow

from langfuse_lab.aws.eks.clusters import ENTRY_MODES, Cluster, EksBackend, Record
from langfuse_lab.aws.eks.errors import InUse, InvalidParameter, InvalidRequest, NotFound

ADMIN_POLICY = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
POLICIES = {
    f"arn:aws:eks::aws:cluster-access-policy/AmazonEKS{name}Policy": f"AmazonEKS{name}Policy"
    for name in ("ClusterAdmin", "Admin", "AdminView", "Edit", "View")
}
NODE_ENTRY = {
    "type": "EC2_LINUX",
    "username": "system:node:{{EC2PrivateDNSName}}",
    "kubernetesGroups": ["system:nodes"],
}


def create_entry(backend: EksBackend, p: Record) -> Record:
    """Make an access entry of CreateAccessEntry's parameters."""
    cluster, principal = _cluster(backend, p), p["principalArn"]
    if principal in cluster.entries:
        raise InUse("The specified access entry resource is already in use on this cluster.")
    if principal not in [each.arn for each in (*backend.iam.roles.values(), *backend.iam.users.values())]:
        raise InvalidParameter("The specified principalArn is invalid: invalid principal.")
    _check_groups(p)
    cluster.entries[principal] = _entry(backend, cluster, principal, p)
    return cluster.entries[principal]


def get_entry(backend: EksBackend, p: Record) -> Record:
    """Return the access entry of p's principal, or refuse the call."""
    entries, principal = _cluster(backend, p).entries, p["principalArn"]
    if principal not in entries:
        raise NotFound(f"The specified principalArn could not be found: {principal}.")
    return entries[principal]


def list_entries(backend: EksBackend, p: Record) -> list[str]:
    """Return the ARNs of all principals with an entry."""
    return sorted(_cluster(backend, p).entries)


def update_entry(backend: EksBackend, p: Record) -> Record:
    """Change an access entry by UpdateAccessEntry's parameters."""
    entry = get_entry(backend, p)
    _check_groups(p)
    entry |= {key: p[key] for key in ("kubernetesGroups", "username") if key in p} | {"modifiedAt": utcnow()}
    return entry


def delete_entry(backend: EksBackend, p: Record) -> None:
    """Delete an access entry with its policies."""
    get_entry(backend, p)
    cluster = backend.get(p["clusterName"])
    del cluster.entries[p["principalArn"]]
    cluster.policies.pop(p["principalArn"], None)


def associate_policy(backend: EksBackend, p: Record) -> Record:
    """Give a principal an access policy, or change its scope."""
    if p["policyArn"] not in POLICIES:
        raise InvalidParameter("The policyArn parameter format is not valid")
    others = [policy for policy in list_policies(backend, p) if policy["policyArn"] != p["policyArn"]]
    policy = _association(p["policyArn"], p["accessScope"])
    backend.get(p["clusterName"]).policies[p["principalArn"]] = [*others, policy]
    return policy


def disassociate_policy(backend: EksBackend, p: Record) -> None:
    """Take an access policy from a principal."""
    policies = list_policies(backend, p)
    kept = [policy for policy in policies if policy["policyArn"] != p["policyArn"]]
    if len(kept) == len(policies):
        raise NotFound(f"The specified policyArn could not be found: {p['policyArn']}")
    backend.get(p["clusterName"]).policies[p["principalArn"]] = kept


def list_policies(backend: EksBackend, p: Record) -> list[Record]:
    """Return the access policies of p's principal."""
    get_entry(backend, p)
    return backend.get(p["clusterName"]).policies.get(p["principalArn"], [])


def admit_creator(backend: EksBackend, cluster: Cluster, creator: str) -> None:
    """Make who created the cluster its administrator, when its access configuration says so."""
    if cluster.record["accessConfig"]["bootstrapClusterCreatorAdminPermissions"]:
        cluster.entries[creator] = _entry(backend, cluster, creator, {})
        cluster.policies[creator] = [_association(ADMIN_POLICY, {"type": "cluster"})]


def admit_nodes(backend: EksBackend, cluster: Cluster, role_arn: str) -> None:
    """Let the nodes of a group join."""
    if cluster.has_entries and role_arn not in cluster.entries:
        cluster.entries[role_arn] = _entry(backend, cluster, role_arn, NODE_ENTRY)


def create_pod_identity(backend: EksBackend, p: Record) -> Record:
    """Associate a service account with a role by CreatePodIdentityAssociation's parameters."""
    cluster = backend.get(p["clusterName"])
    backend.check_role(p["roleArn"])
    identifier = f"a-{secrets.token_hex(9)[:17]}"
    cluster.pod_identities[identifier] = {
        **{key: p[key] for key in ("clusterName", "namespace", "serviceAccount", "roleArn")},
        "associationArn": backend.arn("podidentityassociation", cluster.name, identifier),
        "associationId": identifier,
        "tags": p.get("tags") or {},
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
    }
    return cluster.pod_identities[identifier]


def get_pod_identity(backend: EksBackend, p: Record) -> Record:
    """Return a pod identity association, or refuse the call."""
    found = backend.get(p["clusterName"]).pod_identities.get(p["associationId"])
    if found is None:
        raise NotFound(f"No association found for ID: {p['associationId']}")
    return found


def _cluster(backend: EksBackend, p: Record) -> Cluster:
    cluster = backend.get(p["clusterName"])
    if not cluster.has_entries:
        raise InvalidRequest(
            f"The cluster's authentication mode must be set to one of [{', '.join(ENTRY_MODES)}] "
            "to perform this operation."
        )
    return cluster


def _check_groups(p: Record) -> None:
    for group in p.get("kubernetesGroups", []):
        if group.startswith("system:"):
            raise InvalidParameter(f"The kubernetes group name {group} is invalid, it cannot start with system:")


def _entry(backend: EksBackend, cluster: Cluster, principal: str, p: Record) -> Record:
    kind, _, name = principal.split(":")[-1].rpartition("/")
    session_user = f"arn:aws:sts::{backend.account_id}:assumed-role/{name}/{{{{SessionName}}}}"
    path = (cluster.name, kind, backend.account_id, name, str(uuid.uuid4()))
    return {
        "clusterName": cluster.name,
        "principalArn": principal,
        "kubernetesGroups": p.get("kubernetesGroups", []),
        "accessEntryArn": backend.arn("access-entry", *path),
        "createdAt": utcnow(),
        "modifiedAt": utcnow(),
        "tags": p.get("tags") or {},
        "username": p.get("username") or (session_user if kind.startswith("role") else principal),
        "type": p.get("type") or "STANDARD",
    }


def _association(policy_arn: str, scope: Record) -> Record:
    return {
        "policyArn": policy_arn,
        "accessScope": {"namespaces": [], **scope},
        "associatedAt": utcnow(),
        "modifiedAt": utcnow(),
    }
