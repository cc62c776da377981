# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The caller's policies, asked before anything is done; and a record of what was asked."""

from __future__ import annotations

import dataclasses
import functools
import json
import threading
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from moto.iam.models import iam_backends

from langfuse_lab.aws import clients, policies
from langfuse_lab.aws.permissions import actions, calls
from langfuse_lab.aws.permissions.calls import Call
from langfuse_lab.aws.policies import Effect, Question
from langfuse_lab.aws.signatures import Received, account_of

Statements = list[dict[str, Any]]


class Denied(Exception):
    """A caller's policies do not allow what he asked for; the text is AWS's."""


@dataclasses.dataclass(frozen=True)
class Identity:
    """A user or a role's session, with the statements of each of its policies."""

    arn: str
    policies: tuple[Statements, ...]
    boundary: Statements | None = None
    session: Statements | None = None  # what a session was narrowed to when its role was taken

    def may_do_everything(self) -> bool:
        """Whether there is no need to ask."""
        return self.boundary is None and self.session is None and policies.grant_everything(self.policies)

    def effect(self, question: Question) -> Effect:
        """Return what its policies say together, a denial of one winning, and the limits around them."""
        own = {policies.evaluate(statements, question) for statements in self.policies}
        limits = [policies.evaluate(limit, question) for limit in (self.boundary, self.session) if limit is not None]
        if Effect.DENY in own or Effect.DENY in limits:
            return Effect.DENY
        return Effect.ALLOW if Effect.ALLOW in own and Effect.NONE not in limits else Effect.NONE

    def grants(self, action: str) -> bool:
        """Whether the action is allowed on anything, under whatever condition."""
        limits = [limit for limit in (self.boundary, self.session) if limit is not None]
        own = any(policies.grants(statements, action) for statements in self.policies)
        return own and all(policies.grants(limit, action) for limit in limits)


class Record:
    """Who asked for which actions: for each the first resource and context, to ask again."""

    def __init__(self) -> None:
        self._asked: dict[str, dict[str, Question]] = {}
        self._lock = threading.Lock()

    def add(self, arn: str, question: Question) -> None:
        """Note a question, unless its caller has asked for the action before."""
        with self._lock:
            self._asked.setdefault(arn, {}).setdefault(question.action, question)

    def take(self, forget: bool) -> dict[str, dict[str, dict[str, Any]]]:
        """Return all: caller -> action -> resource and context."""
        with self._lock:
            found = {
                arn: {action: {"resource": q.resource, "context": q.context} for action, q in sorted(asked.items())}
                for arn, asked in self._asked.items()
            }
            if forget:
                self._asked.clear()
        return found


RECORD = Record()


def check_request(request: Received, service: str, region: str, access_key_id: str) -> None:
    """Raise Denied when who signed a request may not make it."""
    account = account_of(access_key_id)
    identity = identity_of(account, access_key_id)
    if identity is None or identity.may_do_everything():
        return
    call = calls.of_request(request, service, region)
    if call is None:
        question = Question(f"{service}:{request.method} {request.path}")
        _refuse(identity, question, Effect.NONE)
    else:
        _check(identity, call, account)


def check_call(service: str, operation: str, region: str, access_key_id: str, parameters: dict[str, Any]) -> None:
    """Raise AWS's error when a call that a service makes for the holder of a key is not allowed to him."""
    account = account_of(access_key_id)
    identity = identity_of(account, access_key_id)
    if identity is None or identity.may_do_everything():
        return
    try:
        _check(identity, Call(service, operation, region, lambda: parameters), account)
    except Denied as denied:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": str(denied)}}, operation) from denied


clients.guard(check_call)


def _check(identity: Identity, call: Call, account: str) -> None:
    for question in actions.questions(call, account):
        RECORD.add(identity.arn, question)
        if question.action == "sts:AssumeRole" and _trusts_by_name(account, question.resource, identity.arn):
            continue
        _refuse(identity, question, identity.effect(question))


def require(access_key_id: str, wanted: Iterable[str]) -> None:
    """Raise Denied when the holder of a key is not allowed one of some actions on anything at all."""
    account = account_of(access_key_id)
    identity = identity_of(account, access_key_id)
    if identity is None or identity.may_do_everything():
        return
    for action in wanted:
        question = Question(action)
        RECORD.add(identity.arn, question)
        _refuse(identity, question, Effect.ALLOW if identity.grants(action) else Effect.NONE)


def identity_of(account: str, access_key_id: str) -> Identity | None:
    """Return who has a key; None for the account's root, who is asked for nothing."""
    iam = iam_backends[account]["aws"]
    session = clients.session_of(account, access_key_id)
    if session:
        role = next((role for role in iam.roles.values() if role.arn == session.role_arn), None)
        if role is None:
            return Identity(session.arn, ())
        narrowed = _statements(session.policy) if session.policy else None
        return dataclasses.replace(_of_role(account, role), arn=session.arn, session=narrowed)
    key = iam.access_keys.get(access_key_id)
    user = iam.users.get(key.user_name) if key else None
    return _of_user(account, user) if user else None


def identity_by_arn(account: str, arn: str) -> Identity | None:
    """Return a user or role by its ARN."""
    iam = iam_backends[account]["aws"]
    user = next((user for user in iam.users.values() if user.arn == arn), None)
    if user:
        return _of_user(account, user)
    role = next((role for role in iam.roles.values() if role.arn == arn), None)
    return _of_role(account, role) if role else None


def _of_user(account: str, user: Any) -> Identity:
    groups = [group for group in iam_backends[account]["aws"].groups.values() if user in group.users]
    listed = tuple(each for holder in (user, *groups) for each in _policies(holder))
    return Identity(user.arn, listed)


def _of_role(account: str, role: Any) -> Identity:
    boundary = None
    if role.permissions_boundary_arn:
        boundary = _statements(_document(iam_backends[account]["aws"].get_policy(role.permissions_boundary_arn)))
    return Identity(role.arn, tuple(_policies(role)), boundary)


def _policies(holder: Any) -> list[Statements]:
    documents = [*holder.policies.values(), *(_document(policy) for policy in holder.managed_policies.values())]
    return [_statements(document) for document in documents]


def _document(policy: Any) -> str:
    """Return the text of a managed policy's version that counts."""
    return next(version.document for version in policy.versions if version.version_id == policy.default_version_id)


def _statements(document: str | dict[str, Any]) -> Statements:
    return _parsed(document if isinstance(document, str) else json.dumps(document))


@functools.lru_cache(maxsize=512)
def _parsed(document: str) -> Statements:
    found = json.loads(unquote(document) if document.startswith("%") else document)["Statement"]
    return found if isinstance(found, list) else [found]


def _trusts_by_name(account: str, role_arn: str, caller: str) -> bool:
    """Whether a role's trust names its taker, who then needs no policy of his own."""
    role = next((role for role in iam_backends[account]["aws"].roles.values() if role.arn == role_arn), None)
    return role is not None and caller in unquote(role.assume_role_policy_document)


def _refuse(identity: Identity, question: Question, effect: Effect) -> None:
    if effect is Effect.ALLOW:
        return
    action = question.action
    reason = f"because no identity-based policy allows the {action} action"
    if effect is Effect.DENY:
        reason = "with an explicit deny in an identity-based policy"
    elif any(policies.evaluate(statements, question) is Effect.ALLOW for statements in identity.policies):
        limit = "session policy" if identity.boundary is None else "permissions boundary"
        reason = f"because no {limit} allows the {action} action"
    raise Denied(
        f"User: {identity.arn} is not authorized to perform: {action} on resource: {question.resource} {reason}"
    )
