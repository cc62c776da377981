# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::CloudWatch::*, AWS::Logs::LogGroup."""

from __future__ import annotations

from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    Properties,
    ResourceType,
    applies,
    removed_tags,
    tag_list,
    tag_map,
)

ALARM = (
    "ActionsEnabled",
    "AlarmActions",
    "AlarmDescription",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluationPeriods",
    "InsufficientDataActions",
    "MetricName",
    "Metrics",
    "Namespace",
    "OKActions",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
    "Unit",
)


class Alarm(ResourceType, type_name="AWS::CloudWatch::Alarm", name="AlarmName", at_creation=ALARM):
    name_length = 255

    @property
    def cloudwatch(self) -> Any:
        return self.client("cloudwatch")

    def create(self, p: Properties) -> str:
        name = self.name(p)
        self.settings(name, p, {})
        return name

    @applies(*ALARM)
    def settings(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.cloudwatch.put_metric_alarm(AlarmName=physical_id, **{key: new[key] for key in ALARM if key in new})

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        _tag(self.cloudwatch, self._arn(physical_id), new, old)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": self._arn(physical_id)}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.cloudwatch.delete_alarms(AlarmNames=[physical_id])

    def _arn(self, name: str) -> str:
        return f"arn:aws:cloudwatch:{self.place.region}:{self.place.account}:alarm:{name}"


class Dashboard(
    ResourceType, type_name="AWS::CloudWatch::Dashboard", name="DashboardName", at_creation=["DashboardBody"]
):
    name_length = 255

    def create(self, p: Properties) -> str:
        name = self.name(p)
        self.body(name, p, {})
        return name

    @applies("DashboardBody")
    def body(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.client("cloudwatch").put_dashboard(DashboardName=physical_id, DashboardBody=new["DashboardBody"])

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        arn = f"arn:aws:cloudwatch::{self.place.account}:dashboard/{physical_id}"
        _tag(self.client("cloudwatch"), arn, new, old)

    def delete(self, physical_id: str, p: Properties) -> None:
        self.client("cloudwatch").delete_dashboards(DashboardNames=[physical_id])


class LogGroup(
    ResourceType, type_name="AWS::Logs::LogGroup", name="LogGroupName", at_creation=["KmsKeyId", "LogGroupClass"]
):
    name_length = 512

    @property
    def logs(self) -> Any:
        return self.client("logs")

    def create(self, p: Properties) -> str:
        name = self.name(p)
        given = {"kmsKeyId": p.get("KmsKeyId"), "logGroupClass": p.get("LogGroupClass")}
        self.logs.create_log_group(logGroupName=name, **{key: value for key, value in given.items() if value})
        return name

    @applies("RetentionInDays")
    def retention(self, physical_id: str, new: Properties, old: Properties) -> None:
        if "RetentionInDays" in new:
            self.logs.put_retention_policy(logGroupName=physical_id, retentionInDays=new["RetentionInDays"])
        else:
            self.logs.delete_retention_policy(logGroupName=physical_id)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        arn = self._arn(physical_id)
        if removed_tags(new, old):
            self.logs.untag_resource(resourceArn=arn, tagKeys=removed_tags(new, old))
        self.logs.tag_resource(resourceArn=arn, tags=tag_map(new))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {"Arn": f"{self._arn(physical_id)}:*"}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.logs.delete_log_group(logGroupName=physical_id)

    def _arn(self, name: str) -> str:
        return f"arn:aws:logs:{self.place.region}:{self.place.account}:log-group:{name}"


def _tag(cloudwatch: Any, arn: str, new: Properties, old: Properties) -> None:
    if removed_tags(new, old):
        cloudwatch.untag_resource(ResourceARN=arn, TagKeys=removed_tags(new, old))
    cloudwatch.tag_resource(ResourceARN=arn, Tags=tag_list(tag_map(new)))
