# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig's token helper: EKS wants a presigned GetCallerIdentity with the cluster in a signed header."""

from __future__ import annotations

import base64
import datetime
import importlib.util
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

HELPER = Path(__file__).parents[3] / "roles" / "platform" / "files" / "eks_token.py"


@pytest.fixture
def helper(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-real-one")
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_STS", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    spec = importlib.util.spec_from_file_location("eks_token", HELPER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def url_of(token):
    assert token.startswith("k8s-aws-v1.")
    body = token.removeprefix("k8s-aws-v1.")
    assert "=" not in body
    return base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)).decode()


def test_token_is_a_presigned_caller_identity_request_of_the_region(helper):
    url = urlsplit(url_of(helper.token("ap-south-1", "langfuse")))
    query = parse_qs(url.query)
    assert (url.scheme, url.netloc) == ("https", "sts.ap-south-1.amazonaws.com")
    assert query["Action"] == ["GetCallerIdentity"]
    assert "x-k8s-aws-id" in query["X-Amz-SignedHeaders"][0].split(";")
    assert query["X-Amz-Credential"][0].split("/")[2:] == ["ap-south-1", "sts", "aws4_request"]
    assert query["X-Amz-Expires"] == ["60"]


def test_clusters_get_different_tokens(helper):
    assert helper.token("ap-south-1", "one") != helper.token("ap-south-1", "two")


def test_client_renews_before_eks_refuses(helper):
    status = helper.credential("ap-south-1", "langfuse")["status"]
    until = datetime.datetime.strptime(status["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    left = until - datetime.datetime.now(datetime.UTC)
    assert datetime.timedelta(minutes=10) < left < datetime.timedelta(minutes=15)
