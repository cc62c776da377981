# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status playbook tells what the servers say, and what was broken on purpose.

The lab has no metrics API, so an autoscaler that cannot scale is always told of, and the whole is degraded at best.
"""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest
from kubernetes import client

NAMESPACE = "langfuse"
# Somebody else's: no figures ever come, which keeps it in ALARM.
FOREIGN = {
    "AlarmName": "langfuse-prod-disk",
    "Namespace": "Nothing",
    "MetricName": "Nothing",
    "Statistic": "Maximum",
    "Period": 300,
    "EvaluationPeriods": 1,
    "Threshold": 1,
    "ComparisonOperator": "GreaterThanThreshold",
    "TreatMissingData": "breaching",
}


@pytest.fixture
def page(lab) -> Path:
    return lab.dir / "state" / "site" / "status.html"


def text_of(page: Path) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.read_text())).split())


def test_what_it_cannot_do_is_said_at_once(site):
    wrong = ["-e", "status_fail_on=bad", "-e", 'status_prices={"date": "2026-11-01"}', "-e", "status_page="]
    run = site.run("status", *wrong, name="status-wrong")
    assert run.code != 0
    text = " ".join(run.output.split())
    for message in ("status_fail_on is ''bad''", "a dict is allowed, on the command line", "status_page is empty"):
        assert message in text, run.output


def test_it_shows_what_the_servers_say(site, lab, page):
    run = site.run("status", name="status").ok()
    assert run.changed == 0, run.changed_tasks
    assert "langfuse is degraded." in run.output
    assert page.stat().st_mode & 0o777 == 0o600
    text = text_of(page)
    assert "Langfuse 4.16.0, revision" in text and ", deployed ok" in text
    assert [
        reason for reason in re.findall(r"<li>(.*?)</li>", page.read_text()) if "does not scale" not in reason
    ] == []
    for balancer in lab.client("elbv2").describe_load_balancers()["LoadBalancers"]:
        assert balancer["DNSName"] in text
    for claim in lab.kubernetes().list_namespaced_persistent_volume_claim(NAMESPACE).items:
        assert re.search(rf"{claim.metadata.name} \d+ % of {claim.spec.resources.requests['storage']} ok", text)
    for alarm in lab.client("cloudwatch").describe_alarms()["MetricAlarms"]:
        assert f"{alarm['AlarmName']} {alarm['StateValue']} since" in text
    assert "traces kept 30 days ok" in text
    assert "3 x t4g.medium, 1 x r7g.xlarge" in text


def test_an_alarm_and_a_web_that_is_away_are_told(site, lab, page):
    cloudwatch = lab.client("cloudwatch")
    apps = client.AppsV1Api(lab.kubernetes().api_client)

    def scale(count: int) -> None:
        apps.patch_namespaced_deployment_scale("langfuse-web", NAMESPACE, {"spec": {"replicas": count}})

    (alarm,) = cloudwatch.describe_alarms(AlarmNames=["langfuse-any-inodes"])["MetricAlarms"]
    fields = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    alarm = {key: value for key, value in alarm.items() if key in fields}
    cloudwatch.put_metric_alarm(**FOREIGN)
    cloudwatch.put_metric_alarm(**{**alarm, "Threshold": -1})
    scale(0)
    try:
        run = site.run("status", name="status-broken")
    finally:
        scale(1)
        cloudwatch.put_metric_alarm(**alarm)
        cloudwatch.delete_alarms(AlarmNames=[FOREIGN["AlarmName"]])
    assert run.code == 2
    assert "langfuse is broken: " in " ".join(run.output.split())
    text = text_of(page)
    assert "Pods: langfuse-web is scaled to nothing" in text
    assert "Alarms: langfuse-any-inodes goes off" in text
    assert FOREIGN["AlarmName"] not in text


def test_a_clickhouse_that_does_not_let_one_in_is_unknown_and_the_rest_is_shown(site, page):
    run = site.run("status", "-e", "clickhouse_retention_user=nobody", name="status-unknown").ok()
    assert "langfuse is degraded." in run.output
    text = text_of(page)
    assert re.search(r"ClickHouse's tables unknown unknown .*nobody", text)
    assert "deployed ok" in text


def test_without_a_cluster_nothing_is_well(site, page):
    run = site.run("status", "-e", "platform_name=elsewhere", name="status-elsewhere")
    assert run.code == 2
    assert "elsewhere is broken" in " ".join(run.output.split())
    assert "Stack elsewhere-cluster is not in account" in text_of(page)
