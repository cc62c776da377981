# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which actions a call needs, on which resources and in which context: what AWS asks a caller's policies.

An action has the name of its operation, but for the exceptions below. A service has one way of naming its resources in
parameters; where this page knows none for a call, the resource is "*", which only a statement for all resources allows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from moto.ec2.models import ec2_backends
from moto.elbv2.models import elbv2_backends
from moto.iam.models import iam_backends

from langfuse_lab.aws.permissions.calls import Call
from langfuse_lab.aws.policies import Question

Parameters = dict[str, Any]

PREFIXES = {  # of actions, where it is not the service's name
    "cloudwatch": "cloudwatch",
    "elbv2": "elasticloadbalancing",
    "elb": "elasticloadbalancing",
    "resourcegroupstaggingapi": "tag",
    "stepfunctions": "states",
}
ACTIONS = {  # of operations that are called otherwise; "" asks for nothing
    "lambda:Invoke": "lambda:InvokeFunction",
    "lambda:InvokeAsync": "lambda:InvokeFunction",
    "sns:PublishBatch": "sns:Publish",
    "sqs:SendMessageBatch": "sqs:SendMessage",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sts:GetCallerIdentity": "",
    "sts:GetSessionToken": "",
    "s3:ListBuckets": "s3:ListAllMyBuckets",
    "s3:HeadBucket": "s3:ListBucket",
    "s3:ListObjects": "s3:ListBucket",
    "s3:ListObjectsV2": "s3:ListBucket",
    "s3:ListObjectVersions": "s3:ListBucketVersions",
    "s3:ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "s3:ListParts": "s3:ListMultipartUploadParts",
    "s3:HeadObject": "s3:GetObject",
    "s3:CopyObject": "s3:PutObject",
    "s3:CreateMultipartUpload": "s3:PutObject",
    "s3:UploadPart": "s3:PutObject",
    "s3:UploadPartCopy": "s3:PutObject",
    "s3:CompleteMultipartUpload": "s3:PutObject",
    "s3:DeleteObjects": "s3:DeleteObject",
    "s3:GetBucketLifecycle": "s3:GetLifecycleConfiguration",
    "s3:GetBucketLifecycleConfiguration": "s3:GetLifecycleConfiguration",
    "s3:PutBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:PutBucketLifecycleConfiguration": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:GetBucketEncryption": "s3:GetEncryptionConfiguration",
    "s3:PutBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:GetPublicAccessBlock": "s3:GetBucketPublicAccessBlock",
    "s3:PutPublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
    "s3:DeleteBucketOwnershipControls": "s3:PutBucketOwnershipControls",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
    "s3:GetBucketCors": "s3:GetBucketCORS",
    "s3:PutBucketCors": "s3:PutBucketCORS",
    "s3:DeleteBucketCors": "s3:PutBucketCORS",
    "s3:GetBucketReplication": "s3:GetReplicationConfiguration",
    "s3:PutBucketReplication": "s3:PutReplicationConfiguration",
    "s3:DeleteBucketReplication": "s3:PutReplicationConfiguration",
    "s3:GetBucketNotificationConfiguration": "s3:GetBucketNotification",
    "s3:PutBucketNotificationConfiguration": "s3:PutBucketNotification",
    "s3:GetBucketAccelerateConfiguration": "s3:GetAccelerateConfiguration",
    "s3:PutBucketAccelerateConfiguration": "s3:PutAccelerateConfiguration",
    "s3:GetObjectLockConfiguration": "s3:GetBucketObjectLockConfiguration",
    "s3:PutObjectLockConfiguration": "s3:PutBucketObjectLockConfiguration",
}
TAGGING = {  # what tagging at creation asks for, by service or operation; the others ask for TagResource
    "iam:CreateRole": "iam:TagRole",
    "iam:CreateUser": "iam:TagUser",
    "iam:CreatePolicy": "iam:TagPolicy",
    "iam:CreateOpenIDConnectProvider": "iam:TagOpenIDConnectProvider",
    "acm": "acm:AddTagsToCertificate",
    "ec2": "ec2:CreateTags",
    "elasticloadbalancing": "elasticloadbalancing:AddTags",
    "s3": "s3:PutBucketTagging",
    "sqs": "sqs:TagQueue",
    "ssm": "ssm:AddTagsToResource",
}
CREATING = re.compile("(Create|Put|Run|Request|Allocate|Update(Stack)$)")
TAG_MEMBERS = ("Tags", "tags", "TagSpecifications", "TagSpecification")
PASSED_ROLES = {  # operation -> the parameter that names a role, and who is handed it
    "cloudformation:CreateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:UpdateStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:CreateChangeSet": ("RoleARN", "cloudformation.amazonaws.com"),
    "cloudformation:DeleteStack": ("RoleARN", "cloudformation.amazonaws.com"),
    "eks:CreateCluster": ("roleArn", "eks.amazonaws.com"),
    "eks:CreateNodegroup": ("nodeRole", "eks.amazonaws.com"),
    "eks:CreateAddon": ("serviceAccountRoleArn", "eks.amazonaws.com"),
    "eks:UpdateAddon": ("serviceAccountRoleArn", "eks.amazonaws.com"),
    "eks:CreatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
    "eks:UpdatePodIdentityAssociation": ("roleArn", "pods.eks.amazonaws.com"),
    "events:PutRule": ("RoleArn", "events.amazonaws.com"),
    "lambda:CreateFunction": ("Role", "lambda.amazonaws.com"),
    "lambda:UpdateFunctionConfiguration": ("Role", "lambda.amazonaws.com"),
    "scheduler:CreateSchedule": ("RoleArn", "scheduler.amazonaws.com"),
}
EC2_KINDS = {  # by the prefix of ids
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "i": "instance",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "snap": "snapshot",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}
EC2_CREATED = {  # operation -> the kind of what it makes
    "AllocateAddress": "elastic-ip",
    "CreateInternetGateway": "internet-gateway",
    "CreateLaunchTemplate": "launch-template",
    "CreateNatGateway": "natgateway",
    "CreateNetworkInterface": "network-interface",
    "CreateRouteTable": "route-table",
    "CreateSecurityGroup": "security-group",
    "CreateSnapshot": "snapshot",
    "CreateSubnet": "subnet",
    "CreateVolume": "volume",
    "CreateVpc": "vpc",
    "CreateVpcEndpoint": "vpc-endpoint",
    "RunInstances": "instance",
}
EC2_ID = re.compile(rf"({'|'.join(EC2_KINDS)})-[0-9a-f]+")
IAM_NAMES = {"RoleName": "role", "UserName": "user", "GroupName": "group", "InstanceProfileName": "instance-profile"}


