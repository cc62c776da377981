# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS::S3::*, AWS::KMS::*, AWS::SSM::Parameter."""

from __future__ import annotations

import secrets
from typing import Any

from langfuse_lab.aws.cloudformation.resource import (
    SUFFIX_ALPHABET,
    Properties,
    ResourceType,
    applies,
    as_json,
    removed_tags,
    tag_list,
    tag_map,
)

PENDING_DAYS = 30


class Bucket(ResourceType, type_name="AWS::S3::Bucket", name="BucketName"):
    name_length = 63

    @property
    def s3(self) -> Any:
        return self.client("s3")

    def create(self, p: Properties) -> str:
        name = self.name(p) if "BucketName" in p else self.name(p).lower()
        # us-east-1 is the one region that S3 wants not to be named.
        where = {} if self.place.region == "us-east-1" else {"LocationConstraint": self.place.region}
        self.s3.create_bucket(Bucket=name, **({"CreateBucketConfiguration": where} if where else {}))
        self.s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=_public_access_block({}))
        return name

    @applies("PublicAccessBlockConfiguration")
    def public_access_block(self, physical_id: str, new: Properties, old: Properties) -> None:
        block = _public_access_block(new.get("PublicAccessBlockConfiguration", {}))
        self.s3.put_public_access_block(Bucket=physical_id, PublicAccessBlockConfiguration=block)

    @applies("OwnershipControls")
    def ownership(self, physical_id: str, new: Properties, old: Properties) -> None:
        if "OwnershipControls" in new:
            self.s3.put_bucket_ownership_controls(Bucket=physical_id, OwnershipControls=new["OwnershipControls"])
        else:
            self.s3.delete_bucket_ownership_controls(Bucket=physical_id)

    @applies("BucketEncryption")
    def encryption(self, physical_id: str, new: Properties, old: Properties) -> None:
        if "BucketEncryption" not in new:
            self.s3.delete_bucket_encryption(Bucket=physical_id)
            return
        rules = [_encryption_rule(rule) for rule in new["BucketEncryption"]["ServerSideEncryptionConfiguration"]]
        self.s3.put_bucket_encryption(Bucket=physical_id, ServerSideEncryptionConfiguration={"Rules": rules})

    @applies("VersioningConfiguration")
    def versioning(self, physical_id: str, new: Properties, old: Properties) -> None:
        wanted = new.get("VersioningConfiguration", {"Status": "Suspended"})
        self.s3.put_bucket_versioning(Bucket=physical_id, VersioningConfiguration=wanted)

    @applies("LifecycleConfiguration")
    def lifecycle(self, physical_id: str, new: Properties, old: Properties) -> None:
        rules = [_lifecycle_rule(rule) for rule in new.get("LifecycleConfiguration", {}).get("Rules", [])]
        if rules:
            self.s3.put_bucket_lifecycle_configuration(Bucket=physical_id, LifecycleConfiguration={"Rules": rules})
        else:
            self.s3.delete_bucket_lifecycle(Bucket=physical_id)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.s3.put_bucket_tagging(Bucket=physical_id, Tagging={"TagSet": tag_list(tag_map(new))})

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        return {
            "Arn": f"arn:aws:s3:::{physical_id}",
            "DomainName": f"{physical_id}.s3.amazonaws.com",
            "RegionalDomainName": f"{physical_id}.s3.{self.place.region}.amazonaws.com",
        }

    def delete(self, physical_id: str, p: Properties) -> None:
        self.s3.delete_bucket(Bucket=physical_id)


