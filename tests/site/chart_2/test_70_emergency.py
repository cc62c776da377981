# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's disk fills, really: monitor, metric, alarm, rule, function, and the disk is free again."""

from __future__ import annotations

import base64
import json

import emergency
import pytest
from emergency import ALARM, FUNCTION, wait
from small_disk import SmallDisk, small_disk

DISK = 96 << 20
MAJOR = 2
PASSWORD = "/langfuse/lab/clickhouse-password"


@pytest.fixture(scope="module")
def ear(lab):
    ear = emergency.Ear(lab)
    yield ear
    ear.close()


@pytest.fixture(scope="module")
def disk(lab):
    with small_disk(lab, DISK) as disk:
        emergency.load_old_rows(lab, disk.client, MAJOR, days=120, rows_a_day=90)
        yield disk


@pytest.fixture(scope="module")
def password(lab) -> str:
    return lab.client("ssm").get_parameter(Name=PASSWORD, WithDecryption=True)["Parameter"]["Value"]


def alarm_state(lab) -> str:
    return lab.client("cloudwatch").describe_alarms(AlarmNames=[ALARM])["MetricAlarms"][0]["StateValue"]


def test_rehearsal_shows_the_plan_and_changes_nothing(site, lab, disk: SmallDisk):
    disk.fill(85)
    rows = disk.client.execute("SELECT count() FROM traces")
    run = site.run("site", "--tags", "clickhouse_retention_rehearsal", name="rehearsal").ok()
    assert run.changed == 0, run.changed_tasks
    assert "It would be" in run.output and "drop partition default.events_full" in run.output
    assert disk.client.execute("SELECT count() FROM traces") == rows


def test_full_disk_to_free_disk(lab, ear, disk: SmallDisk):
    """With a mutation that waits for space, as the original's DELETE does; the alarm comes from the true figures."""
    disk.fill(96)
    disk.client.execute("ALTER TABLE observations UPDATE name = 'x' WHERE start_time < now() - INTERVAL 40 DAY")
    disk.fill(96)
    since = emergency.young_since()
    young = emergency.rows_since(disk.client, MAJOR, since)
    assert min(young.values()) >= 6 * 90 - 1
    assert disk.percent > 91

    with emergency.no_schedule(lab):
        emergency.run_monitor(lab)
        wait("a free disk", lambda: disk.percent <= 75)
        (told,) = wait("the message", lambda: ear.said("ClickHouse disk freed"))
    assert "drop partition default." in told["Message"]
    assert "ALTER TABLE" not in told["Message"]
    assert ear.said(f'ALARM: "{ALARM}"')
    assert emergency.rows_since(disk.client, MAJOR, since) == young
    assert disk.client.execute("SELECT count() FROM system.mutations WHERE NOT is_done") == "0\n"
    assert ear.dead_letters() == []

    log = emergency.function_log(lab)
    assert '"action": "drop partition"' in log
    # The alarm stands until the next figure; a look by the schedule then finds nothing to do, and says nothing.
    count = len(ear.said("ClickHouse disk"))
    assert f"{FUNCTION}-again" in emergency.fire_schedules(lab)
    wait("the look", lambda: emergency.function_log(lab).count("END RequestId") > log.count("END RequestId"))
    assert "Traceback" not in emergency.function_log(lab)
    assert len(ear.said("ClickHouse disk")) == count


