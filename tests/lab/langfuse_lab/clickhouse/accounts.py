# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in: Langfuse's users, and one administrator for the lab's own parts."""

from __future__ import annotations

import hmac
import json
import os
import secrets
from pathlib import Path

from langfuse_lab.clickhouse import errors
from langfuse_lab.clickhouse.errors import ServerError

ADMIN = "lab"


def users_file(lab_dir: Path) -> Path:
    """Where the controllers write Langfuse's users: {"default": "<password>"}."""
    return lab_dir / "state" / "clickhouse-users.json"


def admin_file(lab_dir: Path) -> Path:
    """Where the administrator's credentials are: {"user": "lab", "password": "..."}."""
    return lab_dir / "state" / "clickhouse-admin.json"


class Accounts:
    """The accounts of one lab. Langfuse's are read at every login, since its Secret may change at any time."""

    def __init__(self, lab_dir: Path) -> None:
        self._users = users_file(lab_dir)
        self._admin_password = _keep_admin(admin_file(lab_dir))

    def check(self, user: str, password: str) -> None:
        """Let a user in.

        :raises ServerError: 516, with the same words for an unknown user and a wrong password.
        """
        known = {**self._read_users(), ADMIN: self._admin_password}.get(user)
        if known is None or not hmac.compare_digest(known.encode(), password.encode()):
            raise ServerError(
                errors.AUTHENTICATION_FAILED,
                f"{user}: Authentication failed: password is incorrect, or there is no user with such name. "
                "(AUTHENTICATION_FAILED)",
            )

    def _read_users(self) -> dict[str, str]:
        try:
            return json.loads(self._users.read_text())
        except FileNotFoundError:
            return {}


def _keep_admin(path: Path) -> str:
    """Return the administrator's password; make one when the lab is new."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            json.dump({"user": ADMIN, "password": secrets.token_urlsafe(24)}, out)
    return json.loads(path.read_text())["password"]
