# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stacks: what they hold, and how they are made, changed and deleted.

An operation is over when its call returns, but for what `pace` says takes time. What fails is rolled back as AWS does
it, and the reason stands in the events of the resource.
"""

from __future__ import annotations

import dataclasses
import datetime
import uuid
from collections.abc import Callable
from typing import Any

from moto.core.utils import utcnow

from langfuse_lab.aws.clients import Clients
from langfuse_lab.aws.cloudformation import handlers, pace, policy, schemas
from langfuse_lab.aws.cloudformation.resource import TYPES, Place, ResourceFailure, ResourceType, failures, gone_is_fine
from langfuse_lab.aws.cloudformation.scope import Scope
from langfuse_lab.aws.cloudformation.template import Invalid, Template
from langfuse_lab.aws.permissions import enforcement


@dataclasses.dataclass
class Resource:
    """What stands for one resource of a template."""

    logical_id: str
    type_name: str
    physical_id: str = ""
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    attributes: dict[str, Any] = dataclasses.field(default_factory=dict)
    status: str = ""
    reason: str | None = None
    changed_at: datetime.datetime | None = None
    deletion_policy: str = "Delete"
    replace_policy: str = "Delete"


@dataclasses.dataclass(frozen=True)
class Request:
    """What a caller wants a stack to be."""

    template: Template
    parameters: dict[str, str]
    tags: dict[str, str]
    clients: Clients
    token: str | None = None  # the caller's ClientRequestToken, which marks the events


@dataclasses.dataclass
class Stack:
    """One stack."""

    name: str
    stack_id: str
    account: str
    region: str
    template: Template
    parameters: dict[str, str]
    tags: dict[str, str]
    capabilities: list[str]
    notification_arns: list[str]
    role_arn: str | None
    policy: str | None
    termination_protection: bool
    status: str = ""
    reason: str | None = None
    resources: dict[str, Resource] = dataclasses.field(default_factory=dict)
    outputs: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    created_at: datetime.datetime = dataclasses.field(default_factory=utcnow)
    updated_at: datetime.datetime | None = None
    deleted_at: datetime.datetime | None = None

    @property
    def is_deleted(self) -> bool:
        return self.status == "DELETE_COMPLETE"

    def set_status(self, status: str, reason: str | None = None, token: str | None = None) -> None:
        """Enter a state, and say so in the events."""
        self.status, self.reason = status, reason
        self._add_event(self.name, self.stack_id, "AWS::CloudFormation::Stack", status, reason, token)

    def set_resource_status(
        self, resource: Resource, status: str, reason: str | None = None, token: str | None = None
    ) -> None:
        """Let a resource enter a state, and say so in the events."""
        resource.status, resource.reason, resource.changed_at = status, reason, utcnow()
        self._add_event(resource.logical_id, resource.physical_id, resource.type_name, status, reason, token)

    def _add_event(
        self, logical: str, physical: str, type_name: str, status: str, reason: str | None, token: str | None
    ) -> None:
        event = {
            "StackId": self.stack_id,
            "EventId": str(uuid.uuid4()),
            "StackName": self.name,
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical,
            "ResourceType": type_name,
            "Timestamp": utcnow(),
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "ClientRequestToken": token,
        }
        self.events.append({key: value for key, value in event.items() if value is not None})


class Operation:
    """One creation, update or deletion of a stack."""

    def __init__(self, stack: Stack, clients: Clients, token: str | None = None) -> None:
        self.stack = stack
        self._clients = clients
        self._token = token
        self._undo: list[Callable[[], None]] = []
        self._outdated: list[tuple[Resource, str]] = []  # with the policy that may keep it

    def create(self, request: Request, on_failure: str) -> None:
        """Make all resources; on_failure is DELETE, ROLLBACK or DO_NOTHING."""
        self.stack.set_status("CREATE_IN_PROGRESS", "User Initiated", self._token)
        try:
            self._bring_about(request)
        except (ResourceFailure, Invalid) as failure:
            self._after_failed_creation(failure, on_failure)
        else:
            self.stack.set_status("CREATE_COMPLETE", token=self._token)

    def update(self, request: Request) -> None:
        """Change, add, replace and remove resources; a failure brings back what was."""
        stack, before = self.stack, dict(self.stack.resources)
        stack.updated_at = utcnow()
        stack.set_status("UPDATE_IN_PROGRESS", "User Initiated", self._token)
        try:
            self._bring_about(request)
        except (ResourceFailure, Invalid) as failure:
            stack.set_status("UPDATE_ROLLBACK_IN_PROGRESS", str(failure), self._token)
            faults = self._roll_back()
            stack.resources = before
            status = "UPDATE_ROLLBACK_FAILED" if faults else "UPDATE_ROLLBACK_COMPLETE"
            stack.set_status(status, " ".join(faults) or None, self._token)
            return
        stack.template, stack.parameters, stack.tags = request.template, request.parameters, request.tags
        stack.set_status("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", token=self._token)
        for resource, keep in reversed(self._outdated):
            if keep == "Delete":
                self._delete_outdated(resource)
        stack.set_status("UPDATE_COMPLETE", token=self._token)

    def delete(self, retain: list[str]) -> None:
        """Delete all resources, in the reverse order of their making."""
        stack = self.stack
        stack.set_status("DELETE_IN_PROGRESS", "User Initiated", self._token)
        failed: set[str] = set()
        for name in reversed(stack.template.order(set(stack.resources))):
            resource = stack.resources[name]
            if resource.deletion_policy == "Retain" or name in retain:
                stack.set_resource_status(resource, "DELETE_SKIPPED", token=self._token)
            elif not any(name in stack.template.needs(other) for other in failed):  # what still stands may need it
                self._delete_or_note(resource, failed)
            else:
                failed.add(name)
        if failed:
            names = ", ".join(sorted(name for name in failed if stack.resources[name].status == "DELETE_FAILED"))
            stack.set_status("DELETE_FAILED", f"The following resource(s) failed to delete: [{names}]. ", self._token)
            return
        stack.deleted_at = utcnow()
        stack.set_status("DELETE_COMPLETE", token=self._token)

    # Towards a request

    def _bring_about(self, request: Request) -> None:
        scope = scope_of(self.stack, request, self._reference, self._attribute)
        wanted = {name for name, part in request.template.resources.items() if scope.is_wanted(part)}
        for name in request.template.order(wanted):
            self._bring_about_one(name, request, scope)
        for name in self.stack.template.order(set(self.stack.resources) - wanted):
            resource = self.stack.resources.pop(name)
            policy.check(self.stack.policy, "Update:Delete", name)
            self._outdated.append((resource, resource.deletion_policy))
        self.stack.outputs = outputs_of(request.template, scope)

    def _bring_about_one(self, name: str, request: Request, scope: Scope) -> None:
        part = request.template.resources[name]
        standing = self.stack.resources.get(name)
        if standing and standing.type_name != part["Type"]:
            raise ResourceFailure(f"Update of resource type is not permitted: {name}")
        try:
            with failures():
                wanted = desired(part, request.tags, scope, self.stack.region)
                _check_properties(name, part["Type"], wanted, self.stack.region)
        except (ResourceFailure, Invalid) as failure:
            noted = dataclasses.replace(standing) if standing else Resource(name, part["Type"])
            self._note_failure(noted, "UPDATE" if standing else "CREATE", failure)
            raise ResourceFailure(_failed([name])) from failure
        policies = {
            "deletion_policy": part.get("DeletionPolicy", "Delete"),
            "replace_policy": part.get("UpdateReplacePolicy", "Delete"),
        }
        if standing is None:
            self._create(Resource(name, part["Type"], properties=wanted, **policies))
        elif standing.properties != wanted:
            self._change(standing, dataclasses.replace(standing, properties=wanted, **policies))
        else:
            self.stack.resources[name] = dataclasses.replace(standing, **policies)

    def _create(self, resource: Resource) -> None:
        kind = self._kind(resource)
        self.stack.resources[resource.logical_id] = resource
        self.stack.set_resource_status(resource, "CREATE_IN_PROGRESS", token=self._token)
        pace.take_time(resource.type_name)
        try:
            with failures():
                self._require(resource, "create", "read")
                resource.physical_id = kind.create(resource.properties)
                self._undo.append(lambda: self._delete(resource))
                kind.complete(resource.physical_id, resource.properties)
                resource.attributes = kind.attributes(resource.physical_id, resource.properties)
        except ResourceFailure as failure:
            self._note_failure(resource, "CREATE", failure)
            raise ResourceFailure(_failed([resource.logical_id])) from failure
        self.stack.set_resource_status(resource, "CREATE_COMPLETE", token=self._token)

    def _change(self, old: Resource, new: Resource) -> None:
        kind = self._kind(new)
        schema = schema_of(new.type_name, self.stack.region)
        replaced = schema.replacing(old.properties, new.properties)
        try:
            policy.check(self.stack.policy, "Update:Replace" if replaced else "Update:Modify", new.logical_id)
            if replaced:
                _refuse_named_replacement(kind, old, new)
                self._replace(old, new, schema.deletes_before_it_creates)
                return
            self.stack.set_resource_status(new, "UPDATE_IN_PROGRESS", token=self._token)
            # Before the change: some of it may have taken effect when it fails.
            self._undo.append(lambda: kind.apply(old.physical_id, old.properties, new.properties))
            with failures():
                self._require(new, "update", "read")
                kind.apply(new.physical_id, new.properties, old.properties)
                new.attributes = kind.attributes(new.physical_id, new.properties)
        except ResourceFailure as failure:
            self._note_failure(new, "UPDATE", failure)
            raise ResourceFailure(_failed([new.logical_id])) from failure
        self.stack.resources[new.logical_id] = new
        self.stack.set_resource_status(new, "UPDATE_COMPLETE", token=self._token)

    def _replace(self, old: Resource, new: Resource, delete_first: bool) -> None:
        self.stack.set_resource_status(
            new,
            "UPDATE_IN_PROGRESS",
            "Requested update requires the creation of a new physical resource; hence creating one.",
            self._token,
        )
        if delete_first:
            self._delete(old)
            self._undo.append(lambda: self._create(old))
        else:
            self._outdated.append((old, old.replace_policy))
        new.physical_id, new.attributes = "", {}
        self._create(new)

    # Back, and away

    def _after_failed_creation(self, failure: Exception, on_failure: str) -> None:
        stack = self.stack
        if on_failure == "DO_NOTHING":
            stack.set_status("CREATE_FAILED", str(failure), self._token)
            return
        step = "DELETE" if on_failure == "DELETE" else "ROLLBACK"
        stack.set_status(f"{step}_IN_PROGRESS", f"{failure} {step.capitalize()} requested by user.", self._token)
        faults = self._roll_back()
        if step == "DELETE":
            stack.deleted_at = utcnow()
        stack.set_status(f"{step}_{'FAILED' if faults else 'COMPLETE'}", " ".join(faults) or None, self._token)

    def _roll_back(self) -> list[str]:
        """Undo what was done, the last first; return what went wrong with it."""
        faults = []
        while self._undo:
            try:
                with failures():
                    self._undo.pop()()
            except ResourceFailure as failure:
                faults.append(str(failure))
        return faults

    def _delete(self, resource: Resource) -> None:
        self.stack.set_resource_status(resource, "DELETE_IN_PROGRESS", token=self._token)
        pace.take_time(resource.type_name)
        try:
            with failures(), gone_is_fine():
                self._require(resource, "delete")
                self._kind(resource).delete(resource.physical_id, resource.properties)
        except ResourceFailure as failure:
            self._note_failure(resource, "DELETE", failure)
            raise
        self.stack.set_resource_status(resource, "DELETE_COMPLETE", token=self._token)

    def _delete_or_note(self, resource: Resource, failed: set[str]) -> None:
        if resource.status == "DELETE_COMPLETE" or not resource.physical_id:
            return
        try:
            self._delete(resource)
        except ResourceFailure:
            failed.add(resource.logical_id)

    def _delete_outdated(self, resource: Resource) -> None:
        """Delete what the update left behind; AWS reports a failure of it and goes on."""
        self._delete_or_note(resource, set())

    # Helpers

    def _kind(self, resource: Resource) -> ResourceType:
        stack = self.stack
        place = Place(self._clients, stack.account, stack.region, stack.name, resource.logical_id)
        return TYPES[resource.type_name](place)

    def _require(self, resource: Resource, *verbs: str) -> None:
        """Refuse what AWS's own code of a type would not get done with the caller's permissions."""
        schema = schema_of(resource.type_name, self.stack.region)
        for verb in verbs:
            wanted = handlers.permissions(schema, resource.type_name, verb, resource.properties)
            enforcement.require(self._clients.credentials.access_key_id, wanted)

    def _note_failure(self, resource: Resource, what: str, failure: Exception) -> None:
        self.stack.set_resource_status(resource, f"{what}_FAILED", str(failure), self._token)

    def _reference(self, name: str) -> Any:
        return standing(self.stack, name).physical_id

    def _attribute(self, name: str, attribute: str) -> Any:
        return attribute_of(standing(self.stack, name), attribute)


def scope_of(stack: Stack, request: Request, ref: Callable[[str], Any], attribute: Callable[[str, str], Any]) -> Scope:
    """Return what a request's template is worked out against, in this stack."""
    pseudo = {
        "AWS::AccountId": stack.account,
        "AWS::Region": stack.region,
        "AWS::Partition": "aws",
        "AWS::URLSuffix": "amazonaws.com",
        "AWS::StackName": stack.name,
        "AWS::StackId": stack.stack_id,
    }
    return Scope(request.template, request.template.parameters(request.parameters), pseudo, ref, attribute)


