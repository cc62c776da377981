# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""boto3 clients of AWS from within: calls that services make for a caller go straight to moto, without a socket.

They are signed with the caller's own keys, and his policies are asked for each, so a service can do no more than the
one who asked it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import botocore.session
from botocore.config import Config
from moto.core.models import botocore_stubber
from moto.iam.models import iam_backends
from moto.sts.models import AssumedRole, sts_backends

# moto adds this handler to every client made after its import; this line makes it answer.
botocore_stubber.enabled = True

# Asks the policies of a key's holder: (service, operation, region, access key, parameters).
Guard = Callable[[str, str, str, str, dict[str, Any]], None]
_guards: list[Guard] = []
_CONFIG = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})


@dataclasses.dataclass(frozen=True)
class Credentials:
    """An access key of a user, or of a role's session (then with a token)."""

    access_key_id: str
    secret_access_key: str = dataclasses.field(repr=False)
    session_token: str | None = dataclasses.field(default=None, repr=False)


@dataclasses.dataclass(frozen=True)
class Clients:
    """Clients of one caller in one region."""

    credentials: Credentials
    region: str

    def __call__(self, service: str) -> Any:
        """Return a boto3 client, e.g. of "ec2"."""
        return _client(service, self.region, self.credentials)


def guard(function: Guard) -> None:
    """Let a function be called before every call; what it raises is raised to the caller."""
    _guards[:] = [function]


def credentials_of(account: str, access_key_id: str) -> Credentials | None:
    """Return the credentials with this key id, or None when nobody has such a key."""
    session = session_of(account, access_key_id)
    if session:
        return Credentials(access_key_id, session.secret_access_key, session.session_token)
    key = iam_backends[account]["aws"].access_keys.get(access_key_id)
    return Credentials(access_key_id, key.secret_access_key) if key else None


def session_of(account: str, access_key_id: str) -> AssumedRole | None:
    """Return the role session that has this key id, or None."""
    return sts_backends[account]["aws"].get_assumed_role_from_access_key(access_key_id)


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


@functools.lru_cache(maxsize=256)
def _client(service: str, region: str, credentials: Credentials) -> Any:
    client = _session().create_client(
        service,
        region_name=region,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token,
        config=_CONFIG,
    )

    def ask(params: dict[str, Any], model: Any, **_: Any) -> None:
        for each in _guards:
            each(service, model.name, region, credentials.access_key_id, params)

    client.meta.events.register("provide-client-params.*.*", ask)
    return client
