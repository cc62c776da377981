# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's AWS does for a caller what his policies allow, and nothing else: directly and by CloudFormation."""

from __future__ import annotations

import itertools
import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from aws_lab import CAPABILITIES, AwsLab, running, template
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from langfuse_lab.aws.cloudformation import handlers, schemas
from langfuse_lab.config import ACCOUNT, REGION

ROOT = f"arn:aws:iam::{ACCOUNT}:root"
NUMBERS = itertools.count()
STACK = ["cloudformation:CreateStack", "cloudformation:DeleteStack"]
GROUP = template({"Logs": ("Logs::LogGroup", {"LogGroupName": "/mine", "RetentionInDays": 7})})
GROUP_ACTIONS = [
    "logs:CreateLogGroup",
    "logs:DescribeLogGroups",
    "logs:ListTagsForResource",
    "logs:PutRetentionPolicy",
    "logs:TagResource",
]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


def document(*actions: str, resource: Any = "*", effect: str = "Allow", **more: Any) -> str:
    statement = {"Effect": effect, "Action": list(actions), "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


class User:
    """A user with a policy of its own, and clients with its keys."""

    def __init__(self, aws: AwsLab, *documents: str) -> None:
        self.aws, self.name, self.iam = aws, f"user-{next(NUMBERS)}", aws.client("iam")
        self.arn = self.iam.create_user(UserName=self.name)["User"]["Arn"]
        for number, each in enumerate(documents):
            self.iam.put_user_policy(UserName=self.name, PolicyName=f"p{number}", PolicyDocument=each)
        self.keys = aws.keys(self.iam.create_access_key(UserName=self.name)["AccessKey"])

    def client(self, service: str) -> Any:
        return self.aws.client(service, self.keys)


def refusal(call: Any, **arguments: Any) -> tuple[str, str]:
    """The code and message of a call that AWS refuses."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


# Whose policies count


def test_a_user_without_policies_may_only_say_who_he_is(aws: AwsLab) -> None:
    user = User(aws)
    assert user.client("sts").get_caller_identity()["Arn"] == user.arn
    code, message = refusal(user.client("ssm").describe_parameters)
    assert code == "AccessDeniedException"
    assert message == (
        f"User: {user.arn} is not authorized to perform: ssm:DescribeParameters on resource: * "
        "because no identity-based policy allows the ssm:DescribeParameters action"
    )


@pytest.mark.parametrize(
    ("service", "operation", "arguments", "code"),
    [
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation"),
        ("iam", "list_users", {}, "AccessDenied"),
        ("cloudformation", "describe_stacks", {}, "AccessDenied"),
        ("s3", "list_buckets", {}, "AccessDenied"),
        ("s3", "head_bucket", {"Bucket": "b"}, "403"),  # an answer to HEAD has no body
        ("eks", "list_clusters", {}, "AccessDeniedException"),
        ("lambda", "list_functions", {}, "AccessDeniedException"),
        ("cloudwatch", "list_metrics", {}, "AccessDenied"),
        ("logs", "describe_log_groups", {}, "AccessDeniedException"),
        ("elbv2", "describe_load_balancers", {}, "AccessDenied"),
    ],
)
def test_each_service_refuses_in_its_own_words(
    aws: AwsLab, service: str, operation: str, arguments: dict[str, Any], code: str
) -> None:
    found, message = refusal(getattr(User(aws).client(service), operation), **arguments)
    assert found.removesuffix("Exception") == code.removesuffix("Exception")
    assert code == "403" or "is not authorized to perform: " in message


def test_inline_attached_and_group_policies_count(aws: AwsLab) -> None:
    user = User(aws, document("ec2:DescribeVpcs"))
    policy = user.iam.create_policy(PolicyName=f"{user.name}-p", PolicyDocument=document("iam:List*"))["Policy"]
    user.iam.attach_user_policy(UserName=user.name, PolicyArn=policy["Arn"])
    user.iam.create_group(GroupName=user.name)
    user.iam.add_user_to_group(GroupName=user.name, UserName=user.name)
    user.iam.put_group_policy(GroupName=user.name, PolicyName="g", PolicyDocument=document("eks:ListClusters"))
    for service, operation in (("ec2", "describe_vpcs"), ("iam", "list_users"), ("eks", "list_clusters")):
        getattr(user.client(service), operation)()
    refusal(user.client("ec2").describe_subnets)
    user.iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=document("iam:GetUser"), SetAsDefault=True)
    refusal(user.client("iam").list_users)


def test_a_denial_wins(aws: AwsLab) -> None:
    user = User(aws, document("*"), document("ec2:DescribeVpcs", effect="Deny"))
    user.client("ec2").describe_subnets()
    assert "with an explicit deny" in refusal(user.client("ec2").describe_vpcs)[1]


def test_a_role_session_has_its_roles_policies_within_their_limits(aws: AwsLab) -> None:
    iam = aws.client("iam")
    trust = json.dumps({"Statement": {"Effect": "Allow", "Principal": {"AWS": ROOT}, "Action": "sts:AssumeRole"}})
    boundary = iam.create_policy(PolicyName="limit", PolicyDocument=document("ec2:*", "iam:*"))["Policy"]["Arn"]
    role = iam.create_role(RoleName="limited", AssumeRolePolicyDocument=trust, PermissionsBoundary=boundary)["Role"]
    allowed = document("ec2:DescribeVpcs", "ec2:DescribeSubnets", "eks:ListClusters")
    iam.put_role_policy(RoleName="limited", PolicyName="p", PolicyDocument=allowed)
    user = User(aws, document("sts:AssumeRole", resource=role["Arn"]))
    sts = user.client("sts")
    whole = aws.keys(sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me")["Credentials"])
    aws.client("ec2", whole).describe_vpcs()
    assert "permissions boundary" in refusal(aws.client("eks", whole).list_clusters)[1]
    assert "assumed-role/limited/me is not authorized" in refusal(aws.client("iam", whole).list_users)[1]
    narrowed = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="me", Policy=document("ec2:DescribeSubnets"))
    keys = aws.keys(narrowed["Credentials"])
    aws.client("ec2", keys).describe_subnets()
    refusal(aws.client("ec2", keys).describe_vpcs)
    assert refusal(User(aws).client("sts").assume_role, RoleArn=role["Arn"], RoleSessionName="me")[0] == "AccessDenied"


def test_a_role_that_trusts_a_user_by_name_needs_no_policy_of_his(aws: AwsLab) -> None:
    user = User(aws)
    trust = {"Statement": {"Effect": "Allow", "Principal": {"AWS": user.arn}, "Action": "sts:AssumeRole"}}
    made = aws.client("iam").create_role(RoleName=user.name, AssumeRolePolicyDocument=json.dumps(trust))
    user.client("sts").assume_role(RoleArn=made["Role"]["Arn"], RoleSessionName="me")


# What a policy looks at


def test_resources_and_conditions(aws: AwsLab) -> None:
    tagged = {"StringEquals": {"aws:RequestTag/owner": "me"}}
    own = {"StringEquals": {"ec2:ResourceTag/owner": "me"}}
    user = User(
        aws,
        document("ssm:PutParameter", resource=f"arn:aws:ssm:*:{ACCOUNT}:parameter/mine/*"),
        document("cloudwatch:PutMetricData", Condition={"StringEquals": {"cloudwatch:namespace": "Mine"}}),
        document("ec2:CreateVolume", "ec2:CreateTags", resource="arn:aws:ec2:*:*:volume/*", Condition=tagged),
        document("ec2:DeleteVolume", resource="arn:aws:ec2:*:*:volume/*", Condition=own),
    )
    ssm, cloudwatch, ec2 = (user.client(service) for service in ("ssm", "cloudwatch", "ec2"))
    ssm.put_parameter(Name="/mine/a", Value="v", Type="String")
    refusal(ssm.put_parameter, Name="/other/a", Value="v", Type="String")
    data = [{"MetricName": "m", "Value": 1.0}]
    cloudwatch.put_metric_data(Namespace="Mine", MetricData=data)
    refusal(cloudwatch.put_metric_data, Namespace="Other", MetricData=data)

    def volume(client: Any, owner: str) -> dict[str, Any]:
        tags = [{"ResourceType": "volume", "Tags": [{"Key": "owner", "Value": owner}]}]
        return client.create_volume(AvailabilityZone=f"{REGION}a", Size=1, TagSpecifications=tags)

    ec2.delete_volume(VolumeId=volume(ec2, "me")["VolumeId"])
    refusal(volume, client=ec2, owner="you")
    others = volume(aws.client("ec2"), "you")["VolumeId"]
    refusal(ec2.delete_volume, VolumeId=others)
    aws.client("ec2").delete_volume(VolumeId=others)


def test_a_role_is_handed_only_to_the_service_it_is_allowed_for(aws: AwsLab) -> None:
    trust = {
        "Statement": {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    }
    arn = aws.client("iam").create_role(RoleName="handed", AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    function = {"FunctionName": "f", "Runtime": "python3.13", "Handler": "a.b", "Role": arn, "Code": {"ZipFile": b"x"}}

    def creator(service: str) -> Any:
        passing = document("iam:PassRole", Condition={"StringEquals": {"iam:PassedToService": service}})
        return User(aws, document("lambda:CreateFunction"), passing).client("lambda")

    message = refusal(creator("eks.amazonaws.com").create_function, **function)[1]
    assert f"iam:PassRole on resource: {arn}" in message
    creator("lambda.amazonaws.com").create_function(**function)
    aws.client("lambda").delete_function(FunctionName="f")


def test_an_operation_that_nobody_knows_is_denied(aws: AwsLab) -> None:
    user = User(aws, document("eks:*"))
    signed = AWSRequest("GET", f"{aws.endpoint}/strange")
    keys = Credentials(user.keys["aws_access_key_id"], user.keys["aws_secret_access_key"])
    SigV4Auth(keys, "acm", REGION).add_auth(signed)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(signed.url, headers=dict(signed.headers)))
    assert caught.value.code == 403


# CloudFormation


def deploy(user: User, body: dict[str, Any], **more: Any) -> tuple[str, str]:
    """Create a stack as a user; return its status and the first reason of a failure."""
    name = f"stack-{next(NUMBERS)}"
    user.client("cloudformation").create_stack(
        StackName=name, TemplateBody=json.dumps(body), Capabilities=CAPABILITIES, **more
    )
    stack = user.aws.stack(name)
    reasons = user.aws.failures(name)
    if stack["StackStatus"] == "CREATE_COMPLETE":
        user.aws.delete(name)
    return stack["StackStatus"], reasons[0] if reasons else ""


def test_a_stack_does_with_its_callers_rights_what_awss_own_code_needs(aws: AwsLab) -> None:
    schema = schemas.find("AWS::Logs::LogGroup", REGION)
    properties = GROUP["Resources"]["Logs"]["Properties"]
    needed = {
        each
        for verb in ("create", "read")
        for each in handlers.permissions(schema, "AWS::Logs::LogGroup", verb, properties)
    }
    assert sorted(needed - {"logs:DeleteRetentionPolicy"}) == GROUP_ACTIONS
    assert deploy(User(aws, document(*STACK, *GROUP_ACTIONS)), GROUP) == ("CREATE_COMPLETE", "")


@pytest.mark.parametrize("missing", GROUP_ACTIONS)
def test_one_permission_less_fails_the_stack_by_name(aws: AwsLab, missing: str) -> None:
    less = [action for action in GROUP_ACTIONS if action != missing]
    user = User(aws, document(*STACK, *less, "logs:DeleteLogGroup"))
    status, reason = deploy(user, GROUP)
    assert status == "ROLLBACK_COMPLETE"
    assert reason == (
        f'Resource handler returned message: "User: {user.arn} is not authorized to perform: {missing} on resource: * '
        f'because no identity-based policy allows the {missing} action" (HandlerErrorCode: AccessDenied)'
    )
    assert aws.client("logs").describe_log_groups()["logGroups"] == []


def test_calls_within_a_stack_are_the_callers(aws: AwsLab) -> None:
    """The permission is there, but not for this name: no list of AWS's says so, the call itself does."""
    group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/others*"
    reading = [action for action in GROUP_ACTIONS if action != "logs:CreateLogGroup"]
    narrow = document("logs:CreateLogGroup", resource=group)
    status, reason = deploy(User(aws, document(*STACK, *reading, "logs:DeleteLogGroup"), narrow), GROUP)
    assert status == "ROLLBACK_COMPLETE"
    assert f"logs:CreateLogGroup on resource: arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mine:*" in reason


def test_a_stacks_policy_and_tags_need_permissions_of_their_own(aws: AwsLab) -> None:
    user = User(aws, document(*STACK, *GROUP_ACTIONS))
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}]})
    body = json.dumps(GROUP)
    create = user.client("cloudformation").create_stack
    message = refusal(create, StackName="x", TemplateBody=body, StackPolicyBody=policy)[1]
    assert "cloudformation:SetStackPolicy" in message
    message = refusal(create, StackName="x", TemplateBody=body, Tags=[{"Key": "a", "Value": "b"}])[1]
    assert "cloudformation:TagResource" in message


