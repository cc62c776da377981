# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print an EKS token for a kubeconfig's exec section, with boto3 and without the AWS CLI.

Usage: eks_token.py REGION CLUSTER. The token is a presigned sts:GetCallerIdentity request that names the cluster in a
signed header. Credentials come from where boto3 finds them. EKS takes a token for 15 minutes; the client is told 14.

A playbook starts dozens of clients, and half a second of each would go to making a token. So it is kept beside this
file, readable by its owner only, until it is due or the settings of AWS in the environment or in AWS's files change.
What only a new token needs is imported only then, and the kubeconfig's `python -S` leaves out the packages until then.
"""

from __future__ import annotations

import hashlib
import os
import sys
import time

URL_SECONDS = 60
TOKEN_SECONDS = 14 * 60
SPARE_SECONDS = 2 * 60  # a token that is handed out lasts at least that long
AWS_FILES = {"AWS_SHARED_CREDENTIALS_FILE": "~/.aws/credentials", "AWS_CONFIG_FILE": "~/.aws/config"}


def token(region: str, cluster: str) -> str:
    """The bearer token of this session's identity for one cluster."""
    import base64

    import boto3
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


def credential(region: str, cluster: str, until: int) -> str:
    """The ExecCredential that client.authentication.k8s.io/v1 asks for, good until that second of the epoch."""
    import json

    status = {
        "expirationTimestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(until)),
        "token": token(region, cluster),
    }
    return json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status})


def question(region: str, cluster: str) -> str:
    """A digest of all that decides whose token for what is asked for."""
    settings = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    files = [os.path.expanduser(os.environ.get(name, default)) for name, default in AWS_FILES.items()]
    changed = [os.stat(file).st_mtime_ns if os.path.exists(file) else 0 for file in files]
    return hashlib.sha256(repr([region, cluster, sorted(settings.items()), changed]).encode()).hexdigest()


def kept(file: str, asked: str) -> str | None:
    """The credential that was made for this question, if it lasts."""
    try:
        with open(file) as stream:
            question_then, until, found = stream.read().split("\n", 2)
        lasts = int(until) - time.time() > SPARE_SECONDS
    except (OSError, ValueError):
        return None
    return found if lasts and question_then == asked else None


def keep(file: str, asked: str, until: int, made: str) -> None:
    """Write the credential for the next client. Where nothing can be written, each makes its own."""
    draft = f"{file}.{os.getpid()}"
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(f"{asked}\n{until}\n{made}")
        os.replace(draft, file)
    except OSError:
        pass


def new(region: str, cluster: str, until: int) -> str:
    """A new credential. Ends the program with one line when there is nothing to sign it with."""
    if sys.flags.no_site:
        import site

        site.main()
    from botocore.exceptions import BotoCoreError

    try:
        return credential(region, cluster, until)
    except BotoCoreError as error:
        sys.exit(f"No EKS token: {error}")


def main(region: str, cluster: str) -> None:
    """Print a credential, the kept one or a new one."""
    file = os.path.splitext(__file__)[0] + ".kept"
    asked = question(region, cluster)
    found = kept(file, asked)
    if not found:
        until = int(time.time()) + TOKEN_SECONDS
        found = new(region, cluster, until)
        keep(file, asked, until, found)
    print(found)


if __name__ == "__main__":
    main(*sys.argv[1:])
