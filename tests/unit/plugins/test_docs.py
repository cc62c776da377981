# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of modules and lookups can be run as they stand, and what tools read about modules is complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml
from ansible.plugins.loader import fragment_loader
from ansible.utils.plugin_docs import get_docstring

COLLECTION = Path(__file__).resolve().parents[3]
NAMESPACE = "llmops.langfuse."
ATTRIBUTES = {"check_mode", "diff_mode", "idempotent"}
# Ansible takes these from any lookup's arguments.
LOOKUP_ARGUMENTS = {"errors", "wantlist"}


def plugins(kind: str) -> list[Path]:
    return sorted(path for path in (COLLECTION / "plugins" / kind).glob("*.py") if not path.stem.startswith("_"))


def documentation(plugin: Path, kind: str) -> tuple[dict[str, Any], str]:
    """The documentation with its fragments, and the examples' text."""
    documented, examples, *_rest = get_docstring(
        str(plugin), fragment_loader, collection_name=NAMESPACE[:-1], plugin_type=kind
    )
    return documented, examples


def option_names(documented: dict[str, Any]) -> set[str]:
    options = documented["options"]
    return set(options) | {alias for option in options.values() for alias in option.get("aliases", [])}


def strings(value: Any) -> Iterator[str]:
    """All strings anywhere in a YAML value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from strings(part)
    elif isinstance(value, list):
        for part in value:
            yield from strings(part)


def tasks_of(examples: Any) -> Iterator[dict[str, Any]]:
    """All tasks of the examples, those in plays and blocks included."""
    for entry in examples or []:
        yield entry
        for section in ("tasks", "block", "rescue", "always", "pre_tasks", "post_tasks", "handlers"):
            yield from tasks_of(entry.get(section))


def lookup_calls(examples: Any, name: str) -> list[jinja2.nodes.Call]:
    """The calls of one lookup in all templates of the examples."""
    calls = [
        call for text in strings(examples) for call in jinja2.Environment().parse(text).find_all(jinja2.nodes.Call)
    ]
    return [
        call
        for call in calls
        if getattr(call.node, "name", "") in {"lookup", "query", "q"}
        and isinstance(call.args[0], jinja2.nodes.Const)
        and call.args[0].value == name
    ]


@pytest.mark.parametrize("plugin", plugins("modules"), ids=lambda path: path.stem)
def test_module_examples(plugin: Path) -> None:
    documented, examples = documentation(plugin, "module")
    known = option_names(documented)
    required = {name for name, option in documented["options"].items() if option.get("required")}
    uses = [
        task[NAMESPACE + plugin.stem] for task in tasks_of(yaml.safe_load(examples)) if NAMESPACE + plugin.stem in task
    ]
    assert uses, "the examples do not call the module by its full name"
    for arguments in uses:
        assert set(arguments) <= known
        assert required <= set(arguments)


@pytest.mark.parametrize("plugin", plugins("lookup"), ids=lambda path: path.stem)
def test_lookup_examples(plugin: Path) -> None:
    documented, examples = documentation(plugin, "lookup")
    calls = lookup_calls(yaml.safe_load(examples), NAMESPACE + plugin.stem)
    assert calls, "the examples do not call the lookup by its full name"
    for call in calls:
        assert {argument.key for argument in call.kwargs} <= option_names(documented) | LOOKUP_ARGUMENTS
        assert len(call.args) > 1, "a call without terms"


@pytest.mark.parametrize("plugin", plugins("modules"), ids=lambda path: path.stem)
def test_modules_say_what_they_support(plugin: Path) -> None:
    documented, _examples = documentation(plugin, "module")
    assert set(documented.get("attributes", {})) >= ATTRIBUTES


def test_the_action_group_has_all_modules() -> None:
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    assert sorted(runtime["action_groups"]["langfuse"]) == [plugin.stem for plugin in plugins("modules")]
