# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands in pods. The Kubernetes client is replaced; the lab runs them over a real API server."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _pod_exec
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError


def pod(name: str, phase: str = "Running", leaving: bool = False) -> Any:
    metadata = SimpleNamespace(name=name, deletion_timestamp="now" if leaving else None)
    return SimpleNamespace(metadata=metadata, status=SimpleNamespace(phase=phase))


class Core:
    """The core API with pods."""

    def __init__(self, *pods: Any) -> None:
        self.pods = list(pods)

    def list_namespaced_pod(self, _namespace: str, **_options: Any) -> Any:
        return SimpleNamespace(items=self.pods)

    def connect_get_namespaced_pod_exec(self) -> None:
        raise AssertionError("only the stream calls it")


class Session:
    """What a stream gives: a command that prints its input."""

    def __init__(self, code: int | None) -> None:
        self.returncode = code
        self.text = ""

    def write_stdin(self, text: str) -> None:
        self.text += text

    def run_forever(self, timeout: int) -> None: ...

    def read_stdout(self) -> str:
        return self.text

    def read_stderr(self) -> str:
        return "warning"

    def close(self) -> None: ...


def shell(core: Core, stream: Any) -> _pod_exec.PodShell:
    return _pod_exec.PodShell(core, stream, "langfuse", "app=db", "postgresql", 5)


def test_a_command_gets_its_input_in_the_first_running_pod() -> None:
    calls: list[Any] = []

    def stream(call: Any, *arguments: Any, **options: Any) -> Session:
        calls.append((arguments, options))
        return Session(0)

    opened = shell(Core(pod("c"), pod("b"), pod("a", "Pending"), pod("aa", leaving=True)), stream)
    assert opened.pod == "b"
    assert opened.run(["cat"], "secret") == _pod_exec.Ended(0, "secret", "warning")
    arguments, options = calls[0]
    assert arguments == ("b", "langfuse")
    assert (options["command"], options["container"], options["tty"]) == (["cat"], "postgresql", False)


def test_no_pod_runs() -> None:
    with pytest.raises(LangfuseError, match="No running pod matches 'app=db' in namespace langfuse"):
        shell(Core(pod("a", "Pending")), None)


def test_pods_cannot_be_listed() -> None:
    core = Core()

    def no_route(*args: Any, **options: Any) -> None:
        raise OSError("no route")

    core.list_namespaced_pod = no_route
    with pytest.raises(LangfuseError, match="does not list pods in namespace langfuse: no route"):
        shell(core, None)


def test_a_command_that_is_refused() -> None:
    def stream(*_: Any, **__: Any) -> Session:
        raise RuntimeError("Handshake status 403 Forbidden")

    with pytest.raises(LangfuseError, match=r"needs the right to get and create pods/exec.*403"):
        shell(Core(pod("a")), stream).run(["cat"], "")


def test_a_command_that_does_not_end() -> None:
    with pytest.raises(LangfuseError, match="has not ended the command within 5 s"):
        shell(Core(pod("a")), lambda *_, **__: Session(None)).run(["cat"], "")


def test_without_kubernetes_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_pod_exec, "get_api_client", None)
    with pytest.raises(LangfuseError, match=r"needs the collection kubernetes\.core"):
        _pod_exec.open_shell({})


def test_options_reach_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**options: Any) -> Any:
        raise OSError(f"no file {options['kubeconfig']}")

    params = dict.fromkeys(_pod_exec.AUTH_ARG_SPEC) | {"kubeconfig": "/kube"}
    monkeypatch.setattr(_pod_exec, "get_api_client", refuse)
    with pytest.raises(LangfuseError, match="cannot be reached: no file /kube"):
        _pod_exec.open_shell(params)
    client = SimpleNamespace(client=SimpleNamespace(client=object()))
    monkeypatch.setattr(_pod_exec, "get_api_client", lambda **_: client)
    monkeypatch.setattr("kubernetes.client.CoreV1Api", lambda _client: Core(pod("a")))
    more = {"namespace": "langfuse", "pod_selector": "app=db", "container": "postgresql", "timeout": 5}
    assert _pod_exec.open_shell(params | more).pod == "a"
