# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stack `storage` of role storage."""

from __future__ import annotations

import pytest

SETS = {
    "defaults": {},
    "kept for ever": {"storage_events_expiration_days": 0, "storage_exports_expiration_days": 0},
    "own name": {"storage_bucket_name": "my.bucket-1"},
    "the longest name": {"platform_name": "a" * 32, "platform_region": "ap-southeast-1"},
}


@pytest.mark.parametrize("given", SETS.values(), ids=SETS.keys())
def test_lint(make_role, lint, given):
    assert lint(make_role("storage", **given).body("storage")) == []


@pytest.fixture
def bucket(make_role, of_type):
    """The properties of the bucket that the given variables make."""
    return lambda **given: of_type(make_role("storage", **given).stack("storage"), "AWS::S3::Bucket")["Bucket"]


def test_name(bucket):
    assert bucket()["BucketName"] == "langfuse-123456789012-ap-south-1"
    assert bucket(storage_bucket_name="mine")["BucketName"] == "mine"
    assert len(bucket(**SETS["the longest name"])["BucketName"]) <= 63


def test_nothing_is_public(bucket):
    assert bucket()["PublicAccessBlockConfiguration"] == dict.fromkeys(
        ["BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"], True
    )
    assert bucket()["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}


def test_objects_are_encrypted(bucket):
    assert bucket()["BucketEncryption"] == {
        "ServerSideEncryptionConfiguration": [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
    }


def test_only_tls_is_served(make_role, of_type):
    [statement] = of_type(make_role("storage").stack("storage"), "AWS::S3::BucketPolicy")["TlsOnly"]["PolicyDocument"][
        "Statement"
    ]
    assert statement == {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [{"Fn::GetAtt": ["Bucket", "Arn"]}, {"Fn::Sub": "${Bucket.Arn}/*"}],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


@pytest.fixture
def expirations(bucket):
    """Days by prefix of the lifecycle rules that delete objects."""

    def of(**given):
        rules = bucket(**given)["LifecycleConfiguration"]["Rules"]
        return {rule.get("Prefix"): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}

    return of


def test_unfinished_uploads_are_cleaned(bucket):
    rules = bucket()["LifecycleConfiguration"]["Rules"]
    assert [rule["AbortIncompleteMultipartUpload"] for rule in rules if "Prefix" not in rule] == [
        {"DaysAfterInitiation": 7}
    ]
    assert all(rule["Status"] == "Enabled" for rule in rules)


def test_events_and_exports_expire_and_media_never_does(expirations):
    assert expirations() == {"events/": 30, "exports/": 30}
    assert expirations(storage_events_expiration_days=45, storage_exports_expiration_days=7) == {
        "events/": 45,
        "exports/": 7,
    }
    assert expirations(**SETS["kept for ever"]) == {}


def test_values_of_the_command_line_are_text(expirations):
    assert expirations(storage_events_expiration_days="0", storage_exports_expiration_days="7") == {"exports/": 7}


def test_the_data_outlives_mistakes(make_role):
    bucket = make_role("storage").stack("storage")["Resources"]["Bucket"]
    assert bucket["UpdateReplacePolicy"] == "Retain"


def test_a_bucket_of_ones_own_key(make_role, of_type):
    key = "arn:aws:kms:ap-south-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    stack = make_role("storage", storage_kms_key_arn=key).stack("storage")
    [rule] = of_type(stack, "AWS::S3::Bucket")["Bucket"]["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "aws:kms", "KMSMasterKeyID": key}
    statements = of_type(stack, "AWS::IAM::ManagedPolicy")["BucketAccess"]["PolicyDocument"]["Statement"]
    assert {"Effect": "Allow", "Action": ["kms:GenerateDataKey", "kms:Decrypt"], "Resource": key} in statements


def test_bucket_access_is_for_this_bucket_only(make_role, of_type):
    stack = make_role("storage").stack("storage")
    statements = of_type(stack, "AWS::IAM::ManagedPolicy")["BucketAccess"]["PolicyDocument"]["Statement"]
    assert statements == [
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": {"Fn::GetAtt": ["Bucket", "Arn"]}},
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
            "Resource": {"Fn::Sub": "${Bucket.Arn}/*"},
        },
    ]


def test_the_user_has_no_key_in_the_stack(make_role):
    stack = make_role("storage", storage_s3_access="user").stack("storage")
    assert stack["Resources"]["S3User"]["Properties"] == {"ManagedPolicyArns": [{"Ref": "BucketAccess"}]}
    assert "AWS::IAM::AccessKey" not in str(stack)


def test_old_versions_go_with_the_prefixes_that_expire(make_role, of_type):
    bucket = of_type(make_role("storage", storage_versioning=True).stack("storage"), "AWS::S3::Bucket")["Bucket"]
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    rules = {rule["Prefix"]: rule for rule in bucket["LifecycleConfiguration"]["Rules"] if "Prefix" in rule}
    assert rules.keys() == {"events/", "exports/"}
    assert all(rule["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30} for rule in rules.values())


def test_volumes_carry_the_tags(make_role):
    for storage_class in make_role("storage").value("__storage_classes"):
        tags = {value for key, value in storage_class["parameters"].items() if key.startswith("tagSpecification_")}
        assert tags == {"app=langfuse", "environment=production", "platform=langfuse", "role=storage"}
