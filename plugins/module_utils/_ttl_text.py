# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the TTL clause of a MergeTree table as text that the server has formatted.

The server writes keywords in capitals, quotes names that need it, and prints a table's engine as ENGINE, PARTITION BY,
PRIMARY KEY, ORDER BY, SAMPLE BY, TTL, SETTINGS in this order. So a scanner that respects quotes and brackets can find
the clauses. It cannot tell a keyword from a column of the same name in capitals: see RESERVED.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

DELETE = "delete"
DELETE_WHERE = "delete_where"

# Columns with these names are printed bare and would be taken for keywords.
RESERVED = ("TTL", "SETTINGS", "WHERE", "RECOMPRESS", "GROUP", "SET")

# What may follow the TTL clause in a CREATE TABLE. A wish that holds one of these says more than a TTL.
_AFTER_TTL = ("SETTINGS", "COMMENT", "AS", "EMPTY", "FORMAT", "INTO")

_TOKEN = re.compile(
    r"(?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<other>\S)",
    re.S,
)
_FORMATTED = re.compile(
    r"CREATE TABLE t \(`?x`? UInt8\) ENGINE = MergeTree ORDER BY tuple\(\) TTL (?P<clause>.+)", re.S
)
_ASSIGNMENT = re.compile(r"(?:`[^`]+`|[A-Za-z_]\w*) = ")


class _Token(t.NamedTuple):
    kind: str
    text: str
    start: int
    end: int
    depth: int


def _tokens(sql: str) -> t.Iterator[_Token]:
    depth = 0
    for found in _TOKEN.finditer(sql):
        text = found.group()
        depth -= text in ")]}"
        yield _Token(str(found.lastgroup), text, found.start(), found.end(), depth)
        depth += text in "([{"


def _top_words(sql: str) -> list[_Token]:
    """The bare words outside all brackets."""
    return [token for token in _tokens(sql) if token.kind == "word" and token.depth == 0]


def squeeze(sql: str) -> str:
    """Write every stretch of white space outside quotes as one blank; older servers print two in places."""
    out, end = [], 0
    for token in _tokens(sql):
        out.append(" " if out and token.start > end else "")
        out.append(token.text)
        end = token.end
    return "".join(out)


def names(sql: str) -> set[str]:
    """The names of columns in an expression: its words and backquoted names that are not functions."""
    tokens = list(_tokens(sql))
    following = [token.text for token in tokens[1:]] + [""]
    return {
        token.text.strip("`")
        for token, after in zip(tokens, following, strict=False)
        if after != "(" and (token.kind == "word" or token.text.startswith("`"))
    }


@dataclass(frozen=True)
class Rule:
    """One element of a TTL clause: a time, and what happens then."""

    text: str
    kind: str  # delete, delete_where, move, recompress, group_by
    expression: str  # the time
    action: str  # all after the time; "" for an unconditional delete

    @property
    def condition(self) -> str:
        """What WHERE asks for, or ""."""
        for word in _top_words(self.action):
            if word.text == "WHERE":
                return self.action[word.end :].strip()
        return ""

    def as_dict(self) -> dict[str, str]:
        """What a module returns."""
        return {"kind": self.kind, "text": self.text}


def _rule(text: str) -> Rule:
    words = _top_words(text)
    for word, after in zip(words, [*(word.text for word in words[1:]), ""], strict=False):
        kind = _kind(word.text, after)
        if kind:
            return Rule(text, kind, text[: word.start].strip(), text[word.start :])
    return Rule(text, DELETE, text, "")


def _kind(word: str, after: str) -> str:
    if word == "TO" and after in ("DISK", "VOLUME"):
        return "move"
    if word == "GROUP" and after == "BY":
        return "group_by"
    return {"RECOMPRESS": "recompress", "WHERE": DELETE_WHERE}.get(word, "")


def rules(clause: str) -> list[Rule]:
    """Split a TTL clause into its rules."""
    parts: list[str] = []
    start = 0
    ends = [token.start for token in _tokens(clause) if token.text == "," and token.depth == 0]
    for end in [*ends, len(clause)]:
        part = clause[start:end].strip()
        if parts and _continues(parts[-1], part):
            parts[-1] = f"{parts[-1]}, {part}"
        elif part:
            parts.append(part)
        start = end + 1
    return [_rule(part) for part in parts]


def _continues(before: str, part: str) -> bool:
    """Whether a part belongs to the GROUP BY before it: as a further key, or after SET as a further assignment."""
    words = [word.text for word in _top_words(before)]
    if "GROUP" not in words:
        return False
    return "SET" not in words or bool(_ASSIGNMENT.match(part))


def clause(parts: t.Iterable[Rule]) -> str:
    """Write rules as a TTL clause."""
    return ", ".join(rule.text for rule in parts)


def combine(existing: list[Rule], wished: list[Rule]) -> list[Rule]:
    """Put wished rules in the place of those they replace; all others stay.

    A rule replaces one that does the same at another time. A wished delete, conditional or not, also replaces the
    unconditional one, which would otherwise go on deleting what the condition spares.
    """
    actions = {rule.action for rule in wished}
    deletes = any(rule.kind in (DELETE, DELETE_WHERE) for rule in wished)
    out: list[Rule] = []
    place = 0
    replaced = False
    for rule in existing:
        if rule.action in actions or (rule.kind == DELETE and deletes):
            place = place if replaced else len(out)
            replaced = True
        else:
            out.append(rule)
    return [*out[:place], *wished, *out[place:]]


def ttl_clause(engine_full: str) -> str:
    """The TTL clause in system.tables.engine_full, or ""."""
    start = end = None
    for word in _top_words(engine_full):
        if start is None and word.text == "TTL":
            start = word.end
        elif word.text == "SETTINGS":
            end = word.start
            break
    return "" if start is None else squeeze(engine_full[start:end])


def settings(engine_full: str) -> dict[str, str]:
    """The table's own settings in system.tables.engine_full."""
    for word in _top_words(engine_full):
        if word.text == "SETTINGS":
            pairs = re.findall(r"(\w+) = ('(?:[^'\\]|\\.)*'|[^,]+)", engine_full[word.end :])
            return {name: value.strip().strip("'") for name, value in pairs}
    return {}


def to_format(wish: str) -> str:
    """The statement to give to the server's formatQuerySingleLine, so that it writes a wish in its own way."""
    return f"CREATE TABLE t (x UInt8) ENGINE = MergeTree ORDER BY tuple() TTL {wish}"


def formatted_clause(statement: str) -> str:
    """Cut the TTL clause out of the formatted statement.

    :raises LangfuseError: when the wish held more than TTL rules.
    """
    found = _FORMATTED.fullmatch(squeeze(statement))
    if not found:
        raise LangfuseError("it holds other clauses of CREATE TABLE: give TTL rules only")
    text = found["clause"]
    for word in _top_words(text):
        if word.text in _AFTER_TTL:
            raise LangfuseError(f"it holds {word.text}: give TTL rules only")
    return text