def questions(call: Call, account: str) -> list[Question]:
    """Return what a call needs to be allowed: every one of these, on its resource and in its context."""
    return list(_questions(call, account))


def action_of(call: Call) -> str:
    """Return the action of an operation, without what it needs beside; "" for one that everybody may call."""
    named = f"{PREFIXES.get(call.service, call.service)}:{call.operation}"
    return ACTIONS.get(named, named)


def _questions(call: Call, account: str) -> Iterator[Question]:
    action = action_of(call)
    if not action:
        return
    place = _Place(call, account)
    context = _context(call)
    if call.operation == "DeleteObjects":
        yield from _deletions(call, context)
        return
    if call.service == "s3" and call.parameters.get("VersionId") and action in ("s3:GetObject", "s3:DeleteObject"):
        action += "Version"
    for resource in place.resources():
        yield Question(action, resource, context={**context, **_resource_tags(resource, account, call.region)})
    yield from _tagging(call, place, context)
    yield from _passing(call, account)
    yield from _besides(call, place)


def _deletions(call: Call, context: dict[str, str | list[str]]) -> Iterator[Question]:
    for each in call.parameters["Delete"]["Objects"]:
        action = "s3:DeleteObjectVersion" if each.get("VersionId") else "s3:DeleteObject"
        yield Question(action, f"arn:aws:s3:::{call.parameters['Bucket']}/{each['Key']}", context=context)


def _context(call: Call) -> dict[str, str | list[str]]:
    context: dict[str, str | list[str]] = {"aws:RequestedRegion": call.region}
    tags = _tags(call.parameters)
    context.update({f"aws:RequestTag/{key}": value for key, value in tags.items()})
    keys = sorted({*tags, *_removed_tags(call.parameters)})
    if keys:
        context["aws:TagKeys"] = keys
    named = {
        "cloudwatch:namespace": (call.service == "cloudwatch", "Namespace"),
        "iam:AWSServiceName": (call.operation == "CreateServiceLinkedRole", "AWSServiceName"),
        "iam:PolicyARN": (call.operation in ("AttachRolePolicy", "DetachRolePolicy"), "PolicyArn"),
        "s3:prefix": (call.service == "s3", "Prefix"),
    }
    for key, (applies, parameter) in named.items():
        if applies and parameter in call.parameters:
            context[key] = call.parameters[parameter]
    return context


def _tags(parameters: Parameters) -> dict[str, str]:
    """Return the tags that a call gives, whatever form they have."""
    found: dict[str, str] = {}
    for member in TAG_MEMBERS:
        given = parameters.get(member) or []
        if isinstance(given, dict):
            found.update(given)
            continue
        for each in given:
            listed = each.get("Tags", []) if "ResourceType" in each else [each]
            found.update({tag.get("Key", tag.get("key")): tag.get("Value", tag.get("value", "")) for tag in listed})
    return {key: value for key, value in found.items() if key}


