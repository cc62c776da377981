# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: whether pods that are to be made find room on the nodes that are there."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils._quantity import parse_bytes, parse_millis
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import Api, ApiError, Object, needs

MIB = 2**20
KEEPING_OFF = ("NoSchedule", "NoExecute")


@dataclass(frozen=True)
class Amount:
    """CPU in thousandths of a core, memory in bytes, and a number of pods."""

    cpu: int = 0
    memory: int = 0
    pods: int = 0

    @classmethod
    def of(cls, resources: Mapping[str, t.Any], pods: int = 1) -> Amount:
        """Read what Kubernetes writes of resources."""
        cpu, memory = str(resources.get("cpu") or 0), str(resources.get("memory") or 0)
        return cls(parse_millis(cpu), parse_bytes(memory), pods)

    def __add__(self, other: Amount) -> Amount:
        return Amount(self.cpu + other.cpu, self.memory + other.memory, self.pods + other.pods)

    def __sub__(self, other: Amount) -> Amount:
        return Amount(self.cpu - other.cpu, self.memory - other.memory, self.pods - other.pods)

    def holds(self, other: Amount) -> bool:
        """Whether another amount fits into this one."""
        return self.cpu >= other.cpu and self.memory >= other.memory and self.pods >= other.pods

    def __str__(self) -> str:
        return f"cpu {self.cpu}m, memory {self.memory // MIB}Mi"


@dataclass
class Node:
    """A node that takes pods: what it has for them, and what is left of it."""

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Mapping[str, str]]
    allocatable: Amount
    free: Amount

    def takes(self, selector: Mapping[str, str], tolerations: Sequence[Mapping[str, t.Any]]) -> bool:
        """Whether labels and taints let a pod onto it."""
        if not selector.items() <= self.labels.items():
            return False
        keeping_off = [taint for taint in self.taints if taint["effect"] in KEEPING_OFF]
        return all(any(_tolerates(each, taint) for each in tolerations) for taint in keeping_off)


@dataclass(frozen=True)
class Group:
    """Pods that are alike: how many, and what each asks for."""

    name: str
    count: int
    requests: Amount
    limits: Amount
    selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, t.Any]] = ()

    @classmethod
    def read(cls, option: Mapping[str, t.Any]) -> Group:
        """Read a module's option. Raises LangfuseError for a quantity that is none."""
        return cls(
            option["name"],
            int(option["count"]),
            Amount.of(option["requests"]),
            Amount.of(option["limits"] or {}, pods=0),
            option["node_selector"] or {},
            option["tolerations"] or [],
        )


def read_nodes(api: Api, namespace: str, replaced: Sequence[str]) -> list[Node]:
    """The nodes that take pods, with what is free of them. Pods of `replaced` (selectors) do not count.

    Raises LangfuseError.
    """
    try:
        nodes = api.get("/api/v1/nodes")["items"]
        pods = api.get("/api/v1/pods", fieldSelector="status.phase!=Succeeded,status.phase!=Failed")["items"]
        daemons = api.get("/apis/apps/v1/daemonsets")["items"]
        going: set[str] = set()
        for selector in replaced:
            own = api.get(f"/api/v1/namespaces/{namespace}/pods", labelSelector=selector)["items"]
            going |= {pod["metadata"]["uid"] for pod in own}
    except ApiError as error:
        raise needs(error, "list", "nodes, pods and daemonsets in all namespaces") from error
    staying = [pod for pod in pods if pod["metadata"]["uid"] not in going]
    return [_node(each, staying, daemons) for each in nodes if _is_usable(each)]


def _node(found: Object, pods: Iterable[Object], daemons: Iterable[Object]) -> Node:
    name = found["metadata"]["name"]
    here = [pod for pod in pods if pod["spec"].get("nodeName") == name]
    amount = Amount.of(found["status"]["allocatable"], pods=int(found["status"]["allocatable"].get("pods", 0)))
    node = Node(name, found["metadata"].get("labels") or {}, found["spec"].get("taints") or [], amount, amount)
    for pod in here:
        node.free -= requests(pod["spec"])
    present = {reference["uid"] for pod in here for reference in pod["metadata"].get("ownerReferences") or []}
    for daemon in daemons:  # a new node has not all of them yet
        spec = daemon["spec"]["template"]["spec"]
        wanted = node.takes(spec.get("nodeSelector") or {}, spec.get("tolerations") or [])
        if wanted and daemon["metadata"]["uid"] not in present:
            node.free -= requests(spec)
    return node


def _is_usable(node: Object) -> bool:
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in node["status"].get("conditions") or [])
    return ready and not node["spec"].get("unschedulable")


def requests(spec: Object) -> Amount:
    """What the scheduler counts for a pod: its containers together, or an init container that asks for more."""

    def of(container: Object) -> Amount:
        return Amount.of((container.get("resources") or {}).get("requests") or {}, pods=0)

    total = Amount(pods=1)
    for container in spec["containers"]:
        total += of(container)
    for container in spec.get("initContainers") or []:
        one = of(container)
        total = Amount(max(total.cpu, one.cpu), max(total.memory, one.memory), 1)
    return total


def _tolerates(toleration: Mapping[str, t.Any], taint: Mapping[str, str]) -> bool:
    if toleration.get("effect") not in (None, "", taint["effect"]):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint["key"])
    return toleration.get("key") == taint["key"] and (toleration.get("value") or "") == (taint.get("value") or "")


def faults(nodes: Sequence[Node], groups: Sequence[Group]) -> list[str]:
    """What finds no room, a sentence for each group; empty when all do.

    The largest pods choose first, and each takes the fullest node that holds it, which leaves others for large ones.
    """
    free = {node.name: node.free for node in nodes}
    found = []
    for group in sorted(groups, key=lambda each: (each.requests.memory, each.requests.cpu), reverse=True):
        eligible = [node for node in nodes if node.takes(group.selector, group.tolerations)]
        if not eligible:
            labels = ", ".join(f"{key}={value}" for key, value in group.selector.items()) or "without taints"
            found.append(f"{group.name}: no node that is ready is for it ({labels}).")
            continue
        placed = 0
        for _pod in range(group.count):
            holding = [node.name for node in eligible if free[node.name].holds(group.requests)]
            if not holding:
                break
            name = min(holding, key=lambda each: (free[each].memory, free[each].cpu))
            free[name] -= group.requests
            placed += 1
        if placed < group.count:
            left = "; ".join(
                f"{node.name} has {free[node.name]}, {free[node.name].pods} pods left" for node in eligible[:5]
            )
            found.append(
                f"{group.name}: {placed} of {group.count} pods find room, each asks for {group.requests}. {left}."
            )
        most = Amount(max(node.allocatable.cpu for node in eligible), max(node.allocatable.memory for node in eligible))
        if not most.holds(group.limits):
            found.append(
                f"{group.name}: its limits ({group.limits}) are more than any node has ({most}): it can never use them."
            )
    return found
