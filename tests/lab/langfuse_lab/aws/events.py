# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EventBridge: rules whose targets are Lambda functions or SNS topics, on events and by rate(...)."""

from __future__ import annotations

import json
import re
import sys
import threading
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from moto.awslambda.models import LambdaFunction
from moto.awslambda.utils import get_backend
from moto.core.utils import iso_8601_datetime_without_milliseconds, utcfromtimestamp
from moto.events.models import Rule, events_backends
from moto.events.utils import EventTemplateParser
from moto.sns.models import sns_backends

from langfuse_lab.aws import functions
from langfuse_lab.aws.patching import replaces
from langfuse_lab.aws.state import LOCK

RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
SECONDS = {"minute": 60, "hour": 3600, "day": 86400}
_last: dict[str, float] = {}  # rule -> when its schedule last came round; from when it is first seen


def start() -> None:
    """Follow the schedules of rules from now on."""
    threading.Thread(target=_follow_for_ever, name="schedules", daemon=True).start()


def _follow_for_ever() -> None:
    while True:
        time.sleep(1)
        try:
            with LOCK:
                fire_schedules(only_due=True)
        except Exception:  # one bad rule must not end it
            traceback.print_exc()


def fire_schedules(*, only_due: bool) -> list[str]:
    """Send the events of rules by their schedules, of all rules or of those whose time has come; return their names."""
    now, fired = time.monotonic(), []
    for rule, seconds in _scheduled():
        due = now - _last.setdefault(rule.arn, now) >= seconds
        if due or not only_due:
            _last[rule.arn] = now
            fired.append(rule.name)
            for target in rule.targets:
                _send(rule, target, _scheduled_event(rule))
    return fired


def _scheduled() -> Iterator[tuple[Rule, int]]:
    for regions in events_backends.values():
        for backend in regions.values():
            for bus in backend.event_buses.values():
                for rule in bus.rules.values():
                    found = RATE.fullmatch(rule.scheduled_expression or "")
                    if found and rule.state != "DISABLED":
                        yield rule, int(found[1]) * SECONDS[found[2]]


def _scheduled_event(rule: Rule) -> dict[str, Any]:
    return {
        "version": "0",
        "id": str(uuid.uuid4()),
        "source": "aws.events",
        "detail-type": "Scheduled Event",
        "account": rule.account_id,
        "region": rule.region_name,
        "time": time.time(),
        "resources": [rule.arn],
        "detail": {},
    }


@replaces(Rule, "send_to_targets")
def send_to_targets(
    original: Callable[..., None], self: Rule, original_event: dict[str, Any], transform_input: bool = True
) -> None:
    """moto knows neither Lambda nor SNS as a target (the call that brings the event fails), nor disabled rules.

    And it takes a rule without a pattern, which has a schedule, for one that wants every event.
    """
    if self.state == "DISABLED" or not self.event_pattern.get_pattern():
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
