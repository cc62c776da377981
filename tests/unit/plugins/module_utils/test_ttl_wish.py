# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entries of the option tables: what is read, and what is refused before any server is asked."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_wish import Wish, parse_size, read_wishes


def wish(**given: Any) -> Wish:
    return Wish(**{"database": "default", "name": "traces", "column": "timestamp", "keep": "30d", **given})


@pytest.mark.parametrize(
    ("keep", "interval"),
    [
        ("30d", "INTERVAL 30 DAY"),
        ("12h", "INTERVAL 12 HOUR"),
        ("6w", "INTERVAL 6 WEEK"),
        ("3mo", "INTERVAL 3 MONTH"),
        ("1y", "INTERVAL 1 YEAR"),
        ("30 d", "INTERVAL 30 DAY"),
        ("50y", "INTERVAL 50 YEAR"),
    ],
)
def test_keep(keep: str, interval: str) -> None:
    assert wish(keep=keep).faults() == []
    assert wish(keep=keep).interval == interval


@pytest.mark.parametrize("keep", ["30", "d", "0d", "-1d", "1.5d", "30 days", "30D", "", "1m", "30d; DROP TABLE x"])
def test_keep_that_is_no_time(keep: str) -> None:
    (fault,) = wish(keep=keep).faults()
    assert fault.startswith(f"keep={keep} is not a time: give a whole number of h, d, w, mo or y")


@pytest.mark.parametrize("keep", ["51y", "700mo", "20000d", "500000h"])
def test_keep_beyond_the_end_of_time(keep: str) -> None:
    (fault,) = wish(keep=keep).faults()
    assert "longer than 50 years" in fault


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1B", 1),
        ("80GB", 80_000_000_000),
        ("80 GB", 80_000_000_000),
        ("1kB", 1000),
        ("1KB", 1000),
        ("1KiB", 1024),
        ("2TiB", 2 << 40),
        ("80", None),
        ("0GB", None),
        ("1.5GB", None),
        ("80G", None),
        ("1kiB", None),
        ("1iB", None),
        ("80gb", None),
    ],
)
def test_sizes(text: str, size: int | None) -> None:
    assert parse_size(text) == size
    assert bool(wish(drop_limit=text).faults()) == (size is None)


@pytest.mark.parametrize("option", ["database", "name", "column"])
@pytest.mark.parametrize("value", ["", "a`b", "a\\b"])
def test_names_that_are_refused(option: str, value: str) -> None:
    (fault,) = wish(**{option: value}).faults()
    assert fault == f"{option}={value!r} must not be empty nor hold a backquote or a backslash"


@pytest.mark.parametrize("name", ["a b", "a.b", "a'b", 'a"b', "ä", "-- x"])
def test_odd_names_are_quoted(name: str) -> None:
    assert wish(name=name).faults() == []
    assert wish(name=name).quoted == f"`default`.`{name}`"


def test_absent_takes_no_rule() -> None:
    given = wish(state="absent", where="x", drop_expired=True)
    assert given.faults() == [
        "state=absent takes no column and no where",
        "state=absent takes no drop_expired: without a rule nothing is expired",
    ]
    assert wish(state="absent", column=None, keep=None).faults() == []


def test_all_faults_of_all_entries_in_one_message() -> None:
    with pytest.raises(LangfuseError) as raised:
        read_wishes(
            [
                {"name": "traces", "column": "timestamp", "keep": "soon", "drop_limit": "much"},
                {"database": "a`", "name": "scores", "column": "timestamp", "keep": "30d"},
                {"name": "traces", "column": "timestamp", "keep": "30d"},
            ],
            "default",
            "a`b",
        )
    message = str(raised.value)
    assert message.startswith("cluster='a`b' must not be empty nor hold a backquote or a backslash; ")
    assert "default.traces: keep=soon" in message
    assert "default.traces: drop_limit=much is not a size" in message
    assert "a`.scores: database='a`'" in message
    assert message.endswith("default.traces: listed more than once")


def test_the_database_of_the_login_is_the_default() -> None:
    first, second = read_wishes(
        [
            {"database": None, "name": "traces", "column": "timestamp", "keep": "30d", "drop_limit": "1GB"},
            {"database": "other", "name": "traces", "column": "timestamp", "keep": "30d"},
        ],
        "langfuse",
        None,
    )
    assert (first.label, second.label) == ("langfuse.traces", "other.traces")
    assert (first.drop_bytes, second.drop_bytes) == (10**9, None)
