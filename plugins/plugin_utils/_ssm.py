# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: read SSM parameters in as few calls as the API allows."""

from __future__ import annotations

import re
import sys
import typing as t
from contextlib import contextmanager
from dataclasses import dataclass, field

if t.TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.client import BaseClient

# The API's own limit, for names in one GetParameters as for results on one page of GetParametersByPath.
BATCH = 10
CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 30  # seconds

GET_PARAMETERS = "ssm:GetParameters"
GET_PARAMETERS_BY_PATH = "ssm:GetParametersByPath"
KMS_DECRYPT = "kms:Decrypt"

DENIED = {"AccessDenied", "AccessDeniedException"}
THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
BAD_CREDENTIALS = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}

Value = str | list[str]


class SsmError(Exception):
    """A fault that the caller's user can act on. The message is one line and holds no value and no credential."""


@dataclass(frozen=True)
class Connection:
    """Where to read and as whom. What is None is left to boto3: environment, shared files, role of the instance."""

    region: str | None = None
    profile: str | None = None
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    retries: int = 4


@dataclass(frozen=True)
class Query:
    """What to read: names (with a version or label as `name:3`), or paths."""

    terms: tuple[str, ...]
    by_path: bool = False
    recursive: bool = True
    decrypt: bool = True


@dataclass
class Reading:
    """What came back. `values` has the terms as asked, or by path the names relative to it, as keys."""

    region: str
    account: str | None = None
    caller: str | None = None
    values: dict[str, Value] = field(default_factory=dict)
    secrets: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    denied: dict[str, str] = field(default_factory=dict)  # term -> the permission that it lacked

    @property
    def complete(self) -> bool:
        """Whether every term was found and could be read."""
        return not self.missing and not self.denied

    @property
    def place(self) -> str:
        """Where was looked, for messages."""
        return f"{self.region}, account {self.account}" if self.account else self.region

    def keep(self, key: str, parameter: Mapping[str, t.Any], decrypted: bool) -> None:
        """Take over one parameter of an answer."""
        value = parameter["Value"]
        self.values[key] = value.split(",") if parameter["Type"] == "StringList" else value
        if parameter["Type"] == "SecureString" and decrypted:
            self.secrets.append(value)
        self.account = self.account or _account(parameter.get("ARN", ""))

    def deny(self, term: str, permission: str, message: str) -> None:
        """Note that a term may not be read, and who asked as far as AWS says it."""
        self.denied[term] = permission
        caller = re.search(r"User: (arn:\S+) is not authorized", message)
        if caller:
            self.caller = caller.group(1)
            self.account = self.account or _account(self.caller)


_known: dict[tuple[Connection, Query], Reading] = {}


def read(connection: Connection, query: Query, cache: bool = True) -> Reading:
    """Read what the query asks for.

    With `cache`, a complete reading is kept in this process and the same question makes no call again.
    An incomplete one is not kept, since what is missing now may be there at the next question.
    """
    if cache and (connection, query) in _known:
        return _known[connection, query]
    _refuse_bad_query(query)
    client = connect(connection)
    reading = Reading(region=client.meta.region_name)
    if query.by_path:
        _read_paths(client, query, reading)
    else:
        _read_names(client, query, reading)
    if cache and reading.complete:
        _known[connection, query] = reading
    return reading


def connect(connection: Connection) -> BaseClient:
    """Return an SSM client. Nothing is sent yet."""
    try:
        from boto3.session import Session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise SsmError(f"{sys.executable} cannot import boto3, which the lookup needs: install it there.") from error
    _refuse_bad_connection(connection)
    try:
        session = Session(
            profile_name=connection.profile,
            region_name=connection.region,
            aws_access_key_id=connection.access_key,
            aws_secret_access_key=connection.secret_key,
            aws_session_token=connection.session_token,
        )
        config = Config(
            retries={"mode": "standard", "total_max_attempts": connection.retries + 1},
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
        )
        return session.client("ssm", endpoint_url=connection.endpoint_url, config=config)
    except (BotoCoreError, ValueError) as error:
        raise SsmError(_sdk_fault(error)) from error


def _refuse_bad_query(query: Query) -> None:
    for term in query.terms:
        if query.by_path and not term.startswith("/"):
            raise SsmError(f"'{term}' is no path of SSM parameters: a path begins with '/'. Names need by_path=false.")
        if not term:
            raise SsmError("The name of an SSM parameter is empty: give a name such as '/langfuse/production/salt'.")


def _refuse_bad_connection(connection: Connection) -> None:
    if connection.retries < 0:
        raise SsmError(f"retries is {connection.retries}: 0 or more is allowed.")
    if bool(connection.access_key) != bool(connection.secret_key):
        raise SsmError("Only one of access_key and secret_key is given: give both, or none and boto3 searches itself.")
    if connection.session_token and not connection.access_key:
        raise SsmError("session_token is given without access_key and secret_key: give all three, or none.")
    if connection.profile and connection.access_key:
        raise SsmError(f"Both the profile '{connection.profile}' and access_key are given: choose one.")


