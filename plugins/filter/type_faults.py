# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Ansible's check of variables takes for their types, although roles get something else."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator, Mapping

DOCUMENTATION = r"""
name: type_faults
author: llmops.langfuse contributors
version_added: 1.0.0
short_description: Say which variables only look as their argument specs ask
description:
  - M(ansible.builtin.validate_argument_spec) converts what it checks, and leaves the variables as they are. So it takes
    the text V(a@example.com) for a list of one, although a role that goes through it meets single letters. A variable
    without a value it takes for a text, although it is null in some of a role's templates and C(None) in others.
  - Names such variables. Shows no values, since some are secrets.
  - Numbers and switches may be texts at the top, where C(-e name=value) makes texts of all, and nowhere below.
positional: _input
options:
  _input:
    description: The C(options) of an entry point in C(meta/argument_specs.yml).
    type: dict
    required: true
  values:
    description: The variables by their names. Others than those of the specs are passed over, and so are missing ones.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Refuse texts in the place of lists
  ansible.builtin.fail:
    msg: "{{ faults }}"
  when: faults | length > 0
  vars:
    options: {alarm_emails: {type: list}}
    faults: "{{ options | llmops.langfuse.type_faults({'alarm_emails': 'a@example.com'}) }}"
"""

RETURN = r"""
_value:
  description: A sentence for each fault, which begins with the variable's name.
  type: list
  elements: str
  sample:
    - "alarm_emails is a text: a list is allowed, on the command line -e '{\"alarm_emails\": [...]}'."
"""

Spec = Mapping[str, t.Any]
EXAMPLES_OF_TYPES = {"dict": "{...}", "list": "[...]"}
NOT_TEXT = {"bool", "float", "int", *EXAMPLES_OF_TYPES}


def type_faults(options: Spec, values: Mapping[str, t.Any]) -> list[str]:
    """See DOCUMENTATION."""
    faults: list[str] = []
    for name, option in options.items():
        if name in values:
            kind, value = option.get("type", "str"), values[name]
            if isinstance(value, str) and kind in EXAMPLES_OF_TYPES:
                example = f"-e '{{\"{name}\": {EXAMPLES_OF_TYPES[kind]}}}'"
                faults.append(f"{name} is a text: a {kind} is allowed, on the command line {example}.")
            else:
                faults += _faults(name, value, option)
    return faults


def _faults(name: str, value: t.Any, option: Spec) -> Iterator[str]:
    if value is None:
        yield f"{name} has no value: {_remedy(option)}."
    for path, part in _parts(name, value):
        for key, suboption in option.get("options", {}).items():
            if key in part:
                kind = suboption.get("type", "str")
                if isinstance(part[key], str) and kind in NOT_TEXT:
                    yield f"{path}.{key} is a text: the type {kind} is allowed."
                else:
                    yield from _faults(f"{path}.{key}", part[key], suboption)


def _parts(name: str, value: t.Any) -> Iterator[tuple[str, Spec]]:
    """The dicts that have suboptions: the value, or what is in its list."""
    each = (
        [(f"{name}[{number}]", part) for number, part in enumerate(value)]
        if isinstance(value, list)
        else [(name, value)]
    )
    return ((path, part) for path, part in each if isinstance(part, Mapping))


def _remedy(option: Spec) -> str:
    if option.get("required"):
        return "it needs one"
    return "leave it out for its default" + (', or write "" for an empty text' if option.get("type") == "str" else "")


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By their names."""
        return {"type_faults": type_faults}
