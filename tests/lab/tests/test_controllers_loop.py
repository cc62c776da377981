# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rounds of controllers, and the end of a control plane."""

from __future__ import annotations

import datetime
import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from langfuse_lab.controllers import cluster
from langfuse_lab.controllers.cluster import ControlPlane, is_built_in
from langfuse_lab.controllers.loop import Loop
from langfuse_lab.controllers.world import HoldError

WORLD: Any = SimpleNamespace()


def failing(error: Exception | None) -> Any:
    def reconcile(_world: object) -> None:
        if error:
            raise type(error)(*error.args)

    return reconcile


def test_one_controllers_error_does_not_stop_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []
    controllers = {"volumes": failing(OSError("AWS is away")), "pods": lambda _: ran.append("pods")}
    loop = Loop(lambda: WORLD, controllers)
    loop.round(WORLD)
    loop.round(WORLD)
    assert ran == ["pods", "pods"]
    assert capsys.readouterr().err.count("volumes: OSError: AWS is away") == 1, "the same error is logged once"
    report = json.loads(loop.report())
    assert report["failing"] == {"volumes": "OSError: AWS is away"}
    assert report["last_failure"]["controller"] == "volumes"


def test_a_controller_that_works_again_is_not_failing_any_more(capsys: pytest.CaptureFixture[str]) -> None:
    errors: list[Exception | None] = [OSError("a"), None]
    loop = Loop(lambda: WORLD, {"nodes": lambda world: failing(errors.pop(0))(world)})
    loop.round(WORLD)
    loop.round(WORLD)
    report = json.loads(loop.report())
    assert report["failing"] == {}
    assert report["last_failure"]["error"].startswith("OSError: a")
    assert "nodes: works again" in capsys.readouterr().err
    assert loop.is_alive()


def test_a_held_round_ends(capsys: pytest.CaptureFixture[str]) -> None:
    ran: list[str] = []
    loop = Loop(lambda: WORLD, {"cluster": failing(HoldError("wait")), "pods": lambda _: ran.append("pods")})
    loop.round(WORLD)
    assert ran == []
    assert "cluster: HoldError: wait" in capsys.readouterr().err


def item(name: str, namespace: str | None = None, **metadata: Any) -> dict[str, Any]:
    own = {"namespace": namespace} if namespace else {}
    return {"metadata": {"name": name, **own, **metadata}}


BOOTSTRAPPED = {"labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}


@pytest.mark.parametrize(
    ("resource", "what", "expected"),
    [
        ("namespaces", item("kube-system"), True),
        ("namespaces", item("langfuse"), False),
        ("configmaps", item("kube-root-ca.crt", "default"), True),
        ("configmaps", item("aws-auth", "kube-system"), False),
        ("serviceaccounts", item("job-controller", "kube-system"), True),
        ("serviceaccounts", item("aws-load-balancer-controller", "kube-system"), False),
        ("services", item("kubernetes", "default"), True),
        ("services", item("kubernetes", "langfuse"), False),
        ("clusterroles.rbac.authorization.k8s.io", item("admin", **BOOTSTRAPPED), True),
        ("clusterroles.rbac.authorization.k8s.io", item("langfuse"), False),
        ("storageclasses.storage.k8s.io", item("gp2"), False),
        ("priorityclasses.scheduling.k8s.io", item("system-node-critical"), True),
        ("customresourcedefinitions.apiextensions.k8s.io", item("certificates.cert-manager.io"), False),
    ],
)
def test_built_in_objects_outlive_a_cluster(resource: str, what: dict[str, Any], expected: bool) -> None:
    assert is_built_in(resource, what, frozenset(["job-controller"])) is expected


class Births:
    """A world whose control plane records what is done to it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, state: Path) -> None:
        self.wiped: list[float] = []
        self.left: list[str] = []
        self.made: list[str] = []
        monkeypatch.setattr(cluster, "wipe", self._wipe)
        self.kubernetes = SimpleNamespace(create_if_missing=lambda each: self.made.append(each["metadata"]["name"]))
        self.view = SimpleNamespace(cluster=None)
        self.control_plane = ControlPlane(state)

    def _wipe(self, _kubernetes: object, before: float) -> list[str]:
        self.wiped.append(before)
        return self.left

    def see(self, created: int | None) -> None:
        moment = created and datetime.datetime.fromtimestamp(created, datetime.UTC)
        self.view.cluster = moment and {"arn": "arn:cluster/langfuse", "createdAt": moment}
        self.control_plane.reconcile(self)  # type: ignore[arg-type]


@pytest.fixture
def births(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Births:
    return Births(monkeypatch, tmp_path)


def test_a_new_cluster_finds_an_empty_control_plane_with_gp2(births: Births) -> None:
    births.see(None)
    births.see(1000)
    births.see(1000)
    assert births.wiped == [1000], "only what is older than the cluster goes"
    assert births.made == ["gp2"]


def test_a_deleted_cluster_takes_everything_along(births: Births) -> None:
    births.see(1000)
    births.see(None)
    births.see(None)
    assert births.wiped == [1000, pytest.approx(time.time(), abs=5)]
    births.see(2000)
    assert births.wiped[2:] == [2000]
    assert births.made == ["gp2", "gp2"]


def test_a_cluster_replaced_between_two_rounds_is_a_new_one(births: Births) -> None:
    births.see(1000)
    births.see(1060)
    assert births.wiped == [1000, 1060]


def test_what_a_stopped_lab_kept_stays_until_a_new_cluster(births: Births, tmp_path: Path) -> None:
    births.see(1000)
    births.control_plane = ControlPlane(tmp_path)
    births.see(None)
    assert births.wiped == [1000]
    births.see(2000)
    assert births.wiped == [1000, 2000]


def test_others_wait_while_objects_are_going(births: Births) -> None:
    births.left = ["namespaces langfuse"]
    with pytest.raises(HoldError, match="namespaces langfuse"):
        births.see(1000)
    births.left = []
    births.see(1000)
    assert births.wiped == [1000, 1000]
    assert births.made == ["gp2"]
