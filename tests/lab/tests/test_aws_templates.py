# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pure parts of the lab's AWS: templates and their functions, AWS's schemas, policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from langfuse_lab.aws import policies
from langfuse_lab.aws.cloudformation import policy, schemas
from langfuse_lab.aws.cloudformation.resource import ResourceFailure
from langfuse_lab.aws.cloudformation.scope import UNKNOWN, Scope
from langfuse_lab.aws.cloudformation.template import Invalid, Template

REGION = "ap-south-1"
BODY = """
Parameters:
  Name: {Type: String}
  Zones: {Type: CommaDelimitedList, Default: "a, b"}
  Secret: {Type: String, NoEcho: true, Default: hidden}
Mappings: {Sizes: {small: {Nodes: 3}}}
Conditions:
  Named: !Equals [!Ref Name, langfuse]
  Other: !Not [!Condition Named]
  Both: !And [!Condition Named, !Condition Other]
  One: !Or [!Condition Named, !Condition Other]
Resources:
  Vpc: {Type: AWS::EC2::VPC, Properties: {CidrBlock: 10.0.0.0/16}}
  Subnet: {Type: AWS::EC2::Subnet, DependsOn: [Gateway], Properties: {VpcId: !Ref Vpc}}
  Gateway: {Type: AWS::EC2::InternetGateway}
"""


@pytest.fixture
def scope() -> Scope:
    template = Template(BODY)
    pseudo = {"AWS::Region": REGION, "AWS::AccountId": "123456789012"}
    return Scope(
        template,
        template.parameters({"Name": "langfuse"}),
        pseudo,
        ref=lambda name: UNKNOWN if name == "Subnet" else f"{name.lower()}-1",
        attribute=lambda name, attribute: f"{name}/{attribute}",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("!Ref Name", "langfuse"),
        ("!Ref Zones", ["a", "b"]),
        ("!Ref Vpc", "vpc-1"),
        ("!GetAtt Vpc.CidrBlock", "Vpc/CidrBlock"),
        ("!GetAtt [Vpc, Certificate.Data]", "Vpc/Certificate.Data"),
        ("!Sub '${Name}-${Vpc.Arn}-${!literal}-${AWS::Region}'", "langfuse-Vpc/Arn-${literal}-ap-south-1"),
        ("!Sub ['${A}${Name}', {A: !Ref Vpc}]", "vpc-1langfuse"),
        ("!Join [',', [!Ref Name, !Select [1, !Ref Zones]]]", "langfuse,b"),
        ("!Split ['-', a-b]", ["a", "b"]),
        ("!If [Named, 1, 2]", 1),
        ("!If [Both, 1, !If [One, 3, 4]]", 3),
        ("[1, !If [Other, 2, !Ref AWS::NoValue], 3]", [1, 3]),
        ("{a: 1, b: !If [Other, 2, !Ref AWS::NoValue]}", {"a": 1}),
        ("!FindInMap [Sizes, small, Nodes]", 3),
        ("!Base64 x", "eA=="),
        ("!GetAZs ''", ["ap-south-1a", "ap-south-1b", "ap-south-1c"]),
        ("!Cidr [10.0.0.0/16, 2, 8]", ["10.0.0.0/24", "10.0.1.0/24"]),
        (
            "{Version: 2012-10-17, Ports: [1, '2'], Open: true}",
            {"Version": "2012-10-17", "Ports": [1, "2"], "Open": True},
        ),
    ],
)
def test_functions(scope: Scope, text: str, value: Any) -> None:
    parsed = Template(f"{BODY}  X: {{Type: AWS::SNS::Topic, Metadata: {{V: {text}}}}}").resources["X"]["Metadata"]["V"]
    assert scope.resolve(parsed) == value


@pytest.mark.parametrize("text", ["!Ref Subnet", "!Sub 'a${Subnet}'", "!Join ['', [a, !Ref Subnet]]"])
def test_what_is_not_made_yet_is_unknown_and_equals_nothing(scope: Scope, text: str) -> None:
    key, argument = text.removeprefix("!").split(" ", 1)
    loaded = yaml.safe_load(argument.replace("!Ref Subnet", "{Ref: Subnet}"))
    resolved = scope.resolve({key if key == "Ref" else f"Fn::{key}": loaded})
    assert resolved is UNKNOWN
    assert resolved != UNKNOWN


def test_resources_come_after_what_they_need() -> None:
    template = Template(BODY)
    order = template.order(set(template.resources))
    assert order.index("Subnet") > max(order.index("Vpc"), order.index("Gateway"))


def test_hidden_parameters_are_not_shown() -> None:
    assert Template(BODY).parameter_texts({"Name": "x"}) == {"Name": "x", "Zones": "a, b", "Secret": "****"}


def test_unknown_functions_are_refused(scope: Scope) -> None:
    with pytest.raises(Invalid, match="the lab does not know the function Fn::ImportValue"):
        scope.resolve({"Fn::ImportValue": "x"})


# AWS's schemas


def schema(name: str) -> schemas.Schema:
    found = schemas.find(name, REGION)
    assert found
    return found


