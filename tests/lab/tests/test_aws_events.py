# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's AWS acts: alarms look at metrics, rules call functions, functions run, failures are told."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from aws_lab import AwsLab, running, template
from botocore.exceptions import ClientError
from langfuse_lab import config

TRUST = {
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
}
CODE = """
import json, os, sys, time
import boto3

def handler(event, context):
    print("called for", event.get("detail", {}).get("alarmName"))
    print("on stderr", file=sys.stderr)
    if event.get("sleep"):
        time.sleep(event["sleep"])
    if event.get("exit"):
        os._exit(3)
    if event.get("fail"):
        raise ValueError("no " + event["fail"])
    caller = boto3.client("sts").get_caller_identity()["Arn"]
    left = context.get_remaining_time_in_millis()
    return {"caller": caller, "environment": dict(os.environ), "name": context.function_name, "left": left}
"""
FUNCTION = {
    "Role": ("IAM::Role", {"RoleName": "relief", "AssumeRolePolicyDocument": TRUST}),
    "Function": (
        "Lambda::Function",
        {
            "FunctionName": "relief",
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Timeout": 3,
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Environment": {"Variables": {"CLUSTER": "lab"}},
            "Code": {"ZipFile": CODE},
        },
    ),
    "Failures": ("SQS::Queue", {"QueueName": "failures"}),
    "Config": (
        "Lambda::EventInvokeConfig",
        {
            "FunctionName": {"Ref": "Function"},
            "Qualifier": "$LATEST",
            "MaximumRetryAttempts": 1,
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Failures", "Arn"]}}},
        },
    ),
}
PIPELINE = {
    **FUNCTION,
    "Topic": ("SNS::Topic", {"TopicName": "alerts"}),
    "Inbox": ("SQS::Queue", {"QueueName": "inbox"}),
    "Subscription": (
        "SNS::Subscription",
        {"TopicArn": {"Ref": "Topic"}, "Protocol": "sqs", "Endpoint": {"Fn::GetAtt": ["Inbox", "Arn"]}},
    ),
    "Alarm": (
        "CloudWatch::Alarm",
        {
            "AlarmName": "usage",
            "Namespace": "LangfusePVC",
            "MetricName": "UsagePercent",
            "Dimensions": [{"Name": "ClusterName", "Value": "lab"}, {"Name": "PVCName", "Value": "data"}],
            "Statistic": "Maximum",
            "Period": 300,
            "EvaluationPeriods": 1,
            "Threshold": 90,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "TreatMissingData": "notBreaching",
            "AlarmActions": [{"Ref": "Topic"}],
            "OKActions": [{"Ref": "Topic"}],
        },
    ),
    "Rule": (
        "Events::Rule",
        {
            "Name": "usage",
            "EventPattern": {
                "source": ["aws.cloudwatch"],
                "detail-type": ["CloudWatch Alarm State Change"],
                "resources": [{"Fn::GetAtt": ["Alarm", "Arn"]}],
                "detail": {"state": {"value": ["ALARM"]}},
            },
            "Targets": [{"Id": "relief", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
        },
    ),
    "Permission": (
        "Lambda::Permission",
        {
            "FunctionName": {"Ref": "Function"},
            "Action": "lambda:InvokeFunction",
            "Principal": "events.amazonaws.com",
            "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
        },
    ),
}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        stack = lab.deploy("pipeline", template(PIPELINE))
        assert stack["StackStatus"] == "CREATE_COMPLETE", lab.failures("pipeline")
        yield lab


def publish(aws: AwsLab, value: float, claim: str = "data", seconds_ago: float = 0) -> None:
    """Publish a datum of the alarm's metric."""
    then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=seconds_ago)
    dimensions = [{"Name": "PVCName", "Value": claim}, {"Name": "ClusterName", "Value": "lab"}]
    datum = {"MetricName": "UsagePercent", "Dimensions": dimensions, "Value": value, "Timestamp": then}
    aws.client("cloudwatch").put_metric_data(Namespace="LangfusePVC", MetricData=[datum])


def state(aws: AwsLab, name: str = "usage") -> str:
    (alarm,) = aws.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarm["StateValue"]


def eventually(read: Callable[[], Any], seconds: float = 15) -> Any:
    """Return what is read as soon as it is anything."""
    deadline = time.monotonic() + seconds
    while not (found := read()):
        assert time.monotonic() < deadline, "nothing came"
        time.sleep(0.1)
    return found


def messages(aws: AwsLab, queue: str) -> list[dict[str, Any]]:
    """Take the messages out of a queue."""
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
    received = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    for message in received:
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return [json.loads(message["Body"]) for message in received]


def log_lines(aws: AwsLab, containing: str) -> list[str]:
    logs = aws.client("logs")
    try:
        events = logs.filter_log_events(logGroupName="/aws/lambda/relief")["events"]
    except ClientError:  # no group before the first run
        return []
    return [event["message"] for event in events if containing in event["message"]]


def invoke(aws: AwsLab, event: dict[str, Any], **options: Any) -> tuple[Any, str | None]:
    """Invoke the function; return its answer and the kind of error."""
    answer = aws.client("lambda").invoke(FunctionName="relief", Payload=json.dumps(event), **options)
    text = answer["Payload"].read()
    return json.loads(text) if text else None, answer.get("FunctionError")


def test_alarm_to_topic_and_function(aws: AwsLab) -> None:
    assert state(aws) == "OK"  # it has no data, and takes that for not breaching
    publish(aws, 42)
    publish(aws, 99, claim="other")
    assert state(aws) == "OK"
    messages(aws, "inbox")

    for value in (91, 95):  # they leave the alarm's period of 300 s a little later
        publish(aws, value, seconds_ago=294)
        assert state(aws) == "ALARM"
    (notice,) = eventually(lambda: messages(aws, "inbox"))
    told = json.loads(notice["Message"])
    assert (told["AlarmName"], told["NewStateValue"], told["OldStateValue"]) == ("usage", "ALARM", "OK")
    assert notice["Subject"].startswith('ALARM: "usage"')
    eventually(lambda: state(aws) == "OK")  # the 42 still counts
    assert [json.loads(m["Message"])["NewStateValue"] for m in eventually(lambda: messages(aws, "inbox"))] == ["OK"]
    # The second datum was no change of the alarm, and the way back is not what the rule is for.
    assert eventually(lambda: log_lines(aws, "called for usage")) == ["called for usage"]


@pytest.mark.parametrize(
    ("values", "needed", "treatment", "expected"),  # values of the last three minutes, the latest first
    [
        ((9, 9, 9), 3, "missing", "ALARM"),
        ((9, 9, 0), 3, "missing", "OK"),
        ((9, 0, 9), 2, "missing", "ALARM"),
        ((0, None, None), 1, "breaching", "ALARM"),
        ((9, None, None), 3, "missing", "ALARM"),
        ((9, None, None), 3, "notBreaching", "OK"),
        ((9, None, None), 3, "ignore", "INSUFFICIENT_DATA"),
        ((0, None, None), 3, "missing", "OK"),
    ],
)
def test_evaluation_of_several_periods(
    aws: AwsLab, values: tuple[float | None, ...], needed: int, treatment: str, expected: str
) -> None:
    cloudwatch, now = aws.client("cloudwatch"), datetime.datetime.now(datetime.UTC)
    name = f"{values}-{needed}-{treatment}"
    for index, value in enumerate(values):
        if value is not None:
            then = now - datetime.timedelta(seconds=30 + 60 * index)
            datum = {"MetricName": name, "Value": value, "Timestamp": then}
            cloudwatch.put_metric_data(Namespace="periods", MetricData=[datum])
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="periods",
        MetricName=name,
        Statistic="Average",
        Period=60,
        EvaluationPeriods=3,
        DatapointsToAlarm=needed,
        Threshold=5,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData=treatment,
    )
    assert state(aws, name) == expected
    cloudwatch.delete_alarms(AlarmNames=[name])


