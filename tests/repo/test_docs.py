# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the documentation names is there: variables, messages, links, tags, playbooks; and its YAML can be used."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "roles").glob("*/README.md")),
]
ROLES = [path.parent.parent for path in sorted((ROOT / "roles").glob("*/meta/argument_specs.yml"))]
CODE = [*(ROOT / "roles").glob("*/*/*.y*ml"), *(ROOT / "playbooks").rglob("*.yml"), *(ROOT / "plugins").rglob("*.py")]
SITE = "https://github.com/llmops/ansible-langfuse/"
# Names with a role's prefix that are no variables.
OTHERS = {path.stem for path in (ROOT / "plugins/modules").glob("*.py")}


def by_name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def specs() -> dict[str, Any]:
    """The options of every role's every entry point, by name."""
    options: dict[str, Any] = {}
    for role in ROLES:
        for entry in yaml.safe_load((role / "meta/argument_specs.yml").read_text())["argument_specs"].values():
            options |= entry.get("options") or {}
    return options


@cache
def code() -> str:
    """All of the product's text with its white space made one space, as a message's lines are joined."""
    return " ".join(" ".join(path.read_text().split()) for path in CODE)


def is_known(name: str) -> bool:
    """Whether it is a role's variable, or something that the code sets (a fact, a playbook's variable), or a module."""
    whole = name.split(".")[0]
    return whole in specs() or whole in OTHERS or re.search(rf"\b{whole}:", code()) is not None


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_variables_exist(page: Path) -> None:
    prefixes = "|".join([role.name for role in ROLES] + ["teardown"])
    names = re.findall(rf"`((?:{prefixes})_[a-z][\w.]*)", page.read_text())
    assert [name for name in names if not is_known(name)] == []


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith(SITE):
            path = re.sub(r"^(blob|tree)/main/", "", target.removeprefix(SITE))
            file, _, heading = path.partition("#")
            found = ROOT / file if not file.startswith("issues") else ROOT
        elif "://" in target:
            continue
        else:
            file, _, heading = target.partition("#")
            found = page.parent / file if file else page
        if not found.exists() or (heading and heading not in headings(found)):
            broken.append(target)
    assert broken == []


def headings(page: Path) -> list[str]:
    """The anchors that GitHub makes of a page's headings."""
    found = re.findall(r"^#+ (.+)$", page.read_text(), re.M)
    return [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found]


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_tags_and_playbooks_exist(page: Path) -> None:
    text = page.read_text()
    tags = {role.name for role in ROLES} | {"clickhouse_retention_rehearsal", "clickhouse_retention_relief"}
    named = [tag for tags_of in re.findall(r"--tags ([\w,]+)", text) for tag in tags_of.split(",")]
    assert [tag for tag in named if tag not in tags and tag != "ROLE"] == []
    playbooks = re.findall(r"playbooks/([\w-]+)\.yml", text) + re.findall(
        r"ansible-playbook [^`\n]*llmops\.langfuse\.(\w+)", text
    )
    assert [name for name in playbooks if not (ROOT / "playbooks" / f"{name}.yml").exists()] == []


def examples(page: Path) -> list[Any]:
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", page.read_text(), re.S)]


def variables_in(example: Any) -> dict[str, Any]:
    """The role variables that an example sets, in a play or alone."""
    if isinstance(example, list):
        return {name: value for each in example for name, value in variables_in(each).items()}
    if not isinstance(example, dict):
        return {}
    found = {name: value for name, value in example.items() if name in specs()}
    for inner in {"roles", "vars", "tasks"} & example.keys():
        found |= variables_in(example[inner])
    return found


@pytest.mark.parametrize("page", PAGES, ids=by_name)
def test_examples_set_what_the_roles_take(page: Path) -> None:
    for example in examples(page):
        given = {name: value for name, value in variables_in(example).items() if "{{" not in str(value)}
        spec = {name: without_defaults(specs()[name]) for name in given}
        assert ArgumentSpecValidator(spec).validate(given).error_messages == []


def without_defaults(option: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in option.items() if key in ("type", "elements", "choices")}
    if "options" in option:
        kept["options"] = {name: without_defaults(each) for name, each in option["options"].items()}
    return kept


def test_messages_are_the_codes_own() -> None:
    rows = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs/troubleshooting.md").read_text(), re.M)
    assert len(rows) >= 20
    assert [message for message in rows if message not in code()] == []
