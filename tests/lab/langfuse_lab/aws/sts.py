# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""STS: who may take a role. moto gives any role to anybody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

from joserfc import jwt
from joserfc.errors import ExpiredTokenError, JoseError
from joserfc.jwk import RSAKey
from moto.core.responses import ActionResult
from moto.iam.models import Role, iam_backends
from moto.sts.models import sts_backends
from moto.sts.responses import TokenResponse

from langfuse_lab.aws import lab, policies
from langfuse_lab.aws.errors import AwsError
from langfuse_lab.aws.patching import replaces


@replaces(TokenResponse, "assume_role_with_web_identity")
def assume_role_with_web_identity(original: Callable[..., ActionResult], self: TokenResponse) -> ActionResult:
    """Give a role to the holder of a Kubernetes service account's token that the role trusts."""
    claims = _claims(self._get_param("WebIdentityToken"))
    issuer = claims["iss"].removeprefix("https://")
    provider = _provider(self.current_account, issuer)
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if not set(audiences) & set(provider.client_id_list):
        raise AwsError("InvalidIdentityToken", "Incorrect token audience")
    question = policies.Question(
        action="sts:AssumeRoleWithWebIdentity",
        principal=("Federated", provider.arn),
        context={f"{issuer}:aud": audiences, f"{issuer}:sub": claims["sub"]},
    )
    require_trust(self.current_account, self._get_param("RoleArn"), question)
    answer = original(self).result
    who = {"SubjectFromWebIdentityToken": claims["sub"], "Audience": audiences[0], "Provider": provider.arn}
    return ActionResult({**answer, **who})


@replaces(TokenResponse, "assume_role")
def assume_role(original: Callable[..., ActionResult], self: TokenResponse) -> ActionResult:
    """Give a role to a user or role that it trusts."""
    sts = sts_backends[self.current_account]["aws"]
    session = sts.get_assumed_role_from_access_key(self.access_key)
    caller = session.role_arn if session else sts.get_caller_identity(self.access_key, self.region)[1]
    question = policies.Question(action="sts:AssumeRole", principal=("AWS", caller))
    require_trust(self.current_account, self._get_param("RoleArn"), question)
    return original(self)


def require_trust(account: str, role_arn: str, question: policies.Question) -> Role:
    """Return a role when its trust policy allows to take it; else refuse, as STS does, without telling which it was."""
    role = next((role for role in iam_backends[account]["aws"].roles.values() if role.arn == role_arn), None)
    if role is None or policies.evaluate(_trust(role), question) is not policies.Effect.ALLOW:
        raise AwsError("AccessDenied", f"Not authorized to perform {question.action}")
    return role


def _trust(role: Role) -> Any:
    document = role.assume_role_policy_document
    return json.loads(unquote(document) if document.startswith("%") else document)["Statement"]


def _claims(token: str) -> dict[str, Any]:
    """Return the claims of a token of this lab's cluster."""
    key = RSAKey.import_key((lab.current().pki / "sa.pub").read_text())
    rules = jwt.JWTClaimsRegistry(iss={"essential": True}, sub={"essential": True}, aud={"essential": True})
    try:
        claims = jwt.decode(token, key, algorithms=["RS256"]).claims
        if claims.get("iss") != lab.current().issuer:
            raise AwsError("InvalidIdentityToken", f"No key is known of the issuer {claims.get('iss')}")
        rules.validate(claims)
    except ExpiredTokenError as error:
        raise AwsError("ExpiredTokenException", "Token expired") from error
    except (JoseError, ValueError) as error:
        raise AwsError("InvalidIdentityToken", f"The ID Token provided is not a valid JWT. ({error})") from error
    return claims


def _provider(account: str, issuer: str) -> Any:
    providers = iam_backends[account]["aws"].open_id_providers.values()
    found = next((provider for provider in providers if provider.arn.endswith(f"oidc-provider/{issuer}")), None)
    if found is None:
        raise AwsError("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for https://{issuer}")
    return found
