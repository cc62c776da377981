# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's AWS, seen by the controllers."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from langfuse_lab.controllers.kube import Kubernetes

VIEW_SECONDS = 2  # how old a view of AWS may be
EBS_ADDON = "aws-ebs-csi-driver"
CLUSTER_TAG = "eks:cluster-name"
ROLE_ANNOTATION = "eks.amazonaws.com/role-arn"  # of service accounts
TOKEN_SECONDS = 3600
RENEW_SECONDS = 300  # before the session ends
_CONFIG = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 1})


@dataclasses.dataclass(frozen=True)
class View:
    """The EKS cluster and what belongs to it, in the words of boto3; without a cluster only instances."""

    cluster: dict[str, Any] | None = None
    node_groups: tuple[dict[str, Any], ...] = ()
    ebs_addon: dict[str, Any] | None = None
    instances: tuple[dict[str, Any], ...] = ()  # of node groups, pending or running


class Aws:
    """Clients of the lab's AWS as its administrator, and a view of EKS that is at most two seconds old."""

    def __init__(self, endpoint: str, region: str, credentials: Path) -> None:
        self.endpoint = endpoint
        self.region = region
        self._credentials = credentials
        self._clients: dict[str, Any] = {}
        self._templates: dict[tuple[str, str], dict[str, Any]] = {}
        self._view = View()
        self._seen = float("-inf")

    def client(self, service: str) -> Any:
        """Return a boto3 client with the administrator's keys. Raises OSError until the AWS part has written them."""
        if service not in self._clients:
            keys = json.loads(self._credentials.read_text())
            self._clients[service] = self.client_of(service, keys["access_key_id"], keys["secret_access_key"])
        return self._clients[service]

    def client_of(self, service: str, key_id: str, secret_key: str, session_token: str | None = None) -> Any:
        """Return a boto3 client with the given keys."""
        return boto3.client(
            service,
            region_name=self.region,
            endpoint_url=self.endpoint,
            config=_CONFIG,
            aws_access_key_id=key_id,
            aws_secret_access_key=secret_key,
            aws_session_token=session_token,
        )

    def view(self) -> View:
        """Return EKS as it is, or was less than two seconds ago."""
        if time.monotonic() - self._seen > VIEW_SECONDS:
            self._view = self._look()
            self._seen = time.monotonic()
        return self._view

    def changed(self) -> None:
        """Forget the view: something was changed that it shows."""
        self._seen = float("-inf")

    def launch_template(self, template_id: str, version: str) -> dict[str, Any]:
        """Return the data of a launch template's version; versions never change."""
        key = (template_id, version)
        if key not in self._templates:
            found = self.client("ec2").describe_launch_template_versions(
                LaunchTemplateId=template_id, Versions=[version]
            )
            self._templates[key] = found["LaunchTemplateVersions"][0]["LaunchTemplateData"]
        return self._templates[key]

    def _look(self) -> View:
        eks = self.client("eks")
        names = eks.list_clusters()["clusters"]
        instances = self._instances()
        cluster = eks.describe_cluster(name=names[0])["cluster"] if names else None
        if cluster is None or cluster["status"] == "DELETING":
            return View(instances=instances)
        name = cluster["name"]
        groups = eks.list_nodegroups(clusterName=name)["nodegroups"]
        addons = eks.list_addons(clusterName=name)["addons"]
        return View(
            cluster,
            tuple(eks.describe_nodegroup(clusterName=name, nodegroupName=group)["nodegroup"] for group in groups),
            eks.describe_addon(clusterName=name, addonName=EBS_ADDON)["addon"] if EBS_ADDON in addons else None,
            instances,
        )

    def _instances(self) -> tuple[dict[str, Any], ...]:
        pages = self.client("ec2").get_paginator("describe_instances")
        filters = [
            {"Name": "tag-key", "Values": [CLUSTER_TAG]},
            {"Name": "instance-state-name", "Values": ["pending", "running"]},
        ]
        return tuple(
            instance
            for page in pages.paginate(Filters=filters)
            for reservation in page["Reservations"]
            for instance in reservation["Instances"]
        )


class WebIdentity:
    """Clients with the role of a Kubernetes service account, got as a pod gets it: a token for STS, and no keys."""

    def __init__(self, aws: Aws, kubernetes: Kubernetes) -> None:
        self._aws = aws
        self._kubernetes = kubernetes
        self._sessions: dict[tuple[str, str, str], _Session] = {}

    def client(self, service: str, namespace: str, account: str, role_arn: str) -> Any:
        """Return a boto3 client with the role's session. Raises ClientError when STS refuses the account's token."""
        key = (namespace, account, role_arn)
        session = self._sessions.get(key)
        if session is None or session.ends < time.time() + RENEW_SECONDS:
            session = self._sessions[key] = self._assume(namespace, account, role_arn)
        if service not in session.clients:
            session.clients[service] = self._aws.client_of(service, *session.keys)
        return session.clients[service]

    def _assume(self, namespace: str, account: str, role_arn: str) -> _Session:
        token = self._kubernetes.service_account_token(namespace, account, "sts.amazonaws.com", TOKEN_SECONDS)
        answer = self._aws.client("sts").assume_role_with_web_identity(
            RoleArn=role_arn, RoleSessionName=account[:64], WebIdentityToken=token, DurationSeconds=TOKEN_SECONDS
        )
        keys = answer["Credentials"]
        return _Session(
            time.time() + TOKEN_SECONDS, (keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])
        )


@dataclasses.dataclass
class _Session:
    ends: float
    keys: tuple[str, str, str]
    clients: dict[str, Any] = dataclasses.field(default_factory=dict)


def tags_of(item: dict[str, Any]) -> dict[str, str]:
    """Return the tags of an EC2 object."""
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags", [])}


def tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    """Return tags in the form most AWS calls want them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def error_code(error: ClientError) -> str:
    """Return AWS's code of an error."""
    return error.response["Error"]["Code"]
