# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stacks of role clickhouse_retention: the emergency, whose function runs here on a model, and the NodePort."""

from __future__ import annotations

import base64
import json
import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml

ACCOUNT = "arn:aws:{}:ap-south-1:123456789012:{}"
TOPIC, KEY = ACCOUNT.format("sns", "langfuse-alarms"), ACCOUNT.format("kms", "key/1")
ALARM = ACCOUNT.format("cloudwatch", "alarm:langfuse-clickhouse-disk")
PARAMETER = ACCOUNT.format("ssm", "parameter/langfuse/production/clickhouse-password")
QUEUE = ACCOUNT.format("sqs", "langfuse-clickhouse-relief-failed")
LOGS = ACCOUNT.format("logs", "log-group:/aws/lambda/langfuse-clickhouse-relief:*")
PASSWORD = "correct horse battery"
OUTPUTS = {
    "VpcId": "vpc-0123456789abcdef0",
    "PrivateSubnetIds": "subnet-0aaaaaaaaaaaaaaa1,subnet-0aaaaaaaaaaaaaaa2",
    "ClusterSecurityGroupId": "sg-0123456789abcdef0",
    "Endpoint": "https://cluster.example.com",
    "CertificateAuthorityData": base64.b64encode(b"a CA").decode(),
    "AlarmTopicArn": TOPIC,
    "AlarmKeyArn": KEY,
}
PODS = {
    "resources": [{"spec": {"volumes": [{"persistentVolumeClaim": {"claimName": "data-clickhouse"}}, {"name": "x"}]}}]
}
SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "chart 1": {"platform_chart_major": 1},
    "public endpoint": {"clickhouse_retention_emergency_subnet_ids": []},
    "keys": {"clickhouse_retention_password_key_arn": KEY, "clickhouse_retention_topic_key_arn": ""},
    "growing": {"clickhouse_retention_emergency_grow_limit_gib": 200, "__clickhouse_retention_pods": PODS},
    "every minute": {"clickhouse_retention_emergency_interval_minutes": "1"},
}


@pytest.fixture
def make(make_role):
    return lambda **given: make_role("clickhouse_retention", platform_outputs=OUTPUTS, **given)


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make, lint, given):
    assert lint(make(**given).body("relief")) == []


def test_on_an_empty_account(make_role, lint):
    role = make_role("clickhouse_retention", platform_outputs={}, clickhouse_retention_topic_arn=TOPIC)
    assert lint(role.body("relief")) == []


@pytest.mark.parametrize("major", [1, 2])
def test_environment_fits_with_the_longest_names(make_role, of_type, major):
    """Lambda takes 4 KiB of names and values (its quota); the PEM of an EKS authority has about 1,100 bytes."""
    name = "n" * 32
    outputs = OUTPUTS | {
        "Endpoint": f"https://{'0' * 32}.gr7.ap-southeast-1.eks.amazonaws.com",
        "CertificateAuthorityData": base64.b64encode(b"c" * 1200).decode(),
        "AlarmTopicArn": ACCOUNT.format("sns", f"{name}-alarms"),
    }
    days = {
        table["name"]: 3650
        for table in make_role("platform", platform_chart_major=major).value("platform_chart.tables")
    }
    role = make_role(
        "clickhouse_retention",
        platform_outputs=outputs,
        platform_chart_major=major,
        platform_name=name,
        platform_namespace="n" * 63,
        platform_cluster_name="c" * 100,
        platform_environment="e" * 64,
        clickhouse_retention_emergency_table_keep_days=days,
        clickhouse_retention_emergency_grow_limit_gib=16384,
        __clickhouse_retention_pods=PODS,
    )
    [function] = of_type(role.stack("relief"), "AWS::Lambda::Function").values()
    environment = function["Environment"]["Variables"]
    assert environment.keys() == {"SETTINGS", "CLUSTER_CA"}
    assert sum(len(key) + len(value) for key, value in environment.items()) <= 4096