def _read_names(client: BaseClient, query: Query, reading: Reading) -> None:
    for batch in _batches(query.terms):
        _read_batch(client, batch, query.decrypt, reading)
    asked = list(dict.fromkeys(query.terms))
    reading.values = {term: reading.values[term] for term in asked if term in reading.values}
    reading.missing = [term for term in asked if term not in reading.values and term not in reading.denied]


def _batches(terms: tuple[str, ...]) -> list[dict[str, str]]:
    """Divide the terms into calls, each a mapping of parameter names to terms.

    Versions of one parameter go into different calls: an answer always names the parameter, while the version or label
    that was asked for is an optional field.
    """
    batches: list[dict[str, str]] = []
    for term in dict.fromkeys(terms):
        head, slash, tail = term.rpartition("/")  # an ARN has colons too, but none after its last slash
        name = head + slash + tail.partition(":")[0]
        batch = next((batch for batch in batches if len(batch) < BATCH and name not in batch), None)
        if batch is None:
            batches.append(batch := {})
        batch[name] = term
    return batches


def _read_batch(client: BaseClient, batch: dict[str, str], decrypt: bool, reading: Reading) -> None:
    with _explained(client, GET_PARAMETERS) as refused:
        answer = client.get_parameters(Names=list(batch.values()), WithDecryption=decrypt)
        for parameter in answer["Parameters"]:
            for name in {parameter["Name"], parameter.get("ARN")} & batch.keys():
                reading.keep(batch[name], parameter, decrypt)
    if refused and len(batch) > 1:
        # One parameter that may not be read fails its whole batch: ask one by one which it is.
        for name, term in batch.items():
            _read_batch(client, {name: term}, decrypt, reading)
    elif refused:
        reading.deny(*batch.values(), *refused[0])


def _read_paths(client: BaseClient, query: Query, reading: Reading) -> None:
    for term in dict.fromkeys(query.terms):
        path = term.rstrip("/") or "/"
        found: list[Mapping[str, t.Any]] = []
        with _explained(client, GET_PARAMETERS_BY_PATH) as refused:
            pages = client.get_paginator("get_parameters_by_path").paginate(
                Path=path, Recursive=query.recursive, WithDecryption=query.decrypt, PaginationConfig={"PageSize": BATCH}
            )
            found = [parameter for page in pages for parameter in page["Parameters"]]
        if refused:
            reading.deny(term, *refused[0])
        elif not found:
            reading.missing.append(term)
        for parameter in sorted(found, key=lambda parameter: parameter["Name"]):
            reading.keep(parameter["Name"].removeprefix(path).removeprefix("/"), parameter, query.decrypt)


@contextmanager
def _explained(client: BaseClient, action: str) -> Iterator[list[tuple[str, str]]]:
    """Turn the SDK's faults into SsmError, but put a denial as (permission, AWS's message) on the yielded list."""
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    refused: list[tuple[str, str]] = []
    try:
        yield refused
    except ClientError as error:
        code, message = error.response["Error"]["Code"], error.response["Error"].get("Message", "")
        if code not in DENIED:
            raise SsmError(_api_fault(code, message, action, client.meta.region_name)) from error
        # KMS refuses through SSM, in one of two wordings.
        by_kms = "kms:" in message or "ciphertext" in message
        refused.append((KMS_DECRYPT if by_kms else action, message))
    except (BotoCoreError, ResponseParserError) as error:
        raise SsmError(_sdk_fault(error, client)) from error


def _api_fault(code: str, message: str, action: str, region: str) -> str:
    if code in THROTTLED:
        return f"AWS throttled {action} in {region} after all retries ({code}): raise retries, or run less in parallel."
    if code in BAD_CREDENTIALS:
        # AWS's message is left out: for a wrong signature it repeats the request, session token included.
        cause = "they are wrong or expired, or this computer's clock is off"
        return f"AWS refused the credentials for {action} in {region} ({code}): {cause}."
    return f"{action} failed in {region}: {code}: {' '.join(message.split())}"


def _sdk_fault(error: Exception, client: BaseClient | None = None) -> str:
    from botocore import exceptions
    from botocore.parsers import ResponseParserError

    text = " ".join(str(error).split()).rstrip(".")
    if isinstance(error, exceptions.NoRegionError):
        return "No AWS region to read SSM parameters in: set the option region, or AWS_REGION in the environment."
    if isinstance(error, exceptions.ProfileNotFound):
        return f"{text}: correct the profile, or add it to ~/.aws/config."
    if isinstance(error, (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)):
        cure = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the option profile"
        return f"No AWS credentials to read SSM parameters with ({text}): {cure}."
    if client and isinstance(error, ResponseParserError):
        return f"What answers at {client.meta.endpoint_url} is not SSM: check endpoint_url and the proxy."
    if client and isinstance(error, (exceptions.ConnectionError, exceptions.HTTPClientError)):
        where = f"{client.meta.region_name} at {client.meta.endpoint_url}"
        return f"Cannot reach SSM in {where} ({text}): check the network, the region and endpoint_url."
    return f"Cannot read SSM parameters: {type(error).__name__}: {text}."


def _account(arn: str) -> str | None:
    found = re.match(r"arn:[^:]*:[^:]*:[^:]*:(\d{12}):", arn)
    return found.group(1) if found else None