def test_scalars_get_the_kinds_of_the_schema() -> None:
    group = schema("AWS::EKS::Nodegroup")
    given = {"DiskSize": "20", "NodeRepairConfig": {"Enabled": "true"}, "Version": 1.36, "Labels": {"a": 1}}
    wanted = {"DiskSize": 20, "NodeRepairConfig": {"Enabled": True}, "Version": "1.36", "Labels": {"a": "1"}}
    assert group.convert(given) == wanted


def test_faults_are_named_with_their_place() -> None:
    group = schema("AWS::EKS::Nodegroup")
    properties = {"ClusterName": "a", "Subnets": [], "ScalingConfig": {"MinSize": -1, "Size": 1}}
    assert set(group.faults(properties)) == {
        "#/ScalingConfig/MinSize: -1 is less than the minimum of 0",
        "#/ScalingConfig: extraneous key [Size] is not permitted",
        "#: required key [NodeRole] not found",
    }


def test_create_only_properties_replace() -> None:
    cluster = schema("AWS::EKS::Cluster")
    old = {"Name": "a", "RoleArn": "x", "Version": "1.35", "KubernetesNetworkConfig": {"IpFamily": "ipv4"}}
    assert cluster.replacing(old, {**old, "Version": "1.36"}) == []
    assert cluster.replacing(old, {**old, "RoleArn": "y"}) == ["RoleArn"]
    assert cluster.replacing(old, {**old, "KubernetesNetworkConfig": {"IpFamily": "ipv6"}}) == [
        "KubernetesNetworkConfig"
    ]


def test_unknown_types_have_no_schema() -> None:
    assert schemas.find("AWS::EKS::Clusters", REGION) is None


# Policies

TLS_ONLY = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "s3:*",
    "Resource": ["arn:aws:s3:::b", "arn:aws:s3:::b/*"],
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}


def asked(**changes: Any) -> policies.Question:
    return policies.Question(**{"action": "s3:GetObject", "resource": "arn:aws:s3:::b/k", **changes})


def test_summary_declares_parameters() -> None:
    parameters = {"Name": {"Type": "String", "Default": "x"}, "Key": {"Type": "String", "NoEcho": True}}
    body = {"Parameters": parameters, "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    assert Template(json.dumps(body)).declarations() == [
        {"ParameterKey": "Name", "ParameterType": "String", "NoEcho": False, "DefaultValue": "x"},
        {"ParameterKey": "Key", "ParameterType": "String", "NoEcho": True},
    ]


@pytest.mark.parametrize(
    ("statement", "question", "effect"),
    [
        (TLS_ONLY, asked(context={"aws:SecureTransport": "true"}), "NONE"),
        (TLS_ONLY, asked(context={"AWS:securetransport": "false"}), "DENY"),
        (TLS_ONLY, asked(), "NONE"),
        ({"Effect": "Allow", "Action": "s3:get*", "Resource": "*"}, asked(), "ALLOW"),
        ({"Effect": "Allow", "NotAction": "s3:Get*", "Resource": "*"}, asked(), "NONE"),
        ({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::c*"}, asked(), "ALLOW"),
        ({"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::B/*"}, asked(), "NONE"),
        ({"Effect": "Allow", "Action": "*", "Principal": {"Service": "x"}}, asked(principal=("Service", "x")), "ALLOW"),
        ({"Effect": "Allow", "Action": "*", "Principal": {"Service": "x"}}, asked(principal=("AWS", "x")), "NONE"),
        (
            {"Effect": "Allow", "Action": "*", "Principal": {"AWS": "arn:aws:iam::1:root"}},
            asked(principal=("AWS", "arn:aws:iam::1:role/r")),
            "ALLOW",
        ),
        (
            {"Effect": "Allow", "Action": "*", "Condition": {"StringLike": {"h:sub": "system:serviceaccount:ns:*"}}},
            asked(context={"h:sub": "system:serviceaccount:ns:web"}),
            "ALLOW",
        ),
        (
            {"Effect": "Allow", "Action": "*", "Condition": {"StringEqualsIfExists": {"h:sub": "a"}}},
            asked(),
            "ALLOW",
        ),
    ],
)
def test_policy_statements(statement: dict[str, Any], question: policies.Question, effect: str) -> None:
    assert policies.evaluate(statement, question) is policies.Effect[effect]


def test_denial_wins() -> None:
    allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    assert policies.evaluate([allow, {**allow, "Effect": "Deny"}], asked()) is policies.Effect.DENY


def test_stack_policy() -> None:
    allow = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    deny = {"Effect": "Deny", "Action": "Update:Replace", "Principal": "*", "Resource": "LogicalResourceId/Vpc"}
    both = json.dumps({"Statement": [allow, deny]})
    policy.check(None, "Update:Replace", "Vpc")
    policy.check(both, "Update:Modify", "Vpc")
    policy.check(both, "Update:Replace", "Subnet")
    with pytest.raises(ResourceFailure, match="Action denied by stack policy: Update:Replace on Vpc"):
        policy.check(both, "Update:Replace", "Vpc")
    with pytest.raises(ResourceFailure):
        policy.check(json.dumps({"Statement": []}), "Update:Modify", "Vpc")
