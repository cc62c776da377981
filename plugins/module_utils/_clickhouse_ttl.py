# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: keep the TTL rules of a list of MergeTree tables over one connection.

The order of the steps is what makes it cheap and safe: whole expired partitions go first, which frees the disk at once
and must come before any mutation; then the settings by which the server drops whole parts instead of rewriting them;
then the rule. Nothing here ever runs OPTIMIZE.
"""

from __future__ import annotations

import time
import typing as t
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils import _ttl_text as text
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import ConnectionLost
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_table import (
    ONLY_DROP_PARTS,
    RECALCULATE_ONLY,
    Preview,
    Server,
    Table,
    default_settings,
    drop_guard,
    pending_mutation,
    preview_deletes,
    read_tables,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_wish import Wish

# Rewriting needs room for the new parts beside the old ones, and for what is inserted meanwhile.
REWRITE_ROOM = 1.2

# How long a replica may take to have a change, and how often to look.
REPLICA_SECONDS = 20
REPLICA_POLL_SECONDS = 0.5

# Before 25.7 a TTL's time had to be a Date or a DateTime.
WIDE_TIMES_SINCE = (25, 7)


@dataclass
class Result:
    """What became of one table."""

    wish: Wish
    before: dict[str, t.Any] | None = None
    after: dict[str, t.Any] | None = None
    engine: str | None = None
    partition_key: str | None = None
    statements: list[str] = field(default_factory=list)
    dropped: list[dict[str, t.Any]] = field(default_factory=list)
    impact: dict[str, t.Any] | None = None
    warnings: list[str] = field(default_factory=list)
    skipped_reason: str | None = None
    failure: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        """What the module returns."""
        return {
            "database": self.wish.database,
            "name": self.wish.name,
            "changed": bool(self.statements),
            "failed": self.failure is not None,
            "msg": self.failure,
            "skipped_reason": self.skipped_reason,
            "engine": self.engine,
            "partition_key": self.partition_key,
            "before": self.before,
            "after": self.after,
            "statements": self.statements,
            "impact": self.impact,
            "warnings": self.warnings,
        }

    def diff(self) -> dict[str, str]:
        """What diff mode shows: one rule, setting or dropped partition a line."""
        lines = _lines(self.before)
        lines += [f"partition {part['id']} ({part['rows']} rows, {part['bytes']} bytes)" for part in self.dropped]
        return {
            "before_header": self.wish.label,
            "after_header": self.wish.label,
            "before": "".join(f"{line}\n" for line in lines),
            "after": "".join(f"{line}\n" for line in _lines(self.after)),
        }


def _lines(state: dict[str, t.Any]) -> list[str]:
    rules = [f"TTL {rule['text']}" for rule in state["rules"]]
    return rules + [f"{name} = {str(value).lower()}" for name, value in state["settings"].items()]


def report(results: list[Result], with_diff: bool) -> dict[str, t.Any]:
    """What the module returns about all tables; with msg when some failed."""
    returned: dict[str, t.Any] = {
        "tables": [result.as_dict() for result in results],
        "changed": any(result.statements for result in results),
    }
    if with_diff:
        returned["diff"] = [result.diff() for result in results if result.statements and not result.failure]
    failures = [result.failure for result in results if result.failure]
    if failures:
        returned["msg"] = f"{len(failures)} of {len(results)} tables failed: {'; '.join(failures)}"
    return returned


def keep_rules(server: Server, wishes: list[Wish], cluster: str | None, check_mode: bool) -> list[Result]:
    """Bring every table to its wish. One table's failure does not stop the others.

    :param cluster: name for ON CLUSTER.
    :param check_mode: look and plan only.
    """
    tables = read_tables(server, wishes)
    defaults = default_settings(server)
    results = []
    lost = ""
    for wish in wishes:
        result = Result(wish)
        results.append(result)
        failure = lost
        if not lost:
            try:
                keeper = _Keeper(server, wish, result, defaults, cluster)
                keeper.keep(tables.get((wish.database, wish.name)), check_mode)
            except LangfuseError as error:
                failure = str(error)
                lost = failure if isinstance(error, ConnectionLost) else ""
        result.failure = f"{wish.label}: {failure}" if failure else None
    return results


class _Keeper:
    """The work on one table."""

    def __init__(
        self, server: Server, wish: Wish, result: Result, defaults: dict[str, str], cluster: str | None
    ) -> None:
        self._server = server
        self._wish = wish
        self._result = result
        self._defaults = defaults
        self._alter = f"ALTER TABLE {wish.quoted}" + (f" ON CLUSTER `{cluster}`" if cluster else "")

    def keep(self, table: Table | None, check_mode: bool) -> None:
        """Look, plan, check, then act."""
        if not self._can_have_rules(table):
            return
        result = self._result
        result.engine, result.partition_key = table.engine, table.partition_key
        result.before = result.after = self._describe(table)
        wished = self._wished_rules(table)
        target = self._target_rules(table, wished)
        changes = text.clause(target) != table.ttl
        settings = self._settings_to_change(table, changes)
        if not (changes or settings or self._wish.drop_expired):
            return
        drops = self._preview(table, wished, target, changes) if changes or self._wish.drop_expired else []
        statements = drops + self._setting_statements(settings) + (self._ttl_statements(target) if changes else [])
        result.after = self._describe(
            Table(table.engine, table.partition_key, text.clause(target), {**table.own_settings, **settings}, {})
        )
        if check_mode:
            result.statements = statements
        else:
            self._execute(statements)

    def _can_have_rules(self, table: Table | None) -> bool:
        """Whether to go on; False when the table is skipped, as asked for."""
        wish = self._wish
        if wish.database.lower() in ("system", "information_schema"):
            raise LangfuseError(
                "a system table's TTL is set by the server's configuration (<query_log><ttl>...</ttl></query_log>): "
                "an ALTER is undone at the next restart, which keeps the old table under another name"
            )
        if table is None:
            self._result.skipped_reason = "the table does not exist, or the user may not see it"
            choice = wish.if_missing
        elif not table.engine.endswith("MergeTree"):
            hint = ": alter the table it writes to" if table.engine == "MaterializedView" else ""
            self._result.skipped_reason = f"engine {table.engine} has no TTL{hint}"
            choice = wish.if_unsupported
        else:
            return True
        if choice == "fail":
            raise LangfuseError(self._result.skipped_reason)
        return False

    def _describe(self, table: Table) -> dict[str, t.Any]:
        """What the module returns as before and after."""
        return {
            "ttl": table.ttl,
            "rules": [rule.as_dict() for rule in table.rules],
            "settings": {name: self._is_set(table, name) for name in (ONLY_DROP_PARTS, RECALCULATE_ONLY)},
        }

    def _is_set(self, table: Table, name: str) -> bool:
        return table.own_settings.get(name, self._defaults.get(name)) in ("1", "true")

    # --- the wish in the server's words

    def _wished_rules(self, table: Table) -> list[text.Rule]:
        wish = self._wish
        bad = sorted(set(text.RESERVED) & set(table.columns))
        if bad:
            raise LangfuseError(f"column {bad[0]} cannot be told from the keyword in ClickHouse's text of the table")
        if wish.state == "absent":
            return []
        wanted = wish.ttl if wish.ttl is not None else self._rule_of_column(table)
        found = text.rules(self._normalise(wanted))
        kind = text.DELETE if wish.where is None else text.DELETE_WHERE
        if wish.ttl is None and [rule.kind for rule in found] != [kind]:
            raise LangfuseError(f"where={wish.where} is not a single condition")
        return found

    def _rule_of_column(self, table: Table) -> str:
        wish = self._wish
        kind = table.columns.get(wish.column)
        if kind is None:
            raise LangfuseError(f"there is no column {wish.column}")
        if kind.startswith("DateTime64") or kind == "Date32":
            time = f"toDateTime(`{wish.column}`)"  # older servers take no other time
        elif kind == "Date" or kind.startswith("DateTime"):
            time = f"`{wish.column}`"
        else:
            raise LangfuseError(
                f"column {wish.column} is {kind}, not a Date or DateTime: give a whole rule in ttl instead"
            )
        where = f" DELETE WHERE {wish.where}" if wish.where is not None else ""
        return f"{time} + {wish.interval}{where}"

    def _normalise(self, wanted: str) -> str:
        """Let the server write the rules as it would store them."""
        try:
            rows = self._server.query("SELECT formatQuerySingleLine(%(text)s)", {"text": text.to_format(wanted)})
            return text.formatted_clause(rows[0][0])
        except ConnectionLost:
            raise
        except LangfuseError as error:
            raise LangfuseError(f"'{wanted}' is not a TTL: {error}") from error

    def _target_rules(self, table: Table, wished: list[text.Rule]) -> list[text.Rule]:
        if self._wish.other_rules == "replace":
            return wished
        if self._wish.state == "absent":
            return [rule for rule in table.rules if rule.kind != text.DELETE]
        return text.combine(table.rules, wished)

    def _settings_to_change(self, table: Table, changes: bool) -> dict[str, str]:
        """Settings whose value is not the wanted one. The way to materialise matters only when the rule changes."""
        wanted: dict[str, bool] = {}
        if self._wish.only_drop_parts is not None:
            wanted[ONLY_DROP_PARTS] = self._wish.only_drop_parts
        if changes and self._wish.state == "present" and self._wish.materialize != "none":
            wanted[RECALCULATE_ONLY] = self._wish.materialize == "recalculate"
        return {name: str(int(value)) for name, value in wanted.items() if value != self._is_set(table, name)}

    # --- what it would do

    def _preview(self, table: Table, wished: list[text.Rule], target: list[text.Rule], changes: bool) -> list[str]:
        """Look at the rows, refuse what is dangerous, and return the statements that drop expired partitions."""
        if wished:
            self._check_types(wished)
        deletes = [rule for rule in target if rule.kind in (text.DELETE, text.DELETE_WHERE)]
        if not deletes or self._wish.state == "absent":
            return []
        preview = preview_deletes(self._server, self._wish, deletes)
        preview.to_rewrite = self._bytes_to_rewrite(preview) if changes else 0
        self._result.impact = preview.as_dict()
        if changes:  # what a rule in force does to rows was decided when it was set
            self._refuse_dropping_all(preview)
            self._check_room(preview)
        self._warn(table, preview)
        return self._drop_statements(table, deletes, preview)

    def _check_types(self, wished: list[text.Rule]) -> None:
        expressions = ", ".join(f"{rule.expression} AS __rule_{index}" for index, rule in enumerate(wished))
        described = self._server.query(f"DESCRIBE TABLE (SELECT {expressions} FROM {self._wish.quoted})")
        for rule, (_name, kind, *_rest) in zip(wished, described, strict=True):
            wide = kind.startswith("DateTime64") or kind == "Date32"
            if wide and self._server.version < WIDE_TIMES_SINCE:
                raise LangfuseError(
                    f"the time {rule.expression} is {kind}, which ClickHouse takes since 25.7: wrap it in toDateTime()"
                )
            if not wide and kind != "Date" and not kind.startswith("DateTime"):
                raise LangfuseError(f"the time {rule.expression} is {kind}, not a Date or DateTime")

    def _bytes_to_rewrite(self, preview: Preview) -> int:
        if self._wish.materialize != "full":
            return 0
        return preview.size - sum(part["bytes"] for part in preview.expired)

    def _refuse_dropping_all(self, preview: Preview) -> None:
        if preview.rows and preview.rows == preview.rows_expired and not self._wish.allow_drop_all:
            raise LangfuseError(
                f"all {preview.rows} rows are past this rule: set allow_drop_all=true if they are meant to go"
            )

    def _check_room(self, preview: Preview) -> None:
        needed = int(preview.to_rewrite * REWRITE_ROOM)
        if needed > preview.free:
            raise LangfuseError(
                f"materialize=full rewrites {human(preview.to_rewrite)} and needs {human(needed)} free, "
                f"but {human(preview.free)} are: use materialize=recalculate, or make room"
            )

    def _warn(self, table: Table, preview: Preview) -> None:
        wish, warnings = self._wish, self._result.warnings
        if preview.largest_part > preview.free and wish.materialize != "none":
            warnings.append(
                f"{wish.label}: {human(preview.free)} are free, less than the largest part of "
                f"{human(preview.largest_part)}: the server marks expired parts only when there is that much room"
            )
        if wish.only_drop_parts and not table.partition_key:
            warnings.append(
                f"{wish.label}: the table has no partitions, so with only_drop_parts=true "
                "hardly a part is ever wholly expired and rows stay"
            )

    def _drop_statements(self, table: Table, deletes: list[text.Rule], preview: Preview) -> list[str]:
        wish = self._wish
        if not (wish.drop_expired and preview.expired):
            return []
        # A partition of a table that is not split by the rule's time can get a young row at any moment.
        times = {name for rule in deletes for name in text.names(rule.expression)}
        if not times & text.names(table.partition_key):
            self._result.warnings.append(
                f"{wish.label}: drop_expired needs partitions by the rule's time "
                f"({', '.join(sorted(times))}), and the partition key is '{table.partition_key}'"
            )
            return []
        self._refuse_while_mutating()
        self._refuse_large(preview)
        self._result.dropped = preview.expired
        limit = f" SETTINGS max_partition_size_to_drop = {wish.drop_bytes}" if wish.drop_bytes else ""
        return [f"{self._alter} DROP PARTITION ID '{part['id']}'{limit}" for part in preview.expired]

    def _refuse_while_mutating(self) -> None:
        """A pending mutation would take the space back and could make the drop a no-op."""
        pending = pending_mutation(self._server, self._wish)
        if pending:
            raise LangfuseError(
                f"drop_expired must wait: mutation {pending} is not done. Let it end, or stop it with KILL MUTATION"
            )

    def _refuse_large(self, preview: Preview) -> None:
        limit = self._wish.drop_bytes or drop_guard(self._server)
        for part in preview.expired:
            if limit and part["bytes"] > limit:
                raise LangfuseError(
                    f"partition {part['id']} has {human(part['bytes'])}, above the limit of {human(limit)} "
                    "for dropping: raise drop_limit if it is meant to go"
                )

    # --- doing it

    def _setting_statements(self, settings: dict[str, str]) -> list[str]:
        pairs = ", ".join(f"{name} = {value}" for name, value in settings.items())
        return [f"{self._alter} MODIFY SETTING {pairs}"] if pairs else []

    def _ttl_statements(self, target: list[text.Rule]) -> list[str]:
        """The rule itself. Without alter_sync = 0 the server would answer only when all parts are marked."""
        if not target:
            return [f"{self._alter} REMOVE TTL"]
        materialize = int(self._wish.materialize != "none" and self._wish.state == "present")
        return [
            f"{self._alter} MODIFY TTL {text.clause(target)} "
            f"SETTINGS materialize_ttl_after_modify = {materialize}, alter_sync = 0, mutations_sync = 0"
        ]

    def _execute(self, statements: list[str]) -> None:
        """Run the statements, and fail unless the server then says what was wanted."""
        wanted = self._result.after
        self._result.after = None
        for statement in statements:
            self._server.query(statement)
            self._result.statements.append(statement)
        table = self._read_back(wanted)
        self._result.after = self._describe(table)
        if self._result.after != wanted:
            raise LangfuseError(
                f"the server has '{table.ttl}' with {self._result.after['settings']} "
                f"where '{wanted['ttl']}' with {wanted['settings']} was asked for"
            )

    def _read_back(self, wanted: dict[str, t.Any]) -> Table:
        """What the server has now. A replica gets a change through Keeper, which takes a moment."""
        deadline = time.monotonic() + REPLICA_SECONDS
        while True:
            table = read_tables(self._server, [self._wish]).get((self._wish.database, self._wish.name))
            if table is None:
                raise LangfuseError("the table went away while its rule was changed")
            replicated = table.engine.startswith("Replicated")
            if not replicated or self._describe(table) == wanted or time.monotonic() > deadline:
                return table
            time.sleep(REPLICA_POLL_SECONDS)


def human(size: int) -> str:
    """Write a number of bytes for people."""
    number, units = float(size), ["B", "kB", "MB", "GB", "TB"]
    while number >= 1000 and len(units) > 1:
        number /= 1000
        del units[0]
    return f"{number:.0f} B" if units[0] == "B" else f"{number:.1f} {units[0]}"
