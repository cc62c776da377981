# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""psql in the PostgreSQL pod, for the two statements that keep passwords: KWOK runs it for commands in that pod.

It asks for the superuser's password always, and ends at `\\q` or the end of its input, as psql does.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from langfuse_lab import config
from langfuse_lab.controllers.langfuse import is_of, roles, write_roles

SELECT = re.compile(r"SELECT rolname, coalesce\(rolpassword, ''\) FROM pg_authid WHERE rolname IN \(([^)]*)\)")
ALTER = re.compile(r"ALTER ROLE \"(\w+)\" PASSWORD '([^']+)'")
BLOCK = re.compile(r"(BEGIN|COMMIT)")


class SqlError(Exception):
    """What the server answers to a statement."""


def main(arguments: list[str], lines: Iterable[str]) -> int:
    """Run what comes in against the lab's roles."""
    parser = argparse.ArgumentParser(prog="psql", add_help=False)
    parser.add_argument("-U", dest="user")
    parser.add_argument("-d", dest="database")
    parser.add_argument("-v", dest="variable")
    parser.add_argument("-XqAt", action="store_true")
    user = parser.parse_args(arguments).user
    lab = config.read(Path(os.environ["LAB_DIR"]))
    known = roles(lab)
    if not is_of(known.get(user, ""), os.environ.get("PGPASSWORD", "")):
        print(f'psql: error: FATAL:  password authentication failed for user "{user}"', file=sys.stderr)
        return 2
    changed = dict(known)
    try:
        for line in lines:
            if line.strip() == "\\q":
                break
            for statement in filter(None, map(str.strip, line.split(";"))):
                _run(statement, changed)
    except SqlError as error:
        print(f"ERROR:  {error}", file=sys.stderr)
        return 3
    if changed != known:
        write_roles(lab, changed)
    return 0


def _run(statement: str, known: dict[str, str]) -> None:
    if found := SELECT.fullmatch(statement):
        for name in re.findall(r"'(\w+)'", found[1]):
            if name in known:
                print(f"{name}|{known[name]}")
    elif found := ALTER.fullmatch(statement):
        if found[1] not in known:
            raise SqlError(f'role "{found[1]}" does not exist')
        known[found[1]] = found[2]
    elif not BLOCK.fullmatch(statement):
        raise SqlError(f"the lab's psql does not know: {statement.split(maxsplit=1)[0]}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], sys.stdin))
