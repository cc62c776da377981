# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's ClickHouse as its clients see it: native protocol, HTTP, accounts, restarts, the statement log."""

from __future__ import annotations

import base64
import datetime
import gzip
import json
import subprocess
import sys
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_driver
import pytest
from clickhouse_driver.errors import ServerException
from clickhouse_lab import ClickHouseLab, running
from langfuse_lab.clickhouse.client import ClickHouseError
from langfuse_lab.config import HOST
from one_part import PACKAGES

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseLab]:
    with running(tmp_path_factory.mktemp("clickhouse")) as lab:
        lab.set_users(default=PASSWORD)
        yield lab


def native(lab: ClickHouseLab, **options: Any) -> clickhouse_driver.Client:
    return clickhouse_driver.Client(HOST, port=lab.native, **{"password": PASSWORD, **options})


@pytest.fixture
def client(lab: ClickHouseLab) -> Iterator[clickhouse_driver.Client]:
    client = native(lab)
    yield client
    client.disconnect()


def ask(lab: ClickHouseLab, body: bytes | None = None, headers: dict[str, str] | None = None, **arguments: str) -> Any:
    """One HTTP request; returns status, body and headers."""
    url = f"http://{HOST}:{lab.http}/?{urllib.parse.urlencode(arguments)}"
    if headers is None:
        headers = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


# --- native protocol


def test_a_row_of_every_kind_there_and_back(client: clickhouse_driver.Client) -> None:
    client.execute(
        "CREATE TABLE kinds (a UInt8, b String, c Array(Nullable(Int32)), d Map(String, Float64), e DateTime64(3), "
        "f LowCardinality(String), g Decimal(18, 4), h UUID, i Enum8('x' = 1)) ENGINE = MergeTree ORDER BY a"
    )
    row = (1, "it's; ä", [1, None], {"k": 1.5}, datetime.datetime(2026, 1, 2, 3, 4, 5, 678000))
    assert client.execute("INSERT INTO kinds (a, b, c, d, e) VALUES", [row] * 3) == 3
    assert client.execute("SELECT a, b, c, d, e FROM kinds") == [row] * 3
    client.execute("INSERT INTO kinds (a, f) VALUES (9, 'inline')")
    assert client.execute("SELECT f, toString(i) FROM kinds WHERE a = %(a)s", {"a": 9}) == [("inline", "x")]


def test_many_blocks(client: clickhouse_driver.Client) -> None:
    assert sum(row[0] for row in client.execute_iter("SELECT 1 FROM numbers(300000)")) == 300000


def test_the_columns_of_an_empty_answer(client: clickhouse_driver.Client) -> None:
    rows, columns = client.execute("SELECT 1 AS a, 'x' AS b WHERE 0", with_column_types=True)
    assert (rows, columns) == ([], [("a", "UInt8"), ("b", "String")])


def test_settings_of_one_statement_do_not_stay(client: clickhouse_driver.Client) -> None:
    ask_setting = "SELECT getSetting('mutations_sync')"
    assert client.execute(ask_setting, settings={"mutations_sync": 2}) == [(2,)]
    assert client.execute(ask_setting) == [(0,)]  # a server's default, which chdb's is not
    client.execute("SET mutations_sync = 1")
    client.execute("SELECT 1", settings={"mutations_sync": 2})
    assert client.execute(ask_setting) == [(1,)]


def test_sessions_are_apart(client: clickhouse_driver.Client, lab: ClickHouseLab) -> None:
    client.execute("USE system")
    other = native(lab)
    assert client.execute("SELECT currentDatabase()") == [("system",)]
    assert other.execute("SELECT currentDatabase()") == [("default",)]
    other.disconnect()


@pytest.mark.parametrize(
    ("sql", "settings", "code"),
    [
        ("SELECT nope", None, 47),
        ("SELECT * FROM nope", None, 60),
        ("INSERT INTO nope VALUES", None, 60),
        ("SELECT throwIf(number = 200000) FROM numbers(400000)", None, 395),
        ("SELECT 1; SELECT 2", None, 62),
        ("SELEC 1", None, 62),
        ("SELECT 1", {"nope": 1}, 115),
        ("ALTER TABLE t ON CLUSTER nope REMOVE TTL", None, 701),
    ],
)
def test_errors_leave_the_client_usable(
    client: clickhouse_driver.Client, sql: str, settings: dict[str, Any] | None, code: int
) -> None:
    with pytest.raises(ServerException) as caught:
        client.execute(sql, settings=settings)
    assert caught.value.code == code
    assert client.execute("SELECT 1") == [(1,)]


