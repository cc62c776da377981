# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The site as a runbook's commands: AWS CLI, kubectl, Helm and curl, one after the other.

It is written from what the site made, so that both end in the same state: each stack is deployed with its own template,
each object applied, each release upgraded with its own values, each secret read, each table's rule set, and what
people look at afterwards is looked at. It makes fewer checks than the site, and none beforehand.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

NAMESPACE = "langfuse"
PREFIX = "/langfuse/lab"
CLUSTER = "langfuse"
KINDS = (
    "storageclasses,ingresses,cronjobs,configmaps,serviceaccounts,networkpolicies,"
    "roles,rolebindings,clusterroles,clusterrolebindings"
)
MADE_BY_SERVER = ("creationTimestamp", "generation", "managedFields", "resourceVersion", "uid", "selfLink")
CHARTS = Path(__file__).parents[2] / "lab" / "charts"


def output(*command: str) -> Any:
    """What a command prints, read as JSON."""
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def commands(folder: Path, http: str) -> list[list[str]]:
    """All of them; their files go to the folder. http is ClickHouse's address."""
    kubeconfig = folder / "kubeconfig"
    connect = ["aws", "eks", "update-kubeconfig", "--name", CLUSTER, "--kubeconfig", str(kubeconfig)]
    subprocess.run(connect, check=True, capture_output=True)
    kubectl = ["kubectl", "--kubeconfig", str(kubeconfig)]
    return [
        ["aws", "sts", "get-caller-identity"],
        *_stacks(folder),
        connect,
        *_cluster(),
        *_objects(folder, kubectl),
        *[["aws", "ssm", "get-parameter", "--with-decryption", "--name", name] for name in _parameters()],
        *_releases(folder, kubeconfig),
        *_looks(kubectl),
        *_tables(http),
        [
            "aws",
            "lambda",
            "invoke",
            "--function-name",
            "langfuse-clickhouse-relief",
            "--payload",
            "e30=",
            str(folder / "answer"),
        ],
    ]


def _stacks(folder: Path) -> list[list[str]]:
    made = []
    stacks = sorted(
        output("aws", "cloudformation", "describe-stacks")["Stacks"], key=lambda stack: stack["CreationTime"]
    )
    for stack in stacks:
        name, file = stack["StackName"], folder / f"{stack['StackName']}.yml"
        body = output("aws", "cloudformation", "get-template", "--stack-name", name)["TemplateBody"]
        file.write_text(body if isinstance(body, str) else json.dumps(body))
        tags = [f"{tag['Key']}={tag['Value']}" for tag in stack["Tags"]]
        deploy = ["aws", "cloudformation", "deploy", "--stack-name", name, "--template-file", str(file)]
        made.append(
            [*deploy, "--capabilities", "CAPABILITY_NAMED_IAM", "--no-fail-on-empty-changeset", "--tags", *tags]
        )
    return made


def _cluster() -> list[list[str]]:
    eks = ["aws", "eks"]
    groups = output(*eks, "list-nodegroups", "--cluster-name", CLUSTER)["nodegroups"]
    addons = output(*eks, "list-addons", "--cluster-name", CLUSTER)["addons"]
    return [
        [*eks, "wait", "cluster-active", "--name", CLUSTER],
        *[[*eks, "wait", "nodegroup-active", "--cluster-name", CLUSTER, "--nodegroup-name", name] for name in groups],
        *[[*eks, "wait", "addon-active", "--cluster-name", CLUSTER, "--addon-name", name] for name in addons],
    ]


def _objects(folder: Path, kubectl: list[str]) -> list[list[str]]:
    found = output(
        *kubectl, "get", KINDS, "-n", NAMESPACE, "-l", "app.kubernetes.io/managed-by=llmops.langfuse", "-o", "json"
    )
    secrets = output(
        *kubectl, "get", "secrets", "-n", NAMESPACE, "-l", "app.kubernetes.io/part-of=langfuse", "-o", "json"
    )
    files = []
    for item in found["items"] + secrets["items"]:
        item.pop("status", None)
        item["metadata"] = {key: value for key, value in item["metadata"].items() if key not in MADE_BY_SERVER}
        file = folder / f"{item['kind']}-{item['metadata']['name']}.yml"
        file.write_text(yaml.safe_dump(item))
        files.append(file)
    apply = [*kubectl, "apply", "--server-side", "--force-conflicts", "--field-manager=runbook"]
    return [[*apply, "--filename", str(file)] for file in files]


def _parameters() -> list[str]:
    found = output("aws", "ssm", "get-parameters-by-path", "--path", PREFIX, "--recursive")["Parameters"]
    return [parameter["Name"] for parameter in found]


def _releases(folder: Path, kubeconfig: Path) -> list[list[str]]:
    made = []
    helm = ["helm", "--kubeconfig", str(kubeconfig)]
    for release in output(*helm, "list", "--all-namespaces", "--output", "json"):
        name, namespace = release["name"], release["namespace"]
        file = folder / f"values-{name}.yml"
        file.write_text(
            json.dumps(output(*helm, "get", "values", name, "--namespace", namespace, "--output", "json") or {})
        )
        chart = CHARTS / ("langfuse-2" if name == "langfuse" else name)
        made.append(
            [*helm, "upgrade", "--install", name, str(chart), "--namespace", namespace, "--values", str(file), "--wait"]
        )
    return made


def _looks(kubectl: list[str]) -> list[list[str]]:
    there = [*kubectl, "-n", NAMESPACE]
    workloads = output(*there, "get", "deployments,statefulsets", "-o", "json")["items"]
    groups = output("aws", "elbv2", "describe-target-groups")["TargetGroups"]
    nodes = output(*kubectl, "get", "nodes", "-o", "json")["items"]
    health = f"/api/v1/namespaces/{NAMESPACE}/services/langfuse-web:http/proxy/api/public/health"
    return [
        *[[*there, "rollout", "status", f"{item['kind']}/{item['metadata']['name']}"] for item in workloads],
        [*there, "get", "pods,pvc,hpa,ingress"],
        [*kubectl, "get", "--raw", health],
        *[
            [*kubectl, "get", "--raw", f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"]
            for node in nodes
        ],
        ["aws", "elbv2", "describe-load-balancers"],
        *[
            ["aws", "elbv2", "describe-target-health", "--target-group-arn", group["TargetGroupArn"]]
            for group in groups
        ],
        ["aws", "acm", "list-certificates"],
        ["aws", "cloudwatch", "describe-alarms"],
        ["aws", "s3api", "list-buckets"],
    ]


def _tables(http: str) -> list[list[str]]:
    """A rule for each table, as the runbook sets them; set again, a rule that stands costs nothing."""
    ask = ["curl", "--silent", "--fail", http, "--data-binary"]
    password = output("aws", "ssm", "get-parameter", "--with-decryption", "--name", f"{PREFIX}/clickhouse-password")
    ask[1:1] = ["--user", f"default:{password['Parameter']['Value']}"]
    find = "SELECT name, extract(create_table_query, 'TTL (.+?)( SETTINGS|$)') AS rule FROM system.tables"
    query = f"{find} WHERE database = 'default' AND rule != '' FORMAT JSON"
    tables = output(*ask, query)["data"]
    return [[*ask, f"ALTER TABLE default.`{table['name']}` MODIFY TTL {table['rule']}"] for table in tables]
