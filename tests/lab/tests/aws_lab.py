# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lab of which only AWS runs."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from langfuse_lab import config, pki
from langfuse_lab.aws import left_over
from one_part import PACKAGES, OnePart, free_ports

ISSUER = f"https://oidc.eks.{config.REGION}.amazonaws.com/id/0123456789ABCDEF0123456789ABCDEF"
CAPABILITIES = ["CAPABILITY_NAMED_IAM"]


class AwsLab(OnePart):
    """The lab, and boto3 clients of it."""

    def __init__(self, directory: Path) -> None:
        ports = dict(zip(("aws", "apiserver"), free_ports(2), strict=True))
        self.lab = config.Lab(directory, "01234567", ISSUER, ports, directory / "bin")
        config.write(self.lab)
        pki.ensure(self.lab.pki, (config.HOST,))
        self._clients: dict[tuple[str, str | None], Any] = {}
        self._account: left_over.Account | None = None
        super().__init__("aws", directory, f"{self.endpoint}/lab/health", b"ok")

    def start(self) -> None:
        """Start the server and wait until it answers; what a former one told of its account is forgotten."""
        self._account = None
        super().start()

    @property
    def endpoint(self) -> str:
        return f"http://{self.lab.address('aws')}"

    @property
    def credentials(self) -> dict[str, str]:
        """The administrator's keys, as boto3 wants them."""
        return self.keys(json.loads((self.lab.state / "credentials.json").read_text()))

    @staticmethod
    def keys(answer: dict[str, str]) -> dict[str, str]:
        """Return keys as boto3 wants them; from credentials.json, or from IAM or STS."""
        names = {
            "aws_access_key_id": ("access_key_id", "AccessKeyId"),
            "aws_secret_access_key": ("secret_access_key", "SecretAccessKey"),
            "aws_session_token": ("SessionToken",),
        }
        return {name: answer[key] for name, keys in names.items() for key in keys if key in answer}

    def client(self, service: str, keys: dict[str, str] | None = None) -> Any:
        """Return a client of the administrator, or of who has other keys."""
        keys = keys or self.credentials
        cached = (service, keys["aws_access_key_id"])
        if cached not in self._clients:
            self._clients[cached] = boto3.client(
                service,
                region_name=config.REGION,
                endpoint_url=self.endpoint,
                config=Config(retries={"total_max_attempts": 1}),
                **keys,
            )
        return self._clients[cached]

    def deploy(self, name: str, template: dict[str, Any] | str, **options: Any) -> dict[str, Any]:
        """Create a stack and return its description, whatever came of it; parameters as {key: value}."""
        body = template if isinstance(template, str) else json.dumps(template)
        made = self.client("cloudformation").create_stack(
            StackName=name, TemplateBody=body, Capabilities=CAPABILITIES, **_parameters(options)
        )
        return self.stack(made["StackId"])

    def update(self, name: str, template: dict[str, Any] | str | None = None, **options: Any) -> dict[str, Any]:
        """Update a stack and return its description."""
        given: dict[str, Any] = {"UsePreviousTemplate": True}
        if template is not None:
            given = {"TemplateBody": template if isinstance(template, str) else json.dumps(template)}
        self.client("cloudformation").update_stack(
            StackName=name, Capabilities=CAPABILITIES, **given, **_parameters(options)
        )
        return self.stack(name)

    def stack(self, name: str) -> dict[str, Any]:
        """Return a stack's description, with its outputs as {key: value}."""
        stack = self.client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return {**stack, "Outputs": outputs}

    def failures(self, name: str) -> list[str]:
        """Return the reasons of all failures in a stack's events, the first first."""
        events = self.client("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
        return [e["ResourceStatusReason"] for e in reversed(events) if e["ResourceStatus"].endswith("_FAILED")]

    def changes(self, name: str, template: dict[str, Any], **options: Any) -> dict[str, dict[str, Any]]:
        """Return what a change set would do: logical id -> change; {} for one without changes."""
        cloudformation = self.client("cloudformation")
        made = cloudformation.create_change_set(
            StackName=name,
            ChangeSetName="plan",
            TemplateBody=json.dumps(template),
            Capabilities=CAPABILITIES,
            **_parameters(options),
        )
        found = cloudformation.describe_change_set(ChangeSetName=made["Id"])
        cloudformation.delete_change_set(ChangeSetName=made["Id"])
        if found["Status"] == "FAILED":
            assert "didn't contain changes" in found["StatusReason"]
        changes = [change["ResourceChange"] for change in found["Changes"]]
        return {change["LogicalResourceId"]: change for change in changes}

    def delete(self, name: str) -> None:
        """Delete a stack."""
        self.client("cloudformation").delete_stack(StackName=name)

    def left_over(self) -> list[str]:
        """Return what AWS holds beyond what it had at its start."""
        self._account = self._account or left_over.account_of(self.lab)
        return left_over.left_over(self._account)

    def printed_left_over(self) -> list[str]:
        """Return what the left-over check prints when it is run as a program."""
        command = [sys.executable, "-m", "langfuse_lab.aws.left_over", "--lab-dir", str(self.lab.directory)]
        done = subprocess.run(command, cwd=PACKAGES, capture_output=True, text=True, check=False)
        lines = done.stdout.splitlines()
        assert done.returncode == bool(lines), done.stderr
        return lines


@contextlib.contextmanager
def running(directory: Path) -> Iterator[AwsLab]:
    """Run AWS in a folder, as the lab runs it."""
    aws = AwsLab(directory)
    aws.start()
    try:
        yield aws
    finally:
        aws.stop()


def template(resources: dict[str, Any], **sections: Any) -> dict[str, Any]:
    """Return a template of resources given as {logical id: (type, properties)}."""
    made = {}
    for name, (kind, properties, *extra) in resources.items():
        made[name] = {"Type": f"AWS::{kind}", "Properties": properties, **(extra[0] if extra else {})}
    return {"Resources": made, **sections}


NETWORK = yaml.safe_load(
    """
    Vpc: [EC2::VPC, {CidrBlock: 10.42.0.0/16, EnableDnsSupport: true, EnableDnsHostnames: "true"}]
    SubnetA: [EC2::Subnet, {VpcId: {Ref: Vpc}, CidrBlock: 10.42.64.0/18, AvailabilityZone: ap-south-1a}]
    SubnetB: [EC2::Subnet, {VpcId: {Ref: Vpc}, CidrBlock: 10.42.128.0/18, AvailabilityZone: ap-south-1b}]
    """
)
CLUSTER = yaml.safe_load(
    """
    ClusterRole:
      - IAM::Role
      - AssumeRolePolicyDocument:
          Statement: [{Effect: Allow, Principal: {Service: eks.amazonaws.com}, Action: "sts:AssumeRole"}]
    Cluster:
      - EKS::Cluster
      - Name: lab
        RoleArn: {"Fn::GetAtt": [ClusterRole, Arn]}
        AccessConfig: {AuthenticationMode: API_AND_CONFIG_MAP}
        ResourcesVpcConfig: {SubnetIds: [{Ref: SubnetA}, {Ref: SubnetB}]}
    """
)


def _parameters(options: dict[str, Any]) -> dict[str, Any]:
    parameters = options.pop("parameters", {})
    listed = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    return {**options, "Parameters": listed}
