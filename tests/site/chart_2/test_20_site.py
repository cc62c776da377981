# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check mode on an empty account; the first run, tag by tag, with no permissions but the role's; the second run."""

from __future__ import annotations

import base64

import pytest

ROLES = ["cluster", "storage", "addons", "secrets", "langfuse", "ingress", "monitoring", "clickhouse_retention"]
FIRST_OUTPUTS: list[str] = []


def test_check_mode_on_the_empty_account(site, lab):
    run = site.run("site", "--check", name="check-empty").ok()
    for what in (
        "Stack langfuse-network would be created",
        "Stack langfuse-cluster would be created",
        "StorageClass gp3",
        "Helm release langfuse",
        "events_full 30d",
    ):
        assert what in run.output, what
    assert lab.left_over() == []


def test_missing_permissions_are_named_before_anything_changes(site, lab, iam_user):
    before = lab.left_over()
    iam_user.may(*ROLES, but=["eks:CreateNodegroup", "s3:PutBucketPolicy", "ssm:PutParameter"])
    run = site.run("site", name="permissions-missing", env=iam_user.env)
    assert run.code != 0
    assert "IAM denies arn:aws:iam::" in run.output
    for what in (
        "nothing was changed",
        "role cluster needs eks:CreateNodegroup",
        "role storage needs s3:PutBucketPolicy",
        "role secrets needs ssm:PutParameter",
    ):
        assert what in run.output, run.output[-3000:]
    assert run.output.count("fatal:") == 1
    assert lab.left_over() == before


def test_first_run_of_the_cluster_with_its_permissions(site, lab, iam_user, asked):
    first_run("cluster", site, iam_user, asked)
    admit_administrator(lab)


def test_a_stack_that_lacks_a_permission_says_so_and_leaves_nothing(site, lab, iam_user):
    """The simulator is not allowed here, so nobody looks beforehand. The role's next run shows that it is mended."""
    before = lab.left_over()
    iam_user.may("storage", but=["iam:SimulatePrincipalPolicy", "s3:PutEncryptionConfiguration"])
    run = site.run("site", "--tags", "storage", name="permission-lacking", env=iam_user.env)
    assert run.code != 0
    assert "IAM does not tell beforehand" in run.output
    assert "is not authorized to perform: s3:PutEncryptionConfiguration" in run.output, run.output[-3000:]
    assert lab.left_over() == before


@pytest.mark.parametrize("role", ROLES[1:])
def test_first_run_of_a_role_with_its_permissions(role, site, iam_user, asked):
    first_run(role, site, iam_user, asked)


def first_run(role, site, iam_user, asked) -> None:
    """Run one tag as a user who may do what its role lists and nothing else: a missing permission fails the run."""
    iam_user.may(role)
    iam_user.asked()
    run = site.run("site", "--tags", role, "-vvvv", name=f"first-{role}", env=iam_user.env).ok()
    asked[role] = iam_user.asked()
    print(f"first run of {role} {run.seconds:.0f} s, {run.changed} changes")
    assert run.changed
    FIRST_OUTPUTS.append(run.output)


def admit_administrator(lab) -> None:
    """Whoever makes a cluster administers it, and nobody else: all other tests run as the lab's administrator."""
    eks = lab.client("eks")
    (cluster,) = eks.list_clusters()["clusters"]
    entry = {"clusterName": cluster, "principalArn": lab.client("sts").get_caller_identity()["Arn"]}
    eks.create_access_entry(**entry)
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    eks.associate_access_policy(**entry, policyArn=policy, accessScope={"type": "cluster"})


def test_no_run_showed_a_secret(lab):
    values = lab.secrets
    assert len(values) >= 9
    output = "".join(FIRST_OUTPUTS)
    shown = [
        name for name, value in values.items() if value in output or base64.b64encode(value.encode()).decode() in output
    ]
    assert shown == [], f"secret values in the output: {shown}"


def test_second_run_changes_nothing(site):
    run = site.run("site", name="second").ok()
    print(f"second run {run.seconds:.0f} s")
    assert run.changed == 0, run.changed_tasks


def test_check_mode_then_changes_nothing(site, iam_user, asked):
    iam_user.may(*ROLES)
    iam_user.asked()
    run = site.run("site", "--check", "--diff", name="check-diff", env=iam_user.env).ok()
    asked["check"] = iam_user.asked()
    assert run.changed == 0, run.changed_tasks
