# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The disk relief on tables made at random, on real engines: no young row goes, and the target is reached if it can be.

The disk is a model: its size is drawn, and what the engine's parts have is in use. RELIEF_CASES says how many cases.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import engines
import pytest
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse.client import ClickHouseError
from langfuse_lab.config import REPOSITORY

sys.path.append(str(REPOSITORY / ".build"))  # the collection, for who runs pytest without the Makefile

from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief as relief

CASES = int(os.environ.get("RELIEF_CASES", "12"))
KEYS = ("toYYYYMM(seen)", "toDate(seen)", "toYYYYMM(made)", "(kind, toYYYYMM(seen))", "")
SLACK = 16384  # bytes that the empty parts of drops may have


@dataclass
class Plan:
    """What is drawn for one case."""

    keys: list[str]
    floors: list[int]
    batches: list[list[tuple[int, int]]]  # by table: age in days and rows of each INSERT
    logs: dict[str, int]
    detach: bool
    share: float  # of what may go, how much is needed; above 1 it cannot be reached


def draw(seed: int) -> Plan:
    dice = random.Random(seed)
    tables = dice.randint(1, 3)
    names = ["trace_log", "text_log_0", "query_log", "query_log_7", "part_log"]
    return Plan(
        keys=[dice.choice(KEYS) for _table in range(tables)],
        floors=[dice.choice([1, 3, 7, 30, 90]) for _table in range(tables)],
        batches=[
            [
                (dice.choice([0, 1, 2, 6, 7, 8, 29, 31, 89, 95, 200, 400, -3]), dice.randint(1, 60))
                for _n in range(dice.randint(1, 5))
            ]
            for _table in range(tables)
        ],
        logs={name: dice.randint(1, 40) for name in dice.sample(names, dice.randint(0, 3))},
        detach=dice.random() < 0.2,
        share=dice.choice([0.1, 0.4, 0.7, 0.95, 1.3]),
    )


class Model:
    """The engine, with a disk whose size is set."""

    def __init__(self, lab: ClickHouseLab) -> None:
        self._lab, self.total = lab, 0
        self.used_before_last_change = 0

    @property
    def used(self) -> int:
        return int(
            self._lab.admin.execute(
                "SELECT (SELECT sum(bytes_on_disk) FROM system.parts WHERE database IN ('default', 'system')) + "
                "(SELECT sum(bytes_on_disk) FROM system.detached_parts WHERE database = 'default')"
            )
        )

    def ask(self, sql: str) -> list[list[Any]]:
        if "FROM system.disks" in sql:
            return [["default", max(0, self.total - self.used), self.total]]
        if not sql.startswith("SELECT"):
            self.used_before_last_change = self.used
        try:
            return self._lab.ask(sql)
        except ClickHouseError as error:
            raise relief.Refused(str(error), error.code) from error


@pytest.fixture(scope="module", params=engines.ENGINES)
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseLab]:
    folder: Path = tmp_path_factory.mktemp("clickhouse")
    with running(folder, request.param) as lab:
        yield lab


def clear(lab: ClickHouseLab) -> None:
    for row in lab.admin.rows(
        "SELECT database, name FROM system.tables WHERE database IN ('default', 'system') AND engine LIKE '%MergeTree'"
    ):
        name = f"`{row['database']}`.`{row['name']}`"
        lab.admin.execute(f"TRUNCATE TABLE {name}")
        lab.admin.execute(f"ALTER TABLE {name} DROP DETACHED PARTITION ALL", allow_drop_detached=1)
        lab.admin.execute(f"DROP TABLE {name}")


