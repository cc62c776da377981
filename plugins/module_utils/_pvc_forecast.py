# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: when claims will be full, from the PVC monitor's figures in CloudWatch."""

from __future__ import annotations

import datetime
import sys
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_usage import Claim

GIB = 2**30
POINTS = 48  # a window is looked at in about this many steps
SHORTEST_PERIOD = 300  # seconds; the monitor publishes this often
QUERIES_AT_ONCE = 500  # of GetMetricData
DAY = 86400
_UNITS = {"h": 3600, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True)
class Forecast:
    """Where the history is and how far to look, in seconds and days."""

    cluster: str
    region: str
    window: int
    horizon_days: float
    minimum_samples: int
    metric_namespace: str


def read_forecast(params: Mapping[str, t.Any]) -> Forecast:
    """Read the option `forecast`. Raises LangfuseError."""
    text = params["window"]
    if not (text[:-1].isdecimal() and text[-1:] in _UNITS and 3600 <= int(text[:-1]) * _UNITS[text[-1]] <= 63 * DAY):
        raise LangfuseError(f"forecast.window is '{text}': 1h to 63d is allowed, a whole number of h, d or w.")
    window = int(text[:-1]) * _UNITS[text[-1]]
    return Forecast(
        params["cluster_name"],
        params["region"],
        window,
        params["horizon_days"],
        params["minimum_samples"],
        params["metric_namespace"],
    )


def cloudwatch(region: str) -> t.Any:
    """A client that finds its credentials as the AWS CLI does."""
    try:
        import boto3
    except ImportError as error:
        raise LangfuseError(
            f"forecast needs the Python package boto3, which {sys.executable} does not have."
        ) from error
    return boto3.client("cloudwatch", region_name=region)


def foretell(client: t.Any, forecast: Forecast, namespace: str, claims: Sequence[Claim]) -> None:
    """Write into claims with figures when they will be full; one that will be within the horizon is worth a warning."""
    known = [claim for claim in claims if claim.capacity_bytes]
    series = _series(client, forecast, namespace, known)
    for claim, samples in zip(known, series, strict=True):
        claim.forecast_samples = len(samples)
        free_gib = (claim.available_bytes or 0) / GIB
        claim.days_until_full = days_until_full(samples, free_gib) if len(samples) >= forecast.minimum_samples else None
        if claim.days_until_full is not None and claim.days_until_full < forecast.horizon_days and claim.state == "ok":
            claim.state = "warning"
            claim.reason = f"As it grew of late it will be full in {claim.days_until_full:g} days."


def days_until_full(samples: Sequence[tuple[float, float]], free_gib: float) -> float | None:
    """The days until so many GiB are used, by the straight line through (seconds, GiB); None if it does not grow."""
    count = len(samples)
    middle_x, middle_y = (sum(sample[axis] for sample in samples) / count for axis in (0, 1))
    spread = sum((x - middle_x) ** 2 for x, _y in samples)
    slope = sum((x - middle_x) * (y - middle_y) for x, y in samples) / spread if spread else 0
    return round(free_gib / (slope * DAY), 1) if slope > 0 else None


def _series(
    client: t.Any, forecast: Forecast, namespace: str, claims: Sequence[Claim]
) -> list[list[tuple[float, float]]]:
    """The used GiB over time of each claim."""
    now = datetime.datetime.now(datetime.UTC)
    period = max(SHORTEST_PERIOD, forecast.window // POINTS // 60 * 60)
    queries = [_query(index, claim, forecast, namespace, period) for index, claim in enumerate(claims)]
    found: dict[str, list[tuple[float, float]]] = {query["Id"]: [] for query in queries}
    try:
        for start in range(0, len(queries), QUERIES_AT_ONCE):
            pages = client.get_paginator("get_metric_data").paginate(
                MetricDataQueries=queries[start : start + QUERIES_AT_ONCE],
                StartTime=now - datetime.timedelta(seconds=forecast.window),
                EndTime=now,
            )
            for result in (result for page in pages for result in page["MetricDataResults"]):
                times = [time.timestamp() for time in result["Timestamps"]]
                found[result["Id"]] += zip(times, result["Values"], strict=True)
    except Exception as error:  # of botocore, which is imported lazily
        raise LangfuseError(
            f"CloudWatch in {forecast.region} does not give the history for a forecast (cloudwatch:GetMetricData): "
            + " ".join(str(error).split())
        ) from error
    return list(found.values())


def _query(index: int, claim: Claim, forecast: Forecast, namespace: str, period: int) -> dict[str, t.Any]:
    dimensions = {
        "ClusterName": forecast.cluster,
        "Namespace": namespace,
        "PVCName": claim.name,
        "PodName": claim.metric_pod,
    }
    metric = {
        "Namespace": forecast.metric_namespace,
        "MetricName": "UsedGB",
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
    }
    return {"Id": f"claim{index}", "MetricStat": {"Metric": metric, "Period": period, "Stat": "Maximum"}}
