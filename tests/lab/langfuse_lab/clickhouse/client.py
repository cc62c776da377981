# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the lab's own parts talk to ClickHouse: over HTTP, as the administrator."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from langfuse_lab.clickhouse.accounts import admin_file
from langfuse_lab.config import HOST


class ClickHouseError(Exception):
    """What the server answered: its error code and its sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Client:
    """Sends statements; holds no connection, so it may be kept and shared."""

    def __init__(self, port: int, user: str, password: str, timeout: float = 60) -> None:
        self._url = f"http://{HOST}:{port}/"
        self._credentials = {"X-ClickHouse-User": user, "X-ClickHouse-Key": password}
        self._timeout = timeout

    @classmethod
    def of_lab(cls, lab_dir: Path, timeout: float = 60) -> Client:
        """Make the administrator's client of a lab; the time limit is in seconds and for one statement.

        :raises FileNotFoundError: when that lab's ClickHouse has never run.
        """
        admin = json.loads(admin_file(lab_dir).read_text())
        port = json.loads((lab_dir / "config.json").read_text())["ports"]["clickhouse_http"]
        return cls(port, admin["user"], admin["password"], timeout)

    def execute(self, sql: str, **settings: object) -> str:
        """Run one statement and return what it printed.

        :raises ClickHouseError: when the server refuses it.
        :raises OSError: when the server cannot be reached (urllib.error.URLError, ConnectionError, TimeoutError).
        """
        query = urllib.parse.urlencode(settings)
        request = urllib.request.Request(f"{self._url}?{query}", data=sql.encode(), headers=self._credentials)
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            code = int(error.headers.get("X-ClickHouse-Exception-Code") or 0)
            raise ClickHouseError(code, error.read().decode().strip()) from None

    def rows(self, sql: str, **settings: object) -> list[dict[str, Any]]:
        """Run one query and return its rows; 64-bit numbers come as numbers."""
        settings.setdefault("output_format_json_quote_64bit_integers", 0)
        return [json.loads(line) for line in self.execute(f"{sql} FORMAT JSONEachRow", **settings).splitlines()]
