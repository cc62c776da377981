# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible starts it: its options, its answer, its failures. IAM is replaced."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.llmops.langfuse.plugins.modules import iam_permissions_info
from botocore.exceptions import ClientError

USER = "arn:aws:iam::123456789012:user/me"
POLICIES = {
    "storage": {"Statement": {"Effect": "Allow", "Action": ["s3:CreateBucket", "s3:PutBucketPolicy"], "Resource": "*"}},
    "ingress": {"Statement": [{"Effect": "Allow", "Action": "acm:ListCertificates", "Resource": "*"}]},
}


class Iam:
    """IAM whose simulator denies some actions."""

    def __init__(self, denied: set[str], refuses: bool = False) -> None:
        self.denied, self.refuses = denied, refuses

    def simulate_principal_policy(self, **arguments: Any) -> dict[str, Any]:
        if self.refuses:
            error = {"Error": {"Code": "AccessDenied", "Message": "no identity-based policy allows it"}}
            raise ClientError(error, "SimulatePrincipalPolicy")
        results = [
            {"EvalActionName": action, "EvalDecision": "implicitDeny" if action in self.denied else "allowed"}
            for action in arguments["ActionNames"]
        ]
        return {"EvaluationResults": results, "IsTruncated": False}


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, iam: Iam, **given: Any) -> dict[str, Any]:
    """Run the module and return what it printed, with its exit code as "code"."""
    monkeypatch.setattr(iam_permissions_info.AnsibleAWSModule, "client", lambda self, service: iam)
    arguments = {"region": "ap-south-1", "caller_arn": USER, "policies": POLICIES, **given}
    with patch_module_args(arguments), pytest.raises(SystemExit) as ended:
        iam_permissions_info.main()
    return {**json.loads(capsys.readouterr().out), "code": ended.value.code}


def test_missing_actions_by_policy(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(capsys, monkeypatch, Iam({"s3:PutBucketPolicy"}))
    assert answer["code"] == 0
    assert answer["changed"] is False
    assert answer["simulated"] is True
    assert answer["missing"] == {"storage": ["s3:PutBucketPolicy"]}
    assert answer["uncertain"] == {}


def test_nothing_missing_in_check_mode(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(capsys, monkeypatch, Iam(set()), _ansible_check_mode=True)
    assert (answer["code"], answer["missing"]) == (0, {})


def test_a_caller_who_may_not_simulate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(capsys, monkeypatch, Iam(set(), refuses=True))
    assert (answer["code"], answer["simulated"], answer["missing"]) == (0, False, {})
    assert "AccessDenied" in answer["reason"]


@pytest.mark.parametrize("policy", [{}, {"Statement": [{"Effect": "Allow"}]}, [], "x"])
def test_what_is_no_policy(policy: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    answer = run(capsys, monkeypatch, Iam(set()), policies={"mine": policy})
    assert answer["code"] == 1
    assert answer["msg"].startswith("policies.mine is no IAM policy")
