# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel to a pod: the pod that is chosen, what is refused, and bytes that go both ways. Kubernetes is replaced."""

from __future__ import annotations

import dataclasses
import json
import queue
import socket
import sys
import threading
from inspect import signature
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _tunnel
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

TARGET = _tunnel.PodTarget("langfuse", "app=clickhouse", "/kube/config", "lab")
PODS = "/api/v1/namespaces/langfuse/pods"
FORWARD = f"{PODS}/clickhouse-0/portforward"
CLAIM = "/api/v1/namespaces/langfuse/persistentvolumeclaims/data"


class ApiException(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class ConfigException(Exception):
    pass


def pod(name: str, phase: str = "Running", ready: bool | None = True, leaving: bool = False) -> dict[str, Any]:
    conditions = {} if ready is None else {"conditions": [{"type": "Ready", "status": str(ready)}]}
    leaves = {"deletionTimestamp": "now"} if leaving else {}
    return {"metadata": {"name": name, **leaves}, "status": {"phase": phase, **conditions}}


class FakeKubernetes:
    """What is used of the kubernetes package. A forward leads to a server that sends everything back."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = pods
        self.claim = "10Gi"
        self.asked: list[Any] = []
        self.failures: dict[str, Exception] = {}
        self.closed = threading.Event()
        self.client = SimpleNamespace(
            Configuration=dict, ApiClient=lambda configuration: configuration, ApiException=ApiException
        )
        self.config = SimpleNamespace(
            ConfigException=ConfigException,
            load_kube_config=self._load_kube_config,
            load_incluster_config=self._load_incluster_config,
        )
        self.dynamic = SimpleNamespace(DynamicClient=self._client)
        self.stream = SimpleNamespace(portforward=self._portforward)

    def _fail(self, what: str) -> None:
        if what in self.failures:
            raise self.failures[what]

    def _load_kube_config(self, config_file: str, context: str, client_configuration: Any) -> None:
        self.asked.append((config_file, context))
        self._fail("config")

    def _load_incluster_config(self, client_configuration: Any) -> None:
        self.asked.append("service account")
        self._fail("service account")

    def _client(self, api_client: Any, discoverer: Any) -> Any:
        assert discoverer(self, None) is None  # it would ask the API server for all it knows
        return SimpleNamespace(request=self._request)

    def _request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        if path.endswith("/portforward"):
            self.asked.append((path, options["query_params"]))
            self._fail("forward")
            return self._connection()
        assert options["_request_timeout"] == TARGET.timeout
        answer = self._claim(method, body, options) if path == CLAIM else self._list(path, options)
        return SimpleNamespace(data=json.dumps(answer))

    def _list(self, path: str, options: Any) -> Any:
        self.asked.append((path, options["query_params"]))
        self._fail("list")
        return {"items": self.pods}

    def _claim(self, method: str, body: Any, options: Any) -> Any:
        size = body["spec"]["resources"]["requests"]["storage"] if method == "PATCH" else self.claim
        if size == "1Gi":
            raise ApiException(422, "field can not be less than previous value")
        self.claim = size
        self.asked.append((method, size, options["query_params"]))
        return {"spec": {"resources": {"requests": {"storage": size}}}}

    def _portforward(self, method: Any, name: str, ports: str) -> Any:
        assert hasattr(method.__self__, "api_client")  # where the package replaces the way to the server
        return method(name, ports=ports, _preload_content=False)

    def _connection(self) -> Any:
        ours, theirs = socket.socketpair()
        threading.Thread(target=self._echo, args=(theirs,), daemon=True).start()
        return SimpleNamespace(socket=lambda port: ours)

    def _echo(self, sock: socket.socket) -> None:
        while data := sock.recv(1 << 16):
            sock.sendall(data)
        sock.close()
        self.closed.set()


@pytest.fixture
def kubernetes(monkeypatch: pytest.MonkeyPatch) -> FakeKubernetes:
    """A cluster with one ready pod."""
    fake = FakeKubernetes(pod("clickhouse-0"))
    monkeypatch.setattr(_tunnel, "_kubernetes", lambda: fake)
    return fake


def test_bytes_go_both_ways_on_every_connection(kubernetes: FakeKubernetes) -> None:
    data = bytes(range(256)) * 4096
    with _tunnel.open_tunnel(TARGET, 9000) as tunnel:
        assert tunnel.pod == "clickhouse-0"
        for _connection in range(3):
            with socket.create_connection(tunnel.address, timeout=5) as sock:
                threading.Thread(target=sock.sendall, args=(data,), daemon=True).start()
                got = bytearray()
                while len(got) < len(data):
                    got += sock.recv(1 << 16)
                assert bytes(got) == data
    assert kubernetes.asked == [
        ("/kube/config", "lab"),
        (PODS, [("labelSelector", "app=clickhouse")]),
        *[(FORWARD, [("ports", "9000")])] * 3,
    ]


@pytest.mark.usefixtures("kubernetes")
def test_no_piece_of_an_answer_waits_for_an_acknowledgement(monkeypatch: pytest.MonkeyPatch) -> None:
    """The driver's system delays it by 40 ms, with each query."""
    sinks: queue.Queue[Any] = queue.Queue()
    monkeypatch.setattr(_tunnel, "_copy", lambda _source, sink: sinks.put(sink))
    with _tunnel.open_tunnel(TARGET, 9000) as tunnel, socket.create_connection(tunnel.address, timeout=5):
        taken = [sinks.get(timeout=5), sinks.get(timeout=5)]
    (to_driver,) = [sink for sink in taken if sink.family == socket.AF_INET]
    assert to_driver.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


def test_the_tunnel_closes(kubernetes: FakeKubernetes) -> None:
    with _tunnel.open_tunnel(TARGET, 9000) as tunnel:
        pass
    with pytest.raises(OSError):
        socket.create_connection(tunnel.address, timeout=1)
    assert kubernetes.closed.wait(5)


def test_a_later_connection_that_is_refused_is_closed(kubernetes: FakeKubernetes) -> None:
    with _tunnel.open_tunnel(TARGET, 9000) as tunnel:
        first = socket.create_connection(tunnel.address, timeout=5)
        first.sendall(b"x")
        assert first.recv(1) == b"x"
        kubernetes.failures["forward"] = ApiException(500, "gone")
        with socket.create_connection(tunnel.address, timeout=5) as second:
            assert second.recv(1) == b""
        first.close()


@pytest.mark.parametrize(
    ("pods", "chosen"),
    [
        ([pod("b"), pod("a")], "a"),
        ([pod("a", ready=False), pod("b")], "b"),
        ([pod("a", ready=None), pod("b", ready=False)], "a"),
        ([pod("a", leaving=True), pod("b")], "b"),
        ([pod("a", phase="Pending"), pod("b")], "b"),
    ],
)
def test_the_pod_that_is_chosen(kubernetes: FakeKubernetes, pods: list[dict[str, Any]], chosen: str) -> None:
    kubernetes.pods = tuple(pods)
    with _tunnel.open_tunnel(TARGET, 9000) as tunnel:
        assert tunnel.pod == chosen


REFUSED = [
    (
        "config",
        ConfigException("Invalid kube-config file.\n No configuration found."),
        "The kubeconfig /kube/config cannot be used: Invalid kube-config file. No configuration found.",
    ),
    (
        "config",
        PermissionError(13, "Permission denied"),
        "The kubeconfig /kube/config cannot be used: [Errno 13] Permission denied",
    ),
    (
        "list",
        ApiException(403, "Forbidden"),
        "Kubernetes forbids the tunnel in namespace langfuse: this user needs the right to list pods there.",
    ),
    (
        "list",
        ApiException(401, "Unauthorized"),
        "Kubernetes does not accept the credentials of the kubeconfig (401).",
    ),
    ("list", ConnectionRefusedError("refused"), "The Kubernetes API cannot be reached: refused"),
    (
        "forward",
        ApiException(0, "Handshake status 403 Forbidden -+-+-"),
        "Kubernetes forbids the tunnel in namespace langfuse: "
        "this user needs the right to get and create pods/portforward there.",
    ),
    (
        "forward",
        ApiException(0, "Handshake status 500"),
        "Kubernetes refuses the tunnel in namespace langfuse: 0 Handshake status 500",
    ),
]


@pytest.mark.parametrize(("step", "failure", "message"), REFUSED)
def test_refusals(kubernetes: FakeKubernetes, step: str, failure: Exception, message: str) -> None:
    kubernetes.failures[step] = failure
    with pytest.raises(LangfuseError) as caught, _tunnel.open_tunnel(TARGET, 9000):
        pass
    assert str(caught.value) == message


NO_KUBECONFIG = _tunnel.PodTarget("langfuse", "app=clickhouse", timeout=TARGET.timeout)


def test_the_service_account_of_a_pod_without_a_kubeconfig(kubernetes: FakeKubernetes) -> None:
    kubernetes.failures["config"] = ConfigException("nothing found")
    with _tunnel.open_tunnel(NO_KUBECONFIG, 9000) as tunnel:
        assert tunnel.pod == "clickhouse-0"
    assert kubernetes.asked[:2] == [(None, None), "service account"]


@pytest.mark.parametrize("target", [TARGET, dataclasses.replace(TARGET, kubeconfig=None)], ids=["file", "context"])
def test_no_service_account_instead_of_what_was_named(kubernetes: FakeKubernetes, target: _tunnel.PodTarget) -> None:
    kubernetes.failures["config"] = ConfigException("nothing found")
    with pytest.raises(LangfuseError, match="cannot be used: nothing found"), _tunnel.open_tunnel(target, 9000):
        pass
    assert "service account" not in kubernetes.asked


def test_neither_kubeconfig_nor_service_account(kubernetes: FakeKubernetes) -> None:
    kubernetes.failures = {"config": ConfigException("nothing found"), "service account": ConfigException("no pod")}
    with pytest.raises(LangfuseError) as caught, _tunnel.open_tunnel(NO_KUBECONFIG, 9000):
        pass
    assert str(caught.value) == "The default kubeconfig cannot be used: nothing found"


@pytest.mark.parametrize(
    ("pods", "why"),
    [
        ([], "no pod has these labels"),
        ([pod("a", phase="Pending"), pod("b", phase="Failed")], "a is Pending, b is Failed"),
    ],
)
def test_no_running_pod(kubernetes: FakeKubernetes, pods: list[dict[str, Any]], why: str) -> None:
    kubernetes.pods = tuple(pods)
    with pytest.raises(LangfuseError) as caught, _tunnel.open_tunnel(TARGET, 9000):
        pass
    assert str(caught.value) == (
        f"No running pod matches 'app=clickhouse' in namespace langfuse: {why}. "
        "Wait until it runs, or correct namespace and pod_selector."
    )


def test_the_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(LangfuseError) as caught, _tunnel.open_tunnel(TARGET, 9000):
        pass
    assert f"needs the Python package kubernetes, which {sys.executable} does not have" in str(caught.value)


def test_the_package_has_what_is_used() -> None:
    package = _tunnel._kubernetes()
    for name in ("ApiClient", "Configuration", "ApiException"):
        assert hasattr(package.client, name)
    assert hasattr(package.dynamic, "DynamicClient")
    assert hasattr(package.stream, "portforward")
    assert list(signature(package.config.load_kube_config).parameters)[:3] == [
        "config_file",
        "context",
        "client_configuration",
    ]
    assert next(iter(signature(package.config.load_incluster_config).parameters)) == "client_configuration"


@pytest.mark.parametrize(("dry_run", "query"), [(False, []), (True, [("dryRun", "All")])])
def test_claim_grows(kubernetes: FakeKubernetes, dry_run: bool, query: list[Any]) -> None:
    claim = _tunnel.open_claim(TARGET, "data", dry_run)
    assert claim.read() == "10Gi"
    claim.write("20Gi")
    assert kubernetes.asked[1:] == [("GET", "10Gi", []), ("PATCH", "20Gi", query)]
    with pytest.raises(LangfuseError, match="Claim langfuse/data: field can not be less than previous value"):
        claim.write("1Gi")
