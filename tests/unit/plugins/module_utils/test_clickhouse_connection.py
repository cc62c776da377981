# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connecting to ClickHouse and what its errors become; the driver's client is replaced, its errors are real."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _clickhouse
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._tunnel import PodTarget
from clickhouse_driver import errors

PASSWORD = "correct horse battery"


class FakeClient:
    """The driver's client: remembers how it was made and answers from a list."""

    made: list[FakeClient] = []

    def __init__(self, **options: Any) -> None:
        self.options = options
        self.answers: list[Any] = [[("25.8.2.1",)]]
        self.asked: list[Any] = []
        self.open = True
        self.made.append(self)

    def execute(self, sql: str, parameters: Any) -> Any:
        self.asked.append((sql, parameters))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def disconnect(self) -> None:
        self.open = False


@pytest.fixture
def client_class(monkeypatch: pytest.MonkeyPatch) -> type[FakeClient]:
    """The class that is used for the driver's."""
    monkeypatch.setattr(FakeClient, "made", [])
    monkeypatch.setattr(_clickhouse, "_driver", lambda: SimpleNamespace(Client=FakeClient))
    return FakeClient


def params(**given: Any) -> dict[str, Any]:
    return {**{name: spec.get("default") for name, spec in _clickhouse.ARGUMENT_SPEC.items()}, **given}


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 9000), ({"secure": True}, 9440), ({"login_port": 9001}, 9001), ({"secure": True, "login_port": 1}, 1)],
)
def test_ports(given: dict[str, Any], port: int) -> None:
    assert _clickhouse.Options.of(params(**given)).port == port


def test_options_hide_the_password() -> None:
    options = _clickhouse.Options.of(params(login_password=PASSWORD))
    assert options.password == PASSWORD
    assert PASSWORD not in repr(options)


def test_a_straight_connection(client_class: type[FakeClient]) -> None:
    given = params(
        login_host="db", login_user="ops", login_password=PASSWORD, secure=True, ca_certs="/ca.pem", timeout=7
    )
    with _clickhouse.connect(_clickhouse.Options.of(given)) as connection:
        assert connection.version == (25, 8)
        (client,) = client_class.made
        assert client.open
    assert not client.open
    assert client.options == {
        "host": "db",
        "port": 9440,
        "user": "ops",
        "password": PASSWORD,
        "database": "default",
        "secure": True,
        "verify": True,
        "ca_certs": "/ca.pem",
        "server_hostname": "db",
        "connect_timeout": 10,
        "send_receive_timeout": 7,
        "client_name": "llmops.langfuse",
    }


