# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ClickHouse operator: keeps the objects of its custom resources while its Deployment is available."""

from __future__ import annotations

import secrets
import time

from kubernetes.utils.quantity import parse_quantity

from langfuse_lab.controllers.clickhouse_objects import (
    FLAVOURS,
    MANAGEMENT_PASSWORD,
    OWN_PASSWORDS,
    app_name,
    objects,
    own_secret,
)
from langfuse_lab.controllers.kube import Object, is_leaving, labels
from langfuse_lab.controllers.world import World, is_running, now, pods_of

APP = "clickhouse-operator"
RESYNC_SECONDS = 30  # how soon an object that somebody changed or deleted is put right


class ClickHouseOperator:
    """Applies what the custom resources ask for, grows their claims and reports what is ready."""

    def __init__(self) -> None:
        self._applied: dict[str, tuple[int, float]] = {}  # uid -> generation, when

    def reconcile(self, world: World) -> None:
        """Follow all custom resources."""
        if world.deployment(APP) is None:
            return
        for kind in FLAVOURS:
            for resource in world.list(kind):
                if not is_leaving(resource):
                    self._follow(world, resource)

    def _follow(self, world: World, resource: Object) -> None:
        metadata = resource["metadata"]
        wanted = objects(resource)
        sets = {each["metadata"]["name"]: each for each in world.list("StatefulSet") if _owned(each, resource)}
        names = {each["metadata"]["name"] for each in wanted if each["kind"] == "StatefulSet"}
        generation, when = self._applied.get(metadata["uid"], (0, 0.0))
        is_due = generation != metadata["generation"] or time.monotonic() - when > RESYNC_SECONDS
        if is_due or names - sets.keys():
            _apply(world, resource, wanted, sets)
            self._applied[metadata["uid"]] = (metadata["generation"], time.monotonic())
        for name in sets.keys() - names:
            world.kubernetes.delete(sets[name])
        _grow_claims(world, resource)
        _report(world, resource, len(names))


def _owned(item: Object, owner: Object) -> bool:
    references = item["metadata"].get("ownerReferences") or []
    return any(reference["uid"] == owner["metadata"]["uid"] for reference in references)


def _apply(world: World, resource: Object, wanted: list[Object], sets: dict[str, Object]) -> None:
    if resource["kind"] == "ClickHouseCluster":
        passwords = {key: secrets.token_hex(16) for key in (*OWN_PASSWORDS.values(), MANAGEMENT_PASSWORD)}
        world.kubernetes.create_if_missing(own_secret(resource, passwords))
    for item in wanted:
        live = sets.get(item["metadata"]["name"]) if item["kind"] == "StatefulSet" else None
        if live:  # its claim templates are immutable; the claims themselves are grown
            item["spec"]["volumeClaimTemplates"] = live["spec"]["volumeClaimTemplates"]
        world.kubernetes.apply(item)


def _grow_claims(world: World, resource: Object) -> None:
    size = resource["spec"]["dataVolumeClaimSpec"].get("resources", {}).get("requests", {}).get("storage")
    namespace, app = resource["metadata"]["namespace"], app_name(resource)
    for claim in world.list("PersistentVolumeClaim"):
        if claim["metadata"]["namespace"] != namespace or labels(claim).get("app") != app or not size:
            continue
        requested = claim["spec"]["resources"]["requests"]["storage"]
        if parse_quantity(size) > parse_quantity(requested):
            world.kubernetes.patch(claim, {"spec": {"resources": {"requests": {"storage": size}}}})
        elif parse_quantity(size) < parse_quantity(requested):
            message = f"PVC {claim['metadata']['name']} cannot shrink from {requested} to {size}"
            world.event(resource, "FailedUpdatePVC", message, source=APP)


def _report(world: World, resource: Object, replicas: int) -> None:
    """Write how many pods are ready into the custom resource's status."""
    namespace = resource["metadata"]["namespace"]
    pods = [pod for pod in pods_of(world.list("Pod"), {"app": app_name(resource)}) if is_running(pod)]
    ready = sum(1 for pod in pods if pod["metadata"]["namespace"] == namespace)
    done = ready >= replicas
    condition = {
        "type": "Ready",
        "status": "True" if done else "False",
        "reason": "AllReplicasReady" if done else "NotAllReplicasReady",
        "message": "All replicas are ready" if done else f"{ready} of {replicas} replicas are ready",
        "observedGeneration": resource["metadata"]["generation"],
    }
    status = resource.get("status") or {}
    known = [{key: each.get(key) for key in condition} for each in status.get("conditions") or []]
    if known == [condition] and status.get("readyReplicas") == ready:
        return
    change = {"readyReplicas": ready, "conditions": [condition | {"lastTransitionTime": now()}]}
    world.kubernetes.patch(resource, {"status": change}, subresource="status")