def desired(part: dict[str, Any], tags: dict[str, str], scope: Scope, region: str) -> dict[str, Any]:
    """Return a resource's properties as its template wants them, with the stack's tags. Raises ResourceFailure."""
    schema = schema_of(part["Type"], region)
    properties = scope.resolve(part.get("Properties", {}))
    if tags and schema.tag_property:
        properties[schema.tag_property] = _with_tags(properties.get(schema.tag_property), tags, schema.tags_are_a_map)
    return schema.convert(properties)


def standing(stack: Stack, name: str) -> Resource:
    """Return a resource that something in the template refers to."""
    if name not in stack.resources:  # its condition is false
        raise Invalid(f"Template format error: Unresolved resource dependencies [{name}] in the template")
    return stack.resources[name]


def attribute_of(resource: Resource, attribute: str) -> Any:
    """Return an attribute that Fn::GetAtt asks for: one that the resource has, or one of its properties."""
    for values in (resource.attributes, resource.properties):
        if attribute in values:
            return values[attribute]
    raise Invalid(f"Fn::GetAtt {resource.logical_id}.{attribute}: the lab does not know this attribute")


def outputs_of(template: Template, scope: Scope) -> dict[str, dict[str, Any]]:
    """Return the outputs of a template: key -> value and description."""
    found = {}
    for key, output in template.outputs.items():
        if scope.is_wanted(output):
            value = scope.resolve(output["Value"])
            if isinstance(value, list | dict):
                raise Invalid(f"Template format error: The Value field of output {key} must be a string")
            described = {"Description": output["Description"]} if "Description" in output else {}
            found[key] = {"OutputKey": key, "OutputValue": value, **described}
    return found


