# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::SNS::*, AWS::SQS::*, AWS::Events::Rule."""

from __future__ import annotations

import json
from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceType,
    applies,
    as_json,
    removed_tags,
    tag_list,
    tag_map,
)

SUBSCRIPTION_ATTRIBUTES = ("FilterPolicy", "FilterPolicyScope", "RawMessageDelivery", "RedrivePolicy", "DeliveryPolicy")
QUEUE_ATTRIBUTES = (
    "DelaySeconds",
    "KmsDataKeyReusePeriodSeconds",
    "KmsMasterKeyId",
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "ReceiveMessageWaitTimeSeconds",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)


class Topic(ResourceType, type_name="AWS::SNS::Topic", name="TopicName"):
    name_length = 256

    @property
    def sns(self) -> Any:
        return self.client("sns")

    def create(self, p: Properties) -> str:
        return self.sns.create_topic(Name=self.name(p))["TopicArn"]

    @applies("DisplayName")
    def display_name(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._set(physical_id, "DisplayName", new.get("DisplayName", ""))

    @applies("KmsMasterKeyId")
    def key(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._set(physical_id, "KmsMasterKeyId", new.get("KmsMasterKeyId", ""))

    @applies("Subscription")
    def subscriptions(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = ({(s["Protocol"], s["Endpoint"]) for s in p.get("Subscription", [])} for p in (new, old))
        standing = self.sns.list_subscriptions_by_topic(TopicArn=physical_id)["Subscriptions"]
        for subscription in standing:
            if (subscription["Protocol"], subscription["Endpoint"]) in before - after:
                self.sns.unsubscribe(SubscriptionArn=subscription["SubscriptionArn"])
        for protocol, endpoint in sorted(after - before):
            self.sns.subscribe(TopicArn=physical_id, Protocol=protocol, Endpoint=endpoint)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        if removed_tags(new, old):
            self.sns.untag_resource(ResourceArn=physical_id, TagKeys=removed_tags(new, old))
        self.sns.tag_resource(ResourceArn=physical_id, Tags=tag_list(tag_map(new)))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"TopicArn": physical_id, "TopicName": physical_id.split(":")[-1]}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.subscriptions(physical_id, {}, p)
        self.sns.delete_topic(TopicArn=physical_id)

    def _set(self, arn: str, name: str, value: str) -> None:
        self.sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)


class Subscription(
    ResourceType,
    type_name="AWS::SNS::Subscription",
    at_creation=["TopicArn", "Protocol", "Endpoint", *SUBSCRIPTION_ATTRIBUTES],
):
    def create(self, p: Properties) -> str:
        made = self.client("sns").subscribe(
            TopicArn=p["TopicArn"],
            Protocol=p["Protocol"],
            Endpoint=p["Endpoint"],
            Attributes={name: _attribute(p[name]) for name in SUBSCRIPTION_ATTRIBUTES if name in p},
            ReturnSubscriptionArn=True,
        )
        return made["SubscriptionArn"]

    @applies(*SUBSCRIPTION_ATTRIBUTES)
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        for name in SUBSCRIPTION_ATTRIBUTES:
            if new.get(name) != old.get(name):
                value = _attribute(new.get(name, {}))
                self.client("sns").set_subscription_attributes(
                    SubscriptionArn=physical_id, AttributeName=name, AttributeValue=value
                )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.client("sns").unsubscribe(SubscriptionArn=physical_id)


class TopicPolicy(ResourceType, type_name="AWS::SNS::TopicPolicy", at_creation=["PolicyDocument", "Topics"]):
    def create(self, p: Properties) -> str:
        self.document("", p, {})
        return self.name(p)

    @applies("PolicyDocument", "Topics")
    def document(self, physical_id: str, new: Properties, old: Properties) -> None:
        for topic in new["Topics"]:
            self.client("sns").set_topic_attributes(
                TopicArn=topic, AttributeName="Policy", AttributeValue=as_json(new["PolicyDocument"])
            )

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        """A topic cannot be without a policy: CloudFormation leaves the last one."""


class Queue(ResourceType, type_name="AWS::SQS::Queue", name="QueueName", at_creation=[*QUEUE_ATTRIBUTES, "FifoQueue"]):
    name_length = 80

    @property
    def sqs(self) -> Any:
        return self.client("sqs")

    def create(self, p: Properties) -> str:
        names = [name for name in (*QUEUE_ATTRIBUTES, "FifoQueue") if name in p]
        attributes = {name: _attribute(p[name]) for name in names}
        return self.sqs.create_queue(QueueName=self.name(p), Attributes=attributes)["QueueUrl"]

    @applies(*QUEUE_ATTRIBUTES)
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        changed = [name for name in QUEUE_ATTRIBUTES if name in new and new[name] != old.get(name)]
        attributes = {name: _attribute(new[name]) for name in changed}
        self.sqs.set_queue_attributes(QueueUrl=physical_id, Attributes=attributes)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        if removed_tags(new, old):
            self.sqs.untag_queue(QueueUrl=physical_id, TagKeys=removed_tags(new, old))
        self.sqs.tag_queue(QueueUrl=physical_id, Tags=tag_map(new))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        name = physical_id.split("/")[-1]
        arn = f"arn:aws:sqs:{self.place.region}:{self.place.account}:{name}"
        return {"Arn": arn, "QueueName": name, "QueueUrl": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.sqs.delete_queue(QueueUrl=physical_id)


class QueuePolicy(ResourceType, type_name="AWS::SQS::QueuePolicy", at_creation=["PolicyDocument", "Queues"]):
    def create(self, p: Properties) -> str:
        self.document("", p, {})
        return self.name(p)

    @applies("PolicyDocument", "Queues")
    def document(self, physical_id: str, new: Properties, old: Properties) -> None:
        for queue in new["Queues"]:
            self._set(queue, as_json(new["PolicyDocument"]))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Id": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        for queue in p["Queues"]:
            self._set(queue, "")

    def _set(self, queue: str, policy: str) -> None:
        self.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})


