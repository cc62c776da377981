# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From an HTTP request to the actions it needs. The requests are made by boto3 itself, and go nowhere."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.awsrequest import AWSPreparedRequest
from botocore.config import Config
from langfuse_lab.aws.permissions import actions, calls
from langfuse_lab.aws.policies import Question
from langfuse_lab.aws.signatures import Received
from langfuse_lab.config import ACCOUNT, REGION

ROLE = f"arn:aws:iam::{ACCOUNT}:role/mine"


class Stopped(Exception):
    """Carries a request that boto3 was about to send."""

    def __init__(self, request: AWSPreparedRequest) -> None:
        super().__init__(request.url)
        self.request = request


def received(service: str, operation: str, parameters: dict[str, Any]) -> Received:
    """The HTTP request of a call, as the server gets it."""
    client = boto3.client(
        service,
        region_name=REGION,
        endpoint_url="http://127.0.0.1:9",
        aws_access_key_id="AKIAX",
        aws_secret_access_key="x",
        config=Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )

    def stop(request: AWSPreparedRequest, **_: Any) -> None:
        raise Stopped(request)

    client.meta.events.register_first("before-send", stop)
    with pytest.raises(Stopped) as stopped:
        getattr(client, operation)(**parameters)
    request = stopped.value.request
    url = urlsplit(request.url)
    headers = {
        key.lower(): value.decode() if isinstance(value, bytes) else value for key, value in request.headers.items()
    }
    body = request.body.read() if hasattr(request.body, "read") else request.body or b""
    return Received(request.method, url.path, url.query, headers, body.encode() if isinstance(body, str) else body)


def asked(service: str, operation: str, parameters: dict[str, Any]) -> list[Question]:
    """What a call needs, found from its HTTP request."""
    request = received(service, operation, parameters)
    signed_for = request.headers["authorization"].split("/")[3]
    call = calls.of_request(request, signed_for, REGION)
    assert call, request
    return actions.questions(call, ACCOUNT)


