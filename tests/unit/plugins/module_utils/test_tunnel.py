# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tunnel to a pod: the pod that is chosen, what is refused, and bytes that go both ways. Kubernetes is replaced."""

from __future__ import annotations

import socket
import sys
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _tunnel
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

TARGET = _tunnel.PodTarget("langfuse", "app=clickhouse", "/kube/config", "lab")


class ApiException(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


class ConfigException(Exception):
    pass


def pod(name: str, phase: str = "Running", ready: bool | None = True, leaving: bool = False) -> SimpleNamespace:
    conditions = None if ready is None else [SimpleNamespace(type="Ready", status=str(ready))]
    return SimpleNamespace(
        metadata=SimpleNamespace(name=name, deletion_timestamp="now" if leaving else None),
        status=SimpleNamespace(phase=phase, conditions=conditions),
    )


class FakeKubernetes:
    """What is used of the kubernetes package. A forward leads to a server that sends everything back."""

    def __init__(self, *pods: SimpleNamespace) -> None:
        self.pods = pods
        self.asked: list[Any] = []
        self.failures: dict[str, Exception] = {}
        self.closed = threading.Event()
        self.client = SimpleNamespace(
            Configuration=dict, ApiClient=lambda configuration: configuration, CoreV1Api=lambda client: self,
            ApiException=ApiException,
        )  # fmt: skip
        self.config = SimpleNamespace(ConfigException=ConfigException, load_config=self._load_config)
        self.stream = SimpleNamespace(portforward=self._portforward)
        self.connect_get_namespaced_pod_portforward = "portforward"

    def _fail(self, what: str) -> None:
        if what in self.failures:
            raise self.failures[what]

    def _load_config(self, config_file: str, context: str, client_configuration: Any) -> None:
        self.asked.append((config_file, context))
        self._fail("config")

    def list_namespaced_pod(self, namespace: str, label_selector: str, _request_timeout: int) -> SimpleNamespace:
        self.asked.append((namespace, label_selector))
        self._fail("list")
        return SimpleNamespace(items=self.pods)

    def _portforward(self, method: str, name: str, namespace: str, ports: str) -> Any:
        self.asked.append((method, name, namespace, ports))
        self._fail("forward")
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
        ("langfuse", "app=clickhouse"),
        *[("portforward", "clickhouse-0", "langfuse", "9000")] * 3,
    ]


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
def test_the_pod_that_is_chosen(kubernetes: FakeKubernetes, pods: list[SimpleNamespace], chosen: str) -> None:
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


def test_no_kubeconfig_was_given(kubernetes: FakeKubernetes) -> None:
    kubernetes.failures["config"] = ConfigException("nothing found")
    with pytest.raises(LangfuseError) as caught, _tunnel.open_tunnel(_tunnel.PodTarget("n", "s"), 9000):
        pass
    assert str(caught.value) == "The default kubeconfig cannot be used: nothing found"


@pytest.mark.parametrize(
    ("pods", "why"),
    [
        ([], "no pod has these labels"),
        ([pod("a", phase="Pending"), pod("b", phase="Failed")], "a is Pending, b is Failed"),
    ],
)
def test_no_running_pod(kubernetes: FakeKubernetes, pods: list[SimpleNamespace], why: str) -> None:
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
    for name in ("CoreV1Api", "ApiClient", "Configuration", "ApiException"):
        assert hasattr(package.client, name)
    assert hasattr(package.stream, "portforward")
    assert hasattr(package.config, "load_config")


class FakeClaims:
    """A claim of 10 GiB."""

    def __init__(self) -> None:
        self.size = "10Gi"
        self.options: dict[str, Any] = {}

    def read_namespaced_persistent_volume_claim(self, name: str, namespace: str, **options: Any) -> SimpleNamespace:
        assert (name, namespace, options) == ("data", "langfuse", {"_request_timeout": 10})
        return SimpleNamespace(spec=SimpleNamespace(resources=SimpleNamespace(requests={"storage": self.size})))

    def patch_namespaced_persistent_volume_claim(self, name: str, namespace: str, body: Any, **options: Any) -> None:
        if body["spec"]["resources"]["requests"]["storage"] == "1Gi":
            raise ApiException(422, "field can not be less than previous value")
        self.size, self.options = body["spec"]["resources"]["requests"]["storage"], options


@pytest.mark.parametrize("dry_run", [False, True])
def test_claim_grows(kubernetes: FakeKubernetes, dry_run: bool) -> None:
    claims = FakeClaims()
    kubernetes.client.CoreV1Api = lambda client: claims
    claim = _tunnel.open_claim(TARGET, "data", dry_run)
    assert claim.read() == "10Gi"
    claim.write("20Gi")
    assert claims.size == "20Gi"
    assert claims.options.get("dry_run") == ("All" if dry_run else None)
    with pytest.raises(LangfuseError, match="Claim langfuse/data: field can not be less than previous value"):
        claim.write("1Gi")
