# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""capacity_info, langfuse_health and postgresql_passwords as Ansible starts them. The cluster is replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.modules import capacity_info, langfuse_health, postgresql_passwords


def run(module: Any, capsys: pytest.CaptureFixture[str], **arguments: Any) -> dict[str, Any]:
    """Run a module; returns its exit code as rc beside its answer."""
    with patch_module_args({"namespace": "langfuse", **arguments}), pytest.raises(SystemExit) as stopped:
        module.main()
    return {"rc": stopped.value.code, **json.loads(capsys.readouterr().out)}


def refuse(*_: Any) -> Any:
    raise LangfuseError("The Kubernetes API cannot be reached: no route")


CALLS = {
    "capacity": (capacity_info, "connect", {"sets": []}),
    "health": (langfuse_health, "connect", {}),
    "passwords": (
        postgresql_passwords,
        "open_shell",
        {"pod_selector": "a", "superuser_passwords": [], "passwords": {}},
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_faults_are_told(name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    module, way, arguments = CALLS[name]
    monkeypatch.setattr(module, way, refuse)
    done = run(module, capsys, **arguments)
    assert (done["rc"], done["msg"]) == (1, "The Kubernetes API cannot be reached: no route")


def test_capacity(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capacity_info, "connect", lambda _: None)
    monkeypatch.setattr(capacity_info, "read_nodes", lambda *_: [])
    pods = [{"name": "web", "count": 1, "requests": {"cpu": 1}}]
    done = run(capacity_info, capsys, sets=[{"name": "small", "pods": pods}, {"name": "none", "pods": []}])
    assert (done["rc"], done["changed"]) == (0, False)
    assert done["faults"] == {"small": ["web: no node that is ready is for it (without taints)."], "none": []}


@pytest.mark.parametrize("check", [False, True])
def test_passwords(check: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(postgresql_passwords, "open_shell", lambda _: None)
    monkeypatch.setattr(postgresql_passwords, "keep_passwords", lambda *given: seen.append(given[1:]) or ["langfuse"])
    arguments = {"pod_selector": "a", "superuser_passwords": ["admin-1"], "passwords": {"langfuse": "secret-1"}}
    done = run(postgresql_passwords, capsys, _ansible_check_mode=check, **arguments)
    assert (done["changed"], done["roles"]) == (True, ["langfuse"])
    assert seen == [({"langfuse": "secret-1"}, check)]
    assert "secret-1" not in json.dumps(done) and "admin-1" not in json.dumps(done)


def test_health(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    healths: list[Any] = []
    monkeypatch.setattr(langfuse_health, "connect", lambda _: None)
    monkeypatch.setattr(langfuse_health, "wait_until_healthy", lambda health, timeout: healths.append(health) or [])
    assert run(langfuse_health, capsys)["checks"] == []
    assert healths[0]._database is None
    monkeypatch.setattr(langfuse_health, "connect_clickhouse", lambda options: options)
    run(langfuse_health, capsys, clickhouse={"pod_selector": "app=ch", "login_password": "secret-1"})
    options = healths[1]._database()
    assert (options.pod.namespace, options.pod.selector, options.port) == ("langfuse", "app=ch", 9000)
    run(langfuse_health, capsys, clickhouse={"login_host": "ch.example.com", "secure": True})
    options = healths[2]._database()
    assert (options.host, options.port, options.pod) == ("ch.example.com", 9440, None)