def arn(service: str, name: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{name}"


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "wanted"),
    [
        ("ec2", "describe_vpcs", {"VpcIds": ["vpc-12"]}, [("ec2:DescribeVpcs", "*")]),
        ("ec2", "delete_volume", {"VolumeId": "vol-12"}, [("ec2:DeleteVolume", arn("ec2", "volume/vol-12"))]),
        (
            "ec2",
            "attach_volume",
            {"VolumeId": "vol-12", "InstanceId": "i-34", "Device": "/dev/x"},
            [("ec2:AttachVolume", arn("ec2", "instance/i-34")), ("ec2:AttachVolume", arn("ec2", "volume/vol-12"))],
        ),
        (
            "ec2",
            "create_volume",
            {
                "AvailabilityZone": "a",
                "Size": 1,
                "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "k", "Value": "v"}]}],
            },
            [("ec2:CreateVolume", arn("ec2", "volume/*")), ("ec2:CreateTags", arn("ec2", "volume/*"))],
        ),
        ("s3", "list_buckets", {}, [("s3:ListAllMyBuckets", "*")]),
        ("s3", "head_bucket", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "list_objects_v2", {"Bucket": "b"}, [("s3:ListBucket", "arn:aws:s3:::b")]),
        ("s3", "list_object_versions", {"Bucket": "b"}, [("s3:ListBucketVersions", "arn:aws:s3:::b")]),
        (
            "s3",
            "get_bucket_lifecycle_configuration",
            {"Bucket": "b"},
            [("s3:GetLifecycleConfiguration", "arn:aws:s3:::b")],
        ),
        ("s3", "get_bucket_encryption", {"Bucket": "b"}, [("s3:GetEncryptionConfiguration", "arn:aws:s3:::b")]),
        ("s3", "get_public_access_block", {"Bucket": "b"}, [("s3:GetBucketPublicAccessBlock", "arn:aws:s3:::b")]),
        ("s3", "put_object", {"Bucket": "b", "Key": "a/b c", "Body": b"x"}, [("s3:PutObject", "arn:aws:s3:::b/a/b c")]),
        ("s3", "get_object", {"Bucket": "b", "Key": "k"}, [("s3:GetObject", "arn:aws:s3:::b/k")]),
        (
            "s3",
            "get_object",
            {"Bucket": "b", "Key": "k", "VersionId": "1"},
            [("s3:GetObjectVersion", "arn:aws:s3:::b/k")],
        ),
        ("s3", "create_multipart_upload", {"Bucket": "b", "Key": "k"}, [("s3:PutObject", "arn:aws:s3:::b/k")]),
        (
            "s3",
            "copy_object",
            {"Bucket": "b", "Key": "k", "CopySource": {"Bucket": "c", "Key": "l"}},
            [("s3:PutObject", "arn:aws:s3:::b/k"), ("s3:GetObject", "arn:aws:s3:::c/l")],
        ),
        (
            "s3",
            "delete_objects",
            {"Bucket": "b", "Delete": {"Objects": [{"Key": "k"}, {"Key": "l", "VersionId": "1"}]}},
            [("s3:DeleteObject", "arn:aws:s3:::b/k"), ("s3:DeleteObjectVersion", "arn:aws:s3:::b/l")],
        ),
        (
            "eks",
            "create_addon",
            {"clusterName": "c", "addonName": "x", "serviceAccountRoleArn": ROLE, "tags": {"k": "v"}},
            [
                ("eks:CreateAddon", arn("eks", "cluster/c")),
                ("eks:TagResource", arn("eks", "cluster/c")),
                ("iam:PassRole", ROLE),
            ],
        ),
        (
            "eks",
            "describe_nodegroup",
            {"clusterName": "c", "nodegroupName": "n"},
            [("eks:DescribeNodegroup", arn("eks", "nodegroup/c/n/*"))],
        ),
        ("eks", "tag_resource", {"resourceArn": ROLE, "tags": {"k": "v"}}, [("eks:TagResource", ROLE)]),
        ("eks", "describe_cluster_versions", {}, [("eks:DescribeClusterVersions", "*")]),
        (
            "lambda",
            "invoke",
            {"FunctionName": "f", "Payload": b"{}"},
            [("lambda:InvokeFunction", arn("lambda", "function:f"))],
        ),
        (
            "lambda",
            "create_function",
            {"FunctionName": "f", "Role": ROLE, "Code": {"ZipFile": b"x"}},
            [("lambda:CreateFunction", arn("lambda", "function:f")), ("iam:PassRole", ROLE)],
        ),
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1}]},
            [("cloudwatch:PutMetricData", "*")],
        ),
        ("ssm", "get_parameters_by_path", {"Path": "/a/b"}, [("ssm:GetParametersByPath", arn("ssm", "parameter/a/b"))]),
        (
            "ssm",
            "get_parameters",
            {"Names": ["/a/b", "c"]},
            [("ssm:GetParameters", arn("ssm", "parameter/a/b")), ("ssm:GetParameters", arn("ssm", "parameter/c"))],
        ),
        (
            "ssm",
            "put_parameter",
            {"Name": "/a", "Value": "v", "Tags": [{"Key": "k", "Value": "v"}]},
            [("ssm:PutParameter", arn("ssm", "parameter/a")), ("ssm:AddTagsToResource", arn("ssm", "parameter/a"))],
        ),
        ("iam", "get_role", {"RoleName": "r"}, [("iam:GetRole", f"arn:aws:iam::{ACCOUNT}:role/r")]),
        ("sts", "get_caller_identity", {}, []),
        (
            "cloudformation",
            "create_stack",
            {"StackName": "s", "TemplateBody": "x", "StackPolicyBody": "{}", "Tags": [{"Key": "k", "Value": "v"}]},
            [
                ("cloudformation:CreateStack", arn("cloudformation", "stack/s/*")),
                ("cloudformation:TagResource", arn("cloudformation", "stack/s/*")),
                ("cloudformation:SetStackPolicy", arn("cloudformation", "stack/s/*")),
            ],
        ),
        ("logs", "create_log_group", {"logGroupName": "/a"}, [("logs:CreateLogGroup", arn("logs", "log-group:/a:*"))]),
        ("acm", "list_certificates", {}, [("acm:ListCertificates", "*")]),
        (
            "elbv2",
            "create_target_group",
            {"Name": "t", "Tags": [{"Key": "k", "Value": "v"}]},
            [
                ("elasticloadbalancing:CreateTargetGroup", arn("elasticloadbalancing", "targetgroup/t/*")),
                ("elasticloadbalancing:AddTags", arn("elasticloadbalancing", "targetgroup/t/*")),
            ],
        ),
        ("resourcegroupstaggingapi", "get_resources", {}, [("tag:GetResources", "*")]),
        (
            "cloudwatch",
            "describe_alarms",
            {"AlarmNames": ["a", "b"]},
            [
                ("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:a")),
                ("cloudwatch:DescribeAlarms", arn("cloudwatch", "alarm:b")),
            ],
        ),
        ("cloudwatch", "describe_alarms", {}, [("cloudwatch:DescribeAlarms", "*")]),
        (
            "cloudwatch",
            "set_alarm_state",
            {"AlarmName": "a", "StateValue": "OK", "StateReason": "r"},
            [("cloudwatch:SetAlarmState", arn("cloudwatch", "alarm:a"))],
        ),
        (
            "cloudwatch",
            "get_dashboard",
            {"DashboardName": "d"},
            [("cloudwatch:GetDashboard", f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/d")],
        ),
        ("sns", "publish", {"TopicArn": arn("sns", "t"), "Message": "m"}, [("sns:Publish", arn("sns", "t"))]),
        (
            "events",
            "put_rule",
            {"Name": "r", "ScheduleExpression": "rate(1 day)"},
            [("events:PutRule", arn("events", "rule/r"))],
        ),
        ("kms", "describe_key", {"KeyId": "k"}, [("kms:DescribeKey", arn("kms", "key/k"))]),
        (
            "sqs",
            "send_message",
            {"QueueUrl": "http://x/1/q", "MessageBody": "m"},
            [("sqs:SendMessage", arn("sqs", "q"))],
        ),
    ],
)
def test_actions_and_resources(service: str, operation: str, parameters: dict[str, Any], wanted: list[Any]) -> None:
    assert [(each.action, each.resource) for each in asked(service, operation, parameters)] == wanted


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "context"),
    [
        (
            "cloudwatch",
            "put_metric_data",
            {"Namespace": "N", "MetricData": [{"MetricName": "m", "Value": 1}]},
            {"cloudwatch:namespace": "N"},
        ),
        (
            "eks",
            "create_cluster",
            {"name": "c", "roleArn": ROLE, "resourcesVpcConfig": {}, "tags": {"k": "v"}},
            {"iam:PassedToService": "eks.amazonaws.com", "aws:RequestTag/k": "v", "aws:TagKeys": ["k"]},
        ),
        (
            "ec2",
            "create_security_group",
            {
                "GroupName": "g",
                "Description": "d",
                "TagSpecifications": [{"ResourceType": "security-group", "Tags": [{"Key": "k", "Value": "v"}]}],
            },
            {"aws:RequestTag/k": "v", "ec2:CreateAction": "CreateSecurityGroup", "aws:RequestedRegion": REGION},
        ),
        (
            "iam",
            "create_service_linked_role",
            {"AWSServiceName": "eks.amazonaws.com"},
            {"iam:AWSServiceName": "eks.amazonaws.com"},
        ),
        ("iam", "attach_role_policy", {"RoleName": "r", "PolicyArn": ROLE}, {"iam:PolicyARN": ROLE}),
    ],
)
def test_context(service: str, operation: str, parameters: dict[str, Any], context: dict[str, Any]) -> None:
    found = {key: value for each in asked(service, operation, parameters) for key, value in each.context.items()}
    assert context.items() <= found.items()


def test_what_is_no_call() -> None:
    request = received("eks", "list_clusters", {})
    assert calls.of_request(request, "nothing", REGION) is None
    assert calls.of_request(Received("GET", "/strange/path", "", {}, b""), "eks", REGION) is None
    assert calls.of_request(Received("GET", "/", "Action=Strange", {}, b""), "ec2", REGION) is None
