# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: passwords of PostgreSQL's roles, compared and changed by psql in the server's own pod."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping, Sequence

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pod_exec import Ended
from ansible_collections.llmops.langfuse.plugins.module_utils._scram import is_of, verifier

ROLE = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
PASSWORD = re.compile(r"^[A-Za-z0-9_-]+\Z")
# The password comes as the first line of the input, and the container's own environment may hold an old one.
COMMAND = (
    "sh",
    "-c",
    'read -r PGPASSWORD && export PGPASSWORD && exec psql -XqAt -v ON_ERROR_STOP=1 -U "$0" -d postgres',
)


class Shell(t.Protocol):
    """Runs commands where the server is."""

    pod: str

    def run(self, command: Sequence[str], text: str) -> Ended: ...


class Server:
    """The server, as its superuser. Of several passwords the first that is taken is used."""

    def __init__(self, shell: Shell, superuser: str, passwords: Sequence[str]) -> None:
        self._shell = shell
        self._superuser = superuser
        self._passwords = [password for password in dict.fromkeys(passwords) if password]
        for name in (*self._passwords, superuser):
            if not PASSWORD.match(name):  # a line break would end it in the input
                raise LangfuseError(
                    "superuser_passwords holds a value with other characters than letters, digits, - and _."
                )

    def query(self, sql: str) -> list[list[str]]:
        """Run SQL and return its rows. Raises LangfuseError."""
        failed = Ended(-1, "", "no password was given")
        for password in self._passwords:
            # psql waits for more until it is told to end.
            ended = self._shell.run([*COMMAND, self._superuser], f"{password}\n{sql}\n\\q\n")
            if ended.code == 0:
                return [line.split("|") for line in ended.output.splitlines() if line]
            failed = ended
            if "password authentication failed" not in ended.errors:
                break
        reason = " ".join(failed.errors.split())[:300] or f"psql ended with code {failed.code}"
        raise LangfuseError(
            f"PostgreSQL in pod {self._shell.pod} does not let {self._superuser} change passwords: {reason}"
        )


def keep_passwords(server: Server, passwords: Mapping[str, str], check: bool) -> list[str]:
    """Give roles their passwords where they have others; returns whose were (or would be) changed."""
    for role, password in passwords.items():
        if not ROLE.match(role):
            raise LangfuseError(f"'{role}' is no name of a role: letters, digits and _ are allowed.")
        if not PASSWORD.match(password):
            raise LangfuseError(f"The password of role {role} has other characters than letters, digits, - and _.")
    names = ", ".join(f"'{role}'" for role in passwords)
    rows = server.query(f"SELECT rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolname IN ({names});")
    stored = {row[0]: row[1] for row in rows}
    missing = [role for role in passwords if role not in stored]
    if missing:
        raise LangfuseError(f"PostgreSQL has no role {', '.join(missing)}: check the name of the user.")
    wrong = {role: password for role, password in passwords.items() if not is_of(stored[role], password, role)}
    if wrong and not check:
        # One transaction: the next run must not find one of them changed and the way in gone.
        changes = " ".join(
            f"ALTER ROLE \"{role}\" PASSWORD '{verifier(password)}';" for role, password in wrong.items()
        )
        server.query(f"BEGIN; {changes} COMMIT;")
    return list(wrong)