def test_nodeport_lets_nobody_in_but_the_named(make, lint):
    role = make(clickhouse_retention_nodeport_networks=["10.42.0.0/16", "192.168.7.0/24"])
    assert lint(role.body("nodeport")) == []
    rules = [entry["Properties"] for entry in role.stack("nodeport")["Resources"].values()]
    assert [(rule["CidrIp"], rule["FromPort"], rule["ToPort"]) for rule in rules] == [
        ("10.42.0.0/16", 30123, 30123),
        ("192.168.7.0/24", 30123, 30123),
    ]


def objects(role, template: str) -> list[dict[str, Any]]:
    text = str(role.value(f"lookup('ansible.builtin.template', '{template}.yml.j2')"))
    return [entry for entry in yaml.safe_load_all(text) if entry]


@pytest.mark.parametrize(("major", "service"), [(1, "langfuse-clickhouse"), (2, "langfuse-clickhouse-headless")])
def test_rights_in_kubernetes(make, major, service):
    role, binding = objects(make(platform_chart_major=major), "relief_rbac")
    assert role["rules"] == [
        {
            "apiGroups": [""],
            "resources": ["services/proxy"],
            "resourceNames": [f"http:{service}:8123"],
            "verbs": ["create"],
        }
    ]
    [group] = binding["subjects"]
    entry = make().stack("relief")["Resources"]["FunctionAccess"]["Properties"]
    assert entry["KubernetesGroups"] == [group["name"]] == ["langfuse-clickhouse-relief"]


def test_growing_needs_the_one_claim(make):
    role, _binding = objects(make(**SETS["growing"]), "relief_rbac")
    assert role["rules"][1]["resourceNames"] == ["data-clickhouse"]
    assert role["rules"][1]["verbs"] == ["get", "patch"]


def test_nodeport_service(make):
    [service] = objects(make(), "nodeport")
    assert service["spec"]["selector"] == {
        "app": "langfuse-clickhouse",
        "clickhouse.com/role": "clickhouse-server",
    }
    assert service["spec"]["externalTrafficPolicy"] == "Local"


def test_rules_and_tries(make, of_type):
    stack = make().stack("relief")
    rules = of_type(stack, "AWS::Events::Rule")
    assert rules["AlarmRule"]["EventPattern"]["detail"] == {"state": {"value": ["ALARM"]}}
    assert rules["ScheduleRule"]["ScheduleExpression"] == "rate(5 minutes)"
    every_minute = make(**SETS["every minute"]).stack("relief")["Resources"]["ScheduleRule"]["Properties"]
    assert every_minute["ScheduleExpression"] == "rate(1 minute)"
    function = stack["Resources"]["Function"]["Properties"]
    assert (function["Runtime"], function["Architectures"], function["Timeout"]) == ("python3.13", ["arm64"], 180)
    tries = stack["Resources"]["FunctionTries"]["Properties"]
    assert tries["DestinationConfig"]["OnFailure"]["Destination"] == TOPIC
    assert stack["Resources"]["FunctionLogs"]["Properties"]["RetentionInDays"] == 30


def test_function_is_the_file_that_the_module_runs(make):
    from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief

    with open(_disk_relief.__file__, encoding="utf-8") as file:
        assert make().stack("relief")["Resources"]["Function"]["Properties"]["Code"]["ZipFile"] == file.read().rstrip(
            "\n"
        )


# --- the function, with AWS and the API server replaced


class Aws:
    """boto3, with a note of each action and its resource."""

    def __init__(self, state: str = "ALARM") -> None:
        self.state = state
        self.asked: set[tuple[str, str]] = set()
        self.published: list[dict[str, str]] = []
        self.region_name = "ap-south-1"

    def client(self, service: str, region_name: str = "") -> Aws:
        return self

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:
        self.asked.add(("ssm:GetParameter", ACCOUNT.format("ssm", f"parameter{Name}")))
        return {"Parameter": {"Value": PASSWORD}}

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:
        self.asked |= {("cloudwatch:DescribeAlarms", ACCOUNT.format("cloudwatch", f"alarm:{n}")) for n in AlarmNames}
        return {"MetricAlarms": [{"StateValue": self.state}]}

    def publish(self, **message: str) -> None:
        self.asked.add(("sns:Publish", message["TopicArn"]))
        self.published.append(message)


