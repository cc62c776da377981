# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation's API, in the place of moto's."""

from __future__ import annotations

import dataclasses
import datetime
import json
import uuid
from typing import Any

from moto.core.base_backend import BackendDict, BaseBackend
from moto.core.responses import ActionResult, BaseResponse, EmptyResult
from moto.core.utils import utcnow

from langfuse_lab.aws import clients
from langfuse_lab.aws.cloudformation import pace, schemas, types
from langfuse_lab.aws.cloudformation.changes import NO_UPDATES, Plan
from langfuse_lab.aws.cloudformation.resource import TYPES
from langfuse_lab.aws.cloudformation.stacks import Operation, Request, Resource, Stack
from langfuse_lab.aws.cloudformation.template import Invalid, Template, get_atts
from langfuse_lab.aws.errors import AwsError

__all__ = ["CloudFormationResponse", "types"]

FINAL = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "IMPORT_COMPLETE")
NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."
NAMED_IAM = {"AWS::IAM::Role": "RoleName", "AWS::IAM::User": "UserName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName"}


@dataclasses.dataclass
class ChangeSet:
    """A planned creation or update."""

    name: str
    change_set_id: str
    kind: str
    stack: Stack
    request: Request
    capabilities: list[str]
    changes: list[dict[str, Any]]
    status: str
    reason: str | None
    execution_status: str
    created_at: datetime.datetime = dataclasses.field(default_factory=utcnow)


