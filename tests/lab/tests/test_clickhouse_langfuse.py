# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Langfuse's tables of both majors, and the rows that the loader writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse import loader, schema
from langfuse_lab.clickhouse.client import Client

VIEWS = {"analytics_observations", "analytics_scores", "analytics_traces"}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseLab]:
    with running(tmp_path_factory.mktemp("clickhouse")) as lab:
        yield lab


@pytest.fixture
def client(lab: ClickHouseLab) -> Client:
    """A client of an empty database."""
    schema.drop_tables(lab.admin)
    return lab.admin


@pytest.mark.parametrize(
    ("major", "only"),
    [
        (1, {"event_log", "project_environments"}),
        (2, {"events_full", "events_core", "events_core_mv", "observations_batch_staging"}),
    ],
)
def test_the_tables_of_a_major(client: Client, major: int, only: set[str]) -> None:
    bulk = {table.name for table in schema.bulk_tables(major)}
    assert set(schema.create_tables(client, major)) == bulk | only | VIEWS | {
        "dataset_run_items_rmt",
        "schema_migrations",
    }
    assert schema.create_tables(client, major) == []
    for table in schema.bulk_tables(major):
        (found,) = client.rows(
            "SELECT engine, partition_key, c.type AS type FROM system.tables AS t INNER JOIN system.columns AS c "
            f"ON c.database = t.database AND c.table = t.name WHERE database = 'default' AND t.name = '{table.name}' "
            f"AND c.name = '{table.column}'"
        )
        assert found["engine"] == "ReplacingMergeTree"
        assert found["type"].startswith("DateTime64")
        assert found["partition_key"] == (f"toYYYYMM({table.column})" if table.partitioned else "")


def test_the_tables_change_with_the_major(client: Client) -> None:
    schema.create_tables(client, 1)
    schema.create_tables(client, 2)
    names = {row["name"] for row in client.rows("SELECT name FROM system.tables WHERE database = 'default'")}
    assert "events_full" in names
    assert not names & {"event_log", "project_environments"}


def test_a_new_volume_is_empty(client: Client) -> None:
    schema.create_tables(client, 2)
    schema.drop_tables(client)
    assert client.rows("SELECT name FROM system.tables WHERE database = 'default'") == []


def test_rows_lie_evenly_over_the_days(client: Client) -> None:
    schema.create_tables(client, 2)
    counts = loader.load(client, days=60, rows_per_day=10)
    assert set(counts) == {table.name for table in schema.bulk_tables(2)} | {"dataset_run_items_rmt"}
    assert set(counts.values()) == {600}
    for table in schema.bulk_tables(2):
        (found,) = client.rows(
            f"SELECT uniqExact(toInt32(ceil(dateDiff('second', {table.column}, now()) / 86400))) AS days, "
            f"countIf({table.column} > now() - INTERVAL 30 DAY) AS young FROM {table.name}"
        )
        assert found == {"days": 60, "young": 300}
    assert set(loader.load(client, days=1, rows_per_day=5).values()) == {605}


def test_the_command(client: Client, lab: ClickHouseLab, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--lab-dir", str(lab.directory), "--days", "2", "--rows-per-day", "3"]
    assert loader.main(arguments) == 1
    assert "ClickHouse has no tables of Langfuse yet" in capsys.readouterr().err
    schema.create_tables(client, 1)
    assert loader.main(arguments) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["traces", "6", "rows"]
    assert len(lines) == 5


def test_the_command_without_a_lab(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert loader.main(["--lab-dir", str(tmp_path), "--days", "2", "--rows-per-day", "3"]) == 1
    assert capsys.readouterr().err.startswith("langfuse_lab load: ClickHouse of this lab: ")


@pytest.mark.parametrize("days", ["0", "-1", "many"])
def test_the_command_refuses_what_is_no_number(days: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        loader.main(["--days", days, "--rows-per-day", "3"])
    assert f"{days} is not a whole number of 1 or more" in capsys.readouterr().err
