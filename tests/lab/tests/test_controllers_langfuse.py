# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Langfuse's stand-in answers, and the psql of its PostgreSQL pod."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from langfuse_lab import psql
from langfuse_lab.clickhouse.client import ClickHouseError, Client
from langfuse_lab.config import Lab, make_directory, write
from langfuse_lab.controllers.langfuse import Langfuse, Pod, is_of, roles, verifier, write_roles

ENVIRONMENT = {
    "DATABASE_HOST": "langfuse-postgresql",
    "DATABASE_PASSWORD": "pg-1",
    "REDIS_CONNECTION_STRING": "redis://default:r-1@langfuse-redis:6379/0",
    "REDIS_PASSWORD": "r-1",
    "CLICKHOUSE_URL": "http://langfuse-clickhouse-headless:8123",
}


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    ports = {"clickhouse_http": 1, "apiserver": 2}
    lab = Lab(tmp_path / "lab", "id", "https://issuer", ports, tmp_path)
    make_directory(lab.directory)
    write(lab)
    write_roles(
        lab, {role: verifier(text, os.urandom(16)) for role, text in {"langfuse": "pg-1", "postgres": "a"}.items()}
    )
    monkeypatch.setattr(Client, "execute", lambda *_args, **_settings: "1")
    return lab


@pytest.fixture
def langfuse(lab: Lab) -> Langfuse:
    made = Langfuse(lab)
    made._pods = {
        "web": Pod("1/0", "langfuse/langfuse:4.16.0", dict(ENVIRONMENT)),
        "worker": Pod("2/0", "langfuse/langfuse-worker:4.16.0", dict(ENVIRONMENT)),
        "postgresql": Pod("3/0", "postgres:18", {}),
        "redis": Pod("4/0", "valkey:8", {"default": "r-1"}),
    }
    return made


PATHS = ["/api/public/health?failIfDatabaseUnavailable=true", "/api/public/ready", "/api/health", "/api/ready"]


@pytest.mark.parametrize("path", PATHS)
def test_all_is_well(langfuse: Langfuse, path: str) -> None:
    assert langfuse.answer(path) == (200, {"status": "OK", "version": "4.16.0"})


def test_other_paths_are_not_langfuses(langfuse: Langfuse) -> None:
    assert langfuse.answer("/api/traces") is None


def test_without_pods(lab: Lab) -> None:
    assert Langfuse(lab).answer("/api/public/ready") == (503, {"status": "no web pod runs"})


def statuses(langfuse: Langfuse) -> list[int]:
    return [(langfuse.answer(path) or (0, {}))[0] for path in PATHS]


def test_a_password_that_changed_since_the_start_is_wrong(langfuse: Langfuse, lab: Lab) -> None:
    write_roles(lab, {"langfuse": verifier("pg-2", b"salt")})
    assert statuses(langfuse) == [503, 200, 200, 503]
    assert langfuse.answer("/api/ready")[1]["status"] == "postgresql refuses the password"


def test_redis_and_its_absence(langfuse: Langfuse) -> None:
    langfuse._pods["redis"] = Pod("5/0", "valkey:8", {"VALKEY_PASSWORD": "r-2"})
    assert statuses(langfuse) == [200, 200, 200, 503]
    del langfuse._pods["redis"]
    assert langfuse.answer("/api/ready")[1]["status"] == "redis is not reachable"


def test_nothing_is_well_without_clickhouse(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_settings: object) -> str:
        raise ClickHouseError(516, "Authentication failed\nstack")

    monkeypatch.setattr(Client, "execute", refuse)
    assert statuses(langfuse) == [503] * 4
    assert langfuse.answer("/api/health")[1]["status"] == "ClickHouse: Authentication failed"


def test_stores_elsewhere_count_as_well(langfuse: Langfuse, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Client, "execute", lambda *_: pytest.fail("there is none to ask"))
    elsewhere = {
        "DATABASE_HOST": "db.example.com",
        "REDIS_CONNECTION_STRING": "rediss://default:x@redis.example.com:6379/0",
        "CLICKHOUSE_URL": "https://ch.example.com:8443",
    }
    langfuse._pods = {"worker": Pod("2/0", "x:1", ENVIRONMENT | elsewhere)}
    assert langfuse.answer("/api/ready") == (200, {"status": "OK", "version": "1"})


def run_psql(lab: Lab, monkeypatch: pytest.MonkeyPatch, password: str, *lines: str) -> int:
    monkeypatch.setenv("LAB_DIR", str(lab.directory))
    monkeypatch.setenv("PGPASSWORD", password)
    arguments = ["-XqAt", "-v", "ON_ERROR_STOP=1", "-U", "postgres", "-d", "postgres"]
    return psql.main(arguments, [f"{line}\n" for line in lines])


QUERY = "SELECT rolname, coalesce(rolpassword, '') FROM pg_authid WHERE rolname IN ('langfuse', 'nobody');"


def test_psql_reads_and_changes(lab: Lab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_psql(lab, monkeypatch, "a", QUERY, "\\q", "never read") == 0
    assert capsys.readouterr().out == f"langfuse|{roles(lab)['langfuse']}\n"
    new = verifier("pg-2", b"0123456789abcdef")
    assert run_psql(lab, monkeypatch, "a", f"BEGIN; ALTER ROLE \"langfuse\" PASSWORD '{new}'; COMMIT;", "\\q") == 0
    assert is_of(roles(lab)["langfuse"], "pg-2")


@pytest.mark.parametrize(
    ("password", "sql", "code", "said"),
    [
        ("wrong", "\\q", 2, "password authentication failed for user"),
        ("a", "ALTER ROLE \"nobody\" PASSWORD 'x';", 3, 'role "nobody" does not exist'),
        ("a", "DROP ROLE langfuse;", 3, "does not know: DROP"),
    ],
)
def test_psql_refuses(
    lab: Lab,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    password: str,
    sql: str,
    code: int,
    said: str,
) -> None:
    before = roles(lab)
    assert run_psql(lab, monkeypatch, password, sql) == code
    assert said in capsys.readouterr().err
    assert roles(lab) == before
