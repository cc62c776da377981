# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `monitoring` of role monitoring."""

from __future__ import annotations

import json

import pytest

BALANCER = "app/k8s-prodexternalalb-0123456789/0123456789abcdef"
ARN = "arn:aws:elasticloadbalancing:ap-south-1:123456789012:"
HOST = "k8s-prodexternalalb-0123456789-1.ap-south-1.elb.amazonaws.com"


def pod(name, claim, kind="StatefulSet", owner="x", phase="Running", labels=None):
    """A pod with one claim, as the API server gives it."""
    volumes = [{"name": "tmp", "emptyDir": {}}, {"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
    metadata = {"name": name, "ownerReferences": [{"kind": kind, "name": owner}], "labels": labels or {}}
    return {"metadata": metadata, "spec": {"volumes": volumes}, "status": {"phase": phase}}


SERVER = {"app": "langfuse-clickhouse", "clickhouse.com/role": "clickhouse-server"}
CLICKHOUSE = pod("langfuse-clickhouse-0-0-0", "data-clickhouse", phase="Pending", labels=SERVER | {"more": "x"})
REDIS = ("langfuse-redis", "ReplicaSet", "langfuse-redis-7d9f6")
PODS = [
    CLICKHOUSE,
    pod("langfuse-postgresql-0", "data-postgresql", labels=SERVER | {"clickhouse.com/role": "another"}),
    pod("langfuse-redis-7d9f6-old", *REDIS, labels={"pod-template-hash": "7d9f6"}),
    pod("langfuse-redis-7d9f6-new", *REDIS, labels={"pod-template-hash": "7d9f6"}),
    pod("migration-x", "scratch", kind="Job"),
    pod("old-0", "gone", phase="Succeeded"),
    {"metadata": {"name": "bare"}, "spec": {}},
]


def target_group(name, owner):
    """A target group as elb_target_group_info gives it."""
    tags = {"ingress.k8s.aws/resource": owner} if owner else {}
    return {
        "target_group_name": name,
        "target_group_arn": f"{ARN}targetgroup/{name}/fedcba9876543210",
        "tags": tags,
    }


FOUND = {
    "__monitoring_pods": {"resources": PODS},
    "__monitoring_ingresses": {
        "resources": [{"status": {"loadBalancer": {"ingress": [{"hostname": HOST}]}}}, {"status": {"loadBalancer": {}}}]
    },
    "__monitoring_found_balancers": {
        "load_balancers": [
            {"load_balancer_arn": f"{ARN}loadbalancer/{BALANCER}", "dns_name": HOST},
            {"load_balancer_arn": f"{ARN}loadbalancer/app/foreign/1", "dns_name": "foreign"},
        ]
    },
    "__monitoring_found_targets": {
        "results": [
            {
                "item": f"{ARN}loadbalancer/{BALANCER}",
                "target_groups": [
                    target_group("k8s-langfuse-langfuse-12ab", "langfuse/langfuse-external-langfuse-web:3000"),
                    target_group("k8s-other-web", "other/ingress-web:80"),
                    target_group("by-hand", ""),
                ],
            }
        ]
    },
}
SETS = {
    "everything": FOUND,
    "an empty account": {},
    "no load balancers": FOUND | {"__monitoring_ingresses": {"resources": []}, "__monitoring_found_targets": {}},
    "mails": FOUND | {"monitoring_alarm_emails": ["ops@example.com", "a+b@example.com"]},
    "quiet": FOUND | {"monitoring_alarms_quiet": True},
    "Prometheus": FOUND | {"monitoring_prometheus_rules": True},
    "no dashboard": FOUND | {"monitoring_dashboard_enabled": False},
    "ClickHouse elsewhere": FOUND | {"__monitoring_pods": {"resources": PODS[1:]}},
    "text from the command line": FOUND | {"monitoring_warning_percent": "70", "monitoring_unknown_claims": "2"},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("monitoring", **given).body("alarms")) == []


@pytest.fixture
def alarms(make_role, of_type):
    """The alarms that the given variables make, by their ids."""
    return lambda **given: of_type(make_role("monitoring", **FOUND | given).stack("alarms"), "AWS::CloudWatch::Alarm")


def test_volumes(make_role):
    assert make_role("monitoring", **FOUND).value("__monitoring_volumes") == [
        {"claim": "data-clickhouse", "pod": "langfuse-clickhouse-0-0-0", "clickhouse": True},
        {"claim": "data-postgresql", "pod": "langfuse-postgresql-0", "clickhouse": False},
        {"claim": "langfuse-redis", "pod": "langfuse-redis", "clickhouse": False},
    ]


def test_the_emergency_hears_clickhouse_alone(alarms, make_role):
    alarm = alarms()["ClickHouseDisk"]
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "ClusterName": "langfuse",
        "Namespace": "langfuse",
        "PVCName": "data-clickhouse",
        "PodName": "langfuse-clickhouse-0-0-0",
    }
    expected = {
        "AlarmName": "langfuse-clickhouse-disk",
        "Namespace": "LangfusePVC",
        "MetricName": "UsagePercent",
        "Statistic": "Maximum",
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 90,
        # A monitor that says nothing must not empty ClickHouse.
        "TreatMissingData": "missing",
    }
    assert alarm | expected == alarm
    outputs = make_role("monitoring", **FOUND).stack("alarms")["Outputs"]
    assert outputs["ClickHouseDiskAlarmName"]["Value"] == {"Ref": "ClickHouseDisk"}
    assert outputs["ClickHouseDiskAlarmArn"]["Value"] == {"Fn::GetAtt": ["ClickHouseDisk", "Arn"]}
    assert outputs["AlarmTopicArn"]["Value"] == {"Ref": "AlarmTopic"}


def test_every_claim_is_watched_by_the_roll_up(alarms):
    found = alarms(monitoring_warning_percent=75)
    for name, metric in (("AnyDisk", "UsagePercent"), ("AnyInodes", "InodesUsagePercent")):
        assert (found[name]["MetricName"], found[name]["Threshold"]) == (metric, 75)
        assert [d["Name"] for d in found[name]["Dimensions"]] == ["ClusterName", "Namespace"]


def test_silence_is_an_alarm_after_15_minutes(alarms):
    alarm = alarms()["MonitorSilent"]
    assert (alarm["TreatMissingData"], alarm["Period"] * alarm["EvaluationPeriods"]) == ("breaching", 900)
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Threshold"]) == ("ClaimsUnknown", "SampleCount", 1)


def test_only_own_target_groups_are_watched(alarms):
    unhealthy = [alarm for alarm in alarms().values() if alarm["MetricName"] == "UnHealthyHostCount"]
    [alarm] = unhealthy
    assert {d["Name"]: d["Value"] for d in alarm["Dimensions"]} == {
        "TargetGroup": "targetgroup/k8s-langfuse-langfuse-12ab/fedcba9876543210",
        "LoadBalancer": BALANCER,
    }


def test_alarms_tell_the_topic_of_bad_and_of_good(alarms):
    for alarm in alarms().values():
        assert (alarm["AlarmActions"], alarm["OKActions"]) == ([{"Ref": "AlarmTopic"}], [{"Ref": "AlarmTopic"}])
        assert alarm["ActionsEnabled"] is True
    assert {alarm["ActionsEnabled"] for alarm in alarms(monitoring_alarms_quiet=True).values()} == {False}


def test_cloudwatch_may_use_the_topics_key(make_role, of_type):
    stack = make_role("monitoring", **FOUND).stack("alarms")
    statement = of_type(stack, "AWS::KMS::Key")["AlarmKey"]["KeyPolicy"]["Statement"][1]
    assert statement["Principal"] == {"Service": "cloudwatch.amazonaws.com"}
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    assert of_type(stack, "AWS::SNS::Topic")["AlarmTopic"]["KmsMasterKeyId"] == {"Ref": "AlarmKey"}


def test_a_mail_less_replaces_no_other(make_role, of_type):
    def subscriptions(*addresses):
        role = make_role("monitoring", monitoring_alarm_emails=list(addresses))
        return of_type(role.stack("alarms"), "AWS::SNS::Subscription")

    both = subscriptions("a@example.com", "b@example.com")
    assert {entry["Endpoint"] for entry in both.values()} == {"a@example.com", "b@example.com"}
    assert subscriptions("b@example.com").items() <= both.items()


def test_prometheus_takes_the_place_of_alarms_on_volumes(alarms, make_role):
    assert {alarm["MetricName"] for alarm in alarms(monitoring_prometheus_rules=True).values()} == {
        "UnHealthyHostCount"
    }
    role = make_role("monitoring", **FOUND | {"monitoring_prometheus_rules": True})
    assert not [title for title in titles(role) if "volume" in title]


def widgets(role):
    """The dashboard's widgets."""
    dashboard = role.stack("alarms")["Resources"]["Dashboard"]["Properties"]
    assert dashboard["DashboardName"] == "langfuse"
    return json.loads(dashboard["DashboardBody"])["widgets"]


def titles(role):
    return [widget["properties"]["title"] for widget in widgets(role)]


def test_dashboard(make_role):
    found = {
        widget["properties"]["title"]: widget["properties"] for widget in widgets(make_role("monitoring", **FOUND))
    }
    use = found["Use of each volume"]
    assert use["metrics"][0][0]["expression"] == (
        "SEARCH('{LangfusePVC,ClusterName,Namespace,PVCName,PodName} "
        'MetricName="UsagePercent" ClusterName="langfuse" Namespace="langfuse"\', \'Maximum\', 300)'
    )
    assert [line["value"] for line in use["annotations"]["horizontal"]] == [90, 80]
    until_full = found["Days until full, as each volume grew from day to day"]["metrics"]
    assert [metric[0]["label"] for metric in until_full if len(metric) == 1] == [
        "data-clickhouse",
        "data-postgresql",
        "langfuse-redis",
    ]
    assert until_full[0][:2] == ["LangfusePVC", "UsedGB"]
    assert until_full[0][2:10:2] == ["ClusterName", "Namespace", "PVCName", "PodName"]
    for title, count in (("requests and errors", 4), ("seconds to the answer", 3), ("pods that answer", 2)):
        assert len(found[f"k8s-prodexternalalb-0123456789: {title}"]["metrics"]) == count
    assert len(found["Functions"]["metrics"]) == 3
    assert {entry["region"] for entry in found.values()} == {"ap-south-1"}


def test_several_clickhouse_volumes(alarms):
    second = pod("langfuse-clickhouse-0-1-0", "data-clickhouse-2", labels=SERVER)
    found = alarms(__monitoring_pods={"resources": [*PODS, second]})
    assert [found[name]["AlarmName"] for name in ("ClickHouseDisk", "ClickHouseDisk2")] == [
        "langfuse-clickhouse-disk",
        "langfuse-clickhouse-disk-2",
    ]
