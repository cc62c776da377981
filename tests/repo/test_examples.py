# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What EXAMPLES show can be run: each task's options are those that the documentation has, of the right type."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).parents[2]
MODULES = sorted(f"llmops.langfuse.{path.stem}" for path in (ROOT / "plugins/modules").glob("*.py"))
LOOKUPS = sorted(f"llmops.langfuse.{path.stem}" for path in (ROOT / "plugins/lookup").glob("*.py"))
SPEC = ("type", "elements", "choices", "required", "aliases")


def documented(kind: str, names: list[str]) -> dict[str, Any]:
    """What ansible-doc knows, fragments of this and other collections included."""
    done = subprocess.run(
        ["ansible-doc", "--json", "--type", kind, *names], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def docs() -> dict[str, Any]:
    return {**documented("module", MODULES), **documented("lookup", LOOKUPS)}


def spec_of(options: dict[str, Any]) -> dict[str, Any]:
    """The argument spec that a documentation's options describe."""
    spec = {}
    for name, about in options.items():
        spec[name] = {key: about[key] for key in SPEC if key in about}
        if isinstance(spec[name].get("choices"), dict):
            spec[name]["choices"] = list(spec[name]["choices"])
        if "suboptions" in about:
            spec[name]["options"] = spec_of(about["suboptions"])
    return spec


def is_template(value: Any) -> bool:
    return isinstance(value, str) and "{{" in value


def without_templates(value: Any) -> Any:
    """The value as far as it can be known without a run; a template may become anything."""
    if isinstance(value, dict):
        return {key: without_templates(each) for key, each in value.items() if not is_template(each)}
    if isinstance(value, list):
        return [without_templates(each) for each in value if not is_template(each)]
    return value


def faults(options: dict[str, Any], given: dict[str, Any]) -> list[str]:
    """What the argument spec says of them. A required option that is a template is there."""
    spec = spec_of(options)
    for name, value in given.items():
        if is_template(value) and name in spec:
            spec[name].pop("required", None)
    unknown = [f"{name} is no option" for name in given if name not in spec]
    return unknown + ArgumentSpecValidator(spec).validate(without_templates(given)).error_messages


def tasks_of(examples: str) -> list[dict[str, Any]]:
    """All tasks, those of blocks and plays included."""
    waiting, tasks = list(yaml.safe_load(examples)), []
    while waiting:
        each = waiting.pop(0)
        tasks.append(each)
        for inner in ("tasks", "block", "rescue", "always"):
            waiting += each.get(inner, [])
    return tasks


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_a_module(docs: dict[str, Any], name: str) -> None:
    shown = 0
    for task in tasks_of(docs[name]["examples"]):
        for module in set(task) & set(docs):
            shown += 1
            assert faults(docs[module]["doc"]["options"], task[module] or {}) == [], f"{module} in {task}"
        assert not [key for key in task if key.startswith("llmops.langfuse.") and key not in docs]
    assert shown, "no example shows it"


@pytest.mark.parametrize("name", LOOKUPS)
def test_examples_of_a_lookup(docs: dict[str, Any], name: str) -> None:
    """Its options are in text: each name before an equals sign has to be one."""

    examples = docs[name]["examples"]
    assert tasks_of(examples)
    calls = re.findall(rf"(?:lookup|query|q)\(\s*'{re.escape(name)}'(.*?)\)", examples, re.S)
    assert calls, "no example shows it"
    options = docs[name]["doc"]["options"]
    assert [word for call in calls for word in re.findall(r"(\w+)=", call) if word not in options] == []


def test_wrong_examples_would_be_found() -> None:
    options = {
        "keep": {"type": "str", "required": True},
        "mode": {"type": "str", "choices": ["a", "b"]},
        "rows": {"type": "list", "elements": "dict", "suboptions": {"n": {"type": "int", "required": True}}},
    }
    assert faults(options, {"keep": "{{ it }}", "mode": "a", "rows": [{"n": 1}]}) == []
    assert faults(options, {"keep": "x", "other": 1}) != []
    assert faults(options, {"mode": "a"}) != []
    assert faults(options, {"keep": "x", "mode": "c"}) != []
    assert faults(options, {"keep": "x", "rows": [{"n": "many"}]}) != []
    assert faults(options, {"keep": "x", "rows": [{}]}) != []