def test_metrics_are_told_apart_by_all_their_dimensions(aws: AwsLab) -> None:
    cloudwatch = aws.client("cloudwatch")
    for value in (1, 2):
        publish(aws, value, claim="listed")
    found = cloudwatch.list_metrics(Namespace="LangfusePVC", MetricName="UsagePercent")["Metrics"]
    claims = [d["Value"] for metric in found for d in metric["Dimensions"] if d["Name"] == "PVCName"]
    assert claims.count("listed") == 1

    def maximum(dimensions: dict[str, str]) -> list[float]:
        now = datetime.datetime.now(datetime.UTC)
        points = cloudwatch.get_metric_statistics(
            Namespace="LangfusePVC",
            MetricName="UsagePercent",
            Dimensions=[{"Name": name, "Value": value} for name, value in dimensions.items()],
            StartTime=now - datetime.timedelta(minutes=10),
            EndTime=now + datetime.timedelta(minutes=1),
            Period=3600,
            Statistics=["Maximum"],
        )["Datapoints"]
        return [point["Maximum"] for point in points]

    assert maximum({"ClusterName": "lab", "PVCName": "listed"}) == [2]
    assert maximum({"ClusterName": "lab"}) == []


def test_function_runs_with_its_own_environment_only(aws: AwsLab) -> None:
    answer, error = invoke(aws, {})
    assert error is None
    assert answer["caller"] == f"arn:aws:sts::{config.ACCOUNT}:assumed-role/relief/relief"
    assert answer["name"] == "relief"
    assert 0 < answer["left"] <= 3000
    environment = answer["environment"]
    assert environment["CLUSTER"] == "lab"
    assert environment["AWS_REGION"] == config.REGION
    assert {name for name in environment if not name.startswith(("AWS_", "_", "LAMBDA_", "LC_"))} == {
        "CLUSTER",
        "PATH",
        "LANG",
        "TZ",
    }