def test_failure_is_told_and_the_next_try_helps(lab, ear, disk: SmallDisk, password: str):
    """A wrong password: three tries, then the topic hears of it and the event is kept; then the schedule's turn."""
    ssm, cloudwatch = lab.client("ssm"), lab.client("cloudwatch")
    disk.empty()
    emergency.load_old_rows(lab, disk.client, MAJOR, days=120, rows_a_day=60)
    disk.fill(95)
    ssm.put_parameter(Name=PASSWORD, Value="wrong-password", Type="SecureString", Overwrite=True)
    try:
        for state in ("OK", "ALARM"):
            cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue=state, StateReason="test")
        failure = wait("the failure", lambda: ear.said("RetriesExhausted"))[0]
    finally:
        ssm.put_parameter(Name=PASSWORD, Value=password, Type="SecureString", Overwrite=True)
    answer = json.loads(failure["Message"])["responsePayload"]
    assert answer["errorType"] == "Refused"
    assert "ClickHouse refuses user default: check the SSM parameter" in answer["errorMessage"]
    assert "wrong-password" not in failure["Message"]
    # The schedule's tries may have failed meanwhile as well.
    letters = wait("the dead letter", lambda: [each for each in ear.dead_letters() if "alarmName" in each["detail"]])
    assert letters[0]["detail"]["alarmName"] == ALARM
    assert disk.percent > 91

    cloudwatch.set_alarm_state(AlarmName=ALARM, StateValue="ALARM", StateReason="test")
    emergency.fire_schedules(lab)
    wait("a free disk", lambda: disk.percent <= 75)
    wait("the message", lambda: len(ear.said("ClickHouse disk freed")) > 1)


def test_short_relief_is_told(lab, ear, disk: SmallDisk):
    """Nothing old is left: the message says what holds the disk, and no young row goes."""
    disk.empty()
    emergency.drop_old_rows(disk.client, MAJOR)
    disk.fill(93)
    since = emergency.young_since()
    young = emergency.rows_since(disk.client, MAJOR, since)
    failed, report = emergency.invoke(lab, detail={"alarmName": ALARM})
    assert (failed, report["ok"]) == (False, False)
    told = wait("the message", lambda: ear.said("STILL TOO FULL"))[0]
    assert "default.dataset_run_items_rmt" in told["Message"]
    assert "Grow the volume" in told["Message"]
    assert emergency.rows_since(disk.client, MAJOR, since) == young


def test_one_right_less_and_it_fails(lab, disk: SmallDisk):
    """The Role in Kubernetes is exactly enough, and for this service only."""
    from kubernetes import client, config

    rbac = client.RbacAuthorizationV1Api(config.new_client_from_config(str(lab.dir / "admin.kubeconfig")))
    role = rbac.read_namespaced_role("langfuse-clickhouse-relief", "langfuse")
    (rule,) = role.rules
    assert (rule.resources, rule.verbs) == (["services/proxy"], ["create"])
    assert rule.resource_names == ["http:langfuse-clickhouse-headless:8123"]
    assert emergency.invoke(lab, dry_run=True)[0] is False
    role.rules = []
    taken = rbac.replace_namespaced_role("langfuse-clickhouse-relief", "langfuse", role)
    try:
        failed, answer = emergency.invoke(lab, dry_run=True)
        assert failed and answer["errorMessage"].startswith("Kubernetes does not let this function reach")
    finally:
        taken.rules = [rule]
        rbac.replace_namespaced_role("langfuse-clickhouse-relief", "langfuse", taken)
    assert emergency.invoke(lab, dry_run=True)[0] is False


def test_password_is_nowhere(lab, ear, password: str):
    """Neither in the template, nor in the function's environment, a log, a URL or a message."""
    template = lab.client("cloudformation").get_template(StackName=FUNCTION)["TemplateBody"]
    text = template if isinstance(template, str) else json.dumps(template)
    assert len(text) < 51200, "CloudFormation takes no larger template in the request"
    places = {
        "template": text,
        "environment": json.dumps(
            lab.client("lambda").get_function_configuration(FunctionName=FUNCTION)["Environment"]
        ),
        "function log": emergency.function_log(lab),
        "messages": json.dumps(ear.heard),
        **{path.name: path.read_text(errors="replace") for path in (lab.dir / "log").glob("*.*")},
    }
    encoded = base64.b64encode(password.encode()).decode()
    assert [name for name, place in places.items() if password in place or encoded in place] == []
    assert "X-ClickHouse-Key" in places["template"]


def test_unreachable_server(lab, disk: SmallDisk):
    """ClickHouse is stopped for a moment."""
    from langfuse_lab import supervisor

    supervisor.stop(lab.dir, ["clickhouse"])
    try:
        failed, answer = emergency.invoke(lab, dry_run=True)
    finally:
        lab.up()
    assert failed and answer["errorType"] == "Lost", answer
    assert "does not answer" in answer["errorMessage"]
