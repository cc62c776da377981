# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody has in AWS before the first run: an administrator with a key, a certificate and a DNS zone."""

from __future__ import annotations

import json
import secrets
from typing import Any

from moto.acm.models import acm_backends
from moto.iam.models import iam_backends

from langfuse_lab.aws.clients import Clients, Credentials
from langfuse_lab.config import ACCOUNT, REGION, Lab, write_atomically

USER = "lab-admin"
ADMINISTRATOR_ACCESS = "arn:aws:iam::aws:policy/AdministratorAccess"
HOST_NAME = "langfuse.example.com"
ZONE = "example.com"


def plant(lab: Lab) -> None:
    """Make it, and write the key to state/credentials.json and the ids to state/seed.json."""
    credentials = _make_user(lab)
    clients = Clients(credentials, REGION)
    seed = {
        "user": USER,
        "certificate_arn": _make_certificate(clients),
        "hosted_zone_id": clients("route53").create_hosted_zone(Name=ZONE, CallerReference=lab.lab_id)["HostedZone"][
            "Id"
        ],
    }
    write_atomically(lab.state / "seed.json", json.dumps(seed, indent=1) + "\n")


def _make_user(lab: Lab) -> Credentials:
    """Make the administrator; a lab that was there before keeps its key."""
    path = lab.state / "credentials.json"
    iam = iam_backends[ACCOUNT]["aws"]
    iam.create_user(REGION, user_name=USER)
    iam.attach_user_policy(ADMINISTRATOR_ACCESS, USER)
    key = iam.create_access_key(USER)
    if path.exists():
        kept: dict[str, Any] = json.loads(path.read_text())
        del iam.access_keys[key.access_key_id]
        key.access_key_id, key.secret_access_key = kept["access_key_id"], kept["secret_access_key"]
        iam.access_keys[key.access_key_id] = key
    else:
        key.secret_access_key = secrets.token_urlsafe(30)  # moto's own repeat themselves from process to process
        written = {"access_key_id": key.access_key_id, "secret_access_key": key.secret_access_key}
        write_atomically(path, json.dumps(written, indent=1) + "\n")
    return Credentials(key.access_key_id, key.secret_access_key)


def _make_certificate(clients: Clients) -> str:
    arn = clients("acm").request_certificate(DomainName=HOST_NAME, ValidationMethod="DNS")["CertificateArn"]
    # The DNS record that proves the name's ownership is not waited for.
    acm_backends[ACCOUNT][REGION]._certificates[arn].status = "ISSUED"
    return arn