class Api:
    """The API server before a ClickHouse with one old partition, which is 96 % full until that is gone."""

    def __init__(self, *identity: str) -> None:
        self.identity = identity
        self.requests: list[tuple[str, str, str, dict[str, str]]] = []
        self.free = 4
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        self.claim = "10Gi"

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        self.requests.append((method, path, (body or b"").decode(), headers or {}))
        if self.answer:
            return self.answer
        if "persistentvolumeclaims" in path:
            return self._claim(method, body)
        rows = next((rows for words, rows in self._answers().items() if words in self.requests[-1][2]), [])
        if "DROP PARTITION" in self.requests[-1][2]:
            self.free = 50
        return 200, {}, "".join(f"{json.dumps(row)}\n" for row in rows).encode()

    def _claim(self, method: str, body: bytes | None) -> tuple[int, dict[str, str], bytes]:
        if method == "PATCH":
            self.claim = json.loads(body or b"")["spec"]["resources"]["requests"]["storage"]
        return 200, {}, json.dumps({"spec": {"resources": {"requests": {"storage": self.claim}}}}).encode()

    def _answers(self) -> dict[str, list[list[Any]]]:
        parts = [["default", "traces", "202001", "default", 1, "46", "9", "46", "1580000000"]] if self.free < 50 else []
        return {
            "now()": [["1800000000"]],
            "system.disks": [["default", str(self.free), "100"]],
            "system.tables": [["default", "traces", "MergeTree", "toYYYYMM(timestamp)", ""]],
            "system.parts GROUP": parts,
            "_partition_id": [["9", "9", "1580000000000"]],
        }


@pytest.fixture
def function(make, monkeypatch):
    """The function as its template says, the API server, AWS, and how it is invoked."""

    def load(aws: Aws, **given: Any) -> SimpleNamespace:
        properties = make(**given).stack("relief")["Resources"]["Function"]["Properties"]
        module = ModuleType("index")
        monkeypatch.setitem(sys.modules, "index", module)
        exec(properties["Code"]["ZipFile"], module.__dict__)
        for name, value in properties["Environment"]["Variables"].items():
            monkeypatch.setenv(name, value)
        assert PASSWORD not in json.dumps(properties)
        monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(Session=lambda: aws))
        api = Api()
        monkeypatch.setattr(module, "Kubernetes", lambda *identity: setattr(api, "identity", identity) or api)
        monkeypatch.setattr(module, "eks_token", lambda session, region, cluster: f"token of {region} {cluster}")
        context = SimpleNamespace(get_remaining_time_in_millis=lambda: 170_000)
        return SimpleNamespace(module=module, api=api, run=lambda **event: module.handler(event, context))

    return load


def test_alarm(function):
    aws = Aws()
    relief = function(aws)
    report = relief.run(detail={"alarmName": "langfuse-clickhouse-disk"})
    assert report["ok"] and report["after"]["percent"] == 50
    assert relief.api.identity == ("https://cluster.example.com", "a CA", "token of ap-south-1 langfuse")
    for method, path, _body, headers in relief.api.requests:
        assert (method, path) == (
            "POST",
            "/api/v1/namespaces/langfuse/services/http:langfuse-clickhouse-headless:8123/proxy/",
        )
        assert (headers["X-ClickHouse-User"], headers["X-ClickHouse-Key"]) == ("default", PASSWORD)
    [message] = aws.published
    assert message["Subject"] == "ClickHouse disk freed: 96.0 % -> 50.0 %"
    assert PASSWORD not in json.dumps([message, report])


def test_schedule_looks_first(function):
    aws = Aws(state="OK")
    relief = function(aws)
    assert relief.run(**{"detail-type": "Scheduled Event"}) == {
        "skipped": "alarm langfuse-clickhouse-disk is not in ALARM"
    }
    assert relief.api.requests == []
    aws.state = "ALARM"
    assert relief.run(**{"detail-type": "Scheduled Event"})["ok"]
    assert len(aws.published) == 1
    assert relief.run(**{"detail-type": "Scheduled Event"})["steps"] == []
    assert len(aws.published) == 1, "nothing was done, so nothing is told"


