# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The functions of CloudFormation templates: Ref, Fn::GetAtt, Fn::Sub and their like."""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable
from typing import Any

from langfuse_lab.aws.cloudformation.template import SUBSTITUTION, Invalid, Template, text_of


class _Marker:
    def __init__(self, name: str, equal: bool) -> None:
        self._name, self._equal = name, equal

    def __repr__(self) -> str:
        return self._name

    def __eq__(self, other: object) -> bool:
        return self._equal and self is other

    __hash__ = None  # type: ignore[assignment]


NO_VALUE = _Marker("AWS::NoValue", equal=True)
# What only the deployment can tell, e.g. the id of something still to be made. It equals nothing, not even itself.
UNKNOWN = _Marker("(known after the deployment)", equal=False)


class Scope:
    """What functions are worked out against: parameters, conditions, and what stands (or is planned)."""

    def __init__(
        self,
        template: Template,
        parameters: dict[str, Any],
        pseudo: dict[str, str],
        ref: Callable[[str], Any],
        attribute: Callable[[str, str], Any],
    ) -> None:
        self._template = template
        self._values = {**pseudo, **parameters, "AWS::NoValue": NO_VALUE}
        self._ref, self._attribute = ref, attribute

    def is_wanted(self, part: dict[str, Any]) -> bool:
        """Whether a resource or output is there under its condition."""
        return "Condition" not in part or self.condition(part["Condition"])

    def condition(self, name: str) -> bool:
        """Return the value of a condition."""
        if name not in self._template.conditions:
            raise Invalid(f"Template format error: Unresolved condition dependency {name}")
        return self._truth(self._template.conditions[name])

    def resolve(self, value: Any) -> Any:
        """Return a value with all its functions worked out; UNKNOWN where it rests on something not known yet."""
        if isinstance(value, list):
            return [item for item in map(self.resolve, value) if item is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            (name, argument), *_ = value.items()
            if name == "Ref":
                return self._reference(argument)
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise Invalid(f"Template format error: the lab does not know the function {name}")
        resolved = {key: self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in resolved.items() if item is not NO_VALUE}

    def _truth(self, condition: Any) -> bool:
        (name, argument), *_ = condition.items()
        match name:
            case "Condition":
                return self.condition(argument)
            case "Fn::Equals":
                left, right = (self.resolve(side) for side in argument)
                return str(left) == str(right)
            case "Fn::Not":
                return not self._truth(argument[0])
            case "Fn::And":
                return all(map(self._truth, argument))
            case "Fn::Or":
                return any(map(self._truth, argument))
        raise Invalid(f"Template format error: {name} is not a condition function")

    def _reference(self, name: str) -> Any:
        return self._values[name] if name in self._values else self._ref(name)

    def _get_att(self, argument: list[str]) -> Any:
        return self._attribute(argument[0], argument[1])

    def _sub(self, argument: Any) -> Any:
        text, own = (argument, {}) if isinstance(argument, str) else argument
        values: list[Any] = []

        def substitute(match: re.Match[str]) -> str:
            if match[1]:
                return "${" + match[2] + "}"
            name = match[2].strip()
            if name in own:
                values.append(self.resolve(own[name]))
            else:
                values.append(self._get_att(name.split(".", 1)) if "." in name else self._reference(name))
            return text_of(values[-1])

        result = SUBSTITUTION.sub(substitute, text)
        return UNKNOWN if any(value is UNKNOWN for value in values) else result

    def _join(self, argument: list[Any]) -> Any:
        items = self.resolve(argument[1])
        if items is UNKNOWN or any(item is UNKNOWN for item in items):
            return UNKNOWN
        return argument[0].join(map(text_of, items))

    def _split(self, argument: list[Any]) -> Any:
        text = self.resolve(argument[1])
        return UNKNOWN if text is UNKNOWN else text.split(argument[0])

    def _select(self, argument: list[Any]) -> Any:
        index, items = int(self.resolve(argument[0])), self.resolve(argument[1])
        if items is UNKNOWN:
            return UNKNOWN
        if not 0 <= index < len(items):
            raise Invalid(f"Template error: Fn::Select cannot select nonexistent value at index {index}")
        return items[index]

    def _if(self, argument: list[Any]) -> Any:
        return self.resolve(argument[1] if self.condition(argument[0]) else argument[2])

    def _find_in_map(self, argument: list[Any]) -> Any:
        found: Any = self._template.mappings
        for step in argument:
            key = text_of(self.resolve(step))
            if key not in found:
                raise Invalid(f"Template error: Unable to get mapping for {'::'.join(map(str, argument))}")
            found = found[key]
        return found

    def _base64(self, argument: Any) -> Any:
        text = self.resolve(argument)
        return UNKNOWN if text is UNKNOWN else base64.b64encode(text.encode()).decode()

    def _availability_zones(self, argument: Any) -> list[str]:
        region = self.resolve(argument) or self._values["AWS::Region"]
        return [f"{region}{letter}" for letter in "abc"]

    def _cidr(self, argument: list[Any]) -> Any:
        block, count, bits = self.resolve(argument)
        if block is UNKNOWN:
            return UNKNOWN
        networks = ipaddress.ip_network(block).subnets(new_prefix=32 - int(bits))
        return [str(network) for network, _ in zip(networks, range(int(count)), strict=False)]


_FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Fn::GetAtt": Scope._get_att,
    "Fn::Sub": Scope._sub,
    "Fn::Join": Scope._join,
    "Fn::Split": Scope._split,
    "Fn::Select": Scope._select,
    "Fn::If": Scope._if,
    "Fn::FindInMap": Scope._find_in_map,
    "Fn::Base64": Scope._base64,
    "Fn::GetAZs": Scope._availability_zones,
    "Fn::Cidr": Scope._cidr,
}
