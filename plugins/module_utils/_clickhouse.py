# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a connection to ClickHouse over its native protocol, straight or through a tunnel to its pod."""

from __future__ import annotations

import re
import sys
import typing as t
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._tunnel import PodTarget, open_tunnel

PORT = 9000
SECURE_PORT = 9440

WRONG_LOGIN = (192, 193, 194, 516)  # unknown user, wrong password, password needed, authentication failed

ARGUMENT_SPEC: dict[str, dict[str, t.Any]] = {
    "login_host": {"type": "str", "default": "localhost"},
    "login_port": {"type": "int"},
    "login_user": {"type": "str", "default": "default"},
    "login_password": {"type": "str", "no_log": True},
    "login_database": {"type": "str", "default": "default"},
    "secure": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": True},
    "ca_certs": {"type": "path"},
    "connect_timeout": {"type": "int", "default": 10},
    "timeout": {"type": "int", "default": 300},
    "namespace": {"type": "str"},
    "pod_selector": {"type": "str"},
    "kubeconfig": {"type": "path"},
    "context": {"type": "str"},
}
REQUIRED_TOGETHER = [("namespace", "pod_selector")]


class ClickHouseError(LangfuseError):
    """What the server answered to a statement."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ConnectionLost(LangfuseError):
    """The server cannot be reached, or went away, or let the time limit pass."""


@dataclass(frozen=True)
class Options:
    """Where ClickHouse is and who logs in. Times are in seconds."""

    host: str = "localhost"
    port: int = PORT
    user: str = "default"
    password: str = field(default="", repr=False)
    database: str = "default"
    secure: bool = False
    verify: bool = True
    ca_certs: str | None = None
    connect_timeout: int = 10
    timeout: int = 300
    pod: PodTarget | None = None

    @classmethod
    def of(cls, params: Mapping[str, t.Any]) -> Options:
        """Read the options that ARGUMENT_SPEC describes."""
        pod = None
        if params["namespace"]:
            pod = PodTarget(
                namespace=params["namespace"],
                selector=params["pod_selector"],
                kubeconfig=params["kubeconfig"],
                context=params["context"],
                timeout=params["connect_timeout"],
            )
        return cls(
            host=params["login_host"],
            port=params["login_port"] or (SECURE_PORT if params["secure"] else PORT),
            user=params["login_user"],
            password=params["login_password"] or "",
            database=params["login_database"],
            secure=params["secure"],
            verify=params["verify"],
            ca_certs=params["ca_certs"],
            connect_timeout=params["connect_timeout"],
            timeout=params["timeout"],
            pod=pod,
        )


class Connection:
    """An open connection. Errors name the statement and never the password."""

    def __init__(self, client: t.Any, where: str, user: str) -> None:
        self._client = client
        self._where = where
        self._user = user
        self.version = _version(self.query("SELECT version()")[0][0])

    def query(self, sql: str, parameters: Mapping[str, t.Any] | None = None) -> list[tuple[t.Any, ...]]:
        """Run one statement and return its rows; %(name)s stands for a parameter.

        :raises ClickHouseError: when the server refuses it.
        :raises ConnectionLost: when the server does not answer.
        """
        from clickhouse_driver import errors

        try:
            return self._client.execute(sql, parameters or None)
        except errors.ServerException as error:
            raise self._answered(error, sql) from error
        except errors.SocketTimeoutError as error:
            raise ConnectionLost(f"ClickHouse at {self._where} does not answer in time: {sql}") from error
        except (errors.Error, EOFError, OSError) as error:
            raise ConnectionLost(f"ClickHouse at {self._where} cannot be reached: {_first_line(error)}") from error

    def _answered(self, error: t.Any, sql: str) -> ClickHouseError:
        message = _first_line(error.message)
        if error.code in WRONG_LOGIN:
            text = f"ClickHouse at {self._where} refuses user '{self._user}': check login_user and login_password"
            return ClickHouseError(f"{text} (code {error.code})", error.code)
        return ClickHouseError(f"ClickHouse answers: {message} (code {error.code}), to: {sql}", error.code)


@contextmanager
def connect(options: Options) -> Iterator[Connection]:
    """Connect, through a tunnel when a pod is given.

    :raises LangfuseError: when a package or the pod is missing, or ClickHouse refuses.
    """
    driver = _driver()
    with ExitStack() as stack:
        host, port, where = options.host, options.port, f"{options.host}:{options.port}"
        if options.pod:
            tunnel = stack.enter_context(open_tunnel(options.pod, options.port))
            (host, port), where = tunnel.address[:2], f"pod {options.pod.namespace}/{tunnel.pod}:{options.port}"
        client = driver.Client(
            host=host,
            port=port,
            user=options.user,
            password=options.password,
            database=options.database,
            secure=options.secure,
            verify=options.verify,
            ca_certs=options.ca_certs,
            server_hostname=options.host,
            connect_timeout=options.connect_timeout,
            send_receive_timeout=options.timeout,
            client_name="llmops.langfuse",
        )
        stack.callback(client.disconnect)
        yield Connection(client, where, options.user)


def _driver() -> t.Any:
    try:
        import clickhouse_driver
    except ImportError as error:
        raise LangfuseError(
            f"ClickHouse needs the Python package clickhouse-driver, which {sys.executable} does not have."
        ) from error
    return clickhouse_driver


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:2])


def _first_line(error: object) -> str:
    """The server's sentence, without its name for the exception, its stack trace, and a parser's long list of hopes."""
    text = re.sub(r"^(Code: \d+\.\s*)?(DB::Exception:\s*)*", "", str(error).strip())
    text = re.split(r"\.? ?Stack trace:|\. Expected one of", text)[0]
    return " ".join(text.split())[:400]
