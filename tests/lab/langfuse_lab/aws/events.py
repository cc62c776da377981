# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge: rules whose targets are Lambda functions or SNS topics."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend
from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp
from moto.events.models import Rule
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends

from langfuse_lab.aws import functions
from langfuse_lab.aws.patching import replaces


@replaces(Rule, "send_to_targets")
def send_to_targets(
    original: Callable[..., None], self: Rule, original_event: dict[str, Any], transform_input: bool = True
) -> None:
    """moto knows neither Lambda nor SNS as a target (the call that brings the event fails), nor disabled rules."""
    if self.state == "DISABLED":
        return
    targets = self.targets
    ours = [target for target in targets if target["Arn"].split(":")[2] in ("lambda", "sns")]
    if self.event_pattern.matches_event(original_event):
        for target in ours:
            _send(self, target, original_event)
    self.targets = [target for target in targets if target not in ours]
    try:
        original(self, original_event, transform_input)
    finally:
        self.targets = targets


def _send(rule: Rule, target: dict[str, Any], event: dict[str, Any]) -> None:
    arn, message = target["Arn"], json.dumps(_input(target, event))
    if arn.split(":")[2] == "sns":
        sns_backends[rule.account_id][rule.region_name].publish(message, arn=arn)
        return
    function = _function(rule, arn)
    if function is None:
        print(f"rule {rule.name}: no function {arn}", file=sys.stderr, flush=True)
    elif functions.allows(function, "events.amazonaws.com", rule.arn):
        functions.submit(function, message.encode())
    else:
        print(f"rule {rule.name}: {arn} has no permission for it, so it is not called", file=sys.stderr, flush=True)


def _function(rule: Rule, arn: str) -> LambdaFunction | None:
    try:
        return get_backend(rule.account_id, rule.region_name).get_function(arn)
    except UnknownFunctionException:
        return None


def _input(target: dict[str, Any], event: dict[str, Any]) -> Any:
    if "Input" in target:
        return json.loads(target["Input"])
    shown = {key: value for key, value in event.items() if key != "ingestion-time"}
    shown["time"] = iso_8601_datetime_without_milliseconds(utcfromtimestamp(float(event["time"])))
    if "InputTransformer" not in target:
        return shown
    transformer = target["InputTransformer"]
    return EventTemplateParser.parse(
        input_template=transformer["InputTemplate"], input_paths_map=transformer.get("InputPathsMap", {}), event=shown
    )
