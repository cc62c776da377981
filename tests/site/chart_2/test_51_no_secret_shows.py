# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No value that a secret ever had is in what the runs printed, nor where people and programs look afterwards."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path
from typing import Any

import conftest
import pytest
from kubernetes import client

PREFIX = "/langfuse/lab"
# Chosen by people, and shown on purpose: the administrator's name and address, and ids.
SHORTEST = 12


@pytest.fixture(scope="module")
def secrets(lab) -> dict[str, str]:
    """Every value of every version of every parameter, also as base64, by what it is."""
    ssm = lab.client("ssm")
    found = {}
    pages = ssm.get_paginator("get_parameters_by_path").paginate(Path=PREFIX, Recursive=True)
    for name in [parameter["Name"] for page in pages for parameter in page["Parameters"]]:
        for version in ssm.get_parameter_history(Name=name, WithDecryption=True)["Parameters"]:
            value = version["Value"]
            if version["Type"] == "SecureString" and len(value) >= SHORTEST:
                found[f"{name}:{version['Version']}"] = value
                found[f"{name}:{version['Version']} in base64"] = base64.b64encode(value.encode()).decode()
    assert len(found) > 20
    return found


def shown(secrets: dict[str, str], text: str) -> list[str]:
    return [name for name, value in secrets.items() if value in text]


def everything(objects: Any) -> str:
    """All of an answer of Kubernetes or AWS, as text."""
    return json.dumps(client.ApiClient().sanitize_for_serialization(objects), default=str)


def test_runs_that_change_nothing_yet_and_runs_that_fail_are_looked_at_too(site):
    rotate = json.dumps({"secrets_rotate": ["redis-password", "clickhouse-password"]})
    planned = site.run("site", "--check", "--diff", "-vvvv", "-e", rotate, name="planned")
    assert planned.code == 0, planned.output[-3000:]
    wrong = ["--tags", "clickhouse_retention", "-vvvv", "-e", "clickhouse_retention_user=nobody"]
    assert site.run("site", *wrong, name="wrong-user").code == 2


def test_no_run_shows_one(secrets):
    logs = sorted(Path(conftest.LOGS).glob("*.log"))
    assert {"planned", "wrong-user", "first-secrets", "secrets-rotate"} <= {log.stem.split("-", 1)[1] for log in logs}
    assert {log.name: names for log in logs if (names := shown(secrets, log.read_text()))} == {}


def test_no_stack_holds_one(lab, secrets):
    formation = lab.client("cloudformation")
    stacks = formation.describe_stacks()["Stacks"]
    assert len(stacks) >= 7
    templates = [formation.get_template(StackName=stack["StackName"])["TemplateBody"] for stack in stacks]
    events = [formation.describe_stack_events(StackName=stack["StackName"])["StackEvents"] for stack in stacks]
    assert shown(secrets, everything([stacks, templates, events])) == []


def test_no_function_alarm_or_log_holds_one(lab, secrets):
    functions = lab.client("lambda").list_functions()["Functions"]
    logs = lab.client("logs")
    groups = [group["logGroupName"] for group in logs.describe_log_groups()["logGroups"]]
    said = [logs.filter_log_events(logGroupName=group)["events"] for group in groups]
    alarms = lab.client("cloudwatch").describe_alarms()
    assert functions and any(said)
    assert shown(secrets, everything([functions, said, alarms])) == []


def test_no_object_but_a_secret_holds_one(lab, secrets):
    core = lab.kubernetes()
    api = core.api_client
    lists = [
        core.list_pod_for_all_namespaces(),
        core.list_config_map_for_all_namespaces(),
        core.list_service_account_for_all_namespaces(),
        core.list_event_for_all_namespaces(),
        client.AppsV1Api(api).list_deployment_for_all_namespaces(),
        client.AppsV1Api(api).list_stateful_set_for_all_namespaces(),
        client.BatchV1Api(api).list_cron_job_for_all_namespaces(),
        client.BatchV1Api(api).list_job_for_all_namespaces(),
        client.NetworkingV1Api(api).list_ingress_for_all_namespaces(),
    ]
    for group, plural in (("clickhouse.com", "clickhouseclusters"), ("clickhouse.com", "keeperclusters")):
        lists.append(client.CustomObjectsApi(api).list_cluster_custom_object(group, "v1alpha1", plural))
    assert all((each["items"] if isinstance(each, dict) else each.items) for each in lists)
    assert shown(secrets, everything(lists)) == []


def test_no_release_holds_one(site, lab, secrets):
    """Values, manifests, notes and hooks of every revision of every release."""
    helm = {"env": site.environment | {"KUBECONFIG": str(lab.dir / "admin.kubeconfig")}, "check": True}
    helm |= {"capture_output": True, "text": True}
    releases = json.loads(subprocess.run(["helm", "list", "--all-namespaces", "--output", "json"], **helm).stdout)
    assert len(releases) >= 4
    for release in releases:
        where = [release["name"], "--namespace", release["namespace"]]
        history = json.loads(subprocess.run(["helm", "history", *where, "--output", "json"], **helm).stdout)
        for revision in history:
            get = ["helm", "get", "all", *where, "--revision", str(revision["revision"])]
            assert shown(secrets, subprocess.run(get, **helm).stdout) == []


def test_no_file_of_the_runs_holds_one(lab, secrets):
    files = [path for path in (lab.dir / "state" / "site").rglob("*") if path.is_file()]
    assert {"kubeconfig", "status.html"} <= {path.name for path in files}
    holding = {path.name: names for path in files if (names := shown(secrets, path.read_text(errors="replace")))}
    assert holding == {}
