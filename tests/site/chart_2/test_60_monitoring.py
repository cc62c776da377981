# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PVC monitor's pod with its own token, what it may, and the alarms on what it publishes."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from volumes import GIB, MONITOR, NAMESPACE, apis, filled, module, published, run_monitor, until

CLICKHOUSE = "clickhouse-storage-volume-langfuse-clickhouse-0-0-0"
POSTGRESQL = "postgres-data-langfuse-postgresql-0"
REDIS = "langfuse-redis"


@pytest.fixture(scope="module")
def outputs(lab):
    """The outputs of the stack with the alarms."""
    [stack] = lab.client("cloudformation").describe_stacks(StackName="langfuse-monitoring")["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@pytest.fixture(scope="module")
def told(lab, outputs):
    """What the topic tells from before the first alarm on: (alarm, state), read anew by each call."""
    sqs, sns = lab.client("sqs"), lab.client("sns")
    queue = sqs.create_queue(QueueName="test-alarms")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscription = sns.subscribe(TopicArn=outputs["AlarmTopicArn"], Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
    heard = []

    def read():
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            alarm = json.loads(json.loads(message["Body"])["Message"])
            heard.append((alarm["AlarmName"], alarm["NewStateValue"]))
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return heard

    yield read
    sns.unsubscribe(SubscriptionArn=subscription)
    sqs.delete_queue(QueueUrl=queue)


def alarm_of(lab, name):
    [alarm] = lab.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return alarm


@pytest.fixture
def waiting_claim(lab):
    """A claim that no pod mounts."""
    core = lab.kubernetes()
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": "1Gi"}}}
    body = {"metadata": {"name": "unused"}, "spec": spec}
    core.create_namespaced_persistent_volume_claim(NAMESPACE, body)
    yield "unused"
    core.delete_namespaced_persistent_volume_claim("unused", NAMESPACE)


@pytest.mark.usefixtures("told")
def test_cloudwatch_module_and_kubelet_say_the_same(site, lab, waiting_claim):
    capacity = 20 * GIB
    full = {"capacityBytes": capacity, "usedBytes": capacity * 17 // 20, "inodes": 1000, "inodesUsed": 333}
    with filled(lab, **{POSTGRESQL.replace("-", "_"): full}):
        succeeded, log = run_monitor(lab)
        assert succeeded, log
        figures = published(lab)
        answer = module(site, lab, "pvc_info")
    claims = {claim["name"]: claim for claim in answer["pvcs"]}
    assert claims.keys() == {CLICKHOUSE, POSTGRESQL, REDIS, "clickhouse-storage-volume-langfuse-keeper-0-0", "unused"}
    assert figures["UsagePercent", POSTGRESQL] == claims[POSTGRESQL]["used_percent"] == 85
    assert figures["InodesUsagePercent", POSTGRESQL] == claims[POSTGRESQL]["inodes_used_percent"] == 33.3
    assert (figures["UsedGB", POSTGRESQL], figures["TotalGB", POSTGRESQL]) == (17, 20)
    for name, claim in claims.items():
        if name not in ("unused", CLICKHOUSE):  # ClickHouse's real data grow meanwhile
            assert figures["UsagePercent", name] == claim["used_percent"], name
            assert figures["TotalGB", name] == pytest.approx(claim["capacity_bytes"] / GIB, abs=0.005), name
    assert (figures["UsagePercent", ""], figures["ClaimsUnknown", ""]) == (85, 1)
    assert not [key for key in figures if key[1] == "unused"], "a claim that nobody measures is never 0 %"
    assert (claims["unused"]["state"], claims["unused"]["reason"]) == ("unknown", "It is Pending, not Bound.")
    assert (claims[POSTGRESQL]["state"], claims[POSTGRESQL]["expandable"]) == ("warning", True)


RULES = {
    "pods": ("list", [{"apiGroups": [""], "resources": ["persistentvolumeclaims"], "verbs": ["list"]}], None),
    "claims": ("list", [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}], None),
    "nodes/stats": ("get", None, []),
}


@pytest.mark.parametrize("name", RULES)
def test_no_rule_of_the_monitor_is_for_nothing(lab, name):
    client, api = apis(lab)
    rbac = client.RbacAuthorizationV1Api(api)
    _verb, role_rules, cluster_rules = RULES[name]
    role = rbac.read_namespaced_role(MONITOR, NAMESPACE)
    cluster_role = rbac.read_cluster_role(f"{MONITOR}-{NAMESPACE}")
    try:
        if role_rules is not None:
            rbac.patch_namespaced_role(MONITOR, NAMESPACE, {"rules": role_rules})
        if cluster_rules is not None:
            rbac.patch_cluster_role(cluster_role.metadata.name, {"rules": cluster_rules})
        succeeded, log = run_monitor(lab)
    finally:
        rbac.patch_namespaced_role(MONITOR, NAMESPACE, {"rules": api.sanitize_for_serialization(role.rules)})
        rules = {"rules": api.sanitize_for_serialization(cluster_role.rules)}
        rbac.patch_cluster_role(cluster_role.metadata.name, rules)
    assert not succeeded
    assert "403" in log, log


def test_the_monitor_may_nothing_else(lab):
    client, api = apis(lab)
    authorization = client.AuthorizationV1Api(api)
    user = f"system:serviceaccount:{NAMESPACE}:{MONITOR}"

    def may(verb, resource, namespace=None):
        resource, _slash, subresource = resource.partition("/")
        asked = {"verb": verb, "resource": resource, "subresource": subresource, "namespace": namespace}
        body = {"spec": {"user": user, "groups": ["system:serviceaccounts"], "resourceAttributes": asked}}
        return authorization.create_subject_access_review(body).status.allowed

    assert may("get", "nodes/stats") and may("list", "pods", NAMESPACE)
    for verb, resource in [("get", "nodes/proxy"), ("get", "nodes/metrics"), ("list", "nodes"), ("list", "pods")]:
        assert not may(verb, resource), (verb, resource)
    for verb, resource in [("create", "pods/exec"), ("get", "pods"), ("get", "secrets"), ("list", "configmaps")]:
        assert not may(verb, resource, NAMESPACE), (verb, resource)


def test_a_full_postgresql_tells_the_topic_and_not_the_emergency(lab, outputs, told):
    with filled(lab, **{POSTGRESQL.replace("-", "_"): {"capacityBytes": 1000, "usedBytes": 950}}):
        assert run_monitor(lab)[0]
    until(lambda: ("langfuse-any-disk", "ALARM") in told(), "the topic tells")
    assert alarm_of(lab, "langfuse-any-disk")["StateValue"] == "ALARM"
    clickhouse = alarm_of(lab, outputs["ClickHouseDiskAlarmName"])
    assert clickhouse["StateValue"] == "OK"
    assert clickhouse["AlarmArn"] == outputs["ClickHouseDiskAlarmArn"]
    assert ("langfuse-clickhouse-disk", "ALARM") not in told()


def copied(lab, name, **changes):
    """A copy of an alarm, with its own dimension, that tells nobody."""
    alarm = alarm_of(lab, name) | changes
    keys = ("Namespace", "MetricName", "Statistic", "Period", "EvaluationPeriods", "Threshold", "TreatMissingData")
    dimensions = [*alarm["Dimensions"], {"Name": "Test", "Value": name}]
    settings = {key: alarm[key] for key in (*keys, "ComparisonOperator")}
    lab.client("cloudwatch").put_metric_alarm(AlarmName=f"test-{name}", Dimensions=dimensions, **settings)
    return f"test-{name}", dimensions


def test_alarms_come_and_go(lab, outputs):
    """On copies of the alarms, so that no emergency hears them. The first figure is soon out of the period."""
    cloudwatch = lab.client("cloudwatch")

    def publish(dimensions, value, age=0):
        now = datetime.datetime.now(datetime.UTC)
        when = now - datetime.timedelta(seconds=age)
        datum = {"MetricName": "UsagePercent", "Dimensions": dimensions, "Value": value, "Timestamp": when}
        cloudwatch.put_metric_data(Namespace="LangfusePVC", MetricData=[datum])

    def state(name):
        return alarm_of(lab, name)["StateValue"]

    disk, dimensions = copied(lab, outputs["ClickHouseDiskAlarmName"])
    silent, _dimensions = copied(lab, "langfuse-monitor-silent")
    try:
        assert state(disk) == "INSUFFICIENT_DATA", "no figures are no emergency"
        publish(dimensions, 91, age=292)
        assert state(disk) == "ALARM"
        until(lambda: state(disk) == "INSUFFICIENT_DATA", "the figure is out of the period", 30)
        publish(dimensions, 50)
        assert state(disk) == "OK"
        until(lambda: state(silent) == "ALARM", "silence alarms", 30)
    finally:
        cloudwatch.delete_alarms(AlarmNames=[disk, silent])


def test_the_dashboard_and_the_alarms_on_load_balancers_stand(lab, outputs):
    cloudwatch = lab.client("cloudwatch")
    body = json.loads(cloudwatch.get_dashboard(DashboardName="langfuse")["DashboardBody"])
    titles = [widget["properties"]["title"] for widget in body["widgets"]]
    assert len([title for title in titles if title.endswith("pods that answer")]) == 2
    groups = lab.client("elbv2").describe_target_groups()["TargetGroups"]
    watched = {
        next(d["Value"] for d in alarm["Dimensions"] if d["Name"] == "TargetGroup")
        for alarm in cloudwatch.describe_alarms(AlarmNamePrefix="langfuse-unhealthy-hosts-")["MetricAlarms"]
    }
    assert watched == {group["TargetGroupArn"].split(":")[-1] for group in groups}
    key = lab.client("kms").describe_key(KeyId=outputs["AlarmKeyArn"])["KeyMetadata"]
    attributes = lab.client("sns").get_topic_attributes(TopicArn=outputs["AlarmTopicArn"])["Attributes"]
    assert attributes["KmsMasterKeyId"] in (key["KeyId"], key["Arn"])


def test_days_until_full(site, lab):
    """From a history that is written here: Valkey's disk grew by 100 MiB an hour."""
    now = datetime.datetime.now(datetime.UTC)
    names = {"ClusterName": "langfuse", "Namespace": NAMESPACE, "PVCName": REDIS, "PodName": REDIS}
    dimensions = [{"Name": name, "Value": value} for name, value in names.items()]
    data = [
        {
            "MetricName": "UsedGB",
            "Dimensions": dimensions,
            "Timestamp": now - datetime.timedelta(hours=hours),
            "Value": 0.2 - hours * 100 / 1024,
        }
        for hours in range(1, 21)
    ]
    lab.client("cloudwatch").put_metric_data(Namespace="LangfusePVC", MetricData=data)
    forecast = {"cluster_name": "langfuse", "region": lab.config["region"]}
    answer = module(site, lab, "pvc_info", names=[REDIS], forecast=forecast, fail_on="warning")
    [claim] = answer["pvcs"]
    free = claim["available_bytes"] / GIB
    assert claim["days_until_full"] == pytest.approx(free * 1024 / 100 / 24, rel=0.3)
    assert answer["failed"] and claim["reason"].startswith("As it grew of late it will be full in")


def test_prometheus_instead(site, lab):
    """Without its operator a clear reason; with it the two rules take the CronJob's place; and back."""
    instead = ("--tags", "monitoring", "-e", "monitoring_prometheus_rules=true")
    refused = site.run("site", *instead, name="prometheus-missing")
    assert refused.code != 0
    assert "install the Prometheus operator first" in " ".join(refused.output.split())
    client, api = apis(lab)
    extensions, custom = client.ApiextensionsV1Api(api), client.CustomObjectsApi(api)
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    names = {"plural": "prometheusrules", "singular": "prometheusrule", "kind": "PrometheusRule"}
    version = {"name": "v1", "served": True, "storage": True, "schema": schema}
    spec = {"group": "monitoring.coreos.com", "scope": "Namespaced", "names": names, "versions": [version]}
    definition = {"metadata": {"name": "prometheusrules.monitoring.coreos.com"}, "spec": spec}
    extensions.create_custom_resource_definition(definition | {"apiVersion": "apiextensions.k8s.io/v1"})
    place = ("monitoring.coreos.com", "v1", NAMESPACE, "prometheusrules")

    def rules():
        return {each["metadata"]["name"] for each in custom.list_namespaced_custom_object(*place)["items"]}

    try:
        time.sleep(2)  # the new kind is served
        site.run("site", *instead, name="prometheus").ok()
        assert rules() == {"langfuse-volumes", "langfuse-volume-inodes"}
        assert client.BatchV1Api(api).list_namespaced_cron_job(NAMESPACE).items == []
        site.run("site", "--tags", "monitoring", name="prometheus-back").ok()
        assert rules() == set()
        assert len(client.BatchV1Api(api).list_namespaced_cron_job(NAMESPACE).items) == 1
    finally:
        extensions.delete_custom_resource_definition(definition["metadata"]["name"])