def _removed_tags(parameters: Parameters) -> list[str]:
    return [str(key) for member in ("TagKeys", "tagKeys") for key in parameters.get(member) or []]


def _tagging(call: Call, place: _Place, context: dict[str, str | list[str]]) -> Iterator[Question]:
    if not CREATING.match(call.operation) or not _tags(call.parameters):
        return
    prefix = PREFIXES.get(call.service, call.service)
    action = TAGGING.get(f"{prefix}:{call.operation}") or TAGGING.get(prefix) or f"{prefix}:TagResource"
    if action == f"{prefix}:{call.operation}":
        return
    made = {**context, f"{prefix}:CreateAction": call.operation}
    for resource in place.created():
        yield Question(action, resource, context=made)


def _passing(call: Call, account: str) -> Iterator[Question]:
    parameter, service = PASSED_ROLES.get(f"{PREFIXES.get(call.service, call.service)}:{call.operation}", ("", ""))
    role = call.parameters.get(parameter)
    if role:
        arn = role if role.startswith("arn:") else f"arn:aws:iam::{account}:role/{role}"
        yield Question("iam:PassRole", arn, context={"iam:PassedToService": service})


def _besides(call: Call, place: _Place) -> Iterator[Question]:
    """Return what single operations need beside their own action."""
    if (
        call.service == "cloudformation"
        and call.parameters.get("StackPolicyBody")
        and call.operation != "SetStackPolicy"
    ):
        yield Question("cloudformation:SetStackPolicy", place.resources()[0])
    if call.service == "s3" and call.operation in ("CopyObject", "UploadPartCopy"):
        source = call.parameters["CopySource"]
        path = f"{source['Bucket']}/{source['Key']}" if isinstance(source, dict) else str(source).lstrip("/")
        yield Question("s3:GetObject", f"arn:aws:s3:::{path.partition('?')[0]}")