def test_what_a_property_asks_for_is_asked_for_only_with_it() -> None:
    schema = schemas.find("AWS::KMS::Key", REGION)

    def update(**properties: Any) -> set[str]:
        return set(handlers.permissions(schema, "AWS::KMS::Key", "update", properties))

    assert "kms:EnableKeyRotation" not in update()
    assert "kms:EnableKeyRotation" in update(EnableKeyRotation=True)
    assert "kms:DisableKeyRotation" not in update(EnableKeyRotation=True)
    assert "kms:DisableKeyRotation" in update(EnableKeyRotation=False)
    volume = schemas.find("AWS::EC2::Volume", REGION)
    assert handlers.permissions(volume, "AWS::EC2::Volume", "create", {}) == [
        action for action in volume.permissions("create") if action != "iam:PassRole"
    ]


def test_the_table_names_what_aws_knows() -> None:
    """An action in the table that no handler lists any more, or a property that is gone, is an error in the table."""
    for type_name, bound in handlers.table().items():
        schema = schemas.find(type_name, REGION)
        listed = {action for verb in ("create", "read", "update", "delete") for action in schema.permissions(verb)}
        assert set(bound) <= listed, type_name
        properties = {alternative.partition("=")[0].split(".")[0] for each in bound.values() for alternative in each}
        assert properties - {"none"} <= schema.attributes, type_name


