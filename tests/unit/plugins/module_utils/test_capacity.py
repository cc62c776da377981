# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which pods find room on which nodes."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._capacity import (
    Amount,
    Group,
    Node,
    faults,
    read_nodes,
    requests,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._quantity import parse_millis
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError

GIB = 2**30
TAINT = {"key": "dedicated", "value": "clickhouse", "effect": "NoSchedule"}
TOLERATION = {"key": "dedicated", "operator": "Equal", "value": "clickhouse", "effect": "NoSchedule"}


def node(name: str, cpu: int = 2000, memory: int = 4, pods: int = 10, taints: Any = (), **labels: str) -> Node:
    amount = Amount(cpu, memory * GIB, pods)
    return Node(name, labels, taints, amount, amount)


def group(name: str = "web", count: int = 1, cpu: str = "500m", memory: str = "1Gi", **more: Any) -> Group:
    option = {"name": name, "count": count, "requests": {"cpu": cpu, "memory": memory}}
    return Group.read({"limits": None, "node_selector": None, "tolerations": None} | option | more)


@pytest.mark.parametrize(("text", "millis"), [("250m", 250), ("1", 1000), ("1.5", 1500), ("0", 0), ("15200m", 15200)])
def test_cores(text: str, millis: int) -> None:
    assert parse_millis(text) == millis


def test_wrong_quantities() -> None:
    with pytest.raises(LangfuseError, match=r"'half' is no number of cores: .* such as 250m"):
        group(cpu="half")
    with pytest.raises(LangfuseError, match="'1 GB' is no size"):
        group(memory="1 GB")


def test_pods_that_fit() -> None:
    assert faults([node("a"), node("b")], [group(count=8)]) == []


def test_each_thing_that_runs_out_is_told() -> None:
    [cpu] = faults([node("a", cpu=1200)], [group(count=3)])
    assert cpu == (
        "web: 2 of 3 pods find room, each asks for cpu 500m, memory 1024Mi. a has cpu 200m, memory 2048Mi, 8 pods left."
    )
    assert "1 of 2 pods" in faults([node("a", memory=1)], [group(count=2)])[0]
    assert "1 of 2 pods" in faults([node("a", pods=1)], [group(count=2)])[0]


def test_large_pods_choose_first_and_leave_room() -> None:
    nodes = [node("a", memory=4), node("b", memory=8)]
    assert faults(nodes, [group("small", 4), group("large", memory="8Gi")]) == []


def test_labels_and_taints() -> None:
    nodes = [node("general"), node("special", cpu=4000, memory=30, taints=[TAINT], dedicated="clickhouse")]
    big = {"name": "clickhouse", "cpu": "3500m", "memory": "26Gi", "node_selector": {"dedicated": "clickhouse"}}
    assert faults(nodes, [group(**big, tolerations=[TOLERATION]), group(count=4)]) == []
    assert faults(nodes, [group(**big)]) == ["clickhouse: no node that is ready is for it (dedicated=clickhouse)."]
    assert faults([nodes[1]], [group()]) == ["web: no node that is ready is for it (without taints)."]


@pytest.mark.parametrize(
    ("toleration", "takes"),
    [
        ({"operator": "Exists"}, True),
        ({"operator": "Exists", "key": "dedicated"}, True),
        ({"operator": "Exists", "key": "other"}, False),
        ({"key": "dedicated", "value": "clickhouse"}, True),
        ({"key": "dedicated", "value": "other"}, False),
        (TOLERATION | {"effect": "NoExecute"}, False),
    ],
)
def test_tolerations(toleration: dict[str, str], takes: bool) -> None:
    assert node("a", taints=[TAINT]).takes({}, [toleration]) is takes


def test_a_taint_that_only_prefers_keeps_nobody_off() -> None:
    assert node("a", taints=[TAINT | {"effect": "PreferNoSchedule"}]).takes({}, [])


def test_limits_that_no_node_has() -> None:
    [found] = faults([node("a")], [group(limits={"cpu": "4", "memory": "1Gi"})])
    assert found.startswith("web: its limits (cpu 4000m, memory 1024Mi) are more than any node has (cpu 2000m, ")


def test_an_init_container_may_ask_for_more() -> None:
    def container(cpu: str) -> dict[str, Any]:
        return {"resources": {"requests": {"cpu": cpu}}}

    spec = {"containers": [container("100m"), container("200m"), {}], "initContainers": [container("1")]}
    assert requests(spec) == Amount(1000, 0, 1)
    assert requests({"containers": [container("100m"), container("200m")]}) == Amount(300, 0, 1)


READY = [{"type": "Ready", "status": "True"}]
ALLOCATABLE = {"cpu": "1930m", "memory": "3388360Ki", "pods": "17"}


def pod(uid: str, where: str | None, cpu: str, owner: str = "") -> dict[str, Any]:
    metadata = {"uid": uid, "ownerReferences": [{"uid": owner}]} if owner else {"uid": uid}
    spec = {"containers": [{"resources": {"requests": {"cpu": cpu, "memory": "100Mi"}}}]}
    return {"metadata": metadata, "spec": spec | ({"nodeName": where} if where else {})}


class Api:
    """A cluster with two nodes that are ready, one that is not, one that is cordoned, and a daemon set."""

    def __init__(self) -> None:
        def found(name: str, **spec: Any) -> dict[str, Any]:
            status = {"allocatable": ALLOCATABLE, "conditions": READY}
            return {"metadata": {"name": name}, "spec": spec, "status": status}

        dead = found("dead")
        dead["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]
        template = {"spec": pod("", None, "50m")["spec"] | {"tolerations": [{"operator": "Exists"}]}}
        daemon = {"metadata": {"uid": "ds"}, "spec": {"template": template}}
        self.lists: dict[str, Any] = {
            "/api/v1/nodes": [found("a"), found("b", taints=[TAINT]), dead, found("cordoned", unschedulable=True)],
            "/api/v1/pods": [
                pod("1", "a", "50m", "ds"),
                pod("2", "a", "500m"),
                pod("3", "b", "1"),
                pod("4", None, "1"),
            ],
            "/apis/apps/v1/daemonsets": [daemon],
            "/api/v1/namespaces/langfuse/pods": [pod("2", "a", "500m")],
        }

    def get(self, path: str, **_query: str) -> Any:
        if isinstance(self.lists[path], Exception):
            raise self.lists[path]
        return {"items": self.lists[path]}


def test_what_runs_is_counted_and_what_is_replaced_is_not() -> None:
    free = {each.name: each.free for each in read_nodes(Api(), "langfuse", ["app=web"])}
    assert free == {
        "a": Amount(1930 - 50, 3388360 * 1024 - 100 * 2**20, 16),
        "b": Amount(1930 - 1000 - 50, 3388360 * 1024 - 200 * 2**20, 15),  # with the daemon's pod that is to come
    }
    counted = {each.name: each.free.cpu for each in read_nodes(Api(), "langfuse", [])}
    assert counted["a"] == 1930 - 550


def test_a_right_that_is_missing_is_named() -> None:
    api = Api()
    api.lists["/api/v1/pods"] = ApiError("pods is forbidden", 403)
    with pytest.raises(LangfuseError, match="need the right to list nodes, pods and daemonsets"):
        read_nodes(api, "langfuse", [])
