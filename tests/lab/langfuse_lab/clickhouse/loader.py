# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of all ages for Langfuse's tables: `python -m langfuse_lab load --days N --rows-per-day M`."""

from __future__ import annotations

import argparse
import sys

from langfuse_lab.clickhouse.client import ClickHouseError, Client
from langfuse_lab.config import lab_directory

SECONDS_A_DAY = 86400
LOAD_SECONDS = 600  # time for one table's rows

# How to fill a table: its columns and their expressions. `age` is a row's time; events_core is filled by its view.
# dataset_run_items_rmt is user data, which no retention rule may touch: it has old rows to show that they stay.
_COMMON = {"project_id": "'demo'", "event_ts": "age", "is_deleted": "0"}
_TEXTS = {"input": "randomPrintableASCII(400)", "output": "randomPrintableASCII(400)"}
_SPAN = {"name": "'chat'", "type": "['SPAN', 'GENERATION'][number % 2 + 1]", "level": "'DEFAULT'"}
_FILLED: dict[str, dict[str, str]] = {
    "traces": {"id": "uuid", "timestamp": "age", "name": "'chat'", **_TEXTS},
    "observations": {"id": "uuid", "trace_id": "uuid", "start_time": "age", **_TEXTS, **_SPAN},
    "scores": {"id": "uuid", "timestamp": "age", "trace_id": "uuid", "name": "'quality'", "value": "0.5"},
    "events_full": {"trace_id": "uuid", "span_id": "uuid", "start_time": "age", **_TEXTS, **_SPAN},
    "blob_storage_file_log": {
        "id": "uuid",
        "entity_type": "'trace'",
        "entity_id": "uuid",
        "event_id": "uuid",
        "bucket_name": "'langfuse'",
        "bucket_path": "concat('events/demo/trace/', uuid, '.json')",
        "created_at": "age",
    },
    "dataset_run_items_rmt": {
        "id": "uuid",
        "trace_id": "uuid",
        "dataset_id": "'demo'",
        "dataset_run_id": "'demo'",
        "dataset_item_id": "uuid",
        "created_at": "age",
    },
}
_COUNTED = (*_FILLED, "events_core")


def load(client: Client, days: int, rows_per_day: int) -> dict[str, int]:
    """Add rows to every table, evenly from now to so many days ago.

    :returns: the number of rows that each table has now.
    :raises ClickHouseError: when the server refuses.
    """
    present = {row["name"] for row in client.rows("SELECT name FROM system.tables WHERE database = 'default'")}
    for table, columns in _FILLED.items():
        if table in present:
            client.execute(_insert(table, {**_COMMON, **columns}, days, rows_per_day))
    counts = {}
    for table in _COUNTED:
        if table in present:
            counts[table] = int(client.execute(f"SELECT count() FROM `{table}`"))
    return counts


def _insert(table: str, columns: dict[str, str], days: int, rows_per_day: int) -> str:
    step = SECONDS_A_DAY / rows_per_day  # rows lie in the middle of their step, never on the edge of a day
    return (
        f"INSERT INTO `{table}` ({', '.join(columns)}) "
        f"WITH now64(6) - toIntervalMicrosecond(toUInt64((number + 0.5) * {step * 1e6})) AS age, "
        "toString(generateUUIDv4(number)) AS uuid "
        f"SELECT {', '.join(columns.values())} FROM numbers({days * rows_per_day})"
    )


def main(argv: list[str]) -> int:
    """Run from the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="langfuse_lab load", description=__doc__)
    parser.add_argument("--lab-dir", help="default: $LAB_DIR, or .lab in the repository")
    parser.add_argument("--days", type=_positive, required=True, help="age of the oldest row, in days")
    parser.add_argument("--rows-per-day", type=_positive, required=True, help="rows a day and table, about 1 kB each")
    options = parser.parse_args(argv)
    try:
        client = Client.of_lab(lab_directory(options.lab_dir), timeout=LOAD_SECONDS)
        counts = load(client, options.days, options.rows_per_day)
    except (ClickHouseError, OSError) as error:
        print(f"langfuse_lab load: ClickHouse of this lab: {error}", file=sys.stderr)
        return 1
    if not counts:
        print("langfuse_lab load: ClickHouse has no tables of Langfuse yet: run site.yml first.", file=sys.stderr)
        return 1
    for table, rows in counts.items():
        print(f"{table:24}{rows:>12} rows")
    return 0


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number of 1 or more")
    return int(text)
