# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role says its interface in argument specs, defaults and README: they agree, and no variable is left over."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import readme_tables
import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
ROLE_NAMES = sorted(role.name for role in ROLES.iterdir() if role.is_dir())
REQUIRED_FILES = ["README.md", "defaults/main.yml", "meta/argument_specs.yml", "meta/main.yml", "tasks/main.yml"]
# Where a variable counts as used, besides the values of other defaults.
USING_FOLDERS = ["files", "handlers", "tasks", "templates", "vars"]
TYPES = {
    "bool": bool,
    "dict": dict,
    "float": (float, int),
    "int": int,
    "list": list,
    "path": str,
    "raw": object,
    "str": str,
}

pytestmark = pytest.mark.parametrize("role", [ROLES / name for name in ROLE_NAMES], ids=ROLE_NAMES)


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) or {}


def defaults_in_order(role: Path) -> list[str]:
    """The names in defaults/main.yml, those that are commented out included."""
    text = (role / "defaults/main.yml").read_text()
    return re.findall(rf"^(?:# )?({role.name}_\w+):", text, re.MULTILINE)


def dependencies(role: Path) -> set[str]:
    """The names of the roles that this role depends on, without those of theirs."""
    entries = load(role / "meta/main.yml").get("dependencies", [])
    names = [entry if isinstance(entry, str) else entry.get("role", entry.get("name")) for entry in entries]
    return {name.rpartition(".")[2] for name in names}


def using_text(role: Path) -> str:
    """All text of a role in which a variable counts as used."""
    files = [path for folder in USING_FOLDERS for path in sorted((role / folder).rglob("*")) if path.is_file()]
    values = [str(value) for value in load(role / "defaults/main.yml").values()]
    return "\n".join([*(path.read_text() for path in files), *values])


def test_files_are_there(role: Path) -> None:
    assert [name for name in REQUIRED_FILES if not (role / name).is_file()] == []


def test_specs_equal_defaults(role: Path) -> None:
    options, defaults = readme_tables.spec_options(role), load(role / "defaults/main.yml")
    assert list(options) == defaults_in_order(role), "names in meta/argument_specs.yml and defaults/main.yml, in order"
    typed = {name for name, option in options.items() if option.get("type", "str") not in ("str", "raw", "path")}
    templates = {name for name in typed if isinstance(defaults.get(name), str)}
    with_default = {name: option["default"] for name, option in options.items() if "default" in option}
    wanted = {name: default for name, default in defaults.items() if name in with_default or name not in templates}
    assert with_default == wanted, "an option without a default is commented out in defaults"


def test_defaults_have_the_type_of_their_option(role: Path) -> None:
    for name, option in readme_tables.main_options(role).items():
        default, kind = option.get("default"), option.get("type", "str")
        is_template = isinstance(default, str) and "{{" in default
        if default is None or is_template:
            continue
        # bool is an int for Python, but not for the person who reads the table.
        assert isinstance(default, TYPES[kind]) and (kind == "bool" or not isinstance(default, bool)), name
        chosen = default if kind == "list" else [default]
        assert all(choice in option.get("choices", chosen) for choice in chosen), name


def test_options_are_described(role: Path) -> None:
    for name, option in readme_tables.main_options(role).items():
        assert option.get("description"), name
        assert not (option.get("required") and "default" in option), name


def test_readme_has_the_table_of_the_specs(role: Path) -> None:
    readme = role / "README.md"
    assert "## Variables\n" in readme.read_text()
    assert readme_tables.is_current(role), f"run: python tests/repo/readme_tables.py --write {role.name}"


def test_every_variable_is_used(role: Path) -> None:
    dependents = [ROLES / name for name in ROLE_NAMES if role.name in dependencies(ROLES / name)]
    text = "\n".join(using_text(user) for user in [role, *dependents])
    unused = [name for name in readme_tables.main_options(role) if not re.search(rf"\b{name}\b", text)]
    assert unused == []
