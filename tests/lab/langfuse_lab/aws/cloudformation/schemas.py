# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS's own schemas of CloudFormation's resource types, as cfn-lint brings them.

They say which properties a type has and of what kind, which ones replace the resource when they change, and where its
tags are. So the lab refuses what AWS refuses, and plans a replacement where AWS does one.
"""

from __future__ import annotations

import functools
import importlib.util
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator
from jsonschema.exceptions import ValidationError

MISSING = object()
# Classes of characters that Python's patterns do not have, as JSON writes them: letters, numbers, separators.
UNICODE_CLASSES = {r"\\p{L}": r"\\w", r"\\p{N}": r"\\d", r"\\p{Z}": r"\\s"}


class Schema:
    """The schema of one resource type."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self._raw = raw
        self._create_only = [pointer.split("/")[2:] for pointer in raw.get("createOnlyProperties", [])]
        self.deletes_before_it_creates = raw.get("replacementStrategy") == "delete_then_create"
        tag_pointer = raw.get("tagging", {}).get("tagProperty") if raw.get("tagging", {}).get("taggable") else None
        self.tag_property: str | None = tag_pointer.split("/")[-1] if tag_pointer else None

    @property
    def attributes(self) -> set[str]:
        """Return the names that Fn::GetAtt may ask for."""
        read_only = {".".join(pointer.split("/")[2:]) for pointer in self._raw.get("readOnlyProperties", [])}
        return read_only | set(self._raw["properties"])

    @property
    def tags_are_a_map(self) -> bool:
        """Whether the tags are {key: value}; else they are [{Key:, Value:}]."""
        return "object" in _types(self._resolve(self._raw["properties"][self.tag_property or ""]))

    def convert(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Return properties with scalars of the schema's kinds: CloudFormation takes "true" for true, 1 for "1"."""
        return self._convert(properties, self._raw)

    def faults(self, properties: dict[str, Any]) -> list[str]:
        """Return what is wrong with converted properties, in AWS's words."""
        return [line for error in Draft7Validator(self._raw).iter_errors(properties) for line in _fault_lines(error)]

    def replacing(self, old: dict[str, Any], new: dict[str, Any]) -> list[str]:
        """Return the properties by which a change from old to new makes another resource of it."""
        return sorted({path[0] for path in self._create_only if _at(old, path) != _at(new, path)})

    def permissions(self, handler: str) -> list[str]:
        """Return the actions that AWS's own code of a type needs to "create", "read", "update" or "delete" one."""
        return self._raw.get("handlers", {}).get(handler, {}).get("permissions", [])

    def _resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in node:
            target: Any = self._raw
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def _convert(self, value: Any, node: dict[str, Any]) -> Any:
        node = self._resolve(node)
        if isinstance(value, dict):
            return {key: self._convert(item, self._property(node, key)) for key, item in value.items()}
        if isinstance(value, list):
            return [self._convert(item, node.get("items", {})) for item in value]
        return _convert_scalar(value, _types(node))

    def _property(self, node: dict[str, Any], name: str) -> dict[str, Any]:
        patterns = list(node.get("patternProperties", {}).values())
        return node.get("properties", {}).get(name) or (patterns[0] if patterns else {})


def find(type_name: str, region: str) -> Schema | None:
    """Return the schema of a type as AWS has it in a region, or None when AWS has no such type there."""
    digest = _index(region).get(type_name)
    return _load(digest) if digest else None


@functools.cache
def _folder() -> Path:
    specification = importlib.util.find_spec("cfnlint")  # its import takes long, and only its data is wanted
    if specification is None or specification.origin is None:
        raise ModuleNotFoundError("cfn-lint is missing: its schemas tell what a stack may hold", name="cfnlint")
    return Path(specification.origin).parent / "data" / "schemas"


@functools.cache
def _index(region: str) -> dict[str, str]:
    return json.loads((_folder() / "providers" / f"{region}.json").read_text())


@functools.cache
def _load(digest: str) -> Schema:
    text = (_folder() / "resources" / f"{digest}.json").read_text()
    for unknown, known in UNICODE_CLASSES.items():
        text = text.replace(unknown, known)
    return Schema(json.loads(text))


def _types(node: dict[str, Any]) -> list[str]:
    kind = node.get("type", [])
    return [kind] if isinstance(kind, str) else kind


def _convert_scalar(value: Any, types: list[str]) -> Any:
    if isinstance(value, str) and "string" not in types:
        if "boolean" in types and value.lower() in ("true", "false"):
            return value.lower() == "true"
        if "integer" in types or "number" in types:
            return _number(value)
    if isinstance(value, bool) and types == ["string"]:
        return str(value).lower()
    if isinstance(value, int | float) and types == ["string"]:
        return str(value)
    return value


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def _at(properties: Any, path: list[str]) -> Any:
    for step in path:
        if not isinstance(properties, dict) or step not in properties:
            return MISSING
        properties = properties[step]
    return properties


def _fault_lines(error: ValidationError) -> Iterator[str]:
    where = "#" + "".join(f"/{step}" for step in error.absolute_path)
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        yield from (f"{where}: required key [{name}] not found" for name in missing)
    elif error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        yield from (
            f"{where}: extraneous key [{name}] is not permitted" for name in error.instance if name not in known
        )
    else:
        yield f"{where}: {error.message}"
