# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep the tables in every role's README equal to what they repeat: its argument specs, and its IAM permissions.

`python tests/repo/readme_tables.py --write` writes the tables, `--check` names the READMEs that are behind and exits 1.
A README holds the place of a table with two marker lines: of the variables under the heading `## Variables`, and, where
the role has a files/permissions.yml, of the permissions under `## Permissions`.
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
VARIABLES = "variables"
PERMISSIONS = "permissions"
# The statements of a role's permissions.yml, and when they are needed.
STATEMENTS = {
    "Read": "every run",
    "Make": "every run",
    "PassRole": "every run, for roles that are handed to a service",
    "Preflight": "the look at the permissions beforehand; the run can do without",
    "Change": "changes of what stands",
    "Aliases": "`ingress_hosted_zone_id`",
    "OwnRole": "another role in `langfuse_values`",
    "AccessKey": "`storage_s3_access: user`",
    "Delete": "teardown, and the clean-up after a creation that failed",
    "DeleteData": "teardown with data",
}
PERMISSIONS_HEADER = ["| needed for | service | actions |", "|---|---|---|"]
HEADER = ["| name | type | default | description |", "|---|---|---|---|"]
# Ansible's markup with one argument: code, option, value, return value, environment variable, plugin, module.
CODE_MARKUP = re.compile(r"\b(?:C|O|V|RV|E|P|M)\((?:[\w.]+#role:\w+:)?([^)]*)\)")
TEXT_MARKUP = re.compile(r"\b(?:B|I|U)\(([^)]*)\)")


class TableError(Exception):
    """A README or spec that no table can be made for; the message names the file and the cure."""


def main_options(role: Path) -> dict[str, Any]:
    """Return the options of the role's entry point `main`, by name, each with its default.

    A default that is a template has no type yet, so that the specs of an option that is no string cannot hold it.
    """
    options, defaults = spec_options(role), role / "defaults/main.yml"
    for name, default in (yaml.safe_load(defaults.read_text()) or {} if defaults.exists() else {}).items():
        options.setdefault(name, {}).setdefault("default", default)
    return options


def spec_options(role: Path) -> dict[str, Any]:
    """Return the options of the role's entry point `main` as they are in its argument specs, by name."""
    specs = yaml.safe_load((role / "meta/argument_specs.yml").read_text())
    return specs["argument_specs"]["main"].get("options") or {}


def table(options: dict[str, Any]) -> str:
    """Return the Markdown table of these options, with the options inside dictionaries as `name.option`."""
    return "\n".join([*HEADER, *_rows(options, prefix="")]) + "\n"


def permissions_table(policy: dict[str, Any]) -> str:
    """Return the Markdown table of an IAM policy, a row for each statement and service."""
    rows = []
    for statement in policy["Statement"]:
        actions = statement["Action"]
        for service, names in _by_service([actions] if isinstance(actions, str) else actions).items():
            rows.append(f"| {STATEMENTS[statement['Sid']]} | `{service}` | {', '.join(names)} |")
    return "\n".join([*PERMISSIONS_HEADER, *rows]) + "\n"


def tables(role: Path) -> dict[str, str]:
    """Return the tables that a role's README has to have, by the name in their markers."""
    found = {VARIABLES: table(main_options(role))}
    permissions = role / "files/permissions.yml"
    if permissions.exists():
        found[PERMISSIONS] = permissions_table(yaml.safe_load(permissions.read_text()))
    return found


def written_table(readme: Path, name: str) -> str:
    """Return what stands between the markers of a table in a README."""
    if not readme.exists():
        raise TableError(f"{readme}: missing. A role's README holds the lines {' and '.join(_markers(name))}.")
    found = _marked(name).findall(readme.read_text())
    if len(found) != 1:
        lines = " and ".join(_markers(name))
        raise TableError(f"{readme}: {len(found)} places for the table of {name}; put the lines {lines} there once.")
    return found[0]


def is_current(role: Path) -> bool:
    """Return whether the role's README has its tables as they must be."""
    wanted = tables(role)
    return {name: written_table(role / "README.md", name) for name in wanted} == wanted


def write(role: Path) -> bool:
    """Write the tables of a role into its README and return whether that changed anything."""
    if is_current(role):
        return False
    readme = role / "README.md"
    text = readme.read_text()
    for name, content in tables(role).items():
        begin, end = _markers(name)
        text = _marked(name).sub(lambda _, block=f"{begin}\n{content}{end}": block, text)
    readme.write_text(text)
    return True


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name} -->", f"<!-- /{name} -->"


def _marked(name: str) -> re.Pattern[str]:
    begin, end = _markers(name)
    return re.compile(rf"^{re.escape(begin)}\n(.*?)^{re.escape(end)}$", re.DOTALL | re.MULTILINE)


def _by_service(actions: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for action in actions:
        service, _, name = action.partition(":")
        found.setdefault(service, []).append(name)
    return found


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
    parser = argparse.ArgumentParser(description="Write or check the tables of the roles' READMEs.")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--write", action="store_true", help="write the tables that are behind")
    mode.add_argument("--check", action="store_true", help="name the READMEs that are behind; exit 1 if there are any")
    parser.add_argument("roles", nargs="*", help="names of roles (default: all)")
    options = parser.parse_args(arguments)
    failed = False
    for name in options.roles or sorted(specs.parts[-3] for specs in ROLES.glob("*/meta/argument_specs.yml")):
        try:
            if options.write:
                print(f"{name}: {'tables written' if write(ROLES / name) else 'up to date'}")
            elif not is_current(ROLES / name):
                failed = True
                print(
                    f"roles/{name}/README.md is behind its argument specs or permissions: {sys.argv[0]} --write {name}"
                )
        except (TableError, OSError, KeyError, yaml.YAMLError) as error:
            failed = True
            print(f"{name}: {error}", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
