# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of the API server that gives and takes plain objects."""

from __future__ import annotations

import http
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kubernetes import config

Object = dict[str, Any]

TIMEOUT = 30  # seconds for one request
MANAGER = "lab-controllers"

_GROUP_VERSIONS = {  # kind: (API path, resource)
    "ClickHouseCluster": ("apis/clickhouse.com/v1alpha1", "clickhouseclusters"),
    "ConfigMap": ("api/v1", "configmaps"),
    "Deployment": ("apis/apps/v1", "deployments"),
    "EndpointSlice": ("apis/discovery.k8s.io/v1", "endpointslices"),
    "Event": ("api/v1", "events"),
    "Ingress": ("apis/networking.k8s.io/v1", "ingresses"),
    "IngressClass": ("apis/networking.k8s.io/v1", "ingressclasses"),
    "KeeperCluster": ("apis/clickhouse.com/v1alpha1", "keeperclusters"),
    "Node": ("api/v1", "nodes"),
    "PersistentVolume": ("api/v1", "persistentvolumes"),
    "PersistentVolumeClaim": ("api/v1", "persistentvolumeclaims"),
    "Pod": ("api/v1", "pods"),
    "PodDisruptionBudget": ("apis/policy/v1", "poddisruptionbudgets"),
    "Secret": ("api/v1", "secrets"),
    "Service": ("api/v1", "services"),
    "ServiceAccount": ("api/v1", "serviceaccounts"),
    "StatefulSet": ("apis/apps/v1", "statefulsets"),
    "StorageClass": ("apis/storage.k8s.io/v1", "storageclasses"),
}


class KubernetesError(Exception):
    """What the API server refused; `status` is the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class NotFoundError(KubernetesError):
    """The object, or its kind, does not exist."""


class Kubernetes:
    """The API server, as the user of a kubeconfig. `writes` counts what was changed through it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = config.new_client_from_config(str(kubeconfig))
        self.writes = 0

    def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        content_type: str = "application/json",
        accept: str = "application/json",
        query: dict[str, str] | None = None,
    ) -> Object:
        """Send one request and return the answer's object. Raises KubernetesError, or OSError-like ones of urllib3."""
        url = f"{self._client.configuration.host}/{path}"
        if query:
            url += f"?{urlencode(query)}"
        headers = {"Accept": accept, "Content-Type": content_type}
        answer = self._client.call_api(method, url, headers, body, _request_timeout=TIMEOUT)
        text = answer.read().decode()
        if answer.status >= http.HTTPStatus.BAD_REQUEST:
            error = NotFoundError if answer.status == http.HTTPStatus.NOT_FOUND else KubernetesError
            raise error(answer.status, _message(text))
        if method != "GET":
            self.writes += 1
        return json.loads(text)

    def list(self, kind: str, namespace: str | None = None, **query: str) -> list[Object]:
        """Return all objects of a kind, of one namespace if given; none when the kind itself is not known."""
        try:
            found = self.request("GET", path_of(kind, namespace), query=query)
        except NotFoundError:
            return []
        identity = {"apiVersion": found["apiVersion"], "kind": kind}
        return [identity | item for item in found["items"] or []]

    def get(self, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, or None."""
        try:
            return self.request("GET", path_of(kind, namespace, name))
        except NotFoundError:
            return None

    def create(self, item: Object) -> Object:
        """Make an object."""
        return self.request("POST", path_of(item["kind"], item["metadata"].get("namespace")), item)

    def create_if_missing(self, item: Object) -> bool:
        """Make an object unless one of its name exists; return whether it was made."""
        try:
            self.create(item)
        except KubernetesError as error:
            if error.status != http.HTTPStatus.CONFLICT:
                raise
            return False
        return True

    def apply(self, item: Object) -> Object:
        """Make an object, or bring the fields given here to these values (server-side apply)."""
        metadata = item["metadata"]
        path = path_of(item["kind"], metadata.get("namespace"), metadata["name"])
        query = {"fieldManager": MANAGER, "force": "true"}
        return self.request("PATCH", path, item, content_type="application/apply-patch+yaml", query=query)

    def patch(self, item: Object, change: Object, *, subresource: str = "", strategic: bool = False) -> Object:
        """Merge a change into an object (JSON merge patch, or the strategic one, which merges lists by key)."""
        metadata = item["metadata"]
        path = path_of(item["kind"], metadata.get("namespace"), metadata["name"], subresource)
        content_type = f"application/{'strategic-' if strategic else ''}merge-patch+json"
        return self.request("PATCH", path, change, content_type=content_type)

    def delete(self, item: Object, *, grace_seconds: int | None = None) -> None:
        """Delete an object; one that is gone is fine."""
        metadata = item["metadata"]
        body: Object = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            body["gracePeriodSeconds"] = grace_seconds
        try:
            self.request("DELETE", path_of(item["kind"], metadata.get("namespace"), metadata["name"]), body)
        except NotFoundError:
            return

    def evict(self, pod: Object) -> bool:
        """Ask for a pod's eviction; False when a disruption budget forbids it now."""
        metadata = pod["metadata"]
        identity = {"name": metadata["name"], "namespace": metadata["namespace"]}
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": identity}
        try:
            self.request("POST", path_of("Pod", identity["namespace"], identity["name"], "eviction"), body)
        except NotFoundError:
            return True
        except KubernetesError as error:
            if error.status != http.HTTPStatus.TOO_MANY_REQUESTS:
                raise
            return False
        return True

    def service_account_token(
        self, namespace: str, name: str, audience: str, seconds: int, pod: Object | None = None
    ) -> str:
        """Return a token of a service account, bound to a pod if given. An empty audience is the API server's own."""
        spec: Object = {"expirationSeconds": seconds}
        if audience:
            spec["audiences"] = [audience]
        if pod:
            metadata = pod["metadata"]
            spec["boundObjectRef"] = {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "uid": metadata["uid"],
            }
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        return self.request("POST", path_of("ServiceAccount", namespace, name, "token"), body)["status"]["token"]


def _message(text: str) -> str:
    """Return the sentence of a refusal: of its Status object, or the text where a path is not known at all."""
    try:
        return json.loads(text)["message"]
    except (ValueError, KeyError):
        return text.strip()


def path_of(kind: str, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """Return the path of a kind's collection, of an object or of its subresource."""
    prefix, resource = _GROUP_VERSIONS[kind]
    parts = [prefix, *(["namespaces", namespace] if namespace else []), resource, name, subresource]
    return "/".join(part for part in parts if part)


def labels(item: Object) -> dict[str, str]:
    """Return an object's labels."""
    return item["metadata"].get("labels") or {}


def annotations(item: Object) -> dict[str, str]:
    """Return an object's annotations."""
    return item["metadata"].get("annotations") or {}


def is_leaving(item: Object) -> bool:
    """Tell whether an object's deletion was asked for."""
    return "deletionTimestamp" in item["metadata"]


def condition(item: Object, name: str) -> bool:
    """Tell whether a condition of an object is True."""
    conditions = item.get("status", {}).get("conditions") or []
    return any(each["type"] == name and each["status"] == "True" for each in conditions)


def owner_reference(item: Object) -> Object:
    """Return a reference that makes an object the controlling owner of others."""
    return {
        "apiVersion": item["apiVersion"],
        "kind": item["kind"],
        "name": item["metadata"]["name"],
        "uid": item["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
