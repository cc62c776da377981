# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3: bucket policies with their conditions."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from moto.iam.access_control import PermissionResult
from moto.s3.models import FakeBucket

from langfuse_lab.aws import policies
from langfuse_lab.aws.patching import replaces

# The way to the lab does not leave the computer, and counts as TLS: a policy that denies plain HTTP lets it through.
CONTEXT = {"aws:SecureTransport": "true"}
RESULTS = {
    policies.Effect.ALLOW: PermissionResult.PERMITTED,
    policies.Effect.DENY: PermissionResult.DENIED,
    policies.Effect.NONE: PermissionResult.NEUTRAL,
}


@replaces(FakeBucket, "get_permission")
def get_permission(original: Callable[..., Any], self: FakeBucket, action: str, resource: str) -> PermissionResult:
    """moto does not look at conditions, so a bucket with a TLS-only policy would be closed to everybody.

    It does not tell who asks, so only statements for everybody ("*") count.
    """
    if self.policy is None:
        return PermissionResult.NEUTRAL
    statements = json.loads(self.policy)["Statement"]
    return RESULTS[policies.evaluate(statements, policies.Question(action, resource, context=CONTEXT))]
