# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signed a request: AWS's Signature Version 4, in headers or in the query of a presigned URL."""

from __future__ import annotations

import dataclasses
import datetime
from urllib.parse import parse_qs, unquote

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as SigningKeys
from moto.core import DEFAULT_ACCOUNT_ID
from moto.iam.models import iam_backends

from langfuse_lab.aws import clients

SKEW = datetime.timedelta(minutes=15)
TIME_FORMAT = "%Y%m%dT%H%M%SZ"


class Refused(Exception):
    """A request that AWS does not accept as anybody's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Received:
    """An HTTP request as it came in."""

    method: str
    path: str  # with its percent signs
    query: str
    headers: dict[str, str]  # names in lower case
    body: bytes


@dataclasses.dataclass(frozen=True)
class Signature:
    """What a request says about its signature."""

    access_key_id: str
    region: str
    service: str
    date: str
    signed_headers: tuple[str, ...]
    value: str
    token: str | None
    expires: int | None  # seconds; only in presigned URLs

    @property
    def signed_at(self) -> datetime.datetime:
        return datetime.datetime.strptime(self.date, TIME_FORMAT).replace(tzinfo=datetime.UTC)


def read(request: Received) -> Signature | None:
    """Return a request's signature, or None when it has none. Raises Refused for one that makes no sense."""
    try:
        if request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256 "):
            return _from_headers(request)
        if "X-Amz-Signature=" in request.query:
            return _from_query(request)
    except (KeyError, ValueError) as error:
        raise Refused("IncompleteSignature", f"The signature cannot be read ({error})") from error
    return None


def verify(request: Received, signature: Signature, lifetime: datetime.timedelta | None = None) -> clients.Credentials:
    """Return the credentials that a request was signed with. Raises Refused when they are unknown, wrong or too old.

    lifetime: how long the signature holds, in place of what it says of itself.
    """
    account = account_of(signature.access_key_id)
    credentials = clients.credentials_of(account, signature.access_key_id)
    if credentials is None or not _is_active(account, signature.access_key_id):
        raise Refused("InvalidClientTokenId", "The security token included in the request is invalid.")
    if credentials.session_token != signature.token:
        raise Refused("InvalidClientTokenId", "The security token included in the request is invalid.")
    session = clients.session_of(account, signature.access_key_id)
    now = datetime.datetime.now(datetime.UTC)
    if session and session.expiration.replace(tzinfo=datetime.UTC) < now:
        raise Refused("ExpiredToken", "The security token included in the request is expired")
    if _expected(request, signature, credentials) != signature.value:
        raise Refused(
            "SignatureDoesNotMatch",
            "The request signature we calculated does not match the signature you provided. "
            "Check your AWS Secret Access Key and signing method.",
        )
    _check_age(signature, lifetime, now)
    return credentials


def account_of(access_key_id: str) -> str:
    """Return the account that a key belongs to."""
    accounts = [
        account for account, backends in list(iam_backends.items()) if access_key_id in backends["aws"].access_keys
    ]
    return accounts[0] if accounts else DEFAULT_ACCOUNT_ID


def _from_headers(request: Received) -> Signature:
    fields = dict(part.strip().split("=", 1) for part in request.headers["authorization"].split(" ", 1)[1].split(","))
    key, _, region, service, _ = fields["Credential"].split("/")
    return Signature(
        key,
        region,
        service,
        request.headers["x-amz-date"],
        tuple(fields["SignedHeaders"].split(";")),
        fields["Signature"],
        request.headers.get("x-amz-security-token"),
        None,
    )


def _from_query(request: Received) -> Signature:
    fields = {name: values[0] for name, values in parse_qs(request.query).items()}
    key, _, region, service, _ = fields["X-Amz-Credential"].split("/")
    return Signature(
        key,
        region,
        service,
        fields["X-Amz-Date"],
        tuple(fields["X-Amz-SignedHeaders"].split(";")),
        fields["X-Amz-Signature"],
        fields.get("X-Amz-Security-Token"),
        int(fields["X-Amz-Expires"]),
    )


def _expected(request: Received, signature: Signature, credentials: clients.Credentials) -> str:
    presigned = signature.expires is not None
    if signature.service == "s3":
        method = S3SigV4QueryAuth if presigned else S3SigV4Auth
    else:
        method = SigV4QueryAuth if presigned else SigV4Auth
    keys = SigningKeys(credentials.access_key_id, credentials.secret_access_key)
    signer = method(keys, signature.service, signature.region)
    query = "&".join(part for part in request.query.split("&") if unquote(part).split("=")[0] != "X-Amz-Signature")
    again = AWSRequest(
        method=request.method,
        url=f"http://{request.headers.get('host', '')}{request.path}" + (f"?{query}" if query else ""),
        data=request.body,
        headers={name: value for name, value in request.headers.items() if name in signature.signed_headers},
    )
    again.context["timestamp"] = signature.date
    return signer.signature(signer.string_to_sign(again, signer.canonical_request(again)), again)


def _check_age(signature: Signature, lifetime: datetime.timedelta | None, now: datetime.datetime) -> None:
    if lifetime is None:
        lifetime = SKEW if signature.expires is None else datetime.timedelta(seconds=signature.expires)
    if not signature.signed_at - SKEW <= now <= signature.signed_at + lifetime:
        raise Refused("RequestExpired", f"Signature expired or not yet valid: {signature.date}")


def _is_active(account: str, access_key_id: str) -> bool:
    return iam_backends[account]["aws"].access_keys[access_key_id].status == "Active"
