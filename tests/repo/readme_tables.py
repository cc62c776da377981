# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the variable table in every role's README equal to its argument specs.

`python tests/repo/readme_tables.py --write` writes the tables, `--check` names the READMEs that are behind and exits 1.
A README holds the place of its table with the two marker lines, under the heading `## Variables`.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROLES = Path(__file__).resolve().parents[2] / "roles"
BEGIN = "<!-- variables -->"
END = "<!-- /variables -->"
HEADER = ["| name | type | default | description |", "|---|---|---|---|"]
MARKED = re.compile(rf"^{re.escape(BEGIN)}\n(.*?)^{re.escape(END)}$", re.DOTALL | re.MULTILINE)
# Ansible's markup with one argument: code, option, value, return value, environment variable, plugin, module.
CODE_MARKUP = re.compile(r"\b(?:C|O|V|RV|E|P|M)\(([^)]*)\)")
TEXT_MARKUP = re.compile(r"\b(?:B|I|U)\(([^)]*)\)")


class TableError(Exception):
    """A README or spec that no table can be made for; the message names the file and the cure."""


def main_options(role: Path) -> dict[str, Any]:
    """Return the options of the role's entry point `main`, by name."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    return specs["argument_specs"]["main"].get("options") or {}


def table(options: dict[str, Any]) -> str:
    """Return the Markdown table of these options, with the options inside dictionaries as `name.option`."""
    return "\n".join([*HEADER, *_rows(options, prefix="")]) + "\n"


def written_table(readme: Path) -> str:
    """Return what stands between the markers of a README."""
    if not readme.exists():
        raise TableError(f"{readme}: missing. A role's README holds the lines {BEGIN} and {END} under ## Variables.")
    found = MARKED.findall(readme.read_text())
    if len(found) != 1:
        raise TableError(f"{readme}: {len(found)} places for the table; put the lines {BEGIN} and {END} there once.")
    return found[0]


def is_current(role: Path) -> bool:
    """Return whether the role's README has the table of its specs."""
    return written_table(role / "README.md") == table(main_options(role))


def write(role: Path) -> bool:
    """Write the table of a role into its README and return whether that changed anything."""
    if is_current(role):
        return False
    readme = role / "README.md"
    block = f"{BEGIN}\n{table(main_options(role))}{END}"
    readme.write_text(MARKED.sub(lambda _: block, readme.read_text()))
    return True


def _rows(options: dict[str, Any], prefix: str) -> Iterator[str]:
    for name, option in options.items():
        cells = [f"`{prefix}{name}`", _type(option), _default(option), _description(option)]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        below = f"{prefix}{name}[]." if option.get("type") == "list" else f"{prefix}{name}."
        yield from _rows(option.get("options") or {}, below)


def _type(option: dict[str, Any]) -> str:
    kind = option.get("type", "str")
    return f"list of {option['elements']}" if "elements" in option else kind


def _default(option: dict[str, Any]) -> str:
    if option.get("required"):
        return "(required)"
    if "default" not in option:
        return "(not set)"
    value = option["default"]
    text = value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)
    return f"`{' '.join(text.split())}`"


def _description(option: dict[str, Any]) -> str:
    description = option.get("description", "")
    text = " ".join(description if isinstance(description, list) else [description])
    text = TEXT_MARKUP.sub(r"\1", CODE_MARKUP.sub(r"`\1`", text))
    if "choices" in option:
        text += " One of " + ", ".join(f"`{choice}`" for choice in option["choices"]) + "."
    return " ".join(text.split())


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description="Write or check the variable tables of the roles' READMEs.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the tables that are behind")
    mode.add_argument("--check", action="store_true", help="name the READMEs that are behind; exit 1 if there are any")
    parser.add_argument("roles", nargs="*", help="names of roles (default: all)")
    options = parser.parse_args(arguments)
    failed = False
    for name in options.roles or sorted(specs.parts[-3] for specs in ROLES.glob("*/meta/argument_specs.yml")):
        try:
            if options.write:
                print(f"{name}: {'table written' if write(ROLES / name) else 'up to date'}")
            elif not is_current(ROLES / name):
                failed = True
                print(f"roles/{name}/README.md is behind its argument specs: {sys.argv[0]} --write {name}")
        except (TableError, OSError, KeyError, yaml.YAMLError) as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
