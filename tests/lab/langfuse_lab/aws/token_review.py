# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes' question who a bearer token is, answered as EKS answers it (a TokenReview webhook).

A token is a presigned sts:GetCallerIdentity URL that names the cluster in a signed header. The access entry of its
signer says who that is in Kubernetes; somebody without an entry is nobody.
"""

from __future__ import annotations

import base64
import binascii
import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

from moto.sts.models import sts_backends

from langfuse_lab.aws import clients, signatures
from langfuse_lab.aws.eks.access import ADMIN_POLICY, POLICIES
from langfuse_lab.aws.eks.clusters import Cluster, backends
from langfuse_lab.aws.signatures import Received, Refused

PREFIX = "k8s-aws-v1."
CLUSTER_HEADER = "x-k8s-aws-id"
MAX_EXPIRES = 900
LIFETIME = datetime.timedelta(minutes=15)  # counted from the signature, whatever the URL says of itself


def review(body: dict[str, Any]) -> dict[str, Any]:
    """Answer a TokenReview with its status."""
    try:
        status = {"authenticated": True, "user": _user(body.get("spec", {}).get("token", ""))}
    except Refused as refusal:
        status = {"authenticated": False, "error": str(refusal)}
    return {"apiVersion": body.get("apiVersion", "authentication.k8s.io/v1"), "kind": "TokenReview", "status": status}


def _user(token: str) -> dict[str, Any]:
    url = urlsplit(_decoded(token))
    if parse_qs(url.query).get("Action") != ["GetCallerIdentity"]:
        raise Refused("InvalidToken", "the token is not a presigned sts:GetCallerIdentity URL")
    found = [cluster for regions in backends.values() for b in regions.values() for cluster in b.clusters.values()]
    if not found:
        raise Refused("InvalidToken", "EKS has no cluster")
    (cluster,) = found  # there is but one API server
    headers = {"host": url.netloc, CLUSTER_HEADER: cluster.name}
    key = _signer(Received("GET", url.path, url.query, headers, b""))
    return _identity(cluster, signatures.account_of(key), key)


def _decoded(token: str) -> str:
    if not token.startswith(PREFIX):
        raise Refused("InvalidToken", "the token is not one of AWS")
    text = token.removeprefix(PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Refused("InvalidToken", "the token is not base64url") from error


def _signer(request: Received) -> str:
    signature = signatures.read(request)
    if signature is None or signature.expires is None:
        raise Refused("InvalidToken", "the token's URL is not signed")
    if CLUSTER_HEADER not in signature.signed_headers:
        raise Refused("InvalidToken", f"the token does not sign {CLUSTER_HEADER}: it could be for any cluster")
    if not 0 <= signature.expires <= MAX_EXPIRES:
        raise Refused("InvalidToken", f"X-Amz-Expires is {signature.expires}; allowed are 0 to {MAX_EXPIRES}")
    signatures.verify(request, signature, lifetime=LIFETIME)
    return signature.access_key_id


def _identity(cluster: Cluster, account: str, key: str) -> dict[str, Any]:
    session = clients.session_of(account, key)
    identifier, arn, _ = sts_backends[account]["aws"].get_caller_identity(key, "")
    principal = session.role_arn if session else arn
    entry = cluster.entries.get(principal)
    if entry is None:
        raise Refused("AccessDenied", f"{principal} has no access entry in cluster {cluster.name}")
    name = session.session_name if session else ""
    return {
        "username": entry["username"].replace("{{SessionName}}", name.replace("@", "-")),
        "uid": f"aws-iam-authenticator:{account}:{identifier.split(':')[0]}",
        "groups": [*entry["kubernetesGroups"], *_policy_groups(cluster, principal)],
        "extra": {
            "arn": [arn],
            "canonicalArn": [principal],
            "accessKeyId": [key],
            "principalId": [identifier.split(":")[0]],
            "sessionName": [name],
        },
    }


def _policy_groups(cluster: Cluster, principal: str) -> list[str]:
    """Return the groups that stand for access policies.

    EKS has an authorizer of its own for these. Here the administrator's policy for the whole cluster is system:masters;
    any other is a group that has the rights that somebody binds to it.
    """
    groups = []
    for policy in cluster.policies.get(principal, []):
        scope = policy["accessScope"]
        if policy["policyArn"] == ADMIN_POLICY and scope["type"] == "cluster":
            groups.append("system:masters")
        else:
            name = f"eks-access-policy:{POLICIES[policy['policyArn']]}"
            groups += [f"{name}:{namespace}" for namespace in scope["namespaces"]] or [name]
    return groups