class _Place:
    """The resources of a call, as the ARNs that policies know."""

    def __init__(self, call: Call, account: str) -> None:
        self._call, self._account = call, account
        self._p = call.parameters

    def resources(self) -> list[str]:
        """Return what a call is about, or "*"."""
        finder: Callable[[], list[str]] = getattr(self, f"_{self._call.service}", self._arns)
        return finder() or ["*"]

    def created(self) -> list[str]:
        """Return what a call makes, as what tagging it needs to be allowed on."""
        if self._call.service == "ec2":
            kinds = [
                spec["ResourceType"] for spec in self._p.get("TagSpecifications") or [] if spec.get("ResourceType")
            ]
            return [self._arn("ec2", f"{kind}/*") for kind in kinds] or self.resources()
        return self.resources()

    def _arn(self, service: str, name: str) -> str:
        return f"arn:aws:{service}:{self._call.region}:{self._account}:{name}"

    def _arns(self) -> list[str]:
        """Return the ARNs among the parameters."""
        values = [value for key, value in self._p.items() if key.lower().endswith(("arn", "arns"))]
        listed = [each for value in values for each in (value if isinstance(value, list) else [value])]
        return [each for each in listed if isinstance(each, str) and each.startswith("arn:")]

    def _named(self, kinds: dict[str, str], service: str) -> list[str]:
        return [self._arn(service, kind.format(self._p[key])) for key, kind in kinds.items() if self._p.get(key)]

    def _cloudformation(self) -> list[str]:
        name = self._p.get("StackName", "")
        if name.startswith("arn:"):
            return [name]
        return [self._arn("cloudformation", f"stack/{name}/*")] if name else self._arns()

    def _cloudwatch(self) -> list[str]:
        if self._p.get("DashboardName"):
            return [f"arn:aws:cloudwatch::{self._account}:dashboard/{self._p['DashboardName']}"]
        names = self._p.get("AlarmNames") or [self._p.get("AlarmName")]
        return [self._arn("cloudwatch", f"alarm:{name}") for name in names if name] or self._arns()

    def _ec2(self) -> list[str]:
        if self._call.operation.startswith("Describe"):
            return []
        found = {self._arn("ec2", f"{EC2_KINDS[id_.split('-')[0]]}/{id_}") for id_ in _ec2_ids(self._p)}
        if self._call.operation in EC2_CREATED:
            found.add(self._arn("ec2", f"{EC2_CREATED[self._call.operation]}/*"))
        return sorted(found)

    def _eks(self) -> list[str]:
        if self._call.operation in ("DescribeAddonVersions", "DescribeClusterVersions"):
            return []
        cluster = self._p.get("clusterName") or self._p.get("name")
        below = {
            "nodegroupName": "nodegroup/{}/{}/*",
            "addonName": "addon/{}/{}/*",
            "principalArn": "access-entry/{}/*",
        }
        for key, form in below.items():
            if self._p.get(key) and not self._call.operation.startswith("Create"):
                return [self._arn("eks", form.format(cluster, self._p[key]))]
        return [self._arn("eks", f"cluster/{cluster}")] if cluster else self._arns()

    def _elbv2(self) -> list[str]:
        made = {
            "CreateLoadBalancer": f"loadbalancer/app/{self._p.get('Name')}/*",
            "CreateTargetGroup": f"targetgroup/{self._p.get('Name')}/*",
        }
        if self._call.operation in made:
            return [self._arn("elasticloadbalancing", made[self._call.operation])]
        if self._call.operation.startswith("Describe"):
            return []
        if self._call.operation == "CreateListener":
            return [f"{self._p['LoadBalancerArn'].replace(':loadbalancer/', ':listener/')}/*"]
        if self._call.operation == "CreateRule":
            return [f"{self._p['ListenerArn'].replace(':listener/', ':listener-rule/')}/*"]
        return self._arns()

    def _events(self) -> list[str]:
        return self._named({"Name": "rule/{}", "Rule": "rule/{}"}, "events") or self._arns()

    def _iam(self) -> list[str]:
        for key, kind in IAM_NAMES.items():
            if self._p.get(key):
                path = _iam_path(self._account, kind, self._p[key]) or self._p.get("Path") or "/"
                return [f"arn:aws:iam::{self._account}:{kind}{path}{self._p[key]}"]
        if self._call.operation == "CreateOpenIDConnectProvider":
            return [f"arn:aws:iam::{self._account}:oidc-provider/{self._p['Url'].removeprefix('https://')}"]
        if self._call.operation == "CreatePolicy":
            return [f"arn:aws:iam::{self._account}:policy{self._p.get('Path') or '/'}{self._p['PolicyName']}"]
        return self._arns()

    def _kms(self) -> list[str]:
        key = self._p.get("KeyId", "")
        if not key or key.startswith("arn:"):
            return [key] if key else []
        return [self._arn("kms", key if key.startswith("alias/") else f"key/{key}")]

    def _lambda(self) -> list[str]:
        name = self._p.get("FunctionName", "")
        if not name or name.startswith("arn:"):
            return [name] if name else self._arns()
        return [self._arn("lambda", f"function:{name}")]

    def _logs(self) -> list[str]:
        if self._call.operation == "DescribeLogGroups":
            return []
        return self._named({"logGroupName": "log-group:{}:*"}, "logs") or self._arns()

    def _s3(self) -> list[str]:
        bucket, key = self._p.get("Bucket"), self._p.get("Key")
        if not bucket:
            return []
        return [f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"]

    def _sns(self) -> list[str]:
        return self._named({"Name": "{}"}, "sns") or self._arns()

    def _sqs(self) -> list[str]:
        url = self._p.get("QueueUrl", "")
        return [self._arn("sqs", url.rpartition("/")[2])] if url else self._named({"QueueName": "{}"}, "sqs")

    def _ssm(self) -> list[str]:
        if self._call.operation == "DescribeParameters":
            return []
        names = [self._p.get("Name"), self._p.get("Path"), self._p.get("ResourceId"), *(self._p.get("Names") or [])]
        return [self._arn("ssm", f"parameter/{name.lstrip('/')}") for name in names if name]


def _ec2_ids(value: Any) -> Iterator[str]:
    """Return all ids of things of EC2 in parameters, those in filters and tags left out."""
    if isinstance(value, str):
        if EC2_ID.fullmatch(value):
            yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if key not in (*TAG_MEMBERS, "Filters"):
                yield from _ec2_ids(item)
    elif isinstance(value, list):
        for item in value:
            yield from _ec2_ids(item)


def _iam_path(account: str, kind: str, name: str) -> str | None:
    """Return the path of a role or user that stands."""
    iam = iam_backends[account]["aws"]
    standing = iam.users.get(name) if kind == "user" else None
    if kind == "role":
        standing = next((role for role in iam.roles.values() if role.name == name), None)
    return standing.path if standing else None


def _resource_tags(arn: str, account: str, region: str) -> dict[str, str | list[str]]:
    """Return the tags of a resource, as conditions of policies name them."""
    service = arn.split(":")[2] if arn.startswith("arn:") else ""
    if service == "ec2":
        tags = ec2_backends[account][region].tags.get(arn.rpartition("/")[2], {})
        return {f"{prefix}:ResourceTag/{key}": value for key, value in tags.items() for prefix in ("aws", "ec2")}
    if service == "elasticloadbalancing" and "*" not in arn:
        backend = elbv2_backends[account][region]
        tags = backend.tagging_service.get_tag_dict_for_resource(arn)
        return {f"aws:ResourceTag/{key}": value for key, value in tags.items()}
    return {}
