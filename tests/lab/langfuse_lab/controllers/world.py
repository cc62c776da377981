# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one round of the controllers sees of Kubernetes and AWS."""

from __future__ import annotations

import contextlib
import datetime
import functools
import hashlib
import time
from collections.abc import Iterable

from langfuse_lab.config import Lab
from langfuse_lab.controllers.aws import Aws, View, WebIdentity
from langfuse_lab.controllers.kube import Kubernetes, KubernetesError, Object, condition, is_leaving, labels

EVENT_SECONDS = 10
EVENT_LENGTH = 1024  # of a message, as Kubernetes' own components keep it


class HoldError(Exception):
    """Raised by a controller that the others have to wait for."""


class World:
    """One round's sight: what was read once stays as it was for the round."""

    def __init__(self, lab: Lab, kubernetes: Kubernetes, aws: Aws, identity: WebIdentity) -> None:
        self.lab = lab
        self.kubernetes = kubernetes
        self.aws = aws
        self.identity = identity
        self._lists: dict[str, list[Object]] = {}

    @functools.cached_property
    def view(self) -> View:
        """The EKS cluster and what belongs to it."""
        return self.aws.view()

    def list(self, kind: str) -> list[Object]:
        """Return all objects of a kind."""
        if kind not in self._lists:
            self._lists[kind] = self.kubernetes.list(kind)
        return self._lists[kind]

    def find(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return one object out of the list of its kind."""
        for item in self.list(kind):
            if item["metadata"]["name"] == name and item["metadata"].get("namespace") == namespace:
                return item
        return None

    def deployment(self, app: str, component: str | None = None) -> Object | None:
        """Return a Deployment with a pod available by app.kubernetes.io/name (and component), or None."""
        wanted = {"app.kubernetes.io/name": app}
        if component:
            wanted["app.kubernetes.io/component"] = component
        for item in self.list("Deployment"):
            is_available = bool(item.get("status", {}).get("availableReplicas")) and not is_leaving(item)
            if is_available and wanted.items() <= labels(item).items():
                return item
        return None

    def event(self, about: Object, reason: str, message: str, *, source: str, kind: str = "Warning") -> None:
        """Record an event about an object; one that comes again counts on, at most every ten seconds."""
        metadata = about["metadata"]
        namespace = metadata.get("namespace", "default")
        message = message[:EVENT_LENGTH]
        digest = hashlib.sha256(f"{metadata['uid']}{reason}{message}".encode()).hexdigest()[:16]
        involved = {"apiVersion": about["apiVersion"], "kind": about["kind"]}
        involved |= {key: metadata[key] for key in ("name", "namespace", "uid") if key in metadata}
        event = {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{metadata['name']}.{digest}", "namespace": namespace},
            "involvedObject": involved,
            "type": kind,
            "reason": reason,
            "message": message,
            "source": {"component": source},
            "firstTimestamp": now(),
            "lastTimestamp": now(),
            "count": 1,
        }
        with contextlib.suppress(KubernetesError):  # a namespace that is being deleted takes none
            if self.kubernetes.create_if_missing(event):
                return
            known = self.kubernetes.get("Event", event["metadata"]["name"], namespace)
            if known and seconds_of(known["lastTimestamp"]) < time.time() - EVENT_SECONDS:
                self.kubernetes.patch(event, {"count": known["count"] + 1, "lastTimestamp": now()})


def pods_of(pods: Iterable[Object], wanted: dict[str, str]) -> list[Object]:
    """Return the pods that carry labels."""
    return [pod for pod in pods if wanted.items() <= labels(pod).items()]


def is_running(pod: Object) -> bool:
    """Tell whether a pod's containers run and are ready, and nobody has asked for its deletion."""
    return condition(pod, "Ready") and not is_leaving(pod)


def now() -> str:
    """Return the time as Kubernetes writes it."""
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(timestamp: str) -> float:
    """Return a Kubernetes time in seconds since 1970."""
    return datetime.datetime.fromisoformat(timestamp).timestamp()
