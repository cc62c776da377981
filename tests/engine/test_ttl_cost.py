# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a TTL on old data costs, on both engines: a small form of tests/bench/retention, which has the 300 MiB."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import engines
import pytest
from clickhouse_driver.connection import Connection
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse import schema
from langfuse_lab.config import REPOSITORY

sys.path += [str(REPOSITORY / folder) for folder in (".build", "tests/bench", "tests/bench/retention")]

import retention

MEBIBYTES = 90  # parts below 10 MB are compact: one file, which cannot be shared and is written anew


@pytest.fixture(scope="module", params=engines.ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def lab(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseLab]:
    with running(tmp_path_factory.mktemp("clickhouse"), engine) as lab:
        lab.set_users(default=retention.PASSWORD)
        schema.create_tables(lab.admin, retention.MAJOR[engine])
        yield lab


def young(lab: ClickHouseLab) -> str:
    return lab.admin.execute(f"SELECT count() FROM {retention.TABLE} WHERE start_time > now() - INTERVAL 29 DAY")


def test_introduction_costs_next_to_nothing(lab: ClickHouseLab, engine: str) -> None:
    costs = retention.introduction(lab, retention.MAJOR[engine], MEBIBYTES)
    assert costs["this role"].share < 0.06
    assert costs["this role, without dropping"].share < 0.06
    assert costs["the original"].share > 0.15, "else the comparison says nothing"


def test_old_rows_go_at_once_and_young_ones_stay(lab: ClickHouseLab, engine: str) -> None:
    retention.load(lab, 10)
    before = young(lab)
    assert retention.run_module(lab, retention.rules(retention.MAJOR[engine]))["changed"]
    assert young(lab) == before != "0\n"
    months = f"SELECT count() FROM {retention.TABLE} WHERE start_time < toStartOfMonth(now() - INTERVAL 30 DAY)"
    assert lab.admin.execute(months) == "0\n"


def test_second_run_changes_nothing_over_one_connection(
    lab: ClickHouseLab, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    connect = Connection.connect

    def counted(self: Connection) -> None:
        opened.append(self.hosts[0][0])
        connect(self)

    monkeypatch.setattr(Connection, "connect", counted)
    assert retention.run_module(lab, retention.rules(retention.MAJOR[engine]))["changed"] is False
    assert len(opened) == 1
