# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a resource type is to the stack engine: how it is made, changed, read and deleted by calls to its service.

A type makes a property take effect in one of two ways: the call that creates the resource takes it (`at_creation`),
or a method marked with `applies` sets it afterwards, and again whenever it changes. A property that has neither is
refused; nothing in a template is silently dropped.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import secrets
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar

from botocore.exceptions import BotoCoreError, ClientError

from langfuse_lab.aws.clients import Clients
from langfuse_lab.aws.permissions.enforcement import Denied

SUFFIX_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
GONE = re.compile("NotFound|NoSuch|NotExist|NonExistent")

Properties = dict[str, Any]
TYPES: dict[str, type[ResourceType]] = {}


class ResourceFailure(Exception):
    """A resource could not be made, changed or deleted; the text is the reason in the stack's events."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Whose resource it is: the stack's account, region and name, and the resource's name in the template."""

    clients: Clients
    account: str
    region: str
    stack: str
    logical_id: str


def applies(*properties: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Mark a method(self, id, new, old) that makes these properties take effect."""

    def mark(method: Callable[..., None]) -> Callable[..., None]:
        method.applies = properties  # type: ignore[attr-defined]
        return method

    return mark


class ResourceType:
    """One CloudFormation resource type."""

    type_name: ClassVar[str]
    name_property: ClassVar[str | None]  # the name that a template may choose
    at_creation: ClassVar[frozenset[str]]  # properties that create() takes
    volatile: ClassVar[frozenset[str]]  # attributes that change when the resource does
    name_length: ClassVar[int] = 64
    _appliers: ClassVar[tuple[Callable[..., None], ...]] = ()

    def __init_subclass__(
        cls,
        type_name: str = "",
        name: str | None = None,
        at_creation: Iterable[str] = (),
        volatile: Iterable[str] = (),
    ) -> None:
        super().__init_subclass__()
        members = {key: member for base in reversed(cls.__mro__) for key, member in vars(base).items()}
        cls._appliers = tuple(member for member in members.values() if hasattr(member, "applies"))
        cls.name_property = name
        cls.at_creation = frozenset({*at_creation, *([name] if name else [])})
        cls.volatile = frozenset(volatile)
        if type_name:
            cls.type_name = type_name
            TYPES[type_name] = cls

    def __init__(self, place: Place) -> None:
        self.place = place

    def client(self, service: str) -> Any:
        """Return a boto3 client of the one whose stack it is."""
        return self.place.clients(service)

    def create(self, p: Properties) -> str:
        """Make the resource with the properties of at_creation; return its physical id, which is what Ref gives."""
        raise NotImplementedError

    def delete(self, physical_id: str, p: Properties) -> None:
        """Delete the resource."""
        raise NotImplementedError

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        """Return what Fn::GetAtt gives."""
        return {}

    def complete(self, physical_id: str, p: Properties) -> None:
        """Make the properties that create() did not take take effect."""
        self.apply(physical_id, p, {key: value for key, value in p.items() if key in self.at_creation})

    def apply(self, physical_id: str, new: Properties, old: Properties) -> None:
        """Make the properties that differ take effect; raises ResourceFailure for one that the lab cannot set."""
        changed = {key for key in {*new, *old} if new.get(key) != old.get(key)}
        for applier in self._appliers:
            names = set(applier.applies)  # type: ignore[attr-defined]
            if changed & names:
                applier(self, physical_id, new, old)
                changed -= names
        if changed:
            raise ResourceFailure(f"The lab cannot set {', '.join(sorted(changed))} of {self.type_name}")

    def name(self, p: Properties) -> str:
        """Return the name that the template chose, or one made of the stack's and the resource's names."""
        if self.name_property and self.name_property in p:
            return p[self.name_property]
        suffix = "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(12))
        return f"{self.place.stack}-{self.place.logical_id}"[: self.name_length - 13] + f"-{suffix}"


@contextlib.contextmanager
def failures() -> Iterator[None]:
    """Turn what a call to a service raises into ResourceFailure, in CloudFormation's words."""
    try:
        yield
    except ResourceFailure:
        raise
    except ClientError as error:
        detail = error.response["Error"]
        raise ResourceFailure(
            f'Resource handler returned message: "{detail.get("Message") or detail["Code"]}" '
            f"(HandlerErrorCode: {detail['Code']})"
        ) from error
    except Denied as denied:
        message = f'Resource handler returned message: "{denied}" (HandlerErrorCode: AccessDenied)'
        raise ResourceFailure(message) from denied
    except BotoCoreError as error:
        message = f'Resource handler returned message: "{error}" (HandlerErrorCode: InvalidRequest)'
        raise ResourceFailure(message) from error
    except Exception as error:  # a fault of the lab's, which must not leave the stack half-way
        traceback.print_exc()
        raise ResourceFailure(f"Internal Failure: {error!r}") from error


@contextlib.contextmanager
def gone_is_fine() -> Iterator[None]:
    """Let a deletion succeed when what it deletes is gone already."""
    try:
        yield
    except ClientError as error:
        if not GONE.search(error.response["Error"]["Code"]):
            raise


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the form most services take."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tag_map(p: Properties) -> dict[str, str]:
    """Return the tags of properties as {key: value}."""
    tags = p.get("Tags") or {}
    return tags if isinstance(tags, dict) else {tag["Key"]: tag["Value"] for tag in tags}


def removed_tags(new: Properties, old: Properties) -> list[str]:
    """Return the keys of tags that are not there any more."""
    return sorted(set(tag_map(old)) - set(tag_map(new)))


def as_json(document: Any) -> str:
    """Return a policy document, or the like, as the text that services take."""
    return document if isinstance(document, str) else json.dumps(document)
