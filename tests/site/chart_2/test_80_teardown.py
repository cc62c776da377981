# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown, which keeps the data, with the permissions of all roles; what AWS asked for; the lab's end."""

from __future__ import annotations

import re
from typing import Any

import pytest
from iam_user import actions, permissions, with_irsa, without
from langfuse_lab.aws import policies
from langfuse_lab.aws.cloudformation import handlers, schemas

ROLES = ["cluster", "storage", "addons", "secrets", "langfuse", "ingress", "monitoring", "clickhouse_retention"]
STACKS = {
    "cluster": ["langfuse-network", "langfuse-cluster", "langfuse-nodegroups"],
    "storage": ["langfuse-storage"],
    "addons": ["langfuse-addons"],
    "monitoring": ["langfuse-monitoring"],
    "clickhouse_retention": ["langfuse-clickhouse-relief"],
}
UPDATE = {
    "only a change of the stack asks for them": [
        "cloudformation:UpdateStack",
        "cloudformation:UpdateTerminationProtection",
        "cloudformation:CreateChangeSet",
        "cloudformation:DescribeChangeSet",
        "cloudformation:DeleteChangeSet",
    ]
}
# Listed, and not asked for by the runs of these tests: role -> why -> actions.
NOT_ASKED = {
    "addons": UPDATE,
    "monitoring": {
        **UPDATE,
        "addresses in monitoring_alarm_emails": [
            "sns:Subscribe",
            "sns:Unsubscribe",
            "sns:GetSubscriptionAttributes",
            "sns:SetSubscriptionAttributes",
        ],
    },
    "clickhouse_retention": UPDATE,
    "ingress": {
        "ingress_hosted_zone_id": [
            "elasticloadbalancing:DescribeLoadBalancers",
            "elasticloadbalancing:DescribeTags",
            "route53:ChangeResourceRecordSets",
            "route53:GetChange",
            "route53:GetHostedZone",
            "route53:ListHostedZones",
            "route53:ListResourceRecordSets",
        ]
    },
    "langfuse": {"another role in langfuse_values": ["iam:GetRolePolicy"]},
    "storage": {
        **UPDATE,
        "only the teardown with data asks for them": [
            "cloudformation:DeleteStack",
            "ec2:DeleteVolume",
            "s3:DeleteObject",
            "s3:DeleteObjectVersion",
            "s3:ListBucketVersions",
        ],
    },
    "secrets": {"only the teardown with data asks for it": ["ssm:DeleteParameter"]},
    "cluster": {
        "an access entry of cluster_admin_principal_arns": [
            "eks:AssociateAccessPolicy",
            "eks:DeleteAccessEntry",
            "eks:DescribeAccessEntry",
            "eks:DisassociateAccessPolicy",
            "eks:ListAssociatedAccessPolicies",
            "eks:UpdateAccessEntry",
        ],
    },
}
KEPT = "(stack langfuse-storage|bucket|ssm parameter|ebs volume|iam policy langfuse-storage-BucketAccess)"
# Asked for and not listed, since the run does without the answer.
NOT_NEEDED = {"iam:ListAccountAliases": "amazon.aws.aws_caller_info shows the account's alias if it may"}


@pytest.fixture(scope="module")
def of_handlers(lab) -> dict[str, set[str]]:
    """What AWS's own code needs to change or delete what is in each role's stacks. No test changes all of it."""
    cloudformation, found = lab.client("cloudformation"), {}
    for role, stacks in STACKS.items():
        bodies = [cloudformation.get_template(StackName=stack)["TemplateBody"] for stack in stacks]
        resources = [each for body in bodies for each in template(body)["Resources"].values()]
        found[role] = {action for each in resources for action in needed(each, lab.config["region"])}
    return found


def template(body: Any) -> dict[str, Any]:
    from cfnlint.decode import decode_str

    return body if isinstance(body, dict) else decode_str(body)[0]


def needed(resource: dict[str, Any], region: str) -> set[str]:
    schema = schemas.find(resource["Type"], region)
    properties = {**resource.get("Properties", {}), **({schema.tag_property: []} if schema.tag_property else {})}
    verbs = ("update", "delete")
    return {each for verb in verbs for each in handlers.permissions(schema, resource["Type"], verb, properties)}


def test_data_is_there_to_be_kept(lab, kept):
    lab.client("s3").put_object(Bucket=lab.bucket, Key="media/picture", Body=b"kept")
    kept |= {"rows": lab.rows("default.traces"), "volumes": volumes(lab), "claims": lab.volumes_of_claims()}
    assert kept["rows"] > 0
    assert set(kept["claims"].values()) == kept["volumes"]


def volumes(lab) -> set[str]:
    """Those of claims; nodes have others."""
    of_claims = [{"Name": "tag-key", "Values": ["kubernetes.io/created-for/pvc/name"]}]
    return {volume["VolumeId"] for volume in lab.client("ec2").describe_volumes(Filters=of_claims)["Volumes"]}


def test_teardown_keeps_the_data(site, lab, iam_user, asked, of_handlers, kept):
    iam_user.may(*ROLES)
    iam_user.asked()
    run = site.run("teardown", "-e", "teardown_confirm=langfuse", name="teardown", env=iam_user.env).ok()
    assert f"bucket {lab.bucket}" in run.output
    assert all(volume in run.output for volume in kept["volumes"]), "how to find the data again"
    asked["teardown"] = iam_user.asked()
    iam_user.delete()
    left = lab.left_over()
    assert left, "the data is gone"
    assert volumes(lab) == kept["volumes"]
    assert [item for item in left if not re.match(KEPT, item, re.I)] == []


def test_teardown_again_changes_nothing(site):
    run = site.run("teardown", "-e", "teardown_confirm=langfuse", name="teardown-again").ok()
    assert run.changed == 0, run.changed_tasks


@pytest.mark.parametrize("role", ["platform", *ROLES])
def test_nothing_is_listed_that_is_not_needed(role, asked, of_handlers):
    runs = ROLES if role == "platform" else [role]
    seen = {action for run in [*runs, "check", "teardown"] for action in asked[run]}
    excused = [action for listed in NOT_ASKED.get(role, {}).values() for action in listed]
    assert actions(with_irsa(permissions(role))) - seen - of_handlers.get(role, set()) - set(excused) == set()
    assert set(asked.get(role, {})) & set(excused) == set(), "these are asked for; take them out of NOT_ASKED"


@pytest.mark.parametrize("role", ROLES)
def test_all_that_is_asked_for_is_listed_and_denied_without_it(role, asked):
    """That the run went well shows the first: the user had nothing else. No other action stands in for one."""
    lists = [policy for policy in (permissions("platform"), permissions(role)) if policy]
    for action, request in asked[role].items():
        if action in NOT_NEEDED:
            continue
        question = policies.Question(action, request["resource"], context=request["context"])
        effects = {policies.evaluate(policy["Statement"], question) for policy in lists}
        assert policies.Effect.ALLOW in effects, action
        left = {policies.evaluate(without(policy, [action])["Statement"], question) for policy in lists}
        assert left == {policies.Effect.NONE}, action
