# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of which only ClickHouse runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import engines
from langfuse_lab.clickhouse.client import Client
from langfuse_lab.config import HOST
from one_part import OnePart, free_ports


class ClickHouseLab(OnePart):
    """The lab's folder and ports, and the administrator's client."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.native, self.http = free_ports(2)
        ports = {"clickhouse_native": self.native, "clickhouse_http": self.http}
        (directory / "config.json").write_text(json.dumps({"ports": ports}))
        (directory / "state").mkdir(exist_ok=True)
        super().__init__("clickhouse", directory, f"http://{HOST}:{self.http}/ping", b"Ok.\n")

    @property
    def admin(self) -> Client:
        """The administrator's client."""
        return Client.of_lab(self.directory)

    @property
    def admin_password(self) -> str:
        """The administrator's password."""
        return json.loads((self.directory / "state" / "clickhouse-admin.json").read_text())["password"]

    def set_users(self, **users: str) -> None:
        """Write Langfuse's users as the controllers do."""
        (self.directory / "state" / "clickhouse-users.json").write_text(json.dumps(users))

    def statements(self) -> list[dict[str, Any]]:
        """The statement log."""
        return [json.loads(line) for line in self.log_file.read_text().splitlines()]

    @property
    def log_file(self) -> Path:
        """Where the statement log is."""
        return self.directory / "log" / "clickhouse-statements.jsonl"

    def ask(self, sql: str) -> list[list[Any]]:
        """Run a statement as the administrator, in the form that the disk relief asks."""
        answer = self.admin.execute(sql, default_format="JSONCompactEachRow")
        return [json.loads(line) for line in answer.splitlines() if line.strip()]


@contextmanager
def running(
    directory: Path, engine: str = engines.ENGINES[0], disk: int = 0, kind: type[ClickHouseLab] = ClickHouseLab
) -> Iterator[Any]:
    """Run ClickHouse in a folder; with a disk of so many bytes when that is given."""
    lab = kind(directory)
    lab.python = engines.python_of(engine)
    if disk:
        data = directory / "data" / "clickhouse"
        data.mkdir(parents=True)
        lab.before = engines.own_disk(data, disk)
    lab.start()
    try:
        yield lab
    finally:
        lab.stop()
