# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation templates: reading and checking them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from langfuse_lab.aws.errors import AwsError

MAX_BODY_BYTES = 51_200
SECTIONS = {
    "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Mappings", "Conditions", "Rules", "Resources",
    "Outputs",
}  # fmt: skip
RESOURCE_KEYS = {
    "Type", "Properties", "DependsOn", "Condition", "DeletionPolicy", "UpdateReplacePolicy", "Metadata",
}  # fmt: skip
SUBSTITUTION = re.compile(r"\$\{(!?)([^}]+)\}")


class Invalid(AwsError):
    """A request that AWS refuses before it does anything."""

    def __init__(self, message: str) -> None:
        super().__init__("ValidationError", message)

    def __str__(self) -> str:
        return self.message


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML with !Ref and its like, in which a date is a text."""


def _short_form(loader: _Loader, name: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if name == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {name if name in ("Ref", "Condition") else f"Fn::{name}": value}


_Loader.add_multi_constructor("!", _short_form)
_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class Template:
    """A template that AWS would accept, apart from its resources' properties. Raises Invalid when it would not."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.content = _read(body)
        self.description: str | None = self.content.get("Description")
        self.resources: dict[str, dict[str, Any]] = self.content["Resources"]
        self.outputs: dict[str, dict[str, Any]] = self.content.get("Outputs") or {}
        self.conditions: dict[str, Any] = self.content.get("Conditions") or {}
        self.mappings: dict[str, Any] = self.content.get("Mappings") or {}
        self._parameters: dict[str, dict[str, Any]] = self.content.get("Parameters") or {}
        _check_references(self)

    @property
    def types(self) -> set[str]:
        """The resource types that it names."""
        return {part["Type"] for part in self.resources.values()}

    def parameters(self, given: dict[str, str]) -> dict[str, Any]:
        """Return the value of each parameter: lists as lists, the rest as texts."""
        strange = sorted(set(given) - set(self._parameters))
        if strange:
            raise Invalid(f"Parameters: [{', '.join(strange)}] do not exist in the template")
        missing = [name for name, slot in self._parameters.items() if name not in given and "Default" not in slot]
        if missing:
            raise Invalid(f"Parameters: [{', '.join(missing)}] must have values")
        return {name: _parameter(name, slot, given.get(name)) for name, slot in self._parameters.items()}

    def declarations(self) -> list[dict[str, Any]]:
        """Return its parameters as a summary of the template shows them."""
        return [
            {
                "ParameterKey": name,
                "ParameterType": slot["Type"],
                "NoEcho": slot.get("NoEcho") in (True, "true"),
                **({"DefaultValue": str(slot["Default"])} if "Default" in slot else {}),
            }
            for name, slot in self._parameters.items()
        ]

    def parameter_texts(self, given: dict[str, str]) -> dict[str, str]:
        """Return parameters as AWS shows them; those with NoEcho hidden."""
        return {
            name: "****" if slot.get("NoEcho") in (True, "true") else str(given.get(name, slot.get("Default", "")))
            for name, slot in self._parameters.items()
        }

    def order(self, names: set[str]) -> list[str]:
        """Return these resources so that each one comes after those that it needs."""
        done: list[str] = []

        def visit(name: str, above: tuple[str, ...]) -> None:
            if name in above:
                circle = sorted(above[above.index(name) :])
                raise Invalid(f"Circular dependency between resources: [{', '.join(circle)}]")
            if name not in done:
                for needed in sorted(self.needs(name) & names):
                    visit(needed, (*above, name))
                done.append(name)

        for name in self.resources:
            if name in names:
                visit(name, ())
        return done

    def needs(self, name: str) -> set[str]:
        """Return the resources that one refers to, or waits for."""
        resource = self.resources[name]
        found = {*references(resource.get("Properties", {})), *_waits_for(resource)}
        return found & set(self.resources)


