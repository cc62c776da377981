# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IAM user who runs the playbooks with what the roles' permissions.yml list, and nothing else."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
NAME = "operator"
Asked = dict[str, dict[str, Any]]  # action -> resource and context of the first request that asked for it


def permissions(role: str) -> dict[str, Any] | None:
    """A role's list as an IAM policy, or None for a role that asks AWS for nothing."""
    path = ROLES / role / "files" / "permissions.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else None


def actions(policy: dict[str, Any] | None) -> set[str]:
    """The actions in a policy."""
    listed = [statement["Action"] for statement in (policy or {"Statement": []})["Statement"]]
    return {action for each in listed for action in ([each] if isinstance(each, str) else each)}


def with_irsa(policy: dict[str, Any] | None) -> dict[str, Any] | None:
    """The same policy without what storage_s3_access user needs."""
    return policy and {**policy, "Statement": [each for each in policy["Statement"] if each["Sid"] != "AccessKey"]}


def without(policy: dict[str, Any], removed: Iterable[str]) -> dict[str, Any]:
    """The same policy with some actions less."""
    gone = set(removed)
    statements = []
    for statement in policy["Statement"]:
        listed = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        left = [action for action in listed if action not in gone]
        statements += [{**statement, "Action": left}] if left else []
    return {**policy, "Statement": statements}


class IamUser:
    """The user, and his keys as a shell has them."""

    def __init__(self, lab: Any) -> None:
        self._lab, self._iam = lab, lab.client("iam")
        self.arn = self._iam.create_user(UserName=NAME)["User"]["Arn"]
        key = self._iam.create_access_key(UserName=NAME)["AccessKey"]
        self._key_id = key["AccessKeyId"]
        self.env: dict[str, str | None] = {
            "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
            "AWS_PROFILE": None,
        }

    def may(self, *roles: str, but: Iterable[str] = ()) -> None:
        """Let the user do what these roles and platform list, but for some actions."""
        for name in self._iam.list_user_policies(UserName=NAME)["PolicyNames"]:
            self._iam.delete_user_policy(UserName=NAME, PolicyName=name)
        for role in ("platform", *roles):
            policy = permissions(role)
            if policy:
                document = json.dumps(without(policy, but))
                self._iam.put_user_policy(UserName=NAME, PolicyName=role, PolicyDocument=document)

    def asked(self) -> Asked:
        """What AWS asked his policies for since the last time."""
        url = f"http://127.0.0.1:{self._lab.config['ports']['aws']}/lab/asked"
        with urllib.request.urlopen(urllib.request.Request(url, method="POST")) as answer:
            return json.load(answer).get(self.arn, {})

    def delete(self) -> None:
        """Remove the user: the account is as it was."""
        self._iam.delete_access_key(UserName=NAME, AccessKeyId=self._key_id)
        for name in self._iam.list_user_policies(UserName=NAME)["PolicyNames"]:
            self._iam.delete_user_policy(UserName=NAME, PolicyName=name)
        self._iam.delete_user(UserName=NAME)
