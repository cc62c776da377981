# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The schemas refuse what the real charts would ignore, and take every value that the roles give."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import pytest
import yaml
from charts_rendering import CHARTS, refusal, render


def load_generator() -> ModuleType:
    """The script make_schemas.py as a module."""
    spec = importlib.util.spec_from_file_location("make_schemas", CHARTS / "make_schemas.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generator = load_generator()


@pytest.mark.parametrize("chart", generator.KEY_LISTS)
def test_schema_is_up_to_date(chart: str) -> None:
    stored = (CHARTS / chart / "values.schema.json").read_text(encoding="utf-8")
    assert stored == generator.chart_schema(chart), "run tests/lab/charts/make_schemas.py"


def test_every_chart_has_a_schema_and_says_what_it_is() -> None:
    charts = {path.parent.name for path in CHARTS.glob("*/Chart.yaml")}
    assert charts == set(generator.KEY_LISTS)
    for chart in charts:
        assert "stand-in" in yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text(encoding="utf-8"))["description"]


def test_key_lists_are_complete() -> None:
    """As many paths as facts were collected from the real charts."""
    lists = {
        name: generator.read_keys((CHARTS / "keys" / f"{name}.txt").read_text())
        for name in ("langfuse-application", "langfuse-1", "langfuse-2")
    }
    shared = len(lists["langfuse-application"])
    assert shared + len(lists["langfuse-1"]) == 1668
    assert shared + len(lists["langfuse-2"]) == 600
    assert all(len(keys) == len(set(keys)) for keys in lists.values())


def test_notation() -> None:
    text = "# comment\n(top): a b.*\nc.d\n    e: f\n    g.*\n"
    assert generator.read_keys(text) == ["a", "b.*", "c.d.f", "c.d.g.*", "e.f", "e.g.*"]
    schema = generator.build_schema(["tolerations", "labels.*", "open.*", "open.enabled"])["properties"]
    assert schema["tolerations"]["type"] == ["array", "null"]
    assert schema["labels"]["additionalProperties"] is True
    assert schema["open"]["additionalProperties"] is True
    assert schema["open"]["properties"]["enabled"]["type"] == ["boolean", "null"]


@pytest.mark.parametrize(
    ("chart", "values", "path", "reason"),
    [
        ("langfuse-1", {"langfuse": {"worker": {"replica": 2}}}, "/langfuse/worker", "'replica' not allowed"),
        ("langfuse-1", {"clickhouse": {"cluster": {"replicas": 1}}}, "/clickhouse", "'cluster' not allowed"),
        ("langfuse-2", {"redis": {"dataStorage": {"keepPVC": True}}}, "/redis/dataStorage", "'keepPVC' not allowed"),
        ("langfuse-2", {"clickhouse": {"keeper": {"settings": {}}}}, "/clickhouse/keeper", "'settings' not allowed"),
        (
            "langfuse-2",
            {"langfuse": {"web": {"hpa": {"minReplicas": "2"}}}},
            "/langfuse/web/hpa/minReplicas",
            "integer",
        ),
        (
            "langfuse-2",
            {"langfuse": {"features": {"signUpDisabled": "yes"}}},
            "/langfuse/features/signUpDisabled",
            "boolean",
        ),
        (
            "langfuse-1",
            {"redis": {"primary": {"persistence": {"size": 2}}}},
            "/redis/primary/persistence/size",
            "string",
        ),
        ("langfuse-1", {"clickhouse": {"tolerations": {}}}, "/clickhouse/tolerations", "array"),
        ("aws-load-balancer-controller", {"clustername": "x"}, "''", "'clustername' not allowed"),
        ("cert-manager", {"crds": {"enable": True}}, "/crds", "'enable' not allowed"),
        ("clickhouse-operator", {"manager": {"replica": 2}}, "/manager", "'replica' not allowed"),
    ],
)
def test_misspelt_or_mistyped_value_is_named(chart: str, values: dict, path: str, reason: str) -> None:
    message = refusal(chart, values)
    assert path in message
    assert reason in message


def test_free_form_values_and_null_pass() -> None:
    values = {
        "langfuse": {
            "pod": {"labels": {"team": "a"}},
            "web": {"replicas": None},
            "worker": {"resources": {"requests": {"example.com/x": 1}}},
        },
        "redis": {"auth": {"aclUsers": {"reader": {"permissions": "+@read"}}}},
        "clickhouse": {"cluster": {"settings": {"text_log": {"@remove": "1"}}, "affinity": {"nodeAffinity": {}}}},
    }
    assert "Deployment/langfuse-web" in render("langfuse-2", values)
