# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a command in a pod. What is secret goes in by its input: a command stands in the API server's audit log."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, get_api_client
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import one_line


@dataclass(frozen=True)
class Ended:
    """How a command ended and what it printed."""

    code: int
    output: str
    errors: str


class PodShell:
    """Runs commands in one container of a running pod."""

    def __init__(self, core: t.Any, stream: t.Any, namespace: str, selector: str, container: str, timeout: int) -> None:
        """Find the pod. Raises LangfuseError when none runs."""
        self._core, self._stream, self._timeout = core, stream, timeout
        self._namespace, self._container = namespace, container
        try:
            pods = core.list_namespaced_pod(namespace, label_selector=selector, _request_timeout=timeout).items
        except Exception as error:  # ApiException, or what urllib3 has for a lost connection
            raise LangfuseError(f"Kubernetes does not list pods in namespace {namespace}: {one_line(error)}") from error
        running = [each for each in pods if each.status.phase == "Running" and not each.metadata.deletion_timestamp]
        if not running:
            raise LangfuseError(
                f"No running pod matches '{selector}' in namespace {namespace}: wait until it runs, and start again."
            )
        self.pod = min(each.metadata.name for each in running)

    def run(self, command: Sequence[str], text: str) -> Ended:
        """Run a command with a text as its input. Raises LangfuseError when Kubernetes does not let it."""
        try:
            session = self._stream(
                self._core.connect_get_namespaced_pod_exec,
                self.pod,
                self._namespace,
                command=list(command),
                container=self._container,
                stdin=True,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
            )
            session.write_stdin(text)
            session.run_forever(timeout=self._timeout)
            ended = Ended(
                session.returncode if session.returncode is not None else -1,
                session.read_stdout(),
                session.read_stderr(),
            )
            session.close()
        except Exception as error:  # ApiException, or of the websocket
            raise LangfuseError(
                f"No command can be run in pod {self._namespace}/{self.pod} "
                f"(needs the right to get and create pods/exec): {one_line(error)}"
            ) from error
        if ended.code == -1:
            raise LangfuseError(f"Pod {self._namespace}/{self.pod} has not ended the command within {self._timeout} s.")
        return ended


def open_shell(params: Mapping[str, t.Any]) -> PodShell:
    """Reach a pod by the options of AUTH_ARG_SPEC, namespace, pod_selector, container and timeout."""
    if get_api_client is None:
        raise LangfuseError(
            "This module needs the collection kubernetes.core: ansible-galaxy collection install kubernetes.core"
        )
    try:
        from kubernetes.client import CoreV1Api
        from kubernetes.stream import stream

        core = CoreV1Api(get_api_client(**{name: params[name] for name in AUTH_ARG_SPEC}).client.client)
    except Exception as error:  # of the kubernetes package, of urllib3, or of reading the kubeconfig
        raise LangfuseError(f"The Kubernetes API cannot be reached: {one_line(error)}") from error
    return PodShell(core, stream, params["namespace"], params["pod_selector"], params["container"], params["timeout"])