def test_on_cluster_runs_here_and_reports_one_host(client: clickhouse_driver.Client) -> None:
    client.execute("CREATE TABLE wide (a DateTime) ENGINE = MergeTree ORDER BY a")
    report = client.execute("ALTER TABLE wide ON CLUSTER default MODIFY TTL a + INTERVAL 1 DAY")
    assert [row[2:4] for row in report] == [(0, "")]
    (engine,) = client.execute("SELECT engine_full FROM system.tables WHERE name = 'wide'")
    assert "TTL a + toIntervalDay(1)" in engine[0]


def test_values_of_a_server(client: clickhouse_driver.Client) -> None:
    rows = client.execute(
        "SELECT name, value FROM system.merge_tree_settings "
        "WHERE name IN ('old_parts_lifetime', 'merge_with_ttl_timeout') ORDER BY name"
    )
    assert rows == [("merge_with_ttl_timeout", "10"), ("old_parts_lifetime", "480")]


def test_clients_at_the_same_time(lab: ClickHouseLab) -> None:
    wrong: list[Any] = []

    def work(number: int) -> None:
        client = native(lab)
        for step in range(20):
            rows = client.execute("SELECT %(a)s + 1", {"a": number * 100 + step})
            if rows != [(number * 100 + step + 1,)]:
                wrong.append(rows)
        client.disconnect()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


# --- accounts


@pytest.mark.parametrize("login", [{"password": "wrong"}, {"password": ""}, {"user": "nobody"}, {"user": "lab"}])
def test_wrong_logins(lab: ClickHouseLab, login: dict[str, str]) -> None:
    with pytest.raises(ServerException) as caught:
        native(lab, **login).execute("SELECT 1")
    assert caught.value.code == 516
    assert PASSWORD not in str(caught.value)


def test_a_wrong_database(lab: ClickHouseLab) -> None:
    with pytest.raises(ServerException) as caught:
        native(lab, database="nope").execute("SELECT 1")
    assert caught.value.code == 81


def test_a_changed_password_counts_at_the_next_login(lab: ClickHouseLab) -> None:
    try:
        lab.set_users(default="another one")
        assert native(lab, password="another one").execute("SELECT 1") == [(1,)]
        (lab.directory / "state" / "clickhouse-users.json").unlink()
        with pytest.raises(ServerException):
            native(lab).execute("SELECT 1")
        assert lab.admin.execute("SELECT 1") == "1\n"
    finally:
        lab.set_users(default=PASSWORD)


def test_the_administrators_file_is_private(lab: ClickHouseLab) -> None:
    path = lab.directory / "state" / "clickhouse-admin.json"
    assert path.stat().st_mode & 0o777 == 0o600


# --- HTTP


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Basic " + base64.b64encode(f"default:{PASSWORD}".encode()).decode()},
        {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD},
    ],
)
def test_ways_to_log_in(lab: ClickHouseLab, headers: dict[str, str]) -> None:
    assert ask(lab, b"SELECT 1", headers)[:2] == (200, "1\n")


def test_logging_in_by_the_url(lab: ClickHouseLab) -> None:
    assert ask(lab, None, {}, query="SELECT 1", user="default", password=PASSWORD)[:2] == (200, "1\n")


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"X-ClickHouse-User": "default"}, 403), ({"Authorization": "Basic ???"}, 403)],
)
def test_refused_logins(lab: ClickHouseLab, headers: dict[str, str], status: int) -> None:
    answered, body, answer_headers = ask(lab, b"SELECT 1", headers)
    assert (answered, answer_headers["X-ClickHouse-Exception-Code"]) == (status, "516")
    assert body.startswith("Code: 516. DB::Exception: ")


def test_parameters_settings_and_formats(lab: ClickHouseLab) -> None:
    status, body, headers = ask(
        lab, b"SELECT {a:UInt8} AS a, getSetting('max_threads') AS b FORMAT JSONEachRow", param_a="7", max_threads="3"
    )
    assert (status, json.loads(body)) == (200, {"a": 7, "b": 3})
    assert headers["X-ClickHouse-Format"] == "JSONEachRow"
    assert json.loads(headers["X-ClickHouse-Summary"])["written_rows"] == "0"
    assert ask(lab, b"SELECT 1 AS a", default_format="CSVWithNames")[1] == '"a"\n1\n'
    assert ask(lab, b"SELECT currentDatabase()", database="system")[1] == "system\n"


