# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emergency's tests of both chart majors use: what AWS heard, and the rows that must stay."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from langfuse_lab.clickhouse import schema

FUNCTION = "langfuse-clickhouse-relief"
ALARM = "langfuse-clickhouse-disk"
SECONDS = 170  # the function's own limit is 180; most of a relief is the wait for replaced parts


def wait(what: str, done: Callable[[], Any], seconds: float = SECONDS) -> Any:
    """Wait until something is there, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < deadline, f"waited {seconds} s in vain for {what}"
        time.sleep(0.3)
    return found


class Ear:
    """A queue that hears what the topic of the alarms says, and the queue of failed events."""

    def __init__(self, lab) -> None:
        self._sqs = lab.client("sqs")
        self._sns = lab.client("sns")
        self._queue = self._sqs.create_queue(QueueName="ear")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=self._queue, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        topic = next(t["TopicArn"] for t in self._sns.list_topics()["Topics"] if t["TopicArn"].endswith("-alarms"))
        self._subscription = self._sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)["SubscriptionArn"]
        self.heard: list[dict[str, Any]] = []

    def close(self) -> None:
        self._sns.unsubscribe(SubscriptionArn=self._subscription)
        self._sqs.delete_queue(QueueUrl=self._queue)

    def said(self, words: str) -> list[dict[str, Any]]:
        """The messages so far whose subject or text has these words."""
        while messages := self._sqs.receive_message(QueueUrl=self._queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.heard.append(json.loads(message["Body"]))
                self._sqs.delete_message(QueueUrl=self._queue, ReceiptHandle=message["ReceiptHandle"])
        return [m for m in self.heard if words in m.get("Subject", "") or words in m["Message"]]

    def dead_letters(self) -> list[dict[str, Any]]:
        """Take what is in the queue of failed events."""
        url = self._sqs.get_queue_url(QueueName=f"{FUNCTION}-failed")["QueueUrl"]
        messages = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self._sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return [json.loads(message["Body"]) for message in messages]


def invoke(lab, **event: Any) -> tuple[bool, dict[str, Any]]:
    """Run the function and wait; whether it failed, and its answer."""
    answer = lab.client("lambda").invoke(FunctionName=FUNCTION, Payload=json.dumps(event))
    return "FunctionError" in answer, json.loads(answer["Payload"].read())


def function_log(lab) -> str:
    """Everything that the function printed."""
    logs = lab.client("logs")
    group = f"/aws/lambda/{FUNCTION}"
    return "\n".join(event["message"] for event in logs.filter_log_events(logGroupName=group)["events"])


@contextmanager
def no_schedule(lab) -> Iterator[None]:
    """No look by the schedule may come into the alarm's run, and tell of it, too."""
    events, rule = lab.client("events"), f"{FUNCTION}-again"
    events.disable_rule(Name=rule)
    try:
        yield
    finally:
        events.enable_rule(Name=rule)


def fire_schedules(lab) -> list[str]:
    """Let the time of all scheduled rules come."""
    url = f"http://127.0.0.1:{lab.config['ports']['aws']}/lab/schedules"
    with urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=30) as answer:
        return json.load(answer)


def run_monitor(lab) -> None:
    """Start one run of the PVC monitor's CronJob, as its schedule does."""
    from kubernetes import client, config

    batch = client.BatchV1Api(config.new_client_from_config(str(lab.dir / "admin.kubeconfig")))
    cron = batch.read_namespaced_cron_job("langfuse-pvc-monitor", "langfuse")
    owner = client.V1OwnerReference(
        api_version="batch/v1", kind="CronJob", name=cron.metadata.name, uid=cron.metadata.uid, controller=True
    )
    meta = client.V1ObjectMeta(generate_name="langfuse-pvc-monitor-test-", owner_references=[owner])
    made = batch.create_namespaced_job("langfuse", client.V1Job(metadata=meta, spec=cron.spec.job_template.spec))
    name = made.metadata.name
    wait("the monitor's run", lambda: batch.read_namespaced_job(name, "langfuse").status.succeeded)


def young_since() -> int:
    """Where the young rows begin, in epoch seconds: at the floor of 7 days, with a day's grace.

    Take it once for each comparison: rows grow older while the emergency works.
    """
    return int(time.time()) - 6 * 86400


def rows_since(client, major: int, moment: int) -> dict[str, int]:
    """The rows of each table with a time after this moment, in epoch seconds."""
    later = f"> toDateTime({moment})"
    return {
        table.name: int(client.execute(f"SELECT count() FROM `{table.name}` WHERE {table.column} {later}"))
        for table in schema.bulk_tables(major)
    }


def load_old_rows(lab, client, major: int, days: int, rows_a_day: int) -> None:
    """Rows of all ages, which the tables' TTLs leave alone for the time of a test."""
    for table in schema.bulk_tables(major):
        client.execute(f"SYSTEM STOP TTL MERGES default.{table.name}")
    loaded = lab("load", "--days", str(days), "--rows-per-day", str(rows_a_day))
    assert loaded.returncode == 0, loaded.stderr


def drop_old_rows(client, major: int) -> None:
    """Leave nothing that an emergency may drop."""
    for table in schema.bulk_tables(major):
        for row in client.rows(
            "SELECT partition_id AS id FROM system.parts WHERE database = 'default' AND active "
            f"AND table = '{table.name}' GROUP BY id HAVING id != 'all' AND max(max_time) < now() - INTERVAL 7 DAY"
        ):
            client.execute(f"ALTER TABLE {table.name} DROP PARTITION ID '{row['id']}'")
