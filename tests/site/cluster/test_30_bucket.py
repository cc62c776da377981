# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bucket's IAM user: his key reaches SSM, is mended when a run died in between, and is changed on request."""

from __future__ import annotations

import boto3
import pytest

ARGUMENTS = ["--tags", "storage", "-e", "storage_s3_access=user", "-e", "storage_versioning=true"]
ID, SECRET = "/langfuse/lab/s3-access-key-id", "/langfuse/lab/s3-secret-access-key"


@pytest.fixture
def keys(lab):
    """The ids of the user's keys in IAM, and the pair in SSM."""

    def read() -> tuple[set[str], str, str]:
        iam, ssm = lab.client("iam"), lab.client("ssm")
        (user,) = (each for each in iam.list_users()["Users"] if each["UserName"].startswith("langfuse-storage-"))
        found = iam.list_access_keys(UserName=user["UserName"])["AccessKeyMetadata"]
        pair = ssm.get_parameters(Names=[ID, SECRET], WithDecryption=True)["Parameters"]
        values = {each["Name"]: each["Value"] for each in pair}
        assert {each["Type"] for each in pair} == {"SecureString"}
        return {each["AccessKeyId"] for each in found}, values[ID], values[SECRET]

    return read


def works(lab, key_id: str, secret: str) -> bool:
    s3 = boto3.client(
        "s3",
        region_name=lab.config["region"],
        endpoint_url=f"http://127.0.0.1:{lab.config['ports']['aws']}",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
    )
    s3.put_object(Bucket=lab.bucket, Key="events/one", Body=b"x")
    return s3.get_object(Bucket=lab.bucket, Key="events/one")["Body"].read() == b"x"


def test_the_key_goes_straight_to_ssm(site, lab, keys):
    run = site.run("site", *ARGUMENTS, "-vvvv", name="bucket-user").ok()
    in_iam, key_id, secret = keys()
    assert in_iam == {key_id}
    assert works(lab, key_id, secret)
    assert secret not in run.output
    assert lab.client("s3").get_bucket_versioning(Bucket=lab.bucket)["Status"] == "Enabled"
    assert site.run("site", *ARGUMENTS, name="bucket-user-again").ok().changed == 0


def test_a_run_that_died_before_the_key_reached_ssm_is_made_good(site, lab, keys):
    (before,), _, _ = keys()
    lab.client("ssm").delete_parameter(Name=ID)
    site.run("site", *ARGUMENTS, name="bucket-user-mended").ok()
    in_iam, key_id, secret = keys()
    assert in_iam == {key_id}
    assert key_id != before
    assert works(lab, key_id, secret)


def test_a_new_key_leaves_the_former_one_working_for_one_run(site, lab, keys, iam_user):
    """As a user who may do what the role lists: the list has what this way of access needs."""
    eks, entry = lab.client("eks"), {"clusterName": "langfuse", "principalArn": iam_user.arn}
    eks.create_access_entry(**entry)
    policy = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
    eks.associate_access_policy(**entry, policyArn=policy, accessScope={"type": "cluster"})
    iam_user.may("storage")
    _, former, former_secret = keys()
    site.run("site", *ARGUMENTS, "-e", "storage_s3_rotate_key=true", name="bucket-rotate", env=iam_user.env).ok()
    in_iam, key_id, secret = keys()
    assert in_iam == {former, key_id}
    assert works(lab, key_id, secret)
    assert works(lab, former, former_secret)
    site.run("site", *ARGUMENTS, name="bucket-rotated", env=iam_user.env).ok()
    assert keys()[0] == {key_id}
    iam_user.delete()
