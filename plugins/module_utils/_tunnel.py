# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: a way to a port of a pod, as `kubectl port-forward` makes it, for drivers that want a host and a port."""

from __future__ import annotations

import socket
import sys
import threading
import typing as t
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError, Object, ServerApi, one_line

_CHUNK = 1 << 16


@dataclass(frozen=True)
class PodTarget:
    """Which pod to reach, and with which credentials. None leaves the choice to the kubernetes package."""

    namespace: str
    selector: str
    kubeconfig: str | None = None
    context: str | None = None
    timeout: int = 10  # seconds for the Kubernetes API to answer


class Tunnel:
    """A listener on this computer, each connection of which goes through a port-forward of its own."""

    def __init__(self, pod: str, dial: Callable[[], t.Any]) -> None:
        """Dial once before listening, so that a refusal is seen here; the first connection uses that."""
        self.pod = pod
        self._dial = dial
        self._dialled = [dial()]
        self._listener = socket.create_server(("localhost", 0))
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections; those that are open end with their clients."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes accept
        self._listener.close()
        for remote in self._dialled:
            remote.close()

    def _accept(self) -> None:
        while True:
            try:
                local, _address = self._listener.accept()
            except OSError:
                return
            try:
                remote = self._dialled.pop() if self._dialled else self._dial()
            except LangfuseError:
                local.close()  # the driver says that the connection was lost
                continue
            # An answer comes in pieces, and each would wait until the driver acknowledges the last, which it delays.
            local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for source, sink in ((local, remote), (remote, local)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: t.Any, sink: t.Any) -> None:
    """Hand on what comes, until one side ends."""
    with suppress(OSError):
        while data := source.recv(_CHUNK):
            sink.sendall(data)
    for side in (source, sink):
        with suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)
        side.close()


@contextmanager
def open_tunnel(target: PodTarget, port: int) -> Iterator[Tunnel]:
    """Open a tunnel to a port of the first ready pod that the selector finds.

    :raises LangfuseError: when there is no such pod, or Kubernetes refuses.
    """
    kubernetes = _kubernetes()
    pods = _Namespace(kubernetes, target)
    pod = _find_pod(pods, target)

    def dial() -> t.Any:
        try:
            forward = kubernetes.stream.portforward(pods.connect, f"pods/{pod}/portforward", ports=str(port))
        except kubernetes.client.ApiException as error:
            raise _refused(error.status, error.reason, target, "get and create pods/portforward") from error
        return forward.socket(port)

    tunnel = Tunnel(pod, dial)
    try:
        yield tunnel
    finally:
        tunnel.close()


class Claim:
    """The size that a persistent volume claim asks for."""

    def __init__(self, namespace: _Namespace, name: str, dry_run: bool) -> None:
        self._namespace, self._name = namespace, name
        self._dry_run = {"dryRun": "All"} if dry_run else {}

    def read(self) -> str:
        """The size, such as 100Gi."""
        return self._ask(self._namespace.api.get)["spec"]["resources"]["requests"]["storage"]

    def write(self, size: str) -> None:
        """Ask for another size."""
        self._ask(self._namespace.api.patch, {"spec": {"resources": {"requests": {"storage": size}}}}, **self._dry_run)

    def _ask(self, call: Callable[..., Object], *body: Object, **query: str) -> Object:
        try:
            return call(self._namespace.path(f"persistentvolumeclaims/{self._name}"), *body, **query)
        except LangfuseError as error:
            raise LangfuseError(f"Claim {self._namespace.name}/{self._name}: {error}") from error


def open_claim(target: PodTarget, name: str, dry_run: bool) -> Claim:
    """A claim in the namespace of a pod.

    :raises LangfuseError: when there is no way to Kubernetes.
    """
    return Claim(_Namespace(_kubernetes(), target), name, dry_run)


class _Namespace:
    """The core objects of a namespace, by their paths: the package's own class for them takes half a second to load."""

    def __init__(self, kubernetes: t.Any, target: PodTarget) -> None:
        self.name = target.namespace
        self.api_client = _api_client(kubernetes, target)  # kubernetes.stream looks for it here
        self._client = kubernetes.dynamic.DynamicClient(self.api_client, discoverer=lambda *_client_and_cache: None)
        self.api = ServerApi(self._client, target.timeout)

    def path(self, name: str) -> str:
        """The path of an object, such as pods/clickhouse-0."""
        return f"/api/v1/namespaces/{self.name}/{name}"

    def connect(self, name: str, ports: str, **options: t.Any) -> t.Any:
        """Make the request that kubernetes.stream turns into a connection."""
        return self._client.request("GET", self.path(name), query_params=[("ports", ports)], serialize=False, **options)


def _kubernetes() -> t.Any:
    try:
        import kubernetes.client
        import kubernetes.config
        import kubernetes.dynamic
        import kubernetes.stream
    except ImportError as error:
        raise LangfuseError(
            f"A tunnel to a pod needs the Python package kubernetes, which {sys.executable} does not have."
        ) from error
    return kubernetes


def _api_client(kubernetes: t.Any, target: PodTarget) -> t.Any:
    """A client by the kubeconfig, or by the service account of the pod in which this runs."""
    configuration = kubernetes.client.Configuration()
    try:
        kubernetes.config.load_kube_config(target.kubeconfig, target.context, configuration)
    except (kubernetes.config.ConfigException, OSError) as error:
        if not _by_service_account(kubernetes, target, configuration):
            named = f"kubeconfig {target.kubeconfig}" if target.kubeconfig else "default kubeconfig"
            raise LangfuseError(f"The {named} cannot be used: {one_line(error)}") from error
    return kubernetes.client.ApiClient(configuration)


def _by_service_account(kubernetes: t.Any, target: PodTarget, configuration: t.Any) -> bool:
    if target.kubeconfig or target.context:
        return False
    try:
        kubernetes.config.load_incluster_config(configuration)
    except kubernetes.config.ConfigException:  # this runs in no pod
        return False
    return True


def _find_pod(namespace: _Namespace, target: PodTarget) -> str:
    try:
        pods = namespace.api.get(namespace.path("pods"), labelSelector=target.selector)["items"]
    except ApiError as error:
        raise _refused(error.status, str(error), target, "list pods") from error
    running = [pod for pod in pods if _phase(pod) == "Running" and "deletionTimestamp" not in pod["metadata"]]
    if not running:
        phases = ", ".join(f"{pod['metadata']['name']} is {_phase(pod)}" for pod in pods) or "no pod has these labels"
        raise LangfuseError(
            f"No running pod matches '{target.selector}' in namespace {target.namespace}: {phases}. "
            "Wait until it runs, or correct namespace and pod_selector."
        )
    return min((not _is_ready(pod), pod["metadata"]["name"]) for pod in running)[1]


def _phase(pod: Object) -> str:
    return pod["status"].get("phase", "Unknown")


def _is_ready(pod: Object) -> bool:
    return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in pod["status"].get("conditions", []))


def _refused(status: int, reason: str, target: PodTarget, needed: str) -> LangfuseError:
    reason = one_line(reason)
    if status == 403 or "403" in reason:
        return LangfuseError(
            f"Kubernetes forbids the tunnel in namespace {target.namespace}: "
            f"this user needs the right to {needed} there."
        )
    if status == 401 or "401" in reason:
        return LangfuseError("Kubernetes does not accept the credentials of the kubeconfig (401).")
    return LangfuseError(f"Kubernetes refuses the tunnel in namespace {target.namespace}: {status} {reason}")