def test_a_connection_through_a_tunnel(client_class: type[FakeClient], monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []

    @contextmanager
    def open_tunnel(target: PodTarget, port: int) -> Iterator[Any]:
        opened.append((target, port))
        yield SimpleNamespace(address=("tunnel", 4711), pod="clickhouse-0")
        opened.append("closed")

    monkeypatch.setattr(_clickhouse, "open_tunnel", open_tunnel)
    given = params(
        namespace="langfuse", pod_selector="app=x", kubeconfig="/k", context="c", login_host="ch.example.com"
    )
    with _clickhouse.connect(_clickhouse.Options.of(given)) as connection:
        (client,) = client_class.made
        assert (client.options["host"], client.options["port"]) == ("tunnel", 4711)
        assert client.options["server_hostname"] == "ch.example.com"
        client.answers = [errors.NetworkError("Connection refused")]
        with pytest.raises(_clickhouse.ConnectionLost, match="ClickHouse at pod langfuse/clickhouse-0:9000 cannot be"):
            connection.query("SELECT 1")
    assert opened == [(PodTarget("langfuse", "app=x", "/k", "c"), 9000), "closed"]


def test_a_query_and_its_parameters(client_class: type[FakeClient]) -> None:
    with _clickhouse.connect(_clickhouse.Options()) as connection:
        (client,) = client_class.made
        client.answers = [[(1,)], [(2,)]]
        assert connection.query("SELECT %(a)s", {"a": 1}) == [(1,)]
        assert connection.query("SELECT '100%'") == [(2,)]
        # without parameters the driver must not look for percent signs
        assert client.asked[1:] == [("SELECT %(a)s", {"a": 1}), ("SELECT '100%'", None)]


ERRORS = [
    (
        errors.ServerException(
            "DB::Exception: Unknown table expression identifier 'x'. (UNKNOWN_TABLE). Stack trace:\n\n0. main\n", 60
        ),
        _clickhouse.ClickHouseError,
        "ClickHouse answers: Unknown table expression identifier 'x'. (UNKNOWN_TABLE) (code 60), to: SELECT 1",
    ),
    (
        errors.ServerException("DB::Exception: Syntax error: failed at position 9. Expected one of: A, B, C", 62),
        _clickhouse.ClickHouseError,
        "ClickHouse answers: Syntax error: failed at position 9 (code 62), to: SELECT 1",
    ),
    (
        errors.ServerException("DB::Exception: ops: Not enough privileges. (ACCESS_DENIED)", 497),
        _clickhouse.ClickHouseError,
        "ClickHouse answers: ops: Not enough privileges. (ACCESS_DENIED) (code 497), to: SELECT 1",
    ),
    *(
        (
            errors.ServerException("DB::Exception: ops: Authentication failed", code),
            _clickhouse.ClickHouseError,
            f"ClickHouse at localhost:9000 refuses user 'default': check login_user and login_password (code {code})",
        )
        for code in (192, 193, 194, 516)
    ),
    (
        errors.SocketTimeoutError("(localhost:9000)"),
        _clickhouse.ConnectionLost,
        "ClickHouse at localhost:9000 does not answer in time: SELECT 1",
    ),
    (
        errors.NetworkError("Connection refused (localhost:9000)"),
        _clickhouse.ConnectionLost,
        "ClickHouse at localhost:9000 cannot be reached: Code: 210. Connection refused (localhost:9000)",
    ),
    (
        EOFError("Unexpected EOF while reading bytes"),
        _clickhouse.ConnectionLost,
        "ClickHouse at localhost:9000 cannot be reached: Unexpected EOF while reading bytes",
    ),
    (
        ConnectionResetError(104, "Connection reset by peer"),
        _clickhouse.ConnectionLost,
        "ClickHouse at localhost:9000 cannot be reached: [Errno 104] Connection reset by peer",
    ),
]


@pytest.mark.parametrize(("raised", "kind", "message"), ERRORS)
def test_errors(client_class: type[FakeClient], raised: Exception, kind: type[LangfuseError], message: str) -> None:
    options = _clickhouse.Options(password=PASSWORD)
    with _clickhouse.connect(options) as connection:
        client_class.made[0].answers = [raised]
        with pytest.raises(kind) as caught:
            connection.query("SELECT 1")
    assert str(caught.value).replace("Code: 210. ", "") == message.replace("Code: 210. ", "")
    assert PASSWORD not in str(caught.value)
    if kind is _clickhouse.ClickHouseError:
        assert caught.value.code == raised.code


def test_a_connection_that_fails_is_closed(client_class: type[FakeClient], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: FakeClient, sql: str, parameters: Any) -> None:
        raise errors.ServerException("DB::Exception: default: Authentication failed", 516)

    monkeypatch.setattr(client_class, "execute", refuse)
    refused = pytest.raises(_clickhouse.ClickHouseError, match="refuses user 'default'")
    with refused, _clickhouse.connect(_clickhouse.Options()):
        pass
    assert not client_class.made[0].open


def test_the_driver_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "clickhouse_driver", None)
    with pytest.raises(LangfuseError) as caught, _clickhouse.connect(_clickhouse.Options()):
        pass
    assert f"needs the Python package clickhouse-driver, which {sys.executable} does not have" in str(caught.value)


def test_the_driver_is_there() -> None:
    assert _clickhouse._driver().Client
