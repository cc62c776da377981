# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: growing claims, by themselves or their operator's resource, then StatefulSets with too small templates."""

from __future__ import annotations

import copy
import re
import time
import typing as t
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_resize_plan import (
    Growth,
    Plan,
    Template,
    Wish,
    make_plan,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._quantity import parse_bytes
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import Api, ApiError, Object, needs

POLL_SECONDS = 2
CREATE_ATTEMPTS = 10
# What the server writes into an object's metadata.
SERVER_METADATA = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")
EBS_LIMIT = re.compile(r"VolumeModificationRateExceeded|IncorrectModificationState|maximum modification rate", re.I)
EBS_LIMIT_EXPLAINED = (
    "AWS changes an EBS volume at most four times in 24 hours, each time only after the last change is complete. "
    "The claim's wish stands, and the driver fulfils it as soon as AWS lets it; running this again then waits for it."
)


@dataclass
class Result:
    """What became of it, or would in check mode."""

    plan: Plan
    wish: Wish
    recreated: list[Object] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything was, or would be."""
        return bool(self._growing or self.plan.resources or (self.wish.recreate and self.plan.templates))

    @property
    def _growing(self) -> set[str]:
        return {growth.name for growth in self.plan.growing(self.wish.bytes)}

    def returned(self, diff: bool) -> Object:
        """The module's return values."""
        returned: Object = {
            "changed": self.changed,
            "claims": [self._claim(growth) for growth in self.plan.growths],
            "resources": [
                {"kind": each.kind, "name": each.name, "before": each.before, "after": self.wish.size}
                for each in self.plan.resources
            ],
            "statefulsets": [self._statefulset(template) for template in self.plan.templates],
        }
        return dict(returned, diff=self._diff()) if diff else returned

    def _claim(self, growth: Growth) -> Object:
        return {
            "name": growth.name,
            "changed": growth.name in self._growing,
            "before": growth.before,
            "requested": self.wish.size if growth.name in self._growing else growth.before,
            "capacity": growth.capacity,
            "storage_class": growth.claim["spec"].get("storageClassName"),
            "statefulset": growth.statefulset["metadata"]["name"] if growth.statefulset else None,
            "grown_by": growth.resource.kind if growth.resource else "claim",
        }

    def _statefulset(self, template: Template) -> Object:
        name = template.statefulset["metadata"]["name"]
        return {
            "name": name,
            "template": template.name,
            "before": template.before,
            "after": self.wish.size if self.wish.recreate else template.before,
            "recreated": self.wish.recreate,
            "pods": [pod["metadata"]["name"] for pod in self.recreated if _owner_name(pod) == name],
        }

    def _diff(self) -> Object:
        sizes = [(f"PersistentVolumeClaim {each.name}", each.before) for each in self.plan.growing(self.wish.bytes)]
        sizes += [(f"{each.kind} {each.name}", each.before) for each in self.plan.resources]
        if self.wish.recreate:
            sizes += [(_label(each), each.before) for each in self.plan.templates]
        return {"before": dict(sizes), "after": {what: self.wish.size for what, _before in sizes}}


def _label(template: Template) -> str:
    return f"StatefulSet {template.statefulset['metadata']['name']}, template {template.name}"


def resize(api: Api, wish: Wish, check: bool, sleep: Callable[[float], None] = time.sleep) -> Result:
    """Do what the wish says. Raises LangfuseError."""
    result = Result(make_plan(api, wish), wish)
    plan = result.plan
    dry = {"dryRun": "All"} if check else {}
    known_events = set() if check else {_key(event) for event in _events(api, wish.namespace)}
    for resource in plan.resources:
        _patch(api, resource.path, resource.change(wish.size), resource.kind, wish, dry)
    for growth in plan.claims_to_patch(wish.bytes):
        path = f"/api/v1/namespaces/{wish.namespace}/persistentvolumeclaims/{growth.name}"
        body = {"spec": {"resources": {"requests": {"storage": wish.size}}}}
        _patch(api, path, body, "persistentvolumeclaims", wish, dry)
    if wish.wait and not check:
        _Waiting(api, wish, known_events, sleep, result.warnings).wait(plan.growths)
    if wish.recreate and not check:
        for name in sorted({template.statefulset["metadata"]["name"] for template in plan.templates}):
            templates = [each for each in plan.templates if each.statefulset["metadata"]["name"] == name]
            result.recreated += _Recreation(api, wish, sleep).recreate(templates)
    elif plan.templates and not wish.recreate:
        result.warnings.append(_outdated(plan.templates))
    return result


def _outdated(templates: Iterable[Template]) -> str:
    named = ", ".join(f"{template.statefulset['metadata']['name']} ({template.before})" for template in templates)
    return (
        f"The claims grow, but the templates of StatefulSet {named} cannot be changed in place: Helm refuses "
        "an upgrade to the new size, and new replicas get the old one. With recreate_statefulset=true this mends it."
    )


def _patch(api: Api, path: str, body: Object, what: str, wish: Wish, dry: dict[str, str]) -> None:
    try:
        api.patch(path, body, **dry)
    except ApiError as error:
        raise needs(error, "patch", what, wish.namespace) from error


def _events(api: Api, namespace: str) -> list[Object]:
    """What was said about claims; nothing if it may not be read, since it only explains."""
    try:
        return api.get(
            f"/api/v1/namespaces/{namespace}/events", fieldSelector="involvedObject.kind=PersistentVolumeClaim"
        )["items"]
    except ApiError:
        return []


def _key(event: Object) -> tuple[str, t.Any]:
    return event["metadata"]["uid"], event.get("count")


@dataclass
class _Waiting:
    """Waits until claims have what they ask for."""

    api: Api
    wish: Wish
    known_events: set[tuple[str, t.Any]]
    sleep: Callable[[float], None]
    warnings: list[str]

    def wait(self, growths: list[Growth]) -> None:
        """Wait for all. Raises LangfuseError with what the driver says."""
        deadline = time.monotonic() + self.wish.timeout
        while True:
            waiting = self._look(growths)
            if not waiting:
                return
            said = self._said({growth.name for growth in waiting})
            limit = next((message for message in said if EBS_LIMIT.search(message)), "")
            if limit:
                raise LangfuseError(f"{_names(waiting)} cannot grow now: {limit} {EBS_LIMIT_EXPLAINED}")
            if time.monotonic() > deadline:
                reason = "; ".join(said) or "the driver says nothing; check that its controller runs"
                raise LangfuseError(
                    f"{_names(waiting)} did not reach {self.wish.size} within {self.wish.timeout} seconds: {reason}"
                )
            self.sleep(POLL_SECONDS)

    def _look(self, growths: list[Growth]) -> list[Growth]:
        path = f"/api/v1/namespaces/{self.wish.namespace}/persistentvolumeclaims"
        now = {claim["metadata"]["name"]: claim for claim in self.api.get(path)["items"]}
        waiting = []
        for growth in growths:
            status = now[growth.name]["status"] if growth.name in now else growth.claim["status"]
            growth.capacity = status.get("capacity", {}).get("storage", "0")
            if parse_bytes(growth.capacity) >= self.wish.bytes:
                continue
            if _only_needs_a_pod(status) and not self._is_mounted(growth.name):
                self._warn(f"{growth.name}: the volume has grown; its file system follows when a pod mounts it.")
                continue
            waiting.append(growth)
        return waiting

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _is_mounted(self, name: str) -> bool:
        pods = self.api.get(f"/api/v1/namespaces/{self.wish.namespace}/pods")["items"]
        volumes = [volume for pod in pods if pod["spec"].get("nodeName") for volume in pod["spec"].get("volumes") or []]
        return any(volume.get("persistentVolumeClaim", {}).get("claimName") == name for volume in volumes)

    def _said(self, names: set[str]) -> list[str]:
        """What was said about these claims since the start."""
        new = [event for event in _events(self.api, self.wish.namespace) if _key(event) not in self.known_events]
        about = [event for event in new if event.get("type") == "Warning" and event["involvedObject"]["name"] in names]
        return sorted({" ".join(event.get("message", "").split()) for event in about})


def _only_needs_a_pod(status: Object) -> bool:
    conditions = status.get("conditions") or []
    return any(each["type"] == "FileSystemResizePending" and each["status"] == "True" for each in conditions)


def _names(growths: Iterable[Growth]) -> str:
    return ", ".join(growth.name for growth in growths)


@dataclass
class _Recreation:
    """Puts a StatefulSet with larger templates in the place of one, under running pods."""

    api: Api
    wish: Wish
    sleep: Callable[[float], None]

    def recreate(self, templates: list[Template]) -> list[Object]:
        """Do it; returns the pods, which are the same as before. Raises LangfuseError if one is not."""
        old = templates[0].statefulset
        manifest = larger(old, [template.index for template in templates], self.wish.size)
        name, path = old["metadata"]["name"], f"/apis/apps/v1/namespaces/{self.wish.namespace}/statefulsets"
        pods = self._pods(old["metadata"]["uid"])
        try:
            self.api.delete(f"{path}/{name}", propagationPolicy="Orphan")
        except ApiError as error:
            raise needs(error, "delete", "statefulsets", self.wish.namespace) from error
        self._wait(lambda: not self._exists(f"{path}/{name}"), f"StatefulSet {name} is not deleted", manifest)
        made = self._create(path, manifest)
        same = {pod["metadata"]["uid"] for pod in pods}
        # The new StatefulSet adopts what its selector finds.
        self._wait(
            lambda: same <= {pod["metadata"]["uid"] for pod in self._pods(made["metadata"]["uid"])},
            f"The new StatefulSet {name} has not adopted its pods {', '.join(p['metadata']['name'] for p in pods)}",
            None,
        )
        return self._pods(made["metadata"]["uid"])

    def _pods(self, owner: str) -> list[Object]:
        pods = self.api.get(f"/api/v1/namespaces/{self.wish.namespace}/pods")["items"]
        return [pod for pod in pods if any(o["uid"] == owner for o in pod["metadata"].get("ownerReferences") or [])]

    def _exists(self, path: str) -> bool:
        try:
            self.api.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _create(self, path: str, manifest: Object) -> Object:
        """Create it, and not give up soon: until it stands nobody restarts its pods."""
        name = manifest["metadata"]["name"]
        for attempt in range(CREATE_ATTEMPTS):
            try:
                return self.api.create(path, manifest)
            except LangfuseError as error:
                if attempt == CREATE_ATTEMPTS - 1:
                    raise LangfuseError(
                        f"StatefulSet {name} was deleted and cannot be created again: {error}. Its pods run "
                        "on, but nobody restarts them: create it from the value statefulset of this failure, or "
                        "upgrade its Helm release.",
                        statefulset=manifest,
                    ) from error
            self.sleep(POLL_SECONDS)
        raise AssertionError("unreachable")

    def _wait(self, is_done: Callable[[], bool], complaint: str, manifest: Object | None) -> None:
        deadline = time.monotonic() + self.wish.timeout
        while not is_done():
            if time.monotonic() > deadline:
                details = {"statefulset": manifest} if manifest else {}
                raise LangfuseError(f"{complaint} within {self.wish.timeout} seconds.", **details)
            self.sleep(POLL_SECONDS / 4)


def larger(statefulset: Object, indexes: Iterable[int], size: str) -> Object:
    """A StatefulSet as it was, but with larger templates, and without what the server wrote into it."""
    manifest = copy.deepcopy({key: value for key, value in statefulset.items() if key != "status"})
    manifest.update(apiVersion="apps/v1", kind="StatefulSet")
    manifest["metadata"] = {k: v for k, v in manifest["metadata"].items() if k not in SERVER_METADATA}
    for index, template in enumerate(manifest["spec"]["volumeClaimTemplates"]):
        template.pop("status", None)
        if index in indexes:
            template["spec"].setdefault("resources", {}).setdefault("requests", {})["storage"] = size
    return manifest


def _owner_name(pod: Object) -> str:
    return (pod["metadata"].get("ownerReferences") or [{}])[0].get("name", "")
