# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Birth and end of a control plane: EKS gives each cluster an empty one, while the lab's is one for all clusters."""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from langfuse_lab.config import write_atomically
from langfuse_lab.controllers.kube import Kubernetes, KubernetesError, NotFoundError, Object, annotations, labels
from langfuse_lab.controllers.world import HoldError, World, seconds_of

METADATA_ONLY = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
WIPE_PASSES = 20
WIPE_PAUSE = 0.2  # seconds
BUILT_IN_NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")
BUILT_IN_CONFIG_MAPS = ("kube-apiserver-legacy-service-account-token-tracking", "extension-apiserver-authentication")
# Objects of these come and go with others, or belong to the API server.
LEFT_ALONE = (
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "events",
    "events.events.k8s.io",
    "ipaddresses.networking.k8s.io",
    "leases.coordination.k8s.io",
    "servicecidrs.networking.k8s.io",
)
FIRST = (  # their servers are going: nothing may wait for them
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "apiservices.apiregistration.k8s.io",
)
GP2 = {  # what EKS puts into a new cluster
    "apiVersion": "storage.k8s.io/v1",
    "kind": "StorageClass",
    "metadata": {"name": "gp2"},
    "provisioner": "kubernetes.io/aws-ebs",
    "parameters": {"fsType": "ext4", "type": "gp2"},
    "reclaimPolicy": "Delete",
    "volumeBindingMode": "WaitForFirstConsumer",
}


class ControlPlane:
    """Empties the control plane when its cluster goes, and equips it when a new one comes.

    What a stopped lab kept is left alone until a new cluster comes: AWS starts empty then, nobody deleted the cluster.
    """

    def __init__(self, state: Path) -> None:
        self._file = state / "cluster.json"
        self._seen: dict[str, str] | None = None

    def reconcile(self, world: World) -> None:
        """Raises HoldError while the old cluster's objects are going: no other controller may act on them."""
        current = _identity(world.view.cluster)
        known = self._known()
        if current == known:
            self._seen = current
            return
        if current is None and known != self._seen:
            return
        # Not simply everything: the next cluster may come, and get its first objects, while the last one's are going.
        before = seconds_of(current["createdAt"]) if current else time.time() + 1
        left = wipe(world.kubernetes, before)
        if left:
            raise HoldError(f"{len(left)} objects of the deleted cluster are still going, {left[0]} among them")
        if current:
            world.kubernetes.create_if_missing(GP2)
        write_atomically(self._file, json.dumps(current))
        self._seen = current

    def _known(self) -> dict[str, str] | None:
        return json.loads(self._file.read_text()) if self._file.exists() else None


def _identity(cluster: dict[str, Any] | None) -> dict[str, str] | None:
    if cluster is None:
        return None
    created = cluster["createdAt"].replace(microsecond=0)  # Kubernetes times have whole seconds
    return {"arn": cluster["arn"], "createdAt": created.isoformat()}


def wipe(kubernetes: Kubernetes, before: float) -> list[str]:
    """Delete what was made before a time (seconds since 1970) and is not built in; return what does not go.

    Finalizers are taken off: whoever should honour them is deleted as well, as on AWS.
    """
    system_accounts = _system_accounts(kubernetes)
    found: list[str] = []
    for _ in range(WIPE_PASSES):  # controllers may make a few things anew until their owners are gone too
        found = []
        for path, resource in _resources(kubernetes):
            for item in _objects(kubernetes, path):
                is_old = seconds_of(item["metadata"]["creationTimestamp"]) < before
                if is_old and not is_built_in(resource, item, system_accounts):
                    _erase(kubernetes, path, item)
                    found.append(f"{resource} {item['metadata']['name']}")
        if not found:
            break
        time.sleep(WIPE_PAUSE)
    for namespace in BUILT_IN_NAMESPACES:
        kubernetes.request("DELETE", f"api/v1/namespaces/{namespace}/events")
    return found


def is_built_in(resource: str, item: Object, system_accounts: frozenset[str]) -> bool:
    """Tell whether an object belongs to every cluster; `resource` is "plural.group"."""
    name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
    known = {
        "configmaps": name == "kube-root-ca.crt" or (namespace == "kube-system" and name in BUILT_IN_CONFIG_MAPS),
        "namespaces": name in BUILT_IN_NAMESPACES,
        "priorityclasses.scheduling.k8s.io": name.startswith("system-"),
        "serviceaccounts": name == "default" or (namespace == "kube-system" and name in system_accounts),
        "services": (namespace, name) == ("default", "kubernetes"),
    }
    return (
        known.get(resource, False)
        or labels(item).get("kubernetes.io/bootstrapping") == "rbac-defaults"
        or "kube-aggregator.kubernetes.io/automanaged" in labels(item)
        or "apf.kubernetes.io/autoupdate-spec" in annotations(item)
    )


def _system_accounts(kubernetes: Kubernetes) -> frozenset[str]:
    """Return the service accounts that the controller manager works with: those that built-in bindings name."""
    prefix = "apis/rbac.authorization.k8s.io/v1"
    bindings: list[Object] = []
    for path in (f"{prefix}/clusterrolebindings", f"{prefix}/namespaces/kube-system/rolebindings"):
        query = {"labelSelector": "kubernetes.io/bootstrapping=rbac-defaults"}
        bindings += kubernetes.request("GET", path, query=query)["items"] or []
    subjects = [subject for binding in bindings for subject in binding.get("subjects") or []]
    return frozenset(subject["name"] for subject in subjects if subject["kind"] == "ServiceAccount")


def _resources(kubernetes: Kubernetes) -> list[tuple[str, str]]:
    """Return (path of the collection, "plural.group") of all kinds that can be deleted, in the order to do it."""
    versions = ["api/v1"]
    groups = kubernetes.request("GET", "apis")["groups"]
    versions += [f"apis/{group['preferredVersion']['groupVersion']}" for group in groups]
    found = []
    for version in versions:
        group = version.split("/")[1] if version.startswith("apis/") else ""
        for resource in _discover(kubernetes, version):
            name = f"{resource['name']}.{group}" if group else resource["name"]
            if "delete" in resource["verbs"] and "list" in resource["verbs"] and name not in LEFT_ALONE:
                found.append((f"{version}/{resource['name']}", name))
    return sorted(found, key=lambda each: _turn(each[1]))


def _discover(kubernetes: Kubernetes, version: str) -> list[Object]:
    with contextlib.suppress(KubernetesError):  # the server of an APIService may be gone
        return kubernetes.request("GET", version)["resources"]
    return []


def _turn(resource: str) -> int:
    """Return when a kind's turn is: what can hold up others first, then namespaces, so that nothing new is made."""
    return 0 if resource in FIRST else 1 if resource == "namespaces" else 2


def _objects(kubernetes: Kubernetes, path: str) -> list[Object]:
    with contextlib.suppress(NotFoundError):  # its CustomResourceDefinition is gone by now
        return kubernetes.request("GET", path, accept=METADATA_ONLY)["items"] or []
    return []


def _erase(kubernetes: Kubernetes, collection: str, item: Object) -> None:
    metadata = item["metadata"]
    prefix, resource = collection.rsplit("/", 1)
    namespace = [f"namespaces/{metadata['namespace']}"] if "namespace" in metadata else []
    path = "/".join([prefix, *namespace, resource, metadata["name"]])
    with contextlib.suppress(NotFoundError):
        if "deletionTimestamp" not in metadata:
            kubernetes.request("DELETE", path, {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})
        if metadata.get("finalizers"):
            change = {"metadata": {"finalizers": None}}
            kubernetes.request("PATCH", path, change, content_type="application/merge-patch+json")
