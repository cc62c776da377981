# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what growing claims takes: who made each, whether it may grow, and what must change beside it."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._quantity import parse_bytes
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import Api, ApiError, Object, needs

# Kinds whose operator grows the claims of its StatefulSets itself when the resource asks for more.
OPERATORS = {"ClickHouseCluster": "clickhouseclusters", "KeeperCluster": "keeperclusters"}


@dataclass(frozen=True)
class Wish:
    """Which claims shall have which size, and how far to go for it. Times are in seconds."""

    namespace: str
    size: str
    name: str | None = None
    label_selectors: tuple[str, ...] = ()
    statefulset: str | None = None
    template: str | None = None
    max_size: str | None = None
    recreate: bool = False
    wait: bool = True
    timeout: int = 600

    @property
    def bytes(self) -> int:
        """The size in bytes."""
        return parse_bytes(self.size)


def read_wish(params: Mapping[str, t.Any]) -> Wish:
    """Read the module's options. Raises LangfuseError."""
    wish = Wish(
        namespace=params["namespace"],
        size=params["size"],
        name=params["name"],
        label_selectors=tuple(params["label_selectors"] or ()),
        statefulset=params["statefulset"],
        template=params["template"],
        max_size=params["max_size"],
        recreate=params["recreate_statefulset"],
        wait=params["wait"],
        timeout=params["wait_timeout"],
    )
    if wish.max_size and wish.bytes > parse_bytes(wish.max_size):
        raise LangfuseError(
            f"size is {wish.size}, more than max_size ({wish.max_size}): a volume never shrinks again. "
            "Raise max_size if that is meant."
        )
    return wish


@dataclass
class Growth:
    """A claim, what it asked for, and who made it."""

    claim: Object
    statefulset: Object | None
    resource: CustomResource | None
    capacity: str = ""

    @property
    def name(self) -> str:
        """The claim's name."""
        return self.claim["metadata"]["name"]

    @property
    def before(self) -> str:
        """What it asked for."""
        return self.claim["spec"]["resources"]["requests"]["storage"]


@dataclass
class CustomResource:
    """What an operator makes StatefulSets and claims of."""

    path: str
    kind: str
    name: str
    before: str

    def change(self, size: str) -> Object:
        """The patch that gives its claims a size."""
        return {"spec": {"dataVolumeClaimSpec": {"resources": {"requests": {"storage": size}}}}}


@dataclass
class Template:
    """A template of a StatefulSet that still asks for less than its claims."""

    statefulset: Object
    index: int

    @property
    def name(self) -> str:
        """The template's name."""
        return self._template["metadata"]["name"]

    @property
    def before(self) -> str:
        """What it asks for."""
        return requested(self._template)

    @property
    def _template(self) -> Object:
        return self.statefulset["spec"]["volumeClaimTemplates"][self.index]


@dataclass
class Plan:
    """Everything that is not as wished."""

    growths: list[Growth] = field(default_factory=list)  # all chosen claims, also those that have the size
    resources: list[CustomResource] = field(default_factory=list)
    templates: list[Template] = field(default_factory=list)

    def claims_to_patch(self, size: int) -> list[Growth]:
        """The claims that no operator grows and that ask for less."""
        return [each for each in self.growths if each.resource is None and parse_bytes(each.before) < size]

    def growing(self, size: int) -> list[Growth]:
        """The claims that ask for less, whoever grows them."""
        return [each for each in self.growths if parse_bytes(each.before) < size]


def make_plan(api: Api, wish: Wish) -> Plan:
    """Find the claims and everything beside them. Raises LangfuseError with every reason against it."""
    world = _World(api, wish.namespace)
    chosen = _choose(world, wish)
    growths = _with_siblings(world, [_growth(world, claim) for claim in chosen])
    faults = [fault for growth in growths if (fault := _fault(world, growth, wish))]
    resources = {each.resource.path: each.resource for each in growths if each.resource}
    faults += [
        f"{each.kind} {each.name} asks for {each.before} and claims never shrink"
        for each in resources.values()
        if parse_bytes(each.before) > wish.bytes
    ]
    if faults:
        raise LangfuseError(f"Nothing was changed, since not all can have {wish.size}: {'; '.join(faults)}.")
    return Plan(
        growths,
        [each for each in resources.values() if parse_bytes(each.before) < wish.bytes],
        _outdated_templates(growths, wish.bytes),
    )


class _World:
    """What the namespace has, read once."""

    def __init__(self, api: Api, namespace: str) -> None:
        self.api = api
        self.namespace = namespace
        self.claims = self.list("v1", "persistentvolumeclaims", namespace)
        self.statefulsets = self.list("apps/v1", "statefulsets", namespace)
        self._classes: dict[str, bool] | None = None
        self._resources: dict[str, CustomResource] = {}

    def list(self, version: str, resource: str, namespace: str | None = None) -> list[Object]:
        """List objects."""
        prefix = f"/api/{version}" if "/" not in version else f"/apis/{version}"
        place = f"/namespaces/{namespace}" if namespace else ""
        try:
            return self.api.get(f"{prefix}{place}/{resource}")["items"]
        except ApiError as error:
            raise needs(error, "list", resource, namespace) from error

    def is_expandable(self, name: str) -> bool:
        """Whether a StorageClass lets claims grow."""
        if self._classes is None:
            found = self.list("storage.k8s.io/v1", "storageclasses")
            self._classes = {each["metadata"]["name"]: bool(each.get("allowVolumeExpansion")) for each in found}
        return self._classes.get(name, False)

    def resource(self, owner: Object) -> CustomResource:
        """The custom resource that an owner reference names."""
        if owner["uid"] not in self._resources:
            path = f"/apis/{owner['apiVersion']}/namespaces/{self.namespace}/{OPERATORS[owner['kind']]}/{owner['name']}"
            try:
                found = self.api.get(path)
            except ApiError as error:
                raise needs(error, "get", OPERATORS[owner["kind"]], self.namespace) from error
            before = requested({"spec": found["spec"]["dataVolumeClaimSpec"]})
            self._resources[owner["uid"]] = CustomResource(path, owner["kind"], owner["name"], before)
        return self._resources[owner["uid"]]