class BucketPolicy(ResourceType, type_name="AWS::S3::BucketPolicy", at_creation=["Bucket", "PolicyDocument"]):
    def create(self, p: Properties) -> str:
        self.document(p["Bucket"], p, {})
        return p["Bucket"]

    @applies("PolicyDocument")
    def document(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.client("s3").put_bucket_policy(Bucket=physical_id, Policy=as_json(new["PolicyDocument"]))

    def delete(self, physical_id: str, p: Properties) -> None:
        self.client("s3").delete_bucket_policy(Bucket=physical_id)


class Key(
    ResourceType,
    type_name="AWS::KMS::Key",
    at_creation=["Description", "KeyPolicy", "KeySpec", "KeyUsage", "MultiRegion", "PendingWindowInDays"],
):
    @property
    def kms(self) -> Any:
        return self.client("kms")

    def create(self, p: Properties) -> str:
        given = {key: p[key] for key in ("Description", "KeySpec", "KeyUsage", "MultiRegion") if key in p}
        policy = {"Policy": as_json(p["KeyPolicy"])} if "KeyPolicy" in p else {}
        return self.kms.create_key(**given, **policy)["KeyMetadata"]["KeyId"]

    @applies("Description")
    def description(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.kms.update_key_description(KeyId=physical_id, Description=new.get("Description", ""))

    @applies("KeyPolicy")
    def policy(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.kms.put_key_policy(KeyId=physical_id, PolicyName="default", Policy=as_json(new["KeyPolicy"]))

    @applies("EnableKeyRotation")
    def rotation(self, physical_id: str, new: Properties, old: Properties) -> None:
        wanted = new.get("EnableKeyRotation", False)
        (self.kms.enable_key_rotation if wanted else self.kms.disable_key_rotation)(KeyId=physical_id)

    @applies("Enabled")
    def state(self, physical_id: str, new: Properties, old: Properties) -> None:
        (self.kms.enable_key if new.get("Enabled", True) else self.kms.disable_key)(KeyId=physical_id)

    @applies("PendingWindowInDays")
    def window(self, physical_id: str, new: Properties, old: Properties) -> None:
        """delete() reads it."""

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        if removed_tags(new, old):
            self.kms.untag_resource(KeyId=physical_id, TagKeys=removed_tags(new, old))
        tags = [{"TagKey": key, "TagValue": value} for key, value in tag_map(new).items()]
        self.kms.tag_resource(KeyId=physical_id, Tags=tags)

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        arn = f"arn:aws:kms:{self.place.region}:{self.place.account}:key/{physical_id}"
        return {"Arn": arn, "KeyId": physical_id}

    def delete(self, physical_id: str, p: Properties) -> None:
        days = p.get("PendingWindowInDays", PENDING_DAYS)
        if self.kms.describe_key(KeyId=physical_id)["KeyMetadata"]["KeyState"] != "PendingDeletion":
            self.kms.schedule_key_deletion(KeyId=physical_id, PendingWindowInDays=days)


class Alias(ResourceType, type_name="AWS::KMS::Alias", name="AliasName", at_creation=["TargetKeyId"]):
    def create(self, p: Properties) -> str:
        self.client("kms").create_alias(AliasName=p["AliasName"], TargetKeyId=p["TargetKeyId"])
        return p["AliasName"]

    @applies("TargetKeyId")
    def target(self, physical_id: str, new: Properties, old: Properties) -> None:
        self.client("kms").update_alias(AliasName=physical_id, TargetKeyId=new["TargetKeyId"])

    def delete(self, physical_id: str, p: Properties) -> None:
        self.client("kms").delete_alias(AliasName=physical_id)


class Parameter(
    ResourceType,
    type_name="AWS::SSM::Parameter",
    name="Name",
    at_creation=["Type", "Value", "Description", "AllowedPattern", "Tier", "DataType"],
):
    def create(self, p: Properties) -> str:
        name = p.get("Name") or "CFN-" + "".join(secrets.choice(SUFFIX_ALPHABET) for _ in range(20))
        self._put(name, p, overwrite=False)
        return name

    @applies("Type", "Value", "Description", "AllowedPattern", "Tier", "DataType")
    def value(self, physical_id: str, new: Properties, old: Properties) -> None:
        self._put(physical_id, new, overwrite=True)

    @applies("Tags")
    def tags(self, physical_id: str, new: Properties, old: Properties) -> None:
        which = {"ResourceType": "Parameter", "ResourceId": physical_id}
        if removed_tags(new, old):
            self.client("ssm").remove_tags_from_resource(**which, TagKeys=removed_tags(new, old))
        self.client("ssm").add_tags_to_resource(**which, Tags=tag_list(tag_map(new)))

    def attributes(self, physical_id: str, p: Properties) -> dict[str, Any]:
        parameter = self.client("ssm").get_parameter(Name=physical_id)["Parameter"]
        return {"Type": p["Type"], "Value": p["Value"], "Arn": parameter["ARN"]}

    def delete(self, physical_id: str, p: Properties) -> None:
        self.client("ssm").delete_parameter(Name=physical_id)

    def _put(self, name: str, p: Properties, overwrite: bool) -> None:
        given = {key: p[key] for key in self.at_creation if key in p and key != "Name"}
        self.client("ssm").put_parameter(Name=name, Overwrite=overwrite, **given)


def _public_access_block(wanted: Properties) -> dict[str, bool]:
    """Return all four settings; a bucket that says nothing about it is closed, as every new bucket since April 2023."""
    names = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    return {name: wanted.get(name, not wanted) for name in names}


def _encryption_rule(rule: Properties) -> dict[str, Any]:
    api: dict[str, Any] = {}
    if "ServerSideEncryptionByDefault" in rule:
        api["ApplyServerSideEncryptionByDefault"] = rule["ServerSideEncryptionByDefault"]
    if "BucketKeyEnabled" in rule:
        api["BucketKeyEnabled"] = rule["BucketKeyEnabled"]
    return api


def _lifecycle_rule(rule: Properties) -> dict[str, Any]:
    """Return a rule as the API has it; the schema has checked its properties."""
    api = {key: value for key, value in rule.items() if key in ("Status", "AbortIncompleteMultipartUpload")}
    if "Id" in rule:
        api["ID"] = rule["Id"]
    api["Filter"] = _lifecycle_filter(rule)
    if "ExpirationInDays" in rule:
        api["Expiration"] = {"Days": rule["ExpirationInDays"]}
    elif rule.get("ExpiredObjectDeleteMarker"):
        api["Expiration"] = {"ExpiredObjectDeleteMarker": True}
    if "NoncurrentVersionExpiration" in rule:
        api["NoncurrentVersionExpiration"] = rule["NoncurrentVersionExpiration"]
    transitions = rule.get("Transitions", [])
    if transitions:
        api["Transitions"] = [
            {"StorageClass": each["StorageClass"], "Days": each["TransitionInDays"]} for each in transitions
        ]
    return api


def _lifecycle_filter(rule: Properties) -> dict[str, Any]:
    tags = rule.get("TagFilters", [])
    if not tags:
        return {"Prefix": rule.get("Prefix", "")}
    return {"And": {"Prefix": rule.get("Prefix", ""), "Tags": tags}}
