# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When claims will be full, from a CloudWatch that is replaced."""

from __future__ import annotations

import builtins
import datetime
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _pvc_forecast
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_forecast import (
    DAY,
    GIB,
    Forecast,
    cloudwatch,
    days_until_full,
    foretell,
    read_forecast,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_usage import Claim

FORECAST = Forecast("langfuse", "ap-south-1", DAY, 14, 4, "LangfusePVC")


class CloudWatch:
    """Answers every query by a function of its claim; the answers come a few at a time."""

    def __init__(self, values: Callable[[str], list[float]]) -> None:
        self.values = values
        self.calls: list[dict[str, Any]] = []

    def get_paginator(self, name: str) -> CloudWatch:
        assert name == "get_metric_data"
        return self

    def paginate(self, **request: Any) -> Iterator[dict[str, Any]]:
        self.calls.append(request)
        for query in request["MetricDataQueries"]:
            dimensions = {d["Name"]: d["Value"] for d in query["MetricStat"]["Metric"]["Dimensions"]}
            values = self.values(dimensions["PVCName"])
            step = datetime.timedelta(seconds=query["MetricStat"]["Period"])
            times = [request["StartTime"] + index * step for index in range(len(values))]
            for part in (slice(0, 2), slice(2, None)):
                result = {"Id": query["Id"], "Timestamps": times[part], "Values": values[part]}
                yield {"MetricDataResults": [result]}


def claim(name: str, free_gib: float = 10, state: str = "ok") -> Claim:
    found = Claim(name, "Bound", "gp3", "20Gi", state, metric_pod=f"{name}-pod")
    found.capacity_bytes, found.available_bytes = 20 * GIB, int(free_gib * GIB)
    return found


def test_a_claim_that_grows_is_foretold() -> None:
    growing, still, young, unknown = claim("growing"), claim("still"), claim("young"), Claim("u", "Bound", None, "1Gi")
    # 1800 s a step: 0.02 GiB a step are 0.96 GiB a day.
    series = {"growing": [1 + 0.02 * step for step in range(40)], "still": [5.0] * 40, "young": [1, 2, 3]}
    client = CloudWatch(series.__getitem__)
    foretell(client, FORECAST, "langfuse", [growing, still, young, unknown])
    assert growing.days_until_full == pytest.approx(10.4, abs=0.05)
    assert growing.forecast_samples == 40
    assert (growing.state, growing.reason) == ("warning", "As it grew of late it will be full in 10.4 days.")
    assert (still.days_until_full, still.state) == (None, "ok")
    assert (young.days_until_full, young.forecast_samples) == (None, 3)
    assert unknown.forecast_samples is None
    [call] = client.calls
    metric = call["MetricDataQueries"][0]["MetricStat"]
    assert (metric["Period"], metric["Metric"]["MetricName"], metric["Metric"]["Namespace"]) == (
        1800,
        "UsedGB",
        "LangfusePVC",
    )
    assert {d["Name"]: d["Value"] for d in metric["Metric"]["Dimensions"]} == {
        "ClusterName": "langfuse",
        "Namespace": "langfuse",
        "PVCName": "growing",
        "PodName": "growing-pod",
    }


def test_a_far_end_is_no_warning_and_a_worse_state_stays() -> None:
    slow, critical = claim("slow", free_gib=1000), claim("critical", state="critical")
    foretell(CloudWatch(lambda _name: [1.0, 1.1, 1.2, 1.3, 1.4]), FORECAST, "langfuse", [slow, critical])
    assert slow.days_until_full is not None and slow.days_until_full > 14
    assert slow.state == "ok"
    assert critical.state == "critical"


def test_500_queries_at_once() -> None:
    client = CloudWatch(lambda _name: [])
    foretell(client, FORECAST, "langfuse", [claim(f"c{number}") for number in range(501)])
    assert [len(call["MetricDataQueries"]) for call in client.calls] == [500, 1]


def test_one_sample_has_no_slope() -> None:
    assert days_until_full([(0.0, 5.0)], 10) is None


def test_no_history() -> None:
    def refuse(_name: str) -> list[float]:
        raise RuntimeError("AccessDenied")

    with pytest.raises(LangfuseError, match=r"CloudWatch in ap-south-1 .*cloudwatch:GetMetricData.*AccessDenied"):
        foretell(CloudWatch(refuse), FORECAST, "langfuse", [claim("a")])


def options(window: str) -> dict[str, Any]:
    return {
        "cluster_name": "langfuse",
        "region": "ap-south-1",
        "window": window,
        "horizon_days": 14,
        "minimum_samples": 4,
        "metric_namespace": "LangfusePVC",
    }


@pytest.mark.parametrize(("window", "seconds"), [("1h", 3600), ("24h", DAY), ("3d", 3 * DAY), ("9w", 63 * DAY)])
def test_window(window: str, seconds: int) -> None:
    assert read_forecast(options(window)).window == seconds


@pytest.mark.parametrize("window", ["", "d", "24", "1m", "0h", "10w", "-1d", "1.5d"])
def test_bad_window(window: str) -> None:
    with pytest.raises(LangfuseError, match=r"forecast.window is .*: 1h to 63d is allowed"):
        read_forecast(options(window))


def test_a_client_is_made(no_aws_environment: None) -> None:
    assert cloudwatch("ap-south-1").meta.region_name == "ap-south-1"


def test_without_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def no_boto3(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "boto3":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", no_boto3)
    with pytest.raises(LangfuseError, match="forecast needs the Python package boto3"):
        _pvc_forecast.cloudwatch("ap-south-1")
