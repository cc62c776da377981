# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which permissions role platform asks IAM for, and what it says of those that are missing."""

from __future__ import annotations

from typing import Any

import pytest

IDENTITY = {"account": "123456789012", "arn": "arn:aws-cn:iam::123456789012:user/me"}
SITE = ["llmops.langfuse.cluster", "llmops.langfuse.storage", "llmops.langfuse.langfuse"]


@pytest.fixture
def platform(make_role: Any) -> Any:
    """Make role platform in a play of three roles, as ansible-playbook does without options."""

    def make(**given: Any) -> Any:
        role = make_role("platform")
        run = {
            "ansible_run_tags": ["all"],
            "ansible_skip_tags": [],
            "ansible_check_mode": False,
            "ansible_play_role_names": SITE,
            "role_path": str(role.path),
            "__platform_identity": IDENTITY,
        }
        return make_role("platform", **{**run, **given})

    return make


def asked_for(role: Any) -> dict[str, list[str]]:
    """The statements asked for, by role."""
    needed = role.value("__platform_permissions_needed")
    return {name: [statement["Sid"] for statement in policy["Statement"]] for name, policy in needed.items()}


def test_a_whole_run_asks_for_all_roles_that_have_a_list(platform):
    assert asked_for(platform()) == {
        "platform": ["Read"],
        "cluster": ["Make", "PassRole", "Change", "Delete"],
        "storage": ["Make", "Change", "Delete"],
        "langfuse": ["Read"],
    }


@pytest.mark.parametrize(
    ("given", "roles"),
    [
        ({"ansible_run_tags": ["storage"]}, {"platform", "storage"}),
        ({"ansible_run_tags": ["storage", "cluster"]}, {"platform", "storage", "cluster"}),
        ({"ansible_run_tags": ["langfuse"]}, {"platform", "langfuse"}),
        ({"ansible_run_tags": ["somebodys-own"]}, {"platform"}),
        ({"ansible_skip_tags": ["cluster"]}, {"platform", "storage", "langfuse"}),
    ],
)
def test_tags_choose_the_roles(given, roles, platform):
    assert set(asked_for(platform(**given))) == roles


def test_a_user_and_the_teardown_with_data_ask_for_more(platform):
    assert asked_for(platform(storage_s3_access="user"))["storage"] == ["Make", "Change", "Delete", "AccessKey"]
    assert asked_for(platform(platform_delete_data="true"))["storage"] == ["Make", "Change", "Delete", "DeleteData"]


def test_examples_are_of_this_platform_and_partition(platform):
    role = platform(platform_name="mine", storage_bucket_name="own-bucket")
    examples = role.value("__platform_permission_examples")
    assert examples["s3"] == ["arn:aws-cn:s3:::own-bucket", "arn:aws-cn:s3:::own-bucket/key"]
    assert examples["ssm"] == ["arn:aws-cn:ssm:ap-south-1:123456789012:parameter/mine/production/key"]
    assert role.value("__platform_example_bucket | default(None)") == "own-bucket"
    assert platform().value("__platform_example_bucket") == "langfuse-123456789012-ap-south-1"


def test_the_message_names_roles_and_actions(platform):
    found = {"missing": {"storage": ["s3:A", "s3:B"], "cluster": ["eks:C"]}, "uncertain": {"storage": ["s3:D"]}}
    role = platform(__platform_permissions=found)
    assert role.value("__platform_permission_faults") == [
        "role storage needs s3:A, s3:B",
        "role cluster needs eks:C",
        "role storage needs what conditions in your policies decide: s3:D",
    ]
    message = role.value("__platform_permissions_message")
    for part in (IDENTITY["arn"], "nothing was changed", "files/permissions.yml", "platform_permissions_check to warn"):
        assert part in message
    in_check_mode = platform(ansible_check_mode=True).value("__platform_permissions_message")
    assert "nothing was changed" not in in_check_mode


@pytest.mark.parametrize("answer", [{"skipped": True}, {"simulated": False, "missing": {}, "uncertain": {}}])
def test_no_answer_is_no_fault(answer, platform):
    assert platform(__platform_permissions=answer).value("__platform_permission_faults") == []
