# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pvc_info and pvc_resize as Ansible starts them: their options, answers and failures. The cluster is replaced."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError
from ansible_collections.llmops.langfuse.plugins.modules import pvc_info, pvc_resize

FIXTURE = json.loads((Path(__file__).parents[1] / "module_utils" / "fixtures" / "pvc_usage.json").read_text())


class Api:
    """The fixture's cluster; changes are kept."""

    def __init__(self) -> None:
        self.patched: list[str] = []

    def get(self, path: str, **query: str) -> Any:
        node = path.removeprefix("/api/v1/nodes/").partition("/")[0]
        if node in FIXTURE["summaries"]:
            return FIXTURE["summaries"][node]
        lists = {
            "persistentvolumeclaims": FIXTURE["claims"],
            "pods": FIXTURE["pods"],
            "storageclasses": [{"metadata": {"name": "gp3"}, "allowVolumeExpansion": True}],
        }
        if "/nodes/" in path:
            raise ApiError("no route to host", 503)
        return {"items": lists.get(path.rpartition("/")[2], [])}

    def patch(self, path: str, body: Any, **query: str) -> Any:
        if not query:
            self.patched.append(path)
        return {}


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    api = Api()
    for module in (pvc_info, pvc_resize):
        monkeypatch.setattr(module, "connect", lambda params: api)
    return api


def run(module: Any, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run a module; returns its exit code as rc beside its answer."""
    with patch_module_args({"namespace": "langfuse", **arguments}), pytest.raises(SystemExit) as stopped:
        module.main()
    answer = json.loads(capsys.readouterr().out)
    answer.pop("invocation", None)
    return {"rc": stopped.value.code, **answer}


@pytest.mark.parametrize("check", [False, True])
def test_info(api: Api, capsys: pytest.CaptureFixture[str], check: bool) -> None:
    done = run(pvc_info, capsys, _ansible_check_mode=check)
    assert (done["rc"], done["changed"]) == (0, False)
    assert [claim["name"] for claim in done["pvcs"]] == sorted(claim["metadata"]["name"] for claim in FIXTURE["claims"])
    assert done["summary"]["worst"] == "critical"
    assert done["node_errors"] == {"node-dead": "no route to host"}


def test_info_warns(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning: shown.append(warning))
    run(pvc_info, capsys, names=["data-clickhouse-0", "xfs-0", "on-dead-node"])
    assert shown == [
        "Claim data-clickhouse-0 is critical: 92.5 % of its bytes are used, more than 90 %.",
        "Node node-dead says nothing of its claims: no route to host",
    ]


def test_info_fails_after_reading(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(pvc_info, capsys, fail_on="critical", names=["data-clickhouse-0", "xfs-0"])
    assert done["rc"] == 1
    assert done["msg"] == "1 of 2 claims: data-clickhouse-0 is critical: 92.5 % of its bytes are used, more than 90 %."
    assert len(done["pvcs"]) == 2


def test_info_foretells(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(pvc_info, "cloudwatch", lambda region: f"client of {region}")
    monkeypatch.setattr(pvc_info, "foretell", lambda *arguments: asked.append(arguments[:3]))
    assert run(pvc_info, capsys, forecast={"cluster_name": "c", "region": "ap-south-1"})["rc"] == 0
    [(client, forecast, namespace)] = asked
    assert (client, forecast.window, namespace) == ("client of ap-south-1", 86400, "langfuse")


def test_info_without_a_cluster(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(params: Any) -> None:
        raise LangfuseError("The Kubernetes API cannot be reached: refused")

    monkeypatch.setattr(pvc_info, "connect", connect)
    done = run(pvc_info, capsys)
    assert (done["rc"], done["msg"]) == (1, "The Kubernetes API cannot be reached: refused")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"fail_on": "ok"}, "value of fail_on must be one of: never, unknown, warning, critical, got: ok"),
        ({"warning": 95}, "warning and critical are 95 and 90"),
        ({"forecast": {"region": "x"}}, "missing required arguments: cluster_name found in forecast"),
        ({"forecast": {"region": "x", "cluster_name": "c", "window": "1"}}, "forecast.window is '1'"),
    ],
)
def test_info_bad_options(api: Api, capsys: pytest.CaptureFixture[str], arguments: Any, message: str) -> None:
    done = run(pvc_info, capsys, **arguments)
    assert done["rc"] == 1
    assert message in done["msg"]


def test_resize_in_check_mode(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    done = run(pvc_resize, capsys, name="langfuse-redis", size="4Gi", _ansible_check_mode=True, _ansible_diff=True)
    assert (done["rc"], done["changed"], api.patched) == (0, True, [])
    assert done["diff"]["after"] == {"PersistentVolumeClaim langfuse-redis": "4Gi"}


def test_resize(api: Api, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(AnsibleModule, "warn", lambda self, warning: shown.append(warning))
    monkeypatch.setattr(pvc_resize, "resize", lambda api, wish, check: Answer())
    assert run(pvc_resize, capsys, name="langfuse-redis", size="4Gi")["changed"] is True
    assert shown == ["mind the gap"]


class Answer:
    """What resize returns."""

    warnings = ["mind the gap"]

    def returned(self, diff: bool) -> dict[str, Any]:
        return {"changed": True}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "missing required arguments: size"),
        ({"size": "1Gi"}, "one of the following is required: name, label_selectors, statefulset"),
        ({"size": "1Gi", "name": "a", "statefulset": "b"}, "parameters are mutually exclusive"),
        ({"size": "1Gi", "name": "a", "template": "b"}, "statefulset"),
        ({"size": "2Gi", "name": "a", "max_size": "1Gi"}, "more than max_size (1Gi)"),
        ({"size": "1Gi", "name": "data-postgresql-0"}, "data-postgresql-0 asks for 20Gi and a volume never shrinks"),
    ],
)
def test_resize_bad_options(api: Api, capsys: pytest.CaptureFixture[str], arguments: Any, message: str) -> None:
    done = run(pvc_resize, capsys, **arguments)
    assert done["rc"] == 1
    assert message in done["msg"]
    assert api.patched == []