def schema_of(type_name: str, region: str) -> schemas.Schema:
    """Return the schema of a type that the lab makes."""
    schema = schemas.find(type_name, region)
    if schema is None:
        raise Invalid(f"Template format error: Unrecognized resource types: [{type_name}]")
    return schema


def _check_properties(name: str, type_name: str, properties: dict[str, Any], region: str) -> None:
    faults = schema_of(type_name, region).faults(properties)
    if faults:
        raise ResourceFailure(f"Properties validation failed for resource {name} with message:\n" + "\n".join(faults))


def _failed(names: list[str]) -> str:
    return f"The following resource(s) failed: [{', '.join(names)}]."


def _with_tags(own: Any, stack_tags: dict[str, str], as_map: bool) -> Any:
    if as_map:
        return {**stack_tags, **(own or {})}
    mine = own or []
    keys = {tag["Key"] for tag in mine}
    return [*mine, *({"Key": key, "Value": value} for key, value in stack_tags.items() if key not in keys)]


def _refuse_named_replacement(kind: ResourceType, old: Resource, new: Resource) -> None:
    name = new.properties.get(kind.name_property or "")
    if name is not None and name == old.properties.get(kind.name_property or ""):
        raise ResourceFailure(
            "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
            f"Rename {name} and update the stack again."
        )
