# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two platforms in one account and region: no name that a template fixes is in both."""

from __future__ import annotations

import re
from typing import Any

import pytest
from test_permissions import STACKS, VARIABLES

# Names that are an account's or region's, by the properties that fix them. Node groups and add-ons are their cluster's.
NAMES = re.compile(r"^(?!Nodegroup|Addon|Cluster|Policy|Service)\w*Name$")
OF_A_CLUSTER = {"AWS::EKS::Nodegroup", "AWS::EKS::Addon", "AWS::EKS::AccessEntry"}


def names(stack: dict[str, Any]) -> set[str]:
    return {
        f"{resource['Type']} {value}"
        for resource in stack["Resources"].values()
        for key, value in resource.get("Properties", {}).items()
        if (NAMES.match(key) or (key, resource["Type"]) == ("Name", "AWS::EKS::Cluster"))
        and isinstance(value, str)
        and resource["Type"] not in OF_A_CLUSTER
    }


@pytest.mark.parametrize(("role", "stack"), [(role, stack) for role, stacks in STACKS.items() for stack in stacks])
def test_no_name_is_shared(make_role, role, stack):
    first = make_role(role, **VARIABLES.get(role, {})).stack(stack)
    second = make_role(role, platform_name="second", **VARIABLES.get(role, {})).stack(stack)
    assert names(first) & names(second) == set()


def test_there_are_names_to_compare(make_role):
    assert "AWS::EKS::Cluster langfuse" in names(make_role("cluster").stack("cluster"))
    assert names(make_role("storage").stack("storage")) == {"AWS::S3::Bucket langfuse-123456789012-ap-south-1"}


def test_parameters_and_buckets_are_the_platforms_own(make_role):
    one, two = make_role("secrets"), make_role("secrets", platform_name="second")
    assert one.value("secrets_prefix") != two.value("secrets_prefix")
    one, two = make_role("storage"), make_role("storage", platform_name="second")
    assert one.value("__storage_bucket_name") != two.value("__storage_bucket_name")
