# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The permissions that AWS's own code of a resource type (its handlers) needs from whose stack it is.

AWS's schemas list them for everything a type can do. What only a property asks for is left out where a template does
not use that property: handlers.yml says which, for the types that the roles use; of another type all are asked for.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import yaml

from langfuse_lab.aws.cloudformation.schemas import Schema

PASSING = "iam:PassRole"  # asked for where a service is handed a role, with the role and the service


def permissions(schema: Schema, type_name: str, verb: str, properties: dict[str, Any]) -> list[str]:
    """Return the actions that a handler needs for a resource with these properties."""
    bound = table().get(type_name, {})

    def is_needed(action: str) -> bool:
        return action not in bound or any(_has(each, properties) for each in bound[action])

    return [each for each in schema.permissions(verb) if each != PASSING and is_needed(each)]


@functools.cache
def table() -> dict[str, dict[str, tuple[str, ...]]]:
    """Return what is bound to properties: type -> action -> the properties of which one is enough."""
    written: dict[str, dict[str, list[str]]] = yaml.safe_load(Path(__file__).with_name("handlers.yml").read_text())
    return {
        type_name: {action: tuple(bound.split(" | ")) for bound, actions in by_property.items() for action in actions}
        for type_name, by_property in written.items()
    }


def _has(wanted: str, properties: Any) -> bool:
    """Whether properties have what "A.B" or "A=false" names."""
    path, _, value = wanted.partition("=")
    for step in path.split("."):
        if not isinstance(properties, dict) or step not in properties:
            return False
        properties = properties[step]
    return not value or str(properties).lower() == value
