# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudWatch alarms that look at their metrics, and tell of a change: to their actions, and to EventBridge.

An alarm is evaluated when its metric gets a datum, and every EVALUATION_SECONDS. Each of its periods ends that many
seconds before now, so an alarm with a period of 300 s sees a datum for 300 s, as in AWS. Alarms on metric math are not
evaluated; they stay INSUFFICIENT_DATA.
"""

from __future__ import annotations

import datetime
import inspect
import json
import operator
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from typing import Any

from moto.cloudwatch import models as cloudwatch
from moto.cloudwatch.models import Alarm, CloudWatchBackend, Dimension, MetricDatumBase, Statistics
from moto.core.utils import utcnow
from moto.events.models import events_backends
from moto.sns.models import sns_backends

from langfuse_lab.aws.patching import replaces
from langfuse_lab.aws.state import LOCK

EVALUATION_SECONDS = 5
COMPARISONS: dict[str, tuple[Callable[[float, float], bool], str]] = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
WITHOUT_DATA = {"breaching": "ALARM", "notBreaching": "OK", "missing": "INSUFFICIENT_DATA"}
_known: list[CloudWatchBackend] = []  # those that have had an alarm


def start() -> None:
    """Evaluate all alarms from now on."""
    threading.Thread(target=_evaluate_for_ever, name="alarms", daemon=True).start()


def _evaluate_for_ever() -> None:
    while True:
        time.sleep(EVALUATION_SECONDS)
        try:
            with LOCK:
                for backend in _known:
                    evaluate(backend, backend.alarms.values())
        except Exception:  # one bad alarm must not end it
            traceback.print_exc()


# What moto lacks


@replaces(CloudWatchBackend, "put_metric_alarm")
def put_metric_alarm(original: Callable[..., Alarm], self: CloudWatchBackend, *args: Any, **kwargs: Any) -> Alarm:
    """moto calls a new alarm OK, and forgets the state of one that is changed."""
    name = kwargs.get("name") or args[0]
    before = self.alarms.get(name)
    alarm = original(self, *args, **kwargs)
    if before:
        alarm.state_value, alarm.state_reason = before.state_value, before.state_reason
        alarm.state_reason_data, alarm.state_updated_timestamp = (
            before.state_reason_data,
            before.state_updated_timestamp,
        )
        alarm.history = before.history
    else:
        alarm.state_value = "INSUFFICIENT_DATA"
    if self not in _known:
        _known.append(self)
    evaluate(self, [alarm])
    return alarm


@replaces(CloudWatchBackend, "put_metric_data")
def put_metric_data(
    original: Callable[..., None], self: CloudWatchBackend, namespace: str, metric_data: list[dict[str, Any]]
) -> None:
    """moto keeps the data, and does not look at the alarms."""
    original(self, namespace, metric_data)
    names = {datum["MetricName"] for datum in metric_data}
    evaluate(self, [a for a in self.alarms.values() if a.namespace == namespace and a.metric_name in names])


@replaces(Alarm, "update_state")
def update_state(original: Callable[..., None], self: Alarm, reason: str, reason_data: str, state_value: str) -> None:
    """moto tells nobody of a change."""
    before = self.state_value
    original(self, reason, reason_data, state_value)
    if state_value != before:
        _tell_event_bus(self, before)
        _tell_actions(self, before)


@replaces(CloudWatchBackend, "tag_resource")
def tag_resource(original: Callable[..., None], self: CloudWatchBackend, arn: str, tags: dict[str, str]) -> None:
    """moto does not know that dashboards have tags, too."""
    if arn in [dashboard.arn for dashboard in self.dashboards.values()]:
        self.tagger.tag_resource(arn, self.tagger.convert_dict_to_tags_input(tags))
    else:
        original(self, arn, tags)


@replaces(cloudwatch, "are_dimensions_same")
def are_dimensions_same(original: Callable[..., bool], one: Iterable[Dimension], other: Iterable[Dimension]) -> bool:
    """moto compares each with each, so metrics with two dimensions or more never equal, and are listed once a datum."""
    return _dimensions(one) == _dimensions(other)


@replaces(CloudWatchBackend, "get_metric_statistics")
def get_metric_statistics(original: Callable[..., Any], self: CloudWatchBackend, *args: Any, **kwargs: Any) -> Any:
    """moto takes any metric that has the asked dimensions among its own; in AWS each set of dimensions is a metric."""
    asked = inspect.signature(original).bind(self, *args, **kwargs).arguments
    wanted = {(dimension["Name"], dimension["Value"]) for dimension in asked.get("dimensions") or []}
    every = self.metric_data
    self.metric_data = [datum for datum in every if _dimensions(datum.dimensions) == wanted]
    try:
        return original(self, *args, **kwargs)
    finally:
        self.metric_data = every


# Evaluation


def evaluate(backend: CloudWatchBackend, alarms: Iterable[Alarm]) -> None:
    """Bring alarms into the state that their metrics say."""
    for alarm in list(alarms):
        if alarm.metric_name and alarm.comparison_operator in COMPARISONS and not alarm.rule:
            state, reason = _state(alarm, _values(backend, alarm))
            if state != alarm.state_value:
                alarm.update_state(reason, "{}", state)


def _values(backend: CloudWatchBackend, alarm: Alarm) -> list[float | None]:
    """Return the statistic of each period, the latest first; None for a period without data."""
    period = datetime.timedelta(seconds=int(alarm.period))
    count, now = int(alarm.evaluation_periods), utcnow()
    wanted = _dimensions(alarm.dimensions)
    data = [
        datum
        for datum in backend.metric_data
        if (datum.namespace, datum.name) == (alarm.namespace, alarm.metric_name)
        and _dimensions(datum.dimensions) == wanted
        and alarm.unit in (None, datum.unit)
        and now - count * period < datum.timestamp
    ]
    ends = [now - index * period for index in range(count)]
    # The latest period takes what is dated ahead, too: clocks differ.
    return [
        _statistic(
            alarm.statistic, [d for d in data if end - period < d.timestamp and (end is ends[0] or d.timestamp <= end)]
        )
        for end in ends
    ]


def _statistic(name: str, data: list[MetricDatumBase]) -> float | None:
    if not data:
        return None
    statistics = Statistics([name], utcnow())
    statistics.metric_data = data
    value = statistics.get_statistics_for_type(name)
    return None if value is None else float(value)


def _state(alarm: Alarm, values: list[float | None]) -> tuple[str, str]:
    compare, words = COMPARISONS[alarm.comparison_operator]
    threshold = float(alarm.threshold)
    treatment = alarm.treat_missing_data or "missing"
    present = [value for value in values if value is not None]
    if not present:
        state = WITHOUT_DATA.get(treatment, alarm.state_value)
        return state, f"Insufficient Data: {len(values)} datapoint(s) were unknown, treated as {treatment}."
    breaches = sum(compare(value, threshold) for value in present)
    missing = len(values) - len(present)
    needed = int(alarm.datapoints_to_alarm or alarm.evaluation_periods)
    filled = breaches + (missing if treatment == "breaching" else 0)
    if filled >= needed:
        state = "ALARM"
    elif missing and breaches == len(present) and treatment in ("missing", "ignore"):
        state = "ALARM" if treatment == "missing" else alarm.state_value  # all that is known breaches
    else:
        state = "OK"
    shown = ", ".join(f"{value:g}" for value in present)
    crossing = f"was {words}" if state == "ALARM" else f"was not {words}"
    return state, f"Threshold Crossed: {len(present)} datapoint(s) [{shown}] {crossing} the threshold ({threshold:g})."


def _dimensions(dimensions: Iterable[Dimension]) -> set[tuple[str, str]]:
    return {(dimension.name, dimension.value) for dimension in dimensions}


# Telling


def _tell_event_bus(alarm: Alarm, before: str) -> None:
    region, account = alarm.alarm_arn.split(":")[3:5]
    metric = {
        "namespace": alarm.namespace,
        "name": alarm.metric_name,
        "dimensions": dict(sorted(_dimensions(alarm.dimensions))),
    }
    detail = {
        "alarmName": alarm.name,
        "state": {"value": alarm.state_value, "reason": alarm.state_reason, "timestamp": _timestamp()},
        "previousState": {"value": before},
        "configuration": {
            "description": alarm.description,
            "metrics": [{"metricStat": {"metric": metric, "period": alarm.period, "stat": alarm.statistic}}],
        },
    }
    event = {
        "Source": "aws.cloudwatch",
        "DetailType": "CloudWatch Alarm State Change",
        "Resources": [alarm.alarm_arn],
        "Detail": json.dumps(detail),
    }
    events_backends[account][region].put_events([event])


def _tell_actions(alarm: Alarm, before: str) -> None:
    region, account = alarm.alarm_arn.split(":")[3:5]
    actions = {
        "ALARM": alarm.alarm_actions,
        "OK": alarm.ok_actions,
        "INSUFFICIENT_DATA": alarm.insufficient_data_actions,
    }
    if not alarm.actions_enabled:
        return
    for arn in actions[alarm.state_value]:
        if arn.split(":")[2] == "sns":
            message = json.dumps(_message(alarm, before, account, region))
            subject = f'{alarm.state_value}: "{alarm.name}" in {region}'[:100]
            sns_backends[account][arn.split(":")[3]].publish(message, arn=arn, subject=subject)
        else:
            print(f"alarm {alarm.name}: the lab does not do the action {arn}", flush=True)


def _message(alarm: Alarm, before: str, account: str, region: str) -> dict[str, Any]:
    return {
        "AlarmName": alarm.name,
        "AlarmDescription": alarm.description,
        "AWSAccountId": account,
        "NewStateValue": alarm.state_value,
        "NewStateReason": alarm.state_reason,
        "StateChangeTime": _timestamp(),
        "Region": region,
        "AlarmArn": alarm.alarm_arn,
        "OldStateValue": before,
        "Trigger": {
            "MetricName": alarm.metric_name,
            "Namespace": alarm.namespace,
            "Statistic": alarm.statistic,
            "Dimensions": [{"name": name, "value": value} for name, value in sorted(_dimensions(alarm.dimensions))],
            "Period": alarm.period,
            "EvaluationPeriods": alarm.evaluation_periods,
            "ComparisonOperator": alarm.comparison_operator,
            "Threshold": alarm.threshold,
            "TreatMissingData": alarm.treat_missing_data,
        },
    }


def _timestamp() -> str:
    return f"{utcnow():%Y-%m-%dT%H:%M:%S.000+0000}"
