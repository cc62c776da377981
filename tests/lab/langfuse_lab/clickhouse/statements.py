# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the server must know about a statement before the engine gets it.

All questions are asked of the statement with the inside of its quotes and comments blanked out, so that no text in a
string is taken for a keyword.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from langfuse_lab.clickhouse import errors
from langfuse_lab.clickhouse.errors import ServerError

CLUSTERS = ("default",)  # the one-host cluster that Langfuse's migrations name in ON CLUSTER

_QUOTED_OR_COMMENT = re.compile(
    r"'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.|\"\")*\"|--[^\n]*|/\*.*?\*/", re.S
)
_READS = re.compile(r"[\s(]*(SELECT|WITH|SHOW|DESC|DESCRIBE|EXPLAIN|EXISTS|CHECK|USE)\b", re.I)
_QUERIES = re.compile(r"[\s(]*(SELECT|WITH)\b", re.I)
_INSERT = re.compile(r"\s*INSERT\s+INTO\s+(?:TABLE\s+)?", re.I)
_HAS_SOURCE = re.compile(r"\b(?:VALUES\s*\(|SELECT|WITH|FROM\s+INFILE)", re.I)
_FORMAT = re.compile(r"\bFORMAT\s+(\w+)", re.I)
_OUTPUT_FORMAT = re.compile(r"\bFORMAT\s+(\w+)(?=\s*(?:\bSETTINGS\b.*)?;?\s*$)", re.I | re.S)
_INSERT_ENDING = re.compile(
    r"\s*(?P<settings>\bSETTINGS\b.+?)?\s*(?:\bVALUES|\bFORMAT\s+(?P<format>\w+))?\s*;?\s*$", re.I | re.S
)
_COLUMNS = re.compile(r"\((.*)\)\s*$", re.S)
_ON_CLUSTER = re.compile(r"\s+ON\s+CLUSTER\s+(\w+|(['`\"]).*?\2)", re.I)


def _blank(found: re.Match[str]) -> str:
    text = found.group()
    return " " * len(text) if text[0] in "-/" else text[0] + "_" * (len(text) - 2) + text[-1]


@dataclass(frozen=True)
class Insert:
    """An INSERT whose rows come apart from the statement."""

    head: str  # "INSERT INTO t (a, b)"
    table: str
    columns: str  # "a, b" or "*"
    settings: str  # "SETTINGS ..." or ""
    format: str  # "" when the statement names none

    def from_file(self, path: str, file_format: str) -> Statement:
        """The same INSERT with its rows in a file that the engine reads."""
        name = path.replace("\\", "\\\\").replace("'", "\\'")
        return Statement(f"{self.head} FROM INFILE '{name}' {self.settings} FORMAT {file_format}")


class Statement:
    """One SQL statement and what it asks of the server around the engine."""

    def __init__(self, sql: str) -> None:
        self.sql = sql.strip()
        self._bare = _QUOTED_OR_COMMENT.sub(_blank, self.sql)
        self._refuse_several()

    def _refuse_several(self) -> None:
        """The engine would run `a; b`; a server does not. Text after an INSERT's FORMAT is data, not SQL."""
        first, semicolon, rest = self._bare.partition(";")
        if semicolon and rest.strip() and not (_INSERT.match(first) and _FORMAT.search(first)):
            raise ServerError(errors.SYNTAX_ERROR, "Syntax error (Multi-statements are not allowed). (SYNTAX_ERROR)")

    @property
    def reads(self) -> bool:
        """Whether it changes nothing, so that a read-only request may send it."""
        return bool(_READS.match(self._bare))

    @property
    def queries(self) -> bool:
        """Whether it answers with rows that the engine can hand out block by block."""
        return bool(_QUERIES.match(self._bare))

    @property
    def output_format(self) -> str:
        """The format that the statement itself asks for, or ""."""
        found = None if _INSERT.match(self._bare) else _OUTPUT_FORMAT.search(self._bare)
        return found.group(1) if found else ""

    def without_format(self) -> str:
        """The statement for a protocol that has its own format of blocks."""
        found = _OUTPUT_FORMAT.search(self._bare) if self.queries else None
        return self.sql[: found.start()] + self.sql[found.end() :] if found else self.sql

    def local(self) -> tuple[str, bool]:
        """The statement without ON CLUSTER, and whether it had one.

        :raises ServerError: 701 when it names a cluster that does not exist.
        """
        found = _ON_CLUSTER.search(self._bare)
        if not found or _INSERT.match(self._bare) or self.reads:
            return self.sql, False
        name = self.sql[found.start(1) : found.end(1)].strip("'`\"")
        if name not in CLUSTERS:
            raise ServerError(
                errors.CLUSTER_DOESNT_EXIST, f"Requested cluster '{name}' not found. (CLUSTER_DOESNT_EXIST)"
            )
        return self.sql[: found.start()] + self.sql[found.end() :], True

    def insert_without_rows(self) -> Insert | None:
        """The INSERT that waits for its rows, or None."""
        start = _INSERT.match(self._bare)
        if not start or _HAS_SOURCE.search(self._bare):
            return None
        ending = _INSERT_ENDING.search(self._bare)
        head = self.sql[: ending.start()].strip()
        target = head[start.end() :]
        columns = _COLUMNS.search(target)
        return Insert(
            head=head,
            table=target[: columns.start()].strip() if columns else target,
            columns=columns.group(1) if columns else "*",
            settings=self.sql[ending.start("settings") : ending.end("settings")] if ending["settings"] else "",
            format=ending["format"] or "",
        )