class CloudFormationBackend(BaseBackend):
    """The stacks of one account and region."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.stacks: dict[str, Stack] = {}  # by id, the deleted ones too
        self.change_sets: dict[str, ChangeSet] = {}

    def find(self, name_or_id: str) -> Stack | None:
        """Return a stack: by id any, by name only one that stands."""
        if name_or_id in self.stacks:
            return self.stacks[name_or_id]
        return next((s for s in self.stacks.values() if s.name == name_or_id and not s.is_deleted), None)

    def get(self, name_or_id: str) -> Stack:
        """Return a stack, or refuse the call."""
        stack = self.find(name_or_id)
        if stack is None:
            raise Invalid(f"Stack with id {name_or_id} does not exist")
        return stack

    def change_set(self, name_or_id: str, stack_name: str | None) -> ChangeSet:
        """Return a change set, or refuse the call."""
        for change_set in self.change_sets.values():
            named = change_set.name == name_or_id and stack_name in (change_set.stack.name, change_set.stack.stack_id)
            if named or change_set.change_set_id == name_or_id:
                return change_set
        raise AwsError("ChangeSetNotFoundException", f"ChangeSet [{name_or_id}] does not exist")


backends = BackendDict(CloudFormationBackend, "cloudformation")


class CloudFormationResponse(BaseResponse):
    """The calls; moto finds a method by the name of the operation."""

    def __init__(self) -> None:
        super().__init__(service_name="cloudformation")
        self.automated_parameter_parsing = True

    @property
    def _backend(self) -> CloudFormationBackend:
        return backends[self.current_account][self.region]

    # Stacks

    def create_stack(self) -> ActionResult:
        name = self._get_param("StackName")
        if self._backend.find(name):
            raise AwsError("AlreadyExistsException", f"Stack [{name}] already exists")
        request = self._request(None)
        stack = self._new_stack(name, request)
        self._backend.stacks[stack.stack_id] = stack
        on_failure = self._get_param("OnFailure") or (
            "DO_NOTHING" if self._get_param("DisableRollback") else "ROLLBACK"
        )
        operation = Operation(stack, request.clients, request.token)
        pace.run(lambda: operation.create(request, on_failure), request.template.types)
        return ActionResult({"StackId": stack.stack_id})

    def update_stack(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        if stack.status not in FINAL:
            raise Invalid(f"Stack:{stack.stack_id} is in {stack.status} state and can not be updated.")
        request = self._request(stack)
        if Plan(stack, request).is_empty:
            raise Invalid(NO_UPDATES)
        self._update(stack, request)
        return ActionResult({"StackId": stack.stack_id})

    def _update(self, stack: Stack, request: Request) -> None:
        during = self._get_param("StackPolicyDuringUpdateBody")
        lasting = self._get_param("StackPolicyBody") or stack.policy
        stack.policy = during or lasting
        stack.capabilities = self._get_param("Capabilities") or stack.capabilities

        def update() -> None:
            try:
                Operation(stack, request.clients, request.token).update(request)
            finally:
                stack.policy = lasting

        pace.run(update, request.template.types)

    def delete_stack(self) -> ActionResult:
        stack = self._backend.find(self._get_param("StackName"))
        if stack and not stack.is_deleted:
            if stack.termination_protection:
                raise Invalid(f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled")
            operation = Operation(stack, self._clients(), self._get_param("ClientRequestToken"))
            retained = self._get_param("RetainResources") or []
            pace.run(lambda: operation.delete(retained), stack.template.types)
        return EmptyResult()

    def describe_stacks(self) -> ActionResult:
        name = self._get_param("StackName")
        stacks = [self._backend.get(name)] if name else [s for s in self._backend.stacks.values() if not s.is_deleted]
        return ActionResult({"Stacks": [_describe(stack) for stack in stacks]})

    def list_stacks(self) -> ActionResult:
        wanted = self._get_param("StackStatusFilter") or []
        stacks = [stack for stack in self._backend.stacks.values() if not wanted or stack.status in wanted]
        return ActionResult({"StackSummaries": [_summary(stack) for stack in stacks]})

    def describe_stack_events(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        return ActionResult({"StackEvents": stack.events[::-1]})

    def list_stack_resources(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        return ActionResult({"StackResourceSummaries": [_resource(r) for r in _standing(stack)]})

    def describe_stack_resources(self) -> ActionResult:
        stack, wanted = self._backend.get(self._get_param("StackName")), self._get_param("LogicalResourceId")
        found = [r for r in _standing(stack) if wanted in (None, r.logical_id)]
        return ActionResult({"StackResources": [{**_resource(r), **_identity(stack)} for r in found]})

    def describe_stack_resource(self) -> ActionResult:
        stack, wanted = self._backend.get(self._get_param("StackName")), self._get_param("LogicalResourceId")
        found = [r for r in _standing(stack) if r.logical_id == wanted]
        if not found:
            raise Invalid(f"Resource {wanted} does not exist for stack {stack.name}")
        return ActionResult({"StackResourceDetail": {**_resource(found[0]), **_identity(stack)}})

    # Templates, policies, protection

    def get_template(self) -> ActionResult:
        return ActionResult({"TemplateBody": self._backend.get(self._get_param("StackName")).template.body})

    def get_template_summary(self) -> ActionResult:
        name = self._get_param("StackName")
        template = self._backend.get(name).template if name else Template(self._body())
        summary = {"Description": template.description, "ResourceTypes": sorted(template.types)}
        return ActionResult({**summary, "Parameters": template.declarations()})

    def validate_template(self) -> ActionResult:
        template = Template(self._body())
        self._check_types(template)
        return ActionResult({"Description": template.description, "Capabilities": _needed_capabilities(template)})

    def get_stack_policy(self) -> ActionResult:
        return ActionResult({"StackPolicyBody": self._backend.get(self._get_param("StackName")).policy})

    def set_stack_policy(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        stack.policy = _checked_policy(self._get_param("StackPolicyBody"))
        return EmptyResult()

    def update_termination_protection(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        stack.termination_protection = self._get_param("EnableTerminationProtection")
        return ActionResult({"StackId": stack.stack_id})

    # Change sets

    def create_change_set(self) -> ActionResult:
        kind = self._get_param("ChangeSetType") or "UPDATE"
        stack = self._stack_to_change(kind)
        request = self._request(None if kind == "CREATE" else stack)
        plan = Plan(stack, request)
        empty = kind == "UPDATE" and plan.is_empty
        name = self._get_param("ChangeSetName")
        change_set = ChangeSet(
            name=name,
            change_set_id=f"arn:aws:cloudformation:{self.region}:{self.current_account}:changeSet/{name}/{uuid.uuid4()}",
            kind=kind,
            stack=stack,
            request=request,
            capabilities=self._get_param("Capabilities") or [],
            changes=plan.changes,
            status="FAILED" if empty else "CREATE_COMPLETE",
            reason=NO_CHANGES if empty else None,
            execution_status="UNAVAILABLE" if empty else "AVAILABLE",
        )
        self._backend.stacks[stack.stack_id] = stack
        self._backend.change_sets[change_set.change_set_id] = change_set
        return ActionResult({"Id": change_set.change_set_id, "StackId": stack.stack_id})

    def _stack_to_change(self, kind: str) -> Stack:
        name = self._get_param("StackName")
        if kind == "UPDATE":
            return self._backend.get(name)
        stack = self._backend.find(name)
        if stack is None:
            stack = self._new_stack(name, self._request(None))
            stack.set_status("REVIEW_IN_PROGRESS", "User Initiated")
        elif stack.status != "REVIEW_IN_PROGRESS":
            raise Invalid(f"Stack [{name}] already exists and cannot be created again with the changeSet.")
        return stack

    def describe_change_set(self) -> ActionResult:
        change_set = self._change_set()
        return ActionResult({**_describe_change_set(change_set), "Changes": change_set.changes})

    def list_change_sets(self) -> ActionResult:
        stack = self._backend.get(self._get_param("StackName"))
        found = [c for c in self._backend.change_sets.values() if c.stack is stack]
        return ActionResult({"Summaries": [_describe_change_set(change_set) for change_set in found]})

    def execute_change_set(self) -> ActionResult:
        change_set = self._change_set()
        if change_set.execution_status != "AVAILABLE":
            raise AwsError(
                "InvalidChangeSetStatus",
                f"ChangeSet [{change_set.name}] cannot be executed in its current status of [{change_set.status}]",
            )
        change_set.execution_status = "EXECUTE_COMPLETE"
        operation = Operation(change_set.stack, change_set.request.clients, self._get_param("ClientRequestToken"))
        if change_set.kind == "CREATE":
            operation.create(change_set.request, "ROLLBACK")
        else:
            operation.update(change_set.request)
        return EmptyResult()

    def delete_change_set(self) -> ActionResult:
        del self._backend.change_sets[self._change_set().change_set_id]
        return EmptyResult()

    def _change_set(self) -> ChangeSet:
        return self._backend.change_set(self._get_param("ChangeSetName"), self._get_param("StackName"))

    # Requests

    def _request(self, stack: Stack | None) -> Request:
        previous = stack.parameters if stack else {}
        template = stack.template if stack and self._get_param("UsePreviousTemplate") else Template(self._body())
        self._check_types(template)
        self._check_capabilities(template)
        tags = self._get_param("Tags")
        request = Request(
            template=template,
            parameters=dict(self._parameters(previous)),
            # Without tags in the call those of the stack stay.
            tags={tag["Key"]: tag["Value"] for tag in tags} if tags else dict(stack.tags if stack else {}),
            clients=self._clients(),
            token=self._get_param("ClientRequestToken"),
        )
        template.parameters(request.parameters)  # refuses wrong ones
        return request

    def _parameters(self, previous: dict[str, str]) -> list[tuple[str, str]]:
        found = []
        for parameter in self._get_param("Parameters") or []:
            key = parameter["ParameterKey"]
            if not parameter.get("UsePreviousValue"):
                found.append((key, parameter.get("ParameterValue", "")))
            elif key in previous:
                found.append((key, previous[key]))
        return found

    def _body(self) -> str:
        body = self._get_param("TemplateBody")
        if body is None:
            raise Invalid("Either TemplateBody or UsePreviousTemplate must be given; the lab takes no TemplateURL")
        return body

    def _check_types(self, template: Template) -> None:
        # AWS refuses a type that it does not know; the lab also refuses one that it cannot make.
        strange = sorted(
            name for name in template.types if name not in TYPES or schemas.find(name, self.region) is None
        )
        if strange:
            raise Invalid(f"Template format error: Unrecognized resource types: [{', '.join(strange)}]")
        for name, attribute in get_atts(template.content):
            schema = schemas.find(template.resources[name]["Type"], self.region)
            if schema and attribute not in schema.attributes:
                raise Invalid(
                    f"Template error: resource {name} does not support attribute type {attribute} in Fn::GetAtt"
                )

    def _check_capabilities(self, template: Template) -> None:
        needed = _needed_capabilities(template)
        given = self._get_param("Capabilities") or []
        if needed and needed[0] not in given and "CAPABILITY_NAMED_IAM" not in given:
            raise AwsError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed[0]}]")

    def _new_stack(self, name: str, request: Request) -> Stack:
        arn = f"arn:aws:cloudformation:{self.region}:{self.current_account}:stack/{name}/{uuid.uuid4()}"
        return Stack(
            name=name,
            stack_id=arn,
            account=self.current_account,
            region=self.region,
            template=request.template,
            parameters=request.parameters,
            tags=request.tags,
            capabilities=self._get_param("Capabilities") or [],
            notification_arns=self._get_param("NotificationARNs") or [],
            role_arn=self._get_param("RoleARN"),
            policy=_checked_policy(self._get_param("StackPolicyBody")),
            termination_protection=bool(self._get_param("EnableTerminationProtection")),
        )

    def _clients(self) -> clients.Clients:
        credentials = clients.credentials_of(self.current_account, self.access_key)
        assert credentials  # the server has verified the signature
        return clients.Clients(credentials, self.region)


def _describe(stack: Stack) -> dict[str, Any]:
    shown = stack.template.parameter_texts(stack.parameters)
    return {
        **_summary(stack),
        "Description": stack.template.description,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in shown.items()],
        "Capabilities": stack.capabilities,
        "NotificationARNs": stack.notification_arns,
        "Outputs": list(stack.outputs.values()),
        "RoleARN": stack.role_arn,
        "Tags": [{"Key": key, "Value": value} for key, value in stack.tags.items()],
        "EnableTerminationProtection": stack.termination_protection,
        "DisableRollback": False,
        "RollbackConfiguration": {},
    }


def _summary(stack: Stack) -> dict[str, Any]:
    return {
        "StackId": stack.stack_id,
        "StackName": stack.name,
        "CreationTime": stack.created_at,
        "LastUpdatedTime": stack.updated_at,
        "DeletionTime": stack.deleted_at,
        "StackStatus": stack.status,
        "StackStatusReason": stack.reason,
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def _standing(stack: Stack) -> list[Resource]:
    return [resource for resource in stack.resources.values() if resource.status]


def _resource(resource: Resource) -> dict[str, Any]:
    return {
        "LogicalResourceId": resource.logical_id,
        "PhysicalResourceId": resource.physical_id,
        "ResourceType": resource.type_name,
        "LastUpdatedTimestamp": resource.changed_at,
        "Timestamp": resource.changed_at,
        "ResourceStatus": resource.status,
        "ResourceStatusReason": resource.reason,
        "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
    }


def _identity(stack: Stack) -> dict[str, Any]:
    return {"StackName": stack.name, "StackId": stack.stack_id}


def _describe_change_set(change_set: ChangeSet) -> dict[str, Any]:
    shown = change_set.request.template.parameter_texts(change_set.request.parameters)
    return {
        **_identity(change_set.stack),
        "ChangeSetName": change_set.name,
        "ChangeSetId": change_set.change_set_id,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in shown.items()],
        "CreationTime": change_set.created_at,
        "Status": change_set.status,
        "StatusReason": change_set.reason,
        "ExecutionStatus": change_set.execution_status,
        "Capabilities": change_set.capabilities,
        "Tags": [{"Key": key, "Value": value} for key, value in change_set.request.tags.items()],
    }


def _needed_capabilities(template: Template) -> list[str]:
    parts = [part for part in template.resources.values() if part["Type"].startswith("AWS::IAM::")]
    iam = [part for part in parts if part["Type"] != "AWS::IAM::OIDCProvider"]
    named = [part for part in iam if NAMED_IAM.get(part["Type"], "") in part.get("Properties", {})]
    if named:
        return ["CAPABILITY_NAMED_IAM"]
    return ["CAPABILITY_IAM"] if iam else []


def _checked_policy(body: str | None) -> str | None:
    if body is None:
        return None
    try:
        json.loads(body)["Statement"]
    except (ValueError, KeyError, TypeError) as error:
        raise Invalid(f"Error validating stack policy: Invalid stack policy ({error})") from error
    return body
