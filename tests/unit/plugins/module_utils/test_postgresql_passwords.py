# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which statements reach PostgreSQL, and that no password is in any of them."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pod_exec import Ended
from ansible_collections.llmops.langfuse.plugins.module_utils._postgresql_passwords import Server, keep_passwords
from ansible_collections.llmops.langfuse.plugins.module_utils._scram import is_of, verifier

OLD, NEW, ADMIN = "old-password-123", "new-password-123", "admin-password-1"


class Shell:
    """A psql with roles, one of which is asked for its password."""

    pod = "langfuse-postgresql-0"

    def __init__(self, **roles: str) -> None:
        self.roles = {role: verifier(password) for role, password in roles.items()}
        self.inputs: list[str] = []
        self.commands: list[Sequence[str]] = []

    def run(self, command: Sequence[str], text: str) -> Ended:
        self.commands.append(command)
        self.inputs.append(text)
        password, sql, end, _rest = text.split("\n")
        assert end == "\\q"
        if not is_of(self.roles[command[-1]], password, command[-1]):
            return Ended(2, "", f'psql: error: FATAL:  password authentication failed for user "{command[-1]}"')
        if sql.startswith("SELECT"):
            wanted = re.findall(r"'(\w+)'", sql.partition(" IN ")[2])
            return Ended(0, "".join(f"{name}|{self.roles[name]}\n" for name in wanted if name in self.roles), "")
        self.roles |= dict(re.findall(r"ALTER ROLE \"(\w+)\" PASSWORD '([^']+)';", sql))
        return Ended(0, "", "")


def keep(shell: Shell, passwords: dict[str, str], admin: Sequence[str] = (ADMIN,), check: bool = False) -> list[str]:
    return keep_passwords(Server(shell, "postgres", admin), passwords, check)


def test_only_what_differs_is_changed() -> None:
    shell = Shell(langfuse=OLD, postgres=ADMIN)
    assert keep(shell, {"langfuse": NEW, "postgres": ADMIN}) == ["langfuse"]
    assert is_of(shell.roles["langfuse"], NEW, "langfuse")
    assert keep(shell, {"langfuse": NEW, "postgres": ADMIN}) == []
    assert len(shell.inputs) == 3


def test_new_passwords_are_in_no_input_and_none_is_in_a_command() -> None:
    shell = Shell(langfuse=OLD, postgres=ADMIN)
    keep(shell, {"langfuse": NEW})
    assert not any(NEW in text for text in shell.inputs)
    assert not any(ADMIN in word for command in shell.commands for word in command)


def test_all_are_changed_in_one_transaction() -> None:
    shell = Shell(langfuse=OLD, postgres=ADMIN)
    assert keep(shell, {"langfuse": NEW, "postgres": OLD}) == ["langfuse", "postgres"]
    assert len(shell.inputs) == 2
    assert re.search(r"^BEGIN; ALTER .*; ALTER .*; COMMIT;$", shell.inputs[1], re.M)


def test_a_killed_run_is_taken_up_again() -> None:
    """The superuser has the new password already, and the caller still knows both."""
    shell = Shell(langfuse=NEW, postgres=NEW)
    assert keep(shell, {"langfuse": NEW, "postgres": NEW}, admin=["", ADMIN, NEW]) == []


def test_check_mode_changes_nothing() -> None:
    shell = Shell(langfuse=OLD, postgres=ADMIN)
    before = dict(shell.roles)
    assert keep(shell, {"langfuse": NEW}, check=True) == ["langfuse"]
    assert shell.roles == before


@pytest.mark.parametrize(
    ("passwords", "admin", "named"),
    [
        ({"langfuse": NEW}, ["wrong-password-1"], "does not let postgres change passwords: psql: error: FATAL:"),
        ({"langfuse": NEW}, [], "no password was given"),
        ({"nobody": NEW}, [ADMIN], "PostgreSQL has no role nobody"),
        ({'x"; DROP': NEW}, [ADMIN], "is no name of a role"),
        ({"langfuse": "a'b"}, [ADMIN], "The password of role langfuse has other characters"),
        ({"langfuse": "line\n"}, [ADMIN], "The password of role langfuse has other characters"),
        ({"langfuse": NEW}, ["a\n\\! rm"], "superuser_passwords holds a value with other characters"),
    ],
)
def test_faults(passwords: dict[str, str], admin: list[str], named: str) -> None:
    shell = Shell(langfuse=OLD, postgres=ADMIN)
    with pytest.raises(LangfuseError) as caught:
        keep(shell, passwords, admin)
    assert named in str(caught.value)
    assert not any(secret in str(caught.value) for secret in (NEW, ADMIN, OLD, "wrong-password-1"))


def test_what_psql_says_of_other_things_ends_it() -> None:
    class Broken(Shell):
        def run(self, command: Sequence[str], text: str) -> Ended:
            self.inputs.append(text)
            return Ended(1, "", "")

    shell = Broken(langfuse=OLD)
    with pytest.raises(LangfuseError, match="psql ended with code 1"):
        keep(shell, {"langfuse": NEW}, [ADMIN, OLD])
    assert len(shell.inputs) == 1, "another password would not help"
