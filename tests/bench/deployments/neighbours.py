# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Other deployments of Langfuse beside the one that is measured: what a run of that one meets when it reads.

In Kubernetes each is a copy of what stands in the namespace langfuse, in one of its own; in AWS as many stacks, SSM
parameters and load balancers as the first has. Its stacks hold one parameter each: what is in another's stacks, a run
does not read.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
from kubernetes import config, dynamic

NAMESPACE, PLATFORM = "langfuse", "langfuse"
KINDS = {
    "v1": ("ConfigMap", "Secret", "ServiceAccount", "Service"),
    "apps/v1": ("Deployment", "StatefulSet"),
    "autoscaling/v2": ("HorizontalPodAutoscaler",),
    "batch/v1": ("CronJob",),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
}
GROUP_NAME = "alb.ingress.kubernetes.io/group.name"
SECONDS = 120  # a load balancer takes


def add(count: int) -> None:
    """Have that many deployments stand beside the first."""
    api = dynamic.DynamicClient(config.new_client_from_config(str(Path(os.environ["LAB_DIR"], "admin.kubeconfig"))))
    before = len(boto3.client("elbv2").describe_load_balancers()["LoadBalancers"])
    for number in range(1, count + 1):
        name = f"other-{number}"
        api.resources.get(api_version="v1", kind="Namespace").create({"metadata": {"name": name}})
        ingresses = sum(_copy(api, version, kind, name) for version, kinds in KINDS.items() for kind in kinds)
        assert ingresses
        _add_in_aws(name)
    wanted = before * (count + 1)
    _until(lambda: len(boto3.client("elbv2").describe_load_balancers(PageSize=400)["LoadBalancers"]) >= wanted)


def _copy(api: dynamic.DynamicClient, version: str, kind: str, name: str) -> int:
    """Copy all of a kind from the first's namespace to that one; how many."""
    resource = api.resources.get(api_version=version, kind=kind)
    # Each namespace has these two of its own, and other namespaces' releases must not look like Helm's here.
    found = [
        each
        for each in resource.get(namespace=NAMESPACE).items
        if each.metadata.name not in ("default", "kube-root-ca.crt")
    ]
    for each in found:
        resource.create(_of_neighbour(each.to_dict(), name), namespace=name)
    return len(found)


def _of_neighbour(found: dict[str, Any], name: str) -> dict[str, Any]:
    """The object as that neighbour has it."""
    before = found["metadata"]
    metadata = {
        "name": before["name"],
        "labels": before.get("labels") or {},
        "annotations": before.get("annotations") or {},
    }
    made = {key: value for key, value in found.items() if key not in ("metadata", "status")} | {"metadata": metadata}
    spec = made.get("spec", {})
    if found["kind"] == "Service":
        for given in ("clusterIP", "clusterIPs"):
            if spec.get(given) not in ("None", ["None"]):
                spec.pop(given, None)
        for port in spec["ports"]:
            port.pop("nodePort", None)
    if found["kind"] == "CronJob":
        spec["suspend"] = True  # its runs would take time from what is measured
    if found["kind"] == "Ingress":
        metadata["annotations"][GROUP_NAME] = f"{name}-{before['name']}"
        for rule in spec["rules"]:
            if "host" in rule:
                rule["host"] = f"{name}.example.com"
    return made


def _add_in_aws(name: str) -> None:
    formation, parameters = boto3.client("cloudformation"), boto3.client("ssm")
    for stack in formation.describe_stacks()["Stacks"]:
        prefix, _, role = stack["StackName"].partition("-")
        if prefix == PLATFORM:
            parameter = {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": role}}
            body = json.dumps({"Resources": {"Parameter": parameter}})
            tags = [{"Key": "platform", "Value": name}, {"Key": "role", "Value": role}]
            formation.create_stack(StackName=f"{name}-{role}", TemplateBody=body, Tags=tags)
    for each in parameters.describe_parameters()["Parameters"]:
        if each["Name"].startswith(f"/{PLATFORM}/"):
            own = each["Name"].replace(f"/{PLATFORM}/", f"/{name}/", 1)
            parameters.put_parameter(Name=own, Value="value", Type=each["Type"])


def _until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"the neighbours' load balancers were not there after {SECONDS} s")
        time.sleep(1)
