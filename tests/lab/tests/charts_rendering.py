# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the lab's stand-in charts with Helm, for the tests beside it."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

CHARTS = Path(__file__).resolve().parents[1] / "charts"
OPERATOR_KINDS = ("clickhouse.com/v1alpha1/ClickHouseCluster", "clickhouse.com/v1alpha1/KeeperCluster")

Objects = dict[str, dict[str, Any]]


def helm(*arguments: str | Path, values: dict[str, Any] | None = None) -> subprocess.CompletedProcess[str]:
    """Run $HELM, or the helm on PATH, with these values as the last ones."""
    program = os.environ.get("HELM") or shutil.which("helm")
    if not program:
        pytest.fail("helm not found: put it on PATH or set HELM (make lab-up builds one)")
    command = [program, *map(str, arguments), *(["--values", "-"] if values is not None else [])]
    given = yaml.safe_dump(values) if values is not None else None
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False)


def values_file(major: int) -> Path:
    """The example values of a chart major."""
    return CHARTS / "tests" / f"langfuse-{major}.values.yaml"


@functools.cache
def _template(chart: str, values: str, release: str, kinds: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    arguments: list[str | Path] = ["template", release, CHARTS / chart, "--namespace", "example", "--include-crds"]
    if chart.startswith("langfuse-"):
        arguments += ["--values", values_file(int(chart[-1]))]
    arguments += [part for kind in kinds for part in ("--api-versions", kind)]
    return helm(*arguments, values=json.loads(values))


def render(
    chart: str,
    values: dict[str, Any] | None = None,
    release: str = "langfuse",
    kinds: tuple[str, ...] = OPERATOR_KINDS,
) -> Objects:
    """Objects of a chart by "Kind/name"; the Langfuse charts get their example values first."""
    result = _template(chart, json.dumps(values or {}), release, kinds)
    assert result.returncode == 0, result.stderr
    items = [item for item in yaml.load_all(result.stdout, yaml.CSafeLoader) if item]
    return {f"{item['kind']}/{item['metadata']['name']}": item for item in items}


def refusal(chart: str, values: dict[str, Any], kinds: tuple[str, ...] = OPERATOR_KINDS) -> str:
    """What Helm says when the chart does not take these values."""
    result = _template(chart, json.dumps(values), "langfuse", kinds)
    assert result.returncode != 0, "the chart took the values"
    return result.stderr


def container(workload: dict[str, Any], name: str) -> dict[str, Any]:
    """A workload's container by its name."""
    return next(item for item in workload["spec"]["template"]["spec"]["containers"] if item["name"] == name)


def ports(workload_or_service: dict[str, Any], name: str | None = None) -> dict[str, int]:
    """Port numbers by name, of a Service or of a workload's container."""
    if name is None:
        return {item["name"]: item["port"] for item in workload_or_service["spec"]["ports"]}
    return {item["name"]: item["containerPort"] for item in container(workload_or_service, name)["ports"]}


def environment(workload: dict[str, Any], name: str) -> dict[str, str]:
    """Environment of a container: the value, or "secret:key"."""

    def text(item: dict[str, Any]) -> str:
        reference = item.get("valueFrom", {}).get("secretKeyRef")
        return f"{reference['name']}:{reference['key']}" if reference else item["value"]

    return {item["name"]: text(item) for item in container(workload, name).get("env", [])}