@pytest.mark.parametrize(
    ("sql", "status", "code"),
    [("SELECT nope", 404, "47"), ("SELECT 1 +", 400, "62"), ("", 400, "62"), ("SELECT throwIf(1)", 500, "395")],
)
def test_errors(lab: ClickHouseLab, sql: str, status: int, code: str) -> None:
    answered, body, headers = ask(lab, sql.encode(), query_id="mine")
    assert (answered, headers["X-ClickHouse-Exception-Code"], headers["X-ClickHouse-Query-Id"]) == (
        status,
        code,
        "mine",
    )
    assert "(version 26.9." in body


def test_get_may_only_read(lab: ClickHouseLab) -> None:
    assert ask(lab, query="SELECT 1")[0] == 200
    status, body, _headers = ask(lab, query="DROP TABLE IF EXISTS nope")
    assert status == 403
    assert "Code: 164." in body


def test_inserts_by_http(lab: ClickHouseLab) -> None:
    ask(lab, b"CREATE TABLE posted (a UInt8, b String) ENGINE = MergeTree ORDER BY a")
    assert ask(lab, b'{"a": 1, "b": "x; y"}\n', query="INSERT INTO posted FORMAT JSONEachRow")[0] == 200
    assert ask(lab, b'INSERT INTO posted FORMAT JSONEachRow\n{"a": 2, "b": "it\'s"}')[0] == 200
    assert ask(lab, b"3\tz\n", query="INSERT INTO posted (a, b)")[0] == 200
    packed = {"X-ClickHouse-User": "default", "X-ClickHouse-Key": PASSWORD, "Content-Encoding": "gzip"}
    assert ask(lab, gzip.compress(b"INSERT INTO posted VALUES (4, 'q')"), packed)[0] == 200
    assert ask(lab, b"SELECT * FROM posted ORDER BY a")[1] == "1\tx; y\n2\tit\\'s\n3\tz\n4\tq\n"
    assert ask(lab, b"x", {**packed, "Content-Encoding": "zstd"})[0] == 400


def test_other_paths(lab: ClickHouseLab) -> None:
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"http://{HOST}:{lab.http}/nope", timeout=5)
    assert caught.value.code == 404
    with urllib.request.urlopen(f"http://{HOST}:{lab.http}/", timeout=5) as answer:
        assert answer.read() == b"Ok.\n"


# --- the lab's own client, the log, restarts


def test_the_administrators_client(lab: ClickHouseLab) -> None:
    assert lab.admin.rows("SELECT toUInt64(1) AS a, 'x' AS b") == [{"a": 1, "b": "x"}]
    with pytest.raises(ClickHouseError) as caught:
        lab.admin.execute("SELECT nope")
    assert caught.value.code == 47


def test_the_log_has_statements_and_no_passwords(lab: ClickHouseLab) -> None:
    native(lab).execute("SELECT 'logged native'", settings={"max_threads": 2})
    ask(lab, None, {}, query="SELECT logged_http", user="default", password=PASSWORD)
    *_before, by_native, by_http = lab.statements()
    assert {key: by_native[key] for key in ("via", "user", "database", "sql", "settings", "error")} == {
        "via": "native",
        "user": "default",
        "database": "default",
        "sql": "SELECT 'logged native'",
        "settings": {"max_threads": "2"},
        "error": None,
    }
    assert (by_http["via"], by_http["sql"], by_http["error"][0]) == ("http", "SELECT logged_http", 47)
    log = lab.log_file.read_text()
    assert PASSWORD not in log
    assert lab.admin_password not in log


def test_everything_survives_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as lab:
        lab.admin.execute("CREATE TABLE kept (a DateTime) ENGINE = MergeTree ORDER BY a")
        lab.admin.execute("INSERT INTO kept SELECT now() FROM numbers(5)")
        lab.admin.execute("ALTER TABLE kept MODIFY TTL a + INTERVAL 1 DAY")
        password = lab.admin_password
        lab.stop()
        lab.start()
        assert lab.admin_password == password
        assert lab.admin.execute("SELECT count() FROM kept") == "5\n"
        (row,) = lab.admin.rows("SELECT engine_full FROM system.tables WHERE database = 'default'")
        assert "TTL a + toIntervalDay(1)" in row["engine_full"]


def test_a_port_in_use_is_named(lab: ClickHouseLab, tmp_path: Path) -> None:
    ports = {"clickhouse_native": lab.native, "clickhouse_http": lab.http}
    (tmp_path / "config.json").write_text(json.dumps({"ports": ports}))
    command = [sys.executable, "-m", "langfuse_lab.clickhouse", "--lab-dir", str(tmp_path)]
    ended = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (
        1,
        f"ClickHouse cannot listen on its native port {lab.native}: Address already in use\n",
    )