def build(lab: ClickHouseLab, plan: Plan) -> None:
    clear(lab)
    for number, (key, batches) in enumerate(zip(plan.keys, plan.batches, strict=True)):
        by = f"PARTITION BY {key} " if key else ""
        lab.admin.execute(
            f"CREATE TABLE t{number} (made DateTime, seen DateTime64(3), kind UInt8, x String) "
            f"ENGINE = MergeTree {by}ORDER BY kind"
        )
        lab.admin.execute(f"SYSTEM STOP MERGES t{number}")
        for age, rows in batches:
            # A second more: a row at a floor is older than it from the start, not only when the next second begins.
            lab.admin.execute(
                f"INSERT INTO t{number} SELECT now() - INTERVAL 300 DAY, now64(3) - INTERVAL {age} DAY - number - 1, "
                f"number % 2, randomString(2000) FROM numbers({rows})",
                max_partitions_per_insert_block=0,
            )
    for name, rows in plan.logs.items():
        lab.admin.execute(f"CREATE TABLE system.`{name}` (d Date, x String) ENGINE = MergeTree ORDER BY d")
        lab.admin.execute(f"INSERT INTO system.`{name}` SELECT today(), randomString(2000) FROM numbers({rows})")
    if plan.detach and plan.keys[0]:
        partition = lab.admin.execute(
            "SELECT any(partition_id) FROM system.parts WHERE active AND table = 't0'"
        ).strip()
        lab.admin.execute(f"ALTER TABLE t0 DETACH PARTITION ID '{partition}'")


def may_go(lab: ClickHouseLab, plan: Plan) -> int:
    """Bytes that may be given away, found in another way than the relief finds them: by the rows themselves."""
    total = sum(
        int(lab.admin.execute(f"SELECT sum(bytes_on_disk) FROM system.parts WHERE table = '{name}' AND active"))
        for name in plan.logs
        if name != "query_log"
    )
    for number, (key, floor) in enumerate(zip(plan.keys, plan.floors, strict=True)):
        if key:
            total += int(
                lab.admin.execute(
                    f"SELECT sum(bytes_on_disk) FROM system.parts WHERE table = 't{number}' AND active "
                    f"AND partition_id IN (SELECT _partition_id FROM t{number} GROUP BY _partition_id "
                    f"HAVING countIf(seen >= now() - INTERVAL {floor} DAY) = 0)"
                )
            )
    return total


def kept_rows(lab: ClickHouseLab, plan: Plan) -> list[str]:
    """What must not change; ages drawn are never within an hour of a floor but at it, where rows are older."""
    young = [
        lab.admin.execute(
            f"SELECT count(), sum(cityHash64(x)) FROM t{number} "
            f"WHERE seen >= now() - INTERVAL {floor} DAY + INTERVAL 10 MINUTE"
        )
        for number, floor in enumerate(plan.floors)
    ]
    whole = [number for number, key in enumerate(plan.keys) if not key]
    young += [lab.admin.execute(f"SELECT count() FROM t{number}") for number in whole]
    if "query_log" in plan.logs:
        young.append(lab.admin.execute("SELECT count() FROM system.query_log"))
    return young


@pytest.mark.parametrize("seed", range(CASES))
def test_case(lab: ClickHouseLab, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relief, "CLEAN_SECONDS", 0)
    plan, model = draw(seed), Model(lab)
    build(lab, plan)
    droppable, used = may_go(lab, plan), model.used
    target = 75.0
    # so full that `share` of what may go is enough, but for the slack
    model.total = int((used - plan.share * droppable) * 100 / target) if droppable else used
    model.total = max(model.total, used)
    wish = relief.Wish(
        target=target,
        tables={f"t{number}": "seen" for number in range(len(plan.keys))},
        table_keep_days={f"t{number}": floor for number, floor in enumerate(plan.floors)},
    )
    kept = kept_rows(lab, plan)
    enough = 100 * (used - droppable + SLACK) / model.total <= target
    in_vain = 100 * (used - droppable) / model.total > target
    planned = relief.Relief(model.ask, wish, dry_run=True).run()
    assert model.used == used
    done = relief.Relief(model.ask, wish).run()

    assert kept_rows(lab, plan) == kept
    assert not [step for step in done["steps"] if step.get("error")]
    if enough:
        assert planned["ok"] and done["ok"], relief.summary(done)
    if in_vain:
        assert not done["ok"]
        assert may_go(lab, plan) <= SLACK, "something that may go stayed"
    if done["ok"] and done["steps"]:  # by bytes: the report's percents are rounded
        assert 100 * model.used_before_last_change / model.total > target, "it went on beyond the target"
    assert relief.Relief(model.ask, wish).run()["steps"] == []
