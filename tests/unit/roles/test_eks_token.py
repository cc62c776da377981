# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The kubeconfig's token helper: EKS wants a presigned GetCallerIdentity with the cluster in a signed header."""

from __future__ import annotations

import base64
import datetime
import importlib.util
import json
import subprocess
import sys
import time
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
    status = json.loads(helper.credential("ap-south-1", "langfuse", 1_764_324_000 + helper.TOKEN_SECONDS))["status"]
    made = datetime.datetime(2025, 11, 28, 10, 0, tzinfo=datetime.UTC)
    until = datetime.datetime.strptime(status["expirationTimestamp"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=datetime.UTC)
    assert until - made == datetime.timedelta(minutes=14)


@pytest.fixture
def asked(helper, monkeypatch, tmp_path, capsys):
    """Run the helper as a kubeconfig does, beside a file of its own; its tokens are numbered."""
    monkeypatch.setattr(helper, "__file__", str(tmp_path / "eks_token.py"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    tokens = iter("abc")
    monkeypatch.setattr(helper, "token", lambda region, cluster: next(tokens))

    def ask(cluster="langfuse"):
        helper.main("ap-south-1", cluster)
        return json.loads(capsys.readouterr().out)["status"]["token"]

    return ask


def test_a_token_is_kept_for_the_next_client_and_for_nobody_else(asked, tmp_path):
    assert [asked(), asked()] == ["a", "a"]
    assert (tmp_path / "eks_token.kept").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["eks_token.kept"]


@pytest.mark.parametrize("what", ["cluster", "key", "credentials file"])
def test_another_question_gets_a_token_of_its_own(asked, monkeypatch, tmp_path, what):
    assert asked() == "a"
    if what == "key":
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    if what == "credentials file":
        (tmp_path / "credentials").write_text("[default]\n")
    assert asked("another" if what == "cluster" else "langfuse") == "b"


@pytest.mark.parametrize(("minutes", "token"), [(13.9, "a"), (1.9, "b"), (-5, "b")])
def test_a_token_is_renewed_before_its_end(asked, tmp_path, minutes, token):
    asked()
    file = tmp_path / "eks_token.kept"
    question, _until, credential = file.read_text().split("\n")
    file.write_text(f"{question}\n{int(time.time() + minutes * 60)}\n{credential}")
    assert asked() == token


@pytest.mark.parametrize("text", ["", "one line", "question\nsoon\n{}"])
def test_a_broken_file_is_written_anew(asked, tmp_path, text):
    (tmp_path / "eks_token.kept").write_text(text)
    assert [asked(), asked()] == ["a", "a"]


def test_where_nothing_can_be_written_each_client_makes_its_own(asked, helper, monkeypatch, tmp_path):
    monkeypatch.setattr(helper, "__file__", str(tmp_path / "missing" / "eks_token.py"))
    assert [asked(), asked()] == ["a", "b"]


def test_without_credentials_it_says_so_in_a_line(helper, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(SystemExit, match="No EKS token: Unable to locate credentials"):
        helper.new("ap-south-1", "langfuse", 0)


def test_it_needs_no_packages_until_it_makes_a_token(tmp_path):
    """As the kubeconfig starts it, without the packages of this Python; then boto3 is found all the same."""
    helper = tmp_path / "eks_token.py"
    helper.write_text(HELPER.read_text())
    keys = {"AWS_ACCESS_KEY_ID": "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-real-one"}
    command = [sys.executable, "-S", "-X", "importtime", str(helper), "ap-south-1", "langfuse"]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True, env=keys) for _run in range(2)]
    assert runs[0].stdout == runs[1].stdout
    assert url_of(json.loads(runs[0].stdout)["status"]["token"]).startswith("https://sts.ap-south-1.amazonaws.com/?")
    imported = [{line.split("|")[-1].strip() for line in run.stderr.splitlines()} for run in runs]
    slow = {"boto3", "json", "datetime", "site"}
    assert (imported[0] & slow, imported[1] & slow) == (slow, set())