@pytest.mark.parametrize(
    ("event", "kind", "message"),
    [
        ({"fail": "space"}, "ValueError", "no space"),
        ({"exit": True}, "Runtime.ExitError", "Runtime exited with error: exit status 3"),
        ({"sleep": 30}, "Sandbox.Timedout", "Task timed out after 3.00 seconds"),
    ],
)
def test_failures_of_a_function(aws: AwsLab, event: dict[str, Any], kind: str, message: str) -> None:
    answer, error = invoke(aws, event)
    assert error == "Unhandled"
    assert answer["errorType"] == kind
    assert message in answer["errorMessage"]
    assert log_lines(aws, "called for") and log_lines(aws, "on stderr") and log_lines(aws, message)


def test_failed_events_are_tried_again_and_told(aws: AwsLab) -> None:
    before = len(log_lines(aws, "no water"))
    assert invoke(aws, {"fail": "water"}, InvocationType="Event") == (None, None)
    (record,) = eventually(lambda: messages(aws, "failures"))
    assert record["requestContext"]["condition"] == "RetriesExhausted"
    assert record["requestPayload"] == {"fail": "water"}
    assert record["responsePayload"]["errorType"] == "ValueError"
    assert len([line for line in log_lines(aws, "ValueError: no water")]) - before == 2


def test_rule_without_permission_calls_nobody(aws: AwsLab) -> None:
    events, arn = aws.client("events"), f"arn:aws:lambda:{config.REGION}:{config.ACCOUNT}:function:relief"
    events.put_rule(Name="other", EventPattern='{"source": ["mine"]}')
    events.put_targets(Rule="other", Targets=[{"Id": "relief", "Arn": arn}])
    entry = {"Source": "mine", "DetailType": "x", "Detail": '{"alarmName": "unasked"}'}
    assert events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    aws.client("lambda").add_permission(
        FunctionName="relief",
        StatementId="other",
        Action="lambda:InvokeFunction",
        Principal="events.amazonaws.com",
        SourceArn=f"arn:aws:events:{config.REGION}:{config.ACCOUNT}:rule/other",
    )
    events.put_events(Entries=[{**entry, "Detail": '{"alarmName": "asked"}'}])
    assert eventually(lambda: log_lines(aws, "called for asked"))
    assert log_lines(aws, "called for unasked") == []


def test_topic_calls_a_function(aws: AwsLab) -> None:
    sns, arn = aws.client("sns"), f"arn:aws:lambda:{config.REGION}:{config.ACCOUNT}:function:relief"
    topic = sns.create_topic(Name="direct")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=arn)
    before = len(log_lines(aws, "called for None"))
    sns.publish(TopicArn=topic, Message="x")
    eventually(lambda: len(log_lines(aws, "called for None")) > before)


def test_role_that_lambda_may_not_take(aws: AwsLab) -> None:
    document = json.dumps({"Version": "2012-10-17", **TRUST}).replace("lambda.", "ec2.")
    iam = aws.client("iam")
    iam.update_assume_role_policy(RoleName="relief", PolicyDocument=document)
    with pytest.raises(ClientError, match="cannot be assumed by Lambda"):
        invoke(aws, {})
    iam.update_assume_role_policy(RoleName="relief", PolicyDocument=document.replace("ec2.", "lambda."))
    assert invoke(aws, {})[1] is None


def test_code_and_settings_change(aws: AwsLab) -> None:
    changed = json.loads(json.dumps(template(PIPELINE)))
    properties = changed["Resources"]["Function"]["Properties"]
    properties["Code"]["ZipFile"] = "def handler(event, context): return 'new'"
    properties["Timeout"] = 5
    assert list(aws.changes("pipeline", changed)) == ["Function"]
    assert aws.update("pipeline", changed)["StackStatus"] == "UPDATE_COMPLETE"
    assert invoke(aws, {}) == ("new", None)
    assert aws.client("lambda").get_function_configuration(FunctionName="relief")["Timeout"] == 5