class Rule(
    ResourceType,
    type_name="AWS::Events::Rule",
    name="Name",
    at_creation=["Description", "EventPattern", "ScheduleExpression", "State", "RoleArn"],
):
    @property
    def events(self) -> Any:
        return self.client("events")

    def create(self, p: Properties) -> str:
        name = self.name(p)
        self.definition(name, p, {})
        return name

    @applies("Description", "EventPattern", "ScheduleExpression", "State", "RoleArn")
    def definition(self, physical_id: str, new: Properties, old: Properties) -> None:
        given = {key: new[key] for key in ("Description", "ScheduleExpression", "State", "RoleArn") if key in new}
        pattern = {"EventPattern": as_json(new["EventPattern"])} if "EventPattern" in new else {}
        self.events.put_rule(Name=physical_id, **given, **pattern)

    @applies("Targets")
    def targets(self, physical_id: str, new: Properties, old: Properties) -> None:
        after, before = (p.get("Targets", []) for p in (new, old))
        gone = sorted({target["Id"] for target in before} - {target["Id"] for target in after})
        if gone:
            self.events.remove_targets(Rule=physical_id, Ids=gone)
        if after:
            self.events.put_targets(Rule=physical_id, Targets=after)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        arn = self._arn(physical_id)
        if removed_tags(new, old):
            self.events.untag_resource(ResourceARN=arn, TagKeys=removed_tags(new, old))
        self.events.tag_resource(ResourceARN=arn, Tags=tag_list(tag_map(new)))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": self._arn(physical_id), "RuleName": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.targets(physical_id, {}, p)
        self.events.delete_rule(Name=physical_id)

    def _arn(self, name: str) -> str:
        return f"arn:aws:events:{self.place.region}:{self.place.account}:rule/{name}"


def _attribute(value: Any) -> str:
    """Return a setting as the text that attributes are."""
    if isinstance(value, dict):
        return json.dumps(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
