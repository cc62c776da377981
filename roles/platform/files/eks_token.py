# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print an EKS token for a kubeconfig's exec section, with boto3 and without the AWS CLI.

Usage: eks_token.py REGION CLUSTER. The token is a presigned sts:GetCallerIdentity request that names the cluster in a
signed header. Credentials come from where boto3 finds them. EKS takes a token for 15 minutes; the client is told 14.
"""

from __future__ import annotations

import base64
import datetime
import json
import sys

import boto3
import botocore.exceptions
from botocore.signers import RequestSigner

URL_SECONDS = 60
TOKEN_MINUTES = 14


def token(region: str, cluster: str) -> str:
    """The bearer token of this session's identity for one cluster."""
    session = boto3.Session(region_name=region)
    sts = session.client("sts")
    signer = RequestSigner(
        sts.meta.service_model.service_id, region, "sts", "v4", session.get_credentials(), session.events
    )
    request = {
        "method": "GET",
        "url": f"{sts.meta.endpoint_url}/?Action=GetCallerIdentity&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=region, expires_in=URL_SECONDS, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def credential(region: str, cluster: str) -> dict[str, object]:
    """The ExecCredential that client.authentication.k8s.io/v1 asks for."""
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(minutes=TOKEN_MINUTES)
    return {
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"expirationTimestamp": until.strftime("%Y-%m-%dT%H:%M:%SZ"), "token": token(region, cluster)},
    }


if __name__ == "__main__":
    try:
        print(json.dumps(credential(*sys.argv[1:])))
    except botocore.exceptions.BotoCoreError as error:
        sys.exit(f"No EKS token: {error}")
