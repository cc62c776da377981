# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible starts it, with AWS's answers given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.llmops.langfuse.plugins.modules import cloudformation_stacks_info
from botocore.stub import Stubber

REGION = "ap-south-1"

pytestmark = pytest.mark.usefixtures("no_aws_environment")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = boto3.client("cloudformation", region_name=REGION, aws_access_key_id="x", aws_secret_access_key="x")
    monkeypatch.setattr(AnsibleAWSModule, "client", lambda self, service: client)
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    with Stubber(client) as stub:
        yield stub
        stub.assert_no_pending_responses()


def stack(name: str, status: str = "CREATE_COMPLETE", /, **tags: str) -> dict[str, Any]:
    return {
        "StackName": name,
        "StackStatus": status,
        "CreationTime": datetime(2026, 11, 28, tzinfo=UTC),
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }


def run(capsys: pytest.CaptureFixture[str], **tags: Any) -> dict[str, Any]:
    """Run the module; returns its exit code as rc beside its answer."""
    with patch_module_args({"region": REGION, "template_tags": tags}), pytest.raises(SystemExit) as stopped:
        cloudformation_stacks_info.main()
    return {"rc": stopped.value.code, **json.loads(capsys.readouterr().out)}


def test_templates_are_read_of_the_stacks_with_the_tags(aws: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    ours = stack("langfuse-cluster", platform="langfuse", release="1", Owner="a")
    ours["Outputs"] = [{"OutputKey": "Endpoint", "OutputValue": "https://x"}]
    ours["Parameters"] = [{"ParameterKey": "KubernetesVersion", "ParameterValue": "1.36"}]
    ours["EnableTerminationProtection"] = True
    other = stack("other-cluster", platform="other", release="1")
    aws.add_response("describe_stacks", {"Stacks": [ours], "NextToken": "more"}, {})
    aws.add_response("describe_stacks", {"Stacks": [other, stack("bare")]}, {"NextToken": "more"})
    aws.add_response("get_template", {"TemplateBody": "Resources: {}\n"}, {"StackName": "langfuse-cluster"})
    done = run(capsys, platform="langfuse", release=1)
    assert (done["rc"], done["changed"]) == (0, False)
    assert done["cloudformation"] == {
        "langfuse-cluster": {
            "stack_description": {
                "stack_name": "langfuse-cluster",
                "stack_status": "CREATE_COMPLETE",
                "creation_time": "2026-11-28T00:00:00+00:00",
                "enable_termination_protection": True,
            },
            "stack_outputs": {"Endpoint": "https://x"},
            "stack_parameters": {"KubernetesVersion": "1.36"},
            "stack_tags": {"platform": "langfuse", "release": "1", "Owner": "a"},
            "stack_template": "Resources: {}\n",
        },
        "other-cluster": {
            "stack_description": {
                "stack_name": "other-cluster",
                "stack_status": "CREATE_COMPLETE",
                "creation_time": "2026-11-28T00:00:00+00:00",
            },
            "stack_outputs": {},
            "stack_parameters": {},
            "stack_tags": {"platform": "other", "release": "1"},
        },
        "bare": {
            "stack_description": {
                "stack_name": "bare",
                "stack_status": "CREATE_COMPLETE",
                "creation_time": "2026-11-28T00:00:00+00:00",
            },
            "stack_outputs": {},
            "stack_parameters": {},
            "stack_tags": {},
        },
    }


def test_a_stack_without_a_template_has_an_empty_one(aws: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    new = stack("langfuse-storage", "REVIEW_IN_PROGRESS", platform="langfuse")
    aws.add_response("describe_stacks", {"Stacks": [new]}, {})
    aws.add_client_error("get_template", "ValidationError", "Stack with id langfuse-storage does not exist")
    assert run(capsys, platform="langfuse")["cloudformation"]["langfuse-storage"]["stack_template"] == ""


@pytest.mark.parametrize("throttled", ["describe_stacks", "get_template"])
def test_haste_that_aws_refuses_is_tried_again(
    aws: Stubber, capsys: pytest.CaptureFixture[str], throttled: str
) -> None:
    answers = {
        "describe_stacks": {"Stacks": [stack("langfuse-storage", platform="langfuse")]},
        "get_template": {"TemplateBody": "t"},
    }
    for call, answer in answers.items():
        if call == throttled:
            aws.add_client_error(call, "Throttling", "Rate exceeded")
        aws.add_response(call, answer)
    assert run(capsys, platform="langfuse")["cloudformation"]["langfuse-storage"]["stack_template"] == "t"


def test_a_refusal_is_told(aws: Stubber, capsys: pytest.CaptureFixture[str]) -> None:
    aws.add_client_error("describe_stacks", "AccessDenied", "not authorized to perform: cloudformation:DescribeStacks")
    failed = run(capsys, platform="langfuse")
    assert failed["rc"] == 1
    assert failed["msg"].startswith("The stacks in ap-south-1 could not be read: ")
    assert "not authorized to perform: cloudformation:DescribeStacks" in failed["msg"]
