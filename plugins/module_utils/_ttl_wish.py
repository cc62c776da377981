# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what a user wants of a table's TTL, checked before a server is asked."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

UNITS = {"h": "HOUR", "d": "DAY", "w": "WEEK", "mo": "MONTH", "y": "YEAR"}
HOURS = {"h": 1, "d": 24, "w": 7 * 24, "mo": 31 * 24, "y": 366 * 24}

# ClickHouse's DateTime ends in 2106. Beyond it the sum would start again at 1970, and every row be expired.
LONGEST_YEARS = 50

SIZES = {"B": 1, **{f"{prefix}B": 1000**power for power, prefix in enumerate(("k", "M", "G", "T", "P"), 1)}}
SIZES.update({f"{prefix}iB": 1024**power for power, prefix in enumerate(("K", "M", "G", "T", "P"), 1)})

_KEEP = re.compile(r"([1-9]\d*)\s*(h|d|w|mo|y)")
_SIZE = re.compile(r"([1-9]\d*)\s*([kKMGTP]?i?B)")


@dataclass(frozen=True)
class Wish:
    """One entry of the module's option tables."""

    database: str
    name: str
    state: str = "present"
    column: str | None = None
    keep: str | None = None
    ttl: str | None = None
    where: str | None = None
    other_rules: str = "keep"
    materialize: str = "recalculate"
    only_drop_parts: bool | None = None
    drop_expired: bool = False
    drop_limit: str | None = None
    allow_drop_all: bool = False
    if_missing: str = "fail"
    if_unsupported: str = "fail"

    @property
    def label(self) -> str:
        """How messages call the table."""
        return f"{self.database}.{self.name}"

    @property
    def quoted(self) -> str:
        """How statements call the table."""
        return f"`{self.database}`.`{self.name}`"

    @property
    def interval(self) -> str:
        """The time to keep, as ClickHouse writes it."""
        number, unit = _KEEP.fullmatch(self.keep or "").groups()
        return f"INTERVAL {number} {UNITS[unit]}"

    @property
    def drop_bytes(self) -> int | None:
        """The largest partition that may be dropped, in bytes; None leaves it to the server."""
        return parse_size(self.drop_limit) if self.drop_limit else None

    def faults(self) -> list[str]:
        """What is wrong with this entry, a sentence each."""
        found = _name_faults(database=self.database, name=self.name, column=self.column)
        found += _keep_faults(self.keep) if self.keep is not None else []
        if self.drop_limit and parse_size(self.drop_limit) is None:
            found.append(f"drop_limit={self.drop_limit} is not a size: give a whole number of bytes, such as 80GB")
        given = [option for option in ("column", "ttl", "where") if getattr(self, option) is not None]
        if self.state == "absent" and given:
            found.append(f"state=absent takes no {' and no '.join(given)}")
        if self.state == "absent" and self.drop_expired:
            found.append("state=absent takes no drop_expired: without a rule nothing is expired")
        return found


def _name_faults(**names: str | None) -> list[str]:
    """Names are written between backquotes, so they may hold all but what ends those."""
    return [
        f"{option}={value!r} must not be empty nor hold a backquote or a backslash"
        for option, value in names.items()
        if value is not None and (not value or "`" in value or "\\" in value)
    ]


def _keep_faults(keep: str) -> list[str]:
    found = _KEEP.fullmatch(keep)
    if not found:
        return [f"keep={keep} is not a time: give a whole number of h, d, w, mo or y, such as 30d"]
    if int(found[1]) * HOURS[found[2]] > LONGEST_YEARS * HOURS["y"]:
        return [f"keep={keep} is longer than {LONGEST_YEARS} years, and ClickHouse's DateTime ends in 2106"]
    return []


def parse_size(text: str) -> int | None:
    """Read a size such as 80GB or 1TiB in bytes; None when it is not one."""
    found = _SIZE.fullmatch(text)
    if not found:
        return None
    unit = found[2] if found[2].endswith("iB") else found[2].replace("K", "k")
    return int(found[1]) * SIZES[unit] if unit in SIZES else None


def read_wishes(tables: list[dict[str, t.Any]], default_database: str, cluster: str | None) -> list[Wish]:
    """Make wishes of the module's option tables; the cluster is only checked.

    :raises LangfuseError: with all faults of all entries.
    """
    wishes = [Wish(**{**entry, "database": entry.get("database") or default_database}) for entry in tables]
    faults = _name_faults(cluster=cluster)
    faults += [f"{wish.label}: {fault}" for wish in wishes for fault in wish.faults()]
    labels = [wish.label for wish in wishes]
    faults += [f"{label}: listed more than once" for label in dict.fromkeys(labels) if labels.count(label) > 1]
    if faults:
        raise LangfuseError("; ".join(faults))
    return wishes