def test_dry_run_tells_nobody(function):
    aws = Aws()
    relief = function(aws)
    report = relief.run(dry_run=True)
    assert report["ok"] and "It would be 50.0 % full" in report["summary"]
    assert relief.api.free == 4 and aws.published == []


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (
            (403, {"X-ClickHouse-Exception-Code": "516"}, b"Authentication failed"),
            "Refused",
            "ClickHouse refuses user default: check the SSM parameter",
        ),
        ((500, {"x-clickhouse-exception-code": "241"}, b"Memory"), "Refused", "Memory, to: SELECT"),
        ((403, {}, b"services is forbidden"), "Refused", "Kubernetes does not let this function reach service"),
        ((200, {}, b'["1"]\nCode: 241. Memory'), "Refused", "Code: 241. Memory, to: SELECT"),
        ((503, {}, b"no endpoints available"), "Lost", "does not answer, HTTP 503: no endpoints"),
    ],
)
def test_failures_are_raised(function, answer, kind, message):
    aws = Aws()
    relief = function(aws)
    relief.api.answer = answer
    with pytest.raises(getattr(relief.module, kind), match=message) as raised:
        relief.run()
    assert PASSWORD not in str(raised.value)
    assert aws.published == [], "Lambda itself tells the topic, when its tries are used up"


def test_password_that_no_header_takes_is_not_shown(function, monkeypatch):
    aws = Aws()
    monkeypatch.setattr(sys.modules[__name__], "PASSWORD", "secret\n")
    relief = function(aws)
    with pytest.raises(relief.module.Refused, match="no HTTP header") as raised:
        relief.run()
    assert "secret" not in str(raised.value)


def test_growing(function):
    aws = Aws()
    relief = function(aws, **SETS["growing"], clickhouse_retention_emergency_keep_days=3650)
    report = relief.run()
    assert report["grown"] == {"claim": "langfuse/data-clickhouse", "from_bytes": 10 << 30, "to_bytes": 13 << 30}
    assert relief.api.claim == "13Gi"
    assert "STILL TOO FULL" in aws.published[0]["Subject"]


def statements(stack: dict[str, Any]) -> list[dict[str, Any]]:
    [policy] = stack["Resources"]["FunctionRole"]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def resolved(resource: Any) -> str:
    """An ARN of the template, as CloudFormation makes it."""
    if isinstance(resource, str):
        return resource
    if "Fn::GetAtt" in resource:
        return {"DeadLetters": QUEUE, "FunctionLogs": LOGS}[resource["Fn::GetAtt"][0]]
    for name, value in (("Partition", "aws"), ("Region", "ap-south-1"), ("AccountId", "123456789012")):
        resource = {"Fn::Sub": resource["Fn::Sub"].replace(f"${{AWS::{name}}}", value)}
    return resource["Fn::Sub"]


def test_rights_in_aws_are_exactly_those_that_are_used(function, make):
    """What the code asks, what Lambda does in the function's name, and what the topic's key needs; one less fails."""
    aws = Aws()
    relief = function(aws)
    relief.run()
    aws.state = "OK"
    relief.run(**{"detail-type": "Scheduled Event"})
    by_lambda = {
        ("logs:CreateLogStream", LOGS),
        ("logs:PutLogEvents", LOGS),
        ("sns:Publish", TOPIC),  # the destination of failures
        ("sqs:SendMessage", QUEUE),
    }
    by_topic = {("kms:Decrypt", KEY), ("kms:GenerateDataKey", KEY)}
    allowed = set()
    for statement in statements(make().stack("relief")):
        actions = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        allowed |= {(action, resolved(statement["Resource"])) for action in actions}
    assert aws.asked == {("ssm:GetParameter", PARAMETER), ("cloudwatch:DescribeAlarms", ALARM), ("sns:Publish", TOPIC)}
    assert allowed == aws.asked | by_lambda | by_topic


def test_a_system_log_needs_a_rule_of_no_more_days_than_asked_for(make_role):
    ttls = {"query_log": "d + toIntervalDay(10)", "trace_log": "", "text_log": "d + toIntervalDay(11)"}
    tables = [{"database": "system", "name": name, "ttl": ttl} for name, ttl in ttls.items()]
    role = make_role("clickhouse_retention", __clickhouse_retention_disk={"tables": tables})
    assert role.value("__clickhouse_retention_bad_logs") == [
        "trace_log (for ever)",
        "text_log (d + toIntervalDay(11))",
    ]