def references(value: Any) -> Iterator[str]:
    """Yield the names that a value refers to: resources, parameters, pseudo parameters."""
    if isinstance(value, list):
        for item in value:
            yield from references(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Ref":
                yield item
            elif key == "Fn::GetAtt":
                yield item[0]
            elif key == "Fn::Sub":
                yield from _substitutions(item)
            else:
                yield from references(item)


def get_atts(value: Any) -> Iterator[tuple[str, str]]:
    """Yield what Fn::GetAtt, or Fn::Sub with a dot, asks for: resource and attribute."""
    if isinstance(value, list):
        for item in value:
            yield from get_atts(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            if key == "Fn::GetAtt":
                yield item[0], item[1]
            elif key == "Fn::Sub":
                yield from _dotted_substitutions(item)
            else:
                yield from get_atts(item)


def _dotted_substitutions(argument: Any) -> Iterator[tuple[str, str]]:
    text, own = (argument, {}) if isinstance(argument, str) else argument
    for match in SUBSTITUTION.finditer(text):
        resource, dot, attribute = match[2].strip().partition(".")
        if dot and not match[1] and match[2].strip() not in own:
            yield resource, attribute
    yield from get_atts(list(own.values()))


def _waits_for(part: dict[str, Any]) -> list[str]:
    waits = part.get("DependsOn", [])
    return [waits] if isinstance(waits, str) else waits


def _substitutions(argument: Any) -> Iterator[str]:
    text, own = (argument, {}) if isinstance(argument, str) else argument
    names = (match[2].strip() for match in SUBSTITUTION.finditer(text) if not match[1])
    yield from (name.split(".", 1)[0] for name in names if name not in own)
    yield from references(list(own.values()))


def _read(body: str) -> dict[str, Any]:
    size = len(body.encode())
    if size > MAX_BODY_BYTES:
        raise Invalid(
            f"1 validation error detected: Value of {size} bytes at 'templateBody' failed to satisfy constraint: "
            f"Member must have length less than or equal to {MAX_BODY_BYTES}"
        )
    try:
        content = yaml.load(body, Loader=_Loader)
    except yaml.YAMLError as error:
        raise Invalid(f"Template format error: YAML not well-formed. {error}") from error
    if not isinstance(content, dict):
        raise Invalid("Template format error: unsupported structure.")
    strange = sorted(set(content) - SECTIONS)
    if strange:
        raise Invalid(f"Invalid template property or properties [{', '.join(strange)}]")
    if not content.get("Resources"):
        raise Invalid("Template format error: At least one Resources member must be defined.")
    for name, resource in content["Resources"].items():
        _check_resource(name, resource)
    return content


def _check_resource(name: str, resource: Any) -> None:
    if not re.fullmatch("[A-Za-z0-9]+", name):
        raise Invalid(f"Template format error: Resource name {name} is non alphanumeric.")
    if not isinstance(resource, dict) or "Type" not in resource:
        raise Invalid(f"Template format error: [/Resources/{name}] Every resource must have a Type member.")
    strange = sorted(set(resource) - RESOURCE_KEYS)
    if strange:
        raise Invalid(f"Invalid template resource property '{strange[0]}'")


def _check_references(template: Template) -> None:
    known = {*template.resources, *(template.content.get("Parameters") or {})}
    for block, parts in (("Resources", template.resources), ("Outputs", template.outputs)):
        found = {name for part in parts.values() for name in references(part) if not name.startswith("AWS::")}
        found.update(name for part in parts.values() for name in _waits_for(part))
        if found - known:
            missing = ", ".join(sorted(found - known))
            raise Invalid(
                f"Template format error: Unresolved resource dependencies [{missing}] "
                f"in the {block} block of the template"
            )
    template.order(set(template.resources))


def _parameter(name: str, slot: dict[str, Any], given: str | None) -> Any:
    text = text_of(slot["Default"] if given is None else given)
    allowed = [text_of(value) for value in slot.get("AllowedValues", [])]
    if allowed and text not in allowed:
        raise Invalid(f"Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in slot and not re.fullmatch(slot["AllowedPattern"], text):
        raise Invalid(f"Parameter '{name}' must match pattern {slot['AllowedPattern']}")
    if slot["Type"] == "Number":
        _check_number(name, slot, text)
    if slot["Type"].startswith("AWS::SSM::"):
        raise Invalid(f"Parameter '{name}': the lab does not look up parameters of type {slot['Type']}")
    if slot["Type"] == "CommaDelimitedList" or slot["Type"].startswith("List<"):
        return [item.strip() for item in text.split(",")] if text else []
    return text


def _check_number(name: str, slot: dict[str, Any], text: str) -> None:
    try:
        number = float(text)
    except ValueError:
        raise Invalid(f"Parameter '{name}' must be a number.") from None
    if number < float(slot.get("MinValue", number)):
        raise Invalid(f"Parameter '{name}' must be a number not less than {slot['MinValue']}")
    if number > float(slot.get("MaxValue", number)):
        raise Invalid(f"Parameter '{name}' must be a number not greater than {slot['MaxValue']}")


def text_of(value: Any) -> str:
    """Return a scalar as CloudFormation writes it into a text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
