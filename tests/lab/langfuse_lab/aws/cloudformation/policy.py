# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stack policies: which updates a stack allows."""

from __future__ import annotations

import fnmatch
import json
from typing import Any

from langfuse_lab.aws.cloudformation.resource import ResourceFailure


def check(policy: str | None, action: str, logical_id: str) -> None:
    """Refuse an update ("Update:Modify", "Update:Replace", "Update:Delete") that a stack's policy does not allow.

    Raises ResourceFailure. A stack without a policy allows all; one with a policy denies what no statement allows.
    """
    if policy is None:
        return
    effects = {
        statement["Effect"]
        for statement in json.loads(policy)["Statement"]
        if _matches(statement, "Action", action) and _matches(statement, "Resource", f"LogicalResourceId/{logical_id}")
    }
    if effects != {"Allow"}:
        raise ResourceFailure(f"Action denied by stack policy: {action} on {logical_id}")


def _matches(statement: dict[str, Any], key: str, value: str) -> bool:
    if f"Not{key}" in statement:
        return not _any(statement[f"Not{key}"], value)
    return _any(statement[key], value)


def _any(patterns: str | list[str], value: str) -> bool:
    patterns = [patterns] if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(value, pattern) for pattern in patterns)
