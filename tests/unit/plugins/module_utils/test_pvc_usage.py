# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvc_info's logic, on the fixture that the PVC monitor's program is tested with as well."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_usage import (
    Question,
    Thresholds,
    Usage,
    failure,
    read_question,
    read_usage,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError

GIB = 2**30
FIXTURE = json.loads((Path(__file__).parent / "fixtures" / "pvc_usage.json").read_text())
NAMESPACE = FIXTURE["namespace"]
CLASSES = [{"metadata": {"name": "gp3"}, "allowVolumeExpansion": True}]


class Api:
    """An API server with the fixture's objects. Counts what it is asked; `refuse` maps parts of paths to errors."""

    def __init__(self, refuse: dict[str, ApiError] | None = None) -> None:
        self.refuse = refuse or {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.answers: dict[str, Any] = {
            f"/api/v1/namespaces/{NAMESPACE}/persistentvolumeclaims": {"items": copy.deepcopy(FIXTURE["claims"])},
            f"/api/v1/namespaces/{NAMESPACE}/pods": {"items": copy.deepcopy(FIXTURE["pods"])},
            "/apis/storage.k8s.io/v1/storageclasses": {"items": CLASSES},
            **{f"/api/v1/nodes/{node}/proxy/stats/summary": said for node, said in FIXTURE["summaries"].items()},
        }

    def get(self, path: str, **query: str) -> Any:
        self.asked.append((path, query))
        for part, error in self.refuse.items():
            if part in path:
                raise error
        if path not in self.answers:
            raise ApiError("error trying to reach service: dial tcp: i/o timeout", 503)
        return self.answers[path]


@pytest.fixture
def usage() -> Usage:
    return read_usage(Api(), Question(NAMESPACE))


def test_figures_are_those_of_the_monitor(usage: Usage) -> None:
    known = {claim.name: claim for claim in usage.claims if claim.state != "unknown"}
    assert known.keys() == FIXTURE["expected"]["known"].keys()
    for name, expected in FIXTURE["expected"]["known"].items():
        claim = known[name]
        assert (claim.state, claim.used_percent, claim.inodes_used_percent, claim.metric_pod) == (
            expected["state"],
            expected["percent"],
            expected["inodes_percent"],
            expected["pod"],
        ), name
        assert claim.used_bytes is not None and claim.capacity_bytes is not None
        assert claim.used_bytes / GIB == pytest.approx(expected["used_gib"], abs=0.005)
        assert claim.capacity_bytes / GIB == pytest.approx(expected["total_gib"], abs=0.005)


def test_unknown_has_a_reason_and_no_figures(usage: Usage) -> None:
    unknown = {claim.name: claim for claim in usage.claims if claim.state == "unknown"}
    assert unknown.keys() == FIXTURE["expected"]["unknown"].keys()
    for name, reason in FIXTURE["expected"]["unknown"].items():
        assert reason in unknown[name].reason
        assert unknown[name].used_percent is None and unknown[name].capacity_bytes is None


def test_a_dead_node_hides_only_its_own_claims(usage: Usage) -> None:
    assert usage.node_errors == {"node-dead": "error trying to reach service: dial tcp: i/o timeout"}
    assert usage.summary() == {"worst": "critical", "counts": {"ok": 2, "unknown": 6, "warning": 1, "critical": 3}}


def test_reasons_name_what_is_full(usage: Usage) -> None:
    reasons = {claim.name: claim.reason for claim in usage.claims}
    assert reasons["data-postgresql-0"] == "84.31 % of its bytes are used, more than 80 %."
    assert reasons["langfuse-redis"] == "90.03 % of its inodes are used, more than 90 %."
    assert reasons["xfs-0"] == ""


def test_calls() -> None:
    """Two lists, one request a node, and one for the classes since some claims fill."""
    api = Api()
    read_usage(api, Question(NAMESPACE))
    assert len(api.asked) == 2 + 3 + 1
    api = Api()
    read_usage(api, Question(NAMESPACE, names=["xfs-0"]))
    assert len(api.asked) == 2 + 1


def test_expandable_is_said_of_claims_that_fill(usage: Usage) -> None:
    assert {claim.name for claim in usage.claims if claim.expandable} == {
        claim.name for claim in usage.claims if claim.state in ("warning", "critical")
    }
    nobody_may_read = read_usage(Api({"storageclasses": ApiError("forbidden", 403)}), Question(NAMESPACE))
    assert {claim.expandable for claim in nobody_may_read.claims} == {None}


def test_selection() -> None:
    api = Api()
    found = read_usage(api, Question(NAMESPACE, label_selectors=["a=b", "c"], include_unused=False))
    assert api.asked[0][1] == {"labelSelector": "a=b,c"}
    assert {"unused", "waiting"} & {claim.name for claim in found.claims} == set()
    assert "on-dead-node" in {claim.name for claim in found.claims}
    with pytest.raises(LangfuseError, match="No claim nope, nor is in namespace langfuse"):
        read_usage(Api(), Question(NAMESPACE, names=["unused", "nope", "nor"]))


def test_no_claims() -> None:
    api = Api()
    for path in list(api.answers)[:2]:
        api.answers[path] = {"items": []}
    nothing = read_usage(api, Question(NAMESPACE))
    assert nothing.returned() == {
        "pvcs": [],
        "summary": {"worst": "ok", "counts": {"ok": 0, "unknown": 0, "warning": 0, "critical": 0}},
        "node_errors": {},
    }


REFUSALS = [
    ("persistentvolumeclaims", 403, "right to list persistentvolumeclaims in namespace langfuse"),
    ("pods", 403, "right to list pods in namespace langfuse"),
    ("persistentvolumeclaims", 401, "does not accept these credentials"),
    (
        "persistentvolumeclaims",
        500,
        r"list persistentvolumeclaims in namespace langfuse: nodes/proxy \(500\)",
    ),
    ("/nodes/", 403, "right to get nodes/proxy"),
]


@pytest.mark.parametrize(("part", "status", "message"), REFUSALS)
def test_refusals(part: str, status: int, message: str) -> None:
    with pytest.raises(LangfuseError, match=message):
        read_usage(Api({part: ApiError("nodes/proxy", status)}), Question(NAMESPACE))


def test_a_kubelet_that_forbids_is_one_that_says_nothing() -> None:
    found = read_usage(Api({"node-a": ApiError("Forbidden (verb=get, subresource=stats)", 403)}), Question(NAMESPACE))
    assert found.node_errors.keys() == {"node-a", "node-dead"}


def options(**given: Any) -> dict[str, Any]:
    defaults = {"names": [], "label_selectors": [], "include_unused": True, "warning": 80, "critical": 90}
    return {"namespace": NAMESPACE, "overrides": {}, **defaults, **given}


def test_overrides() -> None:
    question = read_question(options(overrides={"a": {"critical": 70}, "b": {"warning": 95}, "c": {"warning": "5"}}))
    assert question.of("a") == Thresholds(70, 70)
    assert question.of("b") == Thresholds(95, 95)
    assert question.of("c") == Thresholds(5, 90)
    assert question.of("d") == Thresholds(80, 90)
    found = read_usage(Api(), read_question(options(overrides={"xfs-0": {"warning": 4}})))
    assert next(claim.state for claim in found.claims if claim.name == "xfs-0") == "warning"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"warning": 91}, "warning and critical are 91 and 90: 0 to 100 is allowed"),
        ({"critical": 101}, "are 80 and 101"),
        ({"overrides": {"a": {"critcal": 5}}}, "overrides.a has critcal: warning and critical are allowed"),
        ({"overrides": {"a": {"warning": "high"}}}, "overrides.a is .*must be numbers"),
        ({"overrides": {"a": {"warning": 9, "critical": 8}}}, "overrides.a are 9 and 8"),
    ],
)
def test_bad_options(given: dict[str, Any], message: str) -> None:
    with pytest.raises(LangfuseError, match=message):
        read_question(options(**given))


def test_thresholds_are_passed_not_reached() -> None:
    thresholds = Thresholds(80, 90)
    assert [thresholds.state(percent) for percent in (80, 80.01, 90, 90.01)] == ["ok", "warning", "warning", "critical"]


@pytest.mark.parametrize(("fail_on", "count"), [("never", 0), ("critical", 3), ("warning", 4), ("unknown", 10)])
def test_failure(usage: Usage, fail_on: str, count: int) -> None:
    reason = failure(usage, fail_on)
    assert reason.startswith(f"{count} of 12 claims: " if count else "")
    assert reason.count(" is ") >= count
    assert failure(Usage([], {}), "unknown") == ""