# The simulator, and the record


def simulate(client: Any, source: str, actions: list[str], **more: Any) -> dict[str, str]:
    pages = client.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=source, ActionNames=actions, **more
    )
    return {each["EvalActionName"]: each["EvalDecision"] for page in pages for each in page["EvaluationResults"]}


def test_the_simulator_says_what_would_be_answered(aws: AwsLab) -> None:
    condition = {"StringEquals": {"iam:PassedToService": "eks.amazonaws.com"}}
    user = User(
        aws,
        document("iam:SimulatePrincipalPolicy", "ec2:Describe*"),
        document("ec2:DescribeSubnets", effect="Deny"),
        document("iam:PassRole", Condition=condition),
        document("s3:GetObject", resource="arn:aws:s3:::mine/*"),
    )
    iam = user.client("iam")
    actions = ["ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:RunInstances", "iam:PassRole", "s3:GetObject"]
    assert list(simulate(iam, user.arn, actions).values()) == [
        "allowed",
        "explicitDeny",
        "implicitDeny",
        "implicitDeny",
        "implicitDeny",
    ]
    context = {
        "ContextKeyName": "iam:PassedToService",
        "ContextKeyType": "string",
        "ContextKeyValues": ["eks.amazonaws.com"],
    }
    assert simulate(iam, user.arn, ["iam:PassRole"], ContextEntries=[context]) == {"iam:PassRole": "allowed"}
    assert simulate(iam, user.arn, ["s3:GetObject"], ResourceArns=["arn:aws:s3:::mine/a"]) == {
        "s3:GetObject": "allowed"
    }
    (result,) = iam.simulate_principal_policy(PolicySourceArn=user.arn, ActionNames=["iam:PassRole"])[
        "EvaluationResults"
    ]
    assert result["MissingContextValues"] == ["iam:PassedToService"]
    many = [f"ec2:Describe{number}" for number in range(250)]
    assert len(simulate(iam, user.arn, many)) == 250
    assert refusal(iam.simulate_principal_policy, PolicySourceArn=ROOT, ActionNames=["a:B"])[0].startswith(
        "NoSuchEntity"
    )
    assert refusal(User(aws).client("iam").simulate_principal_policy, PolicySourceArn=ROOT, ActionNames=["a:B"])[0] == (
        "AccessDenied"
    )


def test_the_record_tells_who_asked_for_what(aws: AwsLab) -> None:
    def record(method: str) -> dict[str, Any]:
        request = urllib.request.Request(f"{aws.endpoint}/lab/asked", method=method)
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    user = User(aws, document("ssm:GetParameter"))
    refusal(user.client("ssm").get_parameter, Name="/none")
    refusal(user.client("ec2").describe_vpcs)
    wanted = {"ec2:DescribeVpcs", "ssm:GetParameter"}
    assert set(record("GET")[user.arn]) == wanted
    assert record("POST")[user.arn]["ssm:GetParameter"] == {
        "resource": f"arn:aws:ssm:{REGION}:{ACCOUNT}:parameter/none",
        "context": {"aws:RequestedRegion": REGION},
    }
    assert record("GET") == {}
