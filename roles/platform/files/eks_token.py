# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print an EKS token for a kubeconfig's exec section, with boto3 and without the AWS CLI.

Usage: eks_token.py REGION CLUSTER. The token is a presigned sts:GetCallerIdentity request that names the cluster in a
signed header. Credentials come from where boto3 finds them. EKS takes a token for 15 minutes; the client is told 14.

A playbook starts dozens of clients, and half a second of each would go to making a token. So it is kept beside this
file, readable by its owner only, until it is due or the settings of AWS in the environment or in AWS's files change.
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import json
import os
import sys
from pathlib import Path

URL_SECONDS = 60
TOKEN_MINUTES = 14
SPARE_MINUTES = 2  # a token that is handed out lasts at least that long
TIME = "%Y-%m-%dT%H:%M:%SZ"
AWS_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}


def token(region: str, cluster: str) -> str:
    """The bearer token of this session's identity for one cluster."""
    import boto3  # slow to import, and not needed for a token that is kept
    from botocore.signers import RequestSigner

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
        "status": {"expirationTimestamp": until.strftime(TIME), "token": token(region, cluster)},
    }


def question(region: str, cluster: str) -> str:
    """A digest of all that decides whose token for what is asked for."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    files = [Path(os.environ.get(name, default)).expanduser() for name, default in AWS_FILES.items()]
    changed = [str(file.stat().st_mtime_ns) if file.exists() else "" for file in files]
    return hashlib.sha256(json.dumps([region, cluster, sorted(settings.items()), changed]).encode()).hexdigest()


def kept(file: Path, asked: str) -> dict[str, object] | None:
    """The credential that was made for this question, if it lasts."""
    try:
        found = json.loads(file.read_text())
        until = datetime.datetime.strptime(found["credential"]["status"]["expirationTimestamp"], TIME)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    left = until.replace(tzinfo=datetime.UTC) - datetime.datetime.now(datetime.UTC)
    lasts = left > datetime.timedelta(minutes=SPARE_MINUTES)
    return found["credential"] if lasts and found["question"] == asked else None


def keep(file: Path, asked: str, made: dict[str, object]) -> None:
    """Write the credential for the next client. Where nothing can be written, each makes its own."""
    draft = file.with_suffix(f".{os.getpid()}")
    with contextlib.suppress(OSError):
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            json.dump({"question": asked, "credential": made}, stream)
        draft.replace(file)


def made(region: str, cluster: str) -> dict[str, object]:
    """A new credential. Ends the program with one line when there is nothing to sign it with."""
    from botocore.exceptions import BotoCoreError

    try:
        return credential(region, cluster)
    except BotoCoreError as error:
        sys.exit(f"No EKS token: {error}")


def main(region: str, cluster: str) -> None:
    """Print a credential, the kept one or a new one."""
    file = Path(__file__).with_suffix(".json")
    asked = question(region, cluster)
    found = kept(file, asked)
    if not found:
        found = made(region, cluster)
        keep(file, asked, found)
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
