# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to the Kubernetes API, and what refusals become."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _kubernetes_api
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import connect
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import MERGE_PATCH, ApiError, ServerApi, needs


class Client:
    """Keeps what it is asked for, and answers, or raises what it was given."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def request(self, method: str, path: str, body: Any, **params: Any) -> Any:
        self.asked.append((method, path, body, params))
        if isinstance(self.answer, Exception):
            raise self.answer
        return SimpleNamespace(data=json.dumps(self.answer).encode())


class Refusal(Exception):
    """As the kubernetes package raises it."""

    def __init__(self, status: int, body: Any, reason: str = "Conflict") -> None:
        super().__init__("many lines\nof headers")
        self.status, self.body, self.reason = status, body, reason


def test_requests() -> None:
    client = Client({"items": []})
    api = ServerApi(client, 7)
    assert api.get("/api/v1/pods", labelSelector="a=b") == {"items": []}
    api.patch("/x", {"a": 1}, dryRun="All")
    api.create("/x", {"b": 2})
    api.delete("/x", propagationPolicy="Orphan")
    assert [(method, path, body) for method, path, body, _params in client.asked] == [
        ("GET", "/api/v1/pods", None),
        ("PATCH", "/x", {"a": 1}),
        ("POST", "/x", {"b": 2}),
        ("DELETE", "/x", None),
    ]
    params = [params for _method, _path, _body, params in client.asked]
    assert [each["query_params"] for each in params] == [
        [("labelSelector", "a=b")],
        [("dryRun", "All")],
        [],
        [("propagationPolicy", "Orphan")],
    ]
    assert [each["content_type"] for each in params] == [None, MERGE_PATCH, None, None]
    assert {each["_request_timeout"] for each in params} == {7}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (json.dumps({"message": "the server's\nown sentence"}), "the server's own sentence"),
        (b"Forbidden (verb=get)", "Forbidden (verb=get)"),
        ("[]", "[]"),
        (None, "Conflict"),
    ],
)
def test_refusals_say_what_the_server_said(body: Any, said: str) -> None:
    with pytest.raises(ApiError) as raised:
        ServerApi(Client(Refusal(409, body)), 1).get("/x")
    assert (str(raised.value), raised.value.status) == (said, 409)


def test_no_answer() -> None:
    with pytest.raises(LangfuseError, match="The Kubernetes API cannot be reached: Max retries exceeded") as raised:
        ServerApi(Client(OSError("Max retries\n exceeded")), 1).get("/x")
    assert not isinstance(raised.value, ApiError)


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "The Kubernetes API does not accept these credentials (401): check the kubeconfig."),
        (403, "Kubernetes forbids it: these credentials need the right to list pods in namespace x."),
        (500, "Kubernetes refuses to list pods in namespace x: why (500)"),
    ],
)
def test_what_is_needed(status: int, message: str) -> None:
    assert str(needs(ApiError("why", status), "list", "pods", "x")) == message


def test_cluster_wide_needs_name_no_namespace() -> None:
    assert str(needs(ApiError("", 403), "get", "nodes/proxy")).endswith("the right to get nodes/proxy.")


def test_connect(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}

    def client(**params: Any) -> Any:
        given.update(params)
        return SimpleNamespace(client="the client")

    monkeypatch.setattr(_kubernetes_api, "AUTH_ARG_SPEC", {"kubeconfig": {}, "context": {}})
    monkeypatch.setattr(_kubernetes_api, "get_api_client", client)
    assert isinstance(connect({"kubeconfig": "k", "context": None, "namespace": "n"}), ServerApi)
    assert given == {"kubeconfig": "k", "context": None}


def test_connect_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def client(**_params: Any) -> Any:
        raise OSError("no configuration\nfound")

    monkeypatch.setattr(_kubernetes_api, "AUTH_ARG_SPEC", {})
    monkeypatch.setattr(_kubernetes_api, "get_api_client", client)
    with pytest.raises(LangfuseError, match="cannot be reached: no configuration found"):
        connect({})
    monkeypatch.setattr(_kubernetes_api, "get_api_client", None)
    with pytest.raises(LangfuseError, match=r"needs the collection kubernetes\.core"):
        connect({})