def requested(claim: Object) -> str:
    """What a claim, or a template of claims, asks for."""
    return claim["spec"].get("resources", {}).get("requests", {}).get("storage", "0")


def _choose(world: _World, wish: Wish) -> list[Object]:
    """The claims that the options name."""
    if wish.statefulset:
        found = _of_statefulset(world, wish)
    elif wish.name:
        found = [claim for claim in world.claims if claim["metadata"]["name"] == wish.name]
    else:
        found = _labelled(world, wish)
    if not found:
        what = wish.name or wish.statefulset or ",".join(wish.label_selectors)
        raise LangfuseError(
            f"No claim in namespace {wish.namespace} is meant by {what}: check the name and the namespace."
        )
    return found


def _labelled(world: _World, wish: Wish) -> list[Object]:
    path = f"/api/v1/namespaces/{wish.namespace}/persistentvolumeclaims"
    return world.api.get(path, labelSelector=",".join(wish.label_selectors))["items"]


def _of_statefulset(world: _World, wish: Wish) -> list[Object]:
    sets = [each for each in world.statefulsets if each["metadata"]["name"] == wish.statefulset]
    if not sets:
        raise LangfuseError(f"Namespace {wish.namespace} has no StatefulSet {wish.statefulset}.")
    templates = [each["metadata"]["name"] for each in sets[0]["spec"].get("volumeClaimTemplates") or []]
    if (wish.template and wish.template not in templates) or (not wish.template and len(templates) != 1):
        raise LangfuseError(
            f"template is {wish.template or 'not set'}: "
            f"StatefulSet {wish.statefulset} has {', '.join(templates) or 'none'}."
        )
    template = wish.template or templates[0]
    return [claim for claim in world.claims if _ordinal(claim, template, wish.statefulset or "") is not None]


def _ordinal(claim: Object, template: str, statefulset: str) -> int | None:
    found = re.fullmatch(rf"{re.escape(template)}-{re.escape(statefulset)}-([0-9]+)", claim["metadata"]["name"])
    return int(found[1]) if found else None


def _growth(world: _World, claim: Object) -> Growth:
    statefulset = next((each for each in world.statefulsets if _template_of(each, claim) is not None), None)
    owner = _controller(statefulset) if statefulset else None
    is_known = owner is not None and owner["kind"] in OPERATORS
    return Growth(claim, statefulset, world.resource(owner) if owner and is_known else None)


def _template_of(statefulset: Object, claim: Object) -> int | None:
    """Which template of a StatefulSet made a claim."""
    for index, template in enumerate(statefulset["spec"].get("volumeClaimTemplates") or []):
        if _ordinal(claim, template["metadata"]["name"], statefulset["metadata"]["name"]) is not None:
            return index
    return None


def _controller(item: Object) -> Object | None:
    """The reference to what made an object and watches over it."""
    return next((each for each in item["metadata"].get("ownerReferences") or [] if each.get("controller")), None)


def _with_siblings(world: _World, growths: list[Growth]) -> list[Growth]:
    """The same and all other claims of their operators' resources: an operator grows all or none."""
    meant = {growth.name for growth in growths}
    paths = {growth.resource.path for growth in growths if growth.resource}
    if not paths:
        return growths
    others = [_growth(world, claim) for claim in world.claims if claim["metadata"]["name"] not in meant]
    return growths + [each for each in others if each.resource and each.resource.path in paths]


def _fault(world: _World, growth: Growth, wish: Wish) -> str:
    """Why a claim cannot have the size; nothing if it can, or has it."""
    spec, phase = growth.claim["spec"], growth.claim["status"]["phase"]
    before = parse_bytes(growth.before)
    if before > wish.bytes:
        return f"{growth.name} asks for {growth.before} and a volume never shrinks"
    if before == wish.bytes:
        return ""
    if phase != "Bound":
        return f"{growth.name} is {phase}, and only a Bound claim can grow"
    if not world.is_expandable(spec.get("storageClassName") or ""):
        return (
            f"StorageClass {spec.get('storageClassName')} of {growth.name} has no allowVolumeExpansion: "
            "set it to true there, which holds for claims that stand"
        )
    owner = _controller(growth.statefulset) if growth.statefulset else None
    if owner and growth.resource is None:
        return f"{growth.name} is of {owner['kind']} {owner['name']}, whose operator must be told the size"
    return ""


def _outdated_templates(growths: Iterable[Growth], size: int) -> list[Template]:
    """The templates that would make smaller claims. Those of operators are their own affair."""
    found: dict[tuple[str, int], Template] = {}
    for growth in growths:
        if growth.statefulset is None or growth.resource:
            continue
        index = t.cast(int, _template_of(growth.statefulset, growth.claim))
        template = Template(growth.statefulset, index)
        if parse_bytes(template.before) < size:
            found[growth.statefulset["metadata"]["name"], index] = template
    return list(found.values())
