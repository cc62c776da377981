# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is who in the lab's AWS: signatures, roles' trust, EKS's rules and its token webhook."""

from __future__ import annotations

import base64
import datetime
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import boto3
import botocore.session
import pytest
from aws_lab import CLUSTER, ISSUER, NETWORK, AwsLab, running, template
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.model import ServiceId
from botocore.signers import RequestSigner
from joserfc import jwt
from joserfc.jwk import RSAKey
from langfuse_lab import config

ACCOUNT_ROOT = f"arn:aws:iam::{config.ACCOUNT}:root"
PROVIDER = f"arn:aws:iam::{config.ACCOUNT}:oidc-provider/{ISSUER.removeprefix('https://')}"
ADMIN = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy"
EDIT = "arn:aws:eks::aws:cluster-access-policy/AmazonEKSEditPolicy"


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        provider = {"Provider": ("IAM::OIDCProvider", {"Url": ISSUER, "ClientIdList": ["sts.amazonaws.com"]})}
        outputs = {"Subnets": {"Value": {"Fn::Sub": "${SubnetA},${SubnetB}"}}}
        stack = lab.deploy("cluster", template({**NETWORK, **CLUSTER, **provider}, Outputs=outputs))
        assert stack["StackStatus"] == "CREATE_COMPLETE", lab.failures("cluster")
        yield lab


def code_of(call: Any, *args: Any, **kwargs: Any) -> str:
    """Return the error code of a call that AWS refuses."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Code"]


def message_of(call: Any, *args: Any, **kwargs: Any) -> str:
    """Return the message of a call that AWS refuses."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Message"]


def role(aws: AwsLab, name: str, statement: dict[str, Any]) -> str:
    """Make a role with one statement of trust, and return its ARN."""
    document = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]})
    made = aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)
    return made["Role"]["Arn"]


# Signatures


@pytest.mark.parametrize(
    ("service", "operation", "unknown", "wrong"),
    [
        ("sts", "get_caller_identity", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("ec2", "describe_vpcs", "AuthFailure", "AuthFailure"),
        ("ssm", "describe_parameters", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("eks", "list_clusters", "InvalidClientTokenId", "SignatureDoesNotMatch"),
        ("s3", "list_buckets", "InvalidAccessKeyId", "SignatureDoesNotMatch"),
        ("cloudwatch", "list_dashboards", "InvalidClientTokenId", "SignatureDoesNotMatch"),
    ],
)
def test_unknown_keys_and_wrong_secrets_are_refused(
    aws: AwsLab, service: str, operation: str, unknown: str, wrong: str
) -> None:
    getattr(aws.client(service), operation)()

    def refused(**keys: str) -> str:
        options = {
            "region_name": config.REGION,
            "endpoint_url": aws.endpoint,
            "config": Config(retries={"max_attempts": 0}),
        }
        return code_of(getattr(boto3.client(service, **options, **keys), operation))

    right = aws.credentials
    assert refused(aws_access_key_id="AKIANOBODY", aws_secret_access_key="x") == unknown
    assert refused(**{**right, "aws_secret_access_key": "x"}) == wrong
    assert refused(**right, aws_session_token="x") == unknown


def test_signatures_hold_for_any_path_and_body(aws: AwsLab) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="signed", CreateBucketConfiguration={"LocationConstraint": config.REGION})
    for key in ("plain", "with space/ü+&=?#%2F.txt", "~tilde//double"):
        s3.put_object(Bucket="signed", Key=key, Body=b"x" * 100_000, Metadata={"a": " b  c "})
        assert len(s3.get_object(Bucket="signed", Key=key)["Body"].read()) == 100_000
    listed = s3.list_objects_v2(Bucket="signed", Prefix="with space/", Delimiter="/")
    assert listed["KeyCount"] == 1
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "signed", "Key": "plain"})
    with urllib.request.urlopen(url) as answer:
        assert len(answer.read()) == 100_000
    with pytest.raises(urllib.error.HTTPError):
        urllib.request.urlopen(url.replace("plain", "other"))
    tags = {"kubernetes.io/cluster/lab": "a b/ü"}
    arn = aws.client("eks").describe_cluster(name="lab")["cluster"]["arn"]
    aws.client("eks").tag_resource(resourceArn=arn, tags=tags)
    assert aws.client("eks").list_tags_for_resource(resourceArn=arn)["tags"] == tags


def test_what_is_not_signed_is_refused(aws: AwsLab) -> None:
    for path in ("/", "/?Action=DescribeStacks", "/signed/plain", "/clusters"):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(aws.endpoint + path)
        assert caught.value.code == 403
        assert b"MissingAuthenticationToken" in caught.value.read()


# Roles


def test_roles_are_given_to_those_they_trust(aws: AwsLab) -> None:
    sts = aws.client("sts")
    mine = role(aws, "mine", {"Principal": {"AWS": ACCOUNT_ROOT}, "Action": "sts:AssumeRole"})
    services = role(aws, "services", {"Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"})
    keys = aws.keys(sts.assume_role(RoleArn=mine, RoleSessionName="me")["Credentials"])
    arn = aws.client("sts", keys).get_caller_identity()["Arn"]
    assert arn == f"arn:aws:sts::{config.ACCOUNT}:assumed-role/mine/me"
    for other in (services, mine.replace("mine", "none")):
        assert code_of(sts.assume_role, RoleArn=other, RoleSessionName="me") == "AccessDenied"


def token(aws: AwsLab, key_file: str = "sa.key", **changes: Any) -> str:
    """Return a service account's token, as the API server mints it."""
    key = RSAKey.import_key((aws.lab.pki / key_file).read_text())
    claims = {
        "iss": ISSUER,
        "sub": "system:serviceaccount:langfuse:web",
        "aud": ["sts.amazonaws.com"],
        "exp": int(time.time()) + 600,
        **changes,
    }
    return jwt.encode({"alg": "RS256"}, claims, key)


def test_web_identity(aws: AwsLab) -> None:
    host = ISSUER.removeprefix("https://")
    trust = {
        "Principal": {"Federated": PROVIDER},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {f"{host}:aud": "sts.amazonaws.com", f"{host}:sub": "system:serviceaccount:langfuse:web"}
        },
    }
    arn = role(aws, "web", trust)
    sts = boto3.client(
        "sts", region_name=config.REGION, endpoint_url=aws.endpoint, config=Config(signature_version="unsigned")
    )

    def assume(web_token: str) -> dict[str, Any]:
        return sts.assume_role_with_web_identity(RoleArn=arn, RoleSessionName="pod", WebIdentityToken=web_token)

    answer = assume(token(aws))
    assert answer["SubjectFromWebIdentityToken"] == "system:serviceaccount:langfuse:web"
    session = aws.client("sts", aws.keys(answer["Credentials"]))
    assert session.get_caller_identity()["Arn"].endswith(":assumed-role/web/pod")

    (aws.lab.pki / "other.key").write_text(RSAKey.generate_key(2048).as_pem(private=True).decode())
    assert code_of(assume, token(aws, sub="system:serviceaccount:langfuse:worker")) == "AccessDenied"
    assert code_of(assume, token(aws, aud=["https://kubernetes.default.svc"])) == "InvalidIdentityToken"
    assert code_of(assume, token(aws, iss="https://elsewhere")) == "InvalidIdentityToken"
    assert code_of(assume, token(aws, "other.key")) == "InvalidIdentityToken"
    assert code_of(assume, token(aws, exp=int(time.time()) - 60)) == "ExpiredTokenException"
    assert code_of(assume, "no.token.this") == "InvalidIdentityToken"


# EKS


def test_describe_cluster_is_this_lab(aws: AwsLab) -> None:
    cluster = aws.client("eks").describe_cluster(name="lab")["cluster"]
    assert cluster["endpoint"] == aws.lab.cluster_endpoint
    assert base64.b64decode(cluster["certificateAuthority"]["data"]) == (aws.lab.pki / "ca.crt").read_bytes()
    assert cluster["identity"]["oidc"]["issuer"] == ISSUER
    assert cluster["version"] == "1.36"
    network = cluster["resourcesVpcConfig"]
    groups = aws.client("ec2").describe_security_groups(GroupIds=[network["clusterSecurityGroupId"]])
    assert groups["SecurityGroups"][0]["VpcId"] == network["vpcId"]


def test_cluster_rules(aws: AwsLab) -> None:
    eks = aws.client("eks")
    known = eks.describe_cluster(name="lab")["cluster"]
    subnets = known["resourcesVpcConfig"]["subnetIds"]
    wanted = {"name": "other", "roleArn": known["roleArn"], "resourcesVpcConfig": {"subnetIds": subnets}}
    assert code_of(eks.create_cluster, **wanted) == "ResourceLimitExceededException"
    assert code_of(eks.create_cluster, **{**wanted, "name": "lab"}) == "ResourceInUseException"
    eks.update_cluster_config(name="lab", deletionProtection=True)
    assert "deletion protection" in message_of(eks.delete_cluster, name="lab")
    eks.update_cluster_config(name="lab", deletionProtection=False)


def test_cluster_versions(aws: AwsLab) -> None:
    eks = aws.client("eks")
    versions = {v["clusterVersion"]: v for v in eks.describe_cluster_versions()["clusterVersions"]}
    assert [name for name, version in versions.items() if version["defaultVersion"]] == ["1.36"]
    assert versions["1.33"]["endOfStandardSupportDate"].date() == datetime.date(2026, 7, 29)
    assert message_of(eks.update_cluster_version, name="lab", version="1.37") == "unsupported Kubernetes version 1.37"
    assert message_of(eks.update_cluster_version, name="lab", version="1.35") == (
        "Unsupported Kubernetes minor version update from 1.36 to 1.35"
    )


def test_addon_versions(aws: AwsLab) -> None:
    eks = aws.client("eks")
    (driver,) = eks.describe_addon_versions(addonName="aws-ebs-csi-driver", kubernetesVersion="1.36")["addons"]
    compatible = driver["addonVersions"][0]["compatibilities"]
    assert compatible == [{"clusterVersion": "1.36", "platformVersions": ["*"], "defaultVersion": True}]
    assert "not supported" in message_of(eks.create_addon, clusterName="lab", addonName="nothing")
    assert "not supported" in message_of(
        eks.create_addon, clusterName="lab", addonName="coredns", addonVersion="v0.0.1-eksbuild.1"
    )


def test_addon_without_nodes_fails_its_stack(aws: AwsLab) -> None:
    stack = aws.deploy("addons", template({"Dns": ("EKS::Addon", {"ClusterName": "lab", "AddonName": "coredns"})}))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Addon coredns is DEGRADED" in aws.failures("addons")[0]
    assert aws.client("eks").list_addons(clusterName="lab")["addons"] == []


def node_group(aws: AwsLab, **changes: Any) -> dict[str, Any]:
    """Return the arguments for a node group that EKS takes, with changes."""
    cluster = aws.client("eks").describe_cluster(name="lab")["cluster"]
    return {
        "clusterName": "lab",
        "nodegroupName": "nodes",
        "nodeRole": cluster["roleArn"],
        "subnets": cluster["resourcesVpcConfig"]["subnetIds"],
        "amiType": "AL2023_ARM_64_STANDARD",
        "instanceTypes": ["t4g.medium"],
        "scalingConfig": {"minSize": 1, "desiredSize": 1, "maxSize": 2},
        **changes,
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"amiType": "AL2023_x86_64_STANDARD"}, "[t4g.medium] is not a valid instance type for requested amiType"),
        ({"instanceTypes": ["t9.huge"]}, "The following supplied instance types do not exist: [t9.huge]"),
        ({"subnets": ["subnet-1"]}, "The subnet ID 'subnet-1' does not exist"),
        ({"nodeRole": "arn:aws:iam::123456789012:role/none"}, "does not exist"),
        ({"scalingConfig": {"minSize": 2, "desiredSize": 1, "maxSize": 2}}, "Minimum capacity 2 can't be greater"),
        ({"scalingConfig": {"minSize": 1, "desiredSize": 3, "maxSize": 2}}, "can't be greater than max size 2"),
        ({"launchTemplate": {"name": "none"}}, "Launch template none could not be found"),
        ({"version": "1.32"}, "unsupported Kubernetes version 1.32"),
    ],
)
def test_node_group_rules(aws: AwsLab, changes: dict[str, Any], message: str) -> None:
    eks = aws.client("eks")
    assert message in message_of(eks.create_nodegroup, **node_group(aws, **changes))
    assert eks.list_nodegroups(clusterName="lab")["nodegroups"] == []


def test_node_group_goes_with_its_instances(aws: AwsLab) -> None:
    eks, ec2 = aws.client("eks"), aws.client("ec2")
    group = eks.create_nodegroup(**node_group(aws, version="1.35"))["nodegroup"]
    assert code_of(eks.delete_cluster, name="lab") == "ResourceInUseException"
    eks.update_nodegroup_version(clusterName="lab", nodegroupName="nodes")
    assert eks.describe_nodegroup(clusterName="lab", nodegroupName="nodes")["nodegroup"]["version"] == "1.36"
    tags = [{"Key": "eks:cluster-name", "Value": "lab"}, {"Key": "eks:nodegroup-name", "Value": "nodes"}]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    ec2.run_instances(
        MinCount=1,
        MaxCount=1,
        ImageId=image,
        SubnetId=group["subnets"][0],
        TagSpecifications=[{"ResourceType": "instance", "Tags": tags}],
    )
    assert code_of(ec2.delete_subnet, SubnetId=group["subnets"][0]) == "DependencyViolation"
    eks.delete_nodegroup(clusterName="lab", nodegroupName="nodes")
    states = [i["State"]["Name"] for r in ec2.describe_instances()["Reservations"] for i in r["Instances"]]
    assert states == ["terminated"]
    assert ec2.describe_network_interfaces()["NetworkInterfaces"] == []


# The token webhook


def eks_token(aws: AwsLab, keys: dict[str, str], cluster: str | None = "lab", expires: int = 60, **params: str) -> str:
    """Return a token as the AWS CLI makes it."""
    credentials = Credentials(*keys.values())
    events = botocore.session.get_session().get_component("event_emitter")
    signer = RequestSigner(ServiceId("sts"), config.REGION, "sts", "v4", credentials, events)
    action = params.get("action", "GetCallerIdentity")
    request = {
        "method": "GET",
        "url": f"{params.get('endpoint', aws.endpoint)}/?Action={action}&Version=2011-06-15",
        "body": {},
        "headers": {"x-k8s-aws-id": cluster} if cluster else {},
        "context": {},
    }
    url = signer.generate_presigned_url(request, region_name=config.REGION, expires_in=expires, operation_name="")
    return "k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def review(aws: AwsLab, bearer: str) -> dict[str, Any]:
    """Ask who a token is, as the API server does."""
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": bearer}}
    request = urllib.request.Request(
        f"{aws.endpoint}/lab/authenticate", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)["status"]


def test_creator_is_administrator(aws: AwsLab) -> None:
    arn = f"arn:aws:iam::{config.ACCOUNT}:user/lab-admin"
    assert arn in aws.client("eks").list_access_entries(clusterName="lab")["accessEntries"]
    for endpoint in (aws.endpoint, f"https://sts.{config.REGION}.amazonaws.com"):
        status = review(aws, eks_token(aws, aws.credentials, endpoint=endpoint))
        assert status["authenticated"], status
        assert status["user"]["groups"] == ["system:masters"]
        assert status["user"]["username"] == arn
        assert status["user"]["extra"]["arn"] == [arn]


def test_access_entry_of_a_role(aws: AwsLab) -> None:
    eks = aws.client("eks")
    arn = role(aws, "operators", {"Principal": {"AWS": ACCOUNT_ROOT}, "Action": "sts:AssumeRole"})
    answer = aws.client("sts").assume_role(RoleArn=arn, RoleSessionName="ann@example.com")
    keys = aws.keys(answer["Credentials"])
    assert "has no access entry" in review(aws, eks_token(aws, keys))["error"]

    who = {"clusterName": "lab", "principalArn": arn}
    assert "cannot start with system:" in message_of(
        eks.create_access_entry, **who, kubernetesGroups=["system:masters"]
    )
    eks.create_access_entry(**who, kubernetesGroups=["readers"])
    user = review(aws, eks_token(aws, keys))["user"]
    assert user["groups"] == ["readers"]
    assert user["username"] == f"arn:aws:sts::{config.ACCOUNT}:assumed-role/operators/ann-example.com"

    eks.associate_access_policy(**who, policyArn=EDIT, accessScope={"type": "namespace", "namespaces": ["langfuse"]})
    assert review(aws, eks_token(aws, keys))["user"]["groups"] == [
        "readers",
        "eks-access-policy:AmazonEKSEditPolicy:langfuse",
    ]
    eks.associate_access_policy(**who, policyArn=ADMIN, accessScope={"type": "cluster"})
    assert "system:masters" in review(aws, eks_token(aws, keys))["user"]["groups"]
    eks.disassociate_access_policy(**who, policyArn=ADMIN)
    assert "system:masters" not in review(aws, eks_token(aws, keys))["user"]["groups"]
    eks.delete_access_entry(**who)
    assert not review(aws, eks_token(aws, keys))["authenticated"]
    assert "invalid principal" in message_of(eks.create_access_entry, clusterName="lab", principalArn=arn + "x")


def test_bad_tokens(aws: AwsLab) -> None:
    right = eks_token(aws, aws.credentials)
    wrong_secret = {**aws.credentials, "aws_secret_access_key": "x"}
    for bad, reason in [
        ("", "not one of AWS"),
        ("k8s-aws-v1.%%%", "not base64url"),
        (right[:-8], ""),
        (eks_token(aws, wrong_secret), "does not match"),
        (eks_token(aws, {"aws_access_key_id": "AKIANOBODY", "aws_secret_access_key": "x"}), "token included"),
        (eks_token(aws, aws.credentials, cluster="other"), "does not match"),
        (eks_token(aws, aws.credentials, cluster=None), "does not sign x-k8s-aws-id"),
        (eks_token(aws, aws.credentials, expires=901), "X-Amz-Expires is 901"),
        (eks_token(aws, aws.credentials, action="AssumeRole"), "not a presigned sts:GetCallerIdentity"),
    ]:
        status = review(aws, bad)
        assert not status["authenticated"], bad
        assert reason in status["error"]


def test_old_token(aws: AwsLab, monkeypatch: pytest.MonkeyPatch) -> None:
    def minutes_ago(minutes: int) -> str:
        then = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
        monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_: then)
        return eks_token(aws, aws.credentials)

    assert review(aws, minutes_ago(14))["authenticated"]  # longer than the URL says of itself, as in EKS
    assert "expired" in review(aws, minutes_ago(16))["error"]


def test_what_is_there_from_the_start(aws: AwsLab) -> None:
    seed = json.loads((aws.lab.state / "seed.json").read_text())
    certificate = aws.client("acm").describe_certificate(CertificateArn=seed["certificate_arn"])["Certificate"]
    assert (certificate["DomainName"], certificate["Status"]) == ("langfuse.example.com", "ISSUED")
    zone = aws.client("route53").get_hosted_zone(Id=seed["hosted_zone_id"])["HostedZone"]
    assert zone["Name"] == "example.com."


def test_key_survives_a_restart_and_nothing_else(aws: AwsLab) -> None:
    keys = aws.credentials
    aws.stop()
    aws.start()
    assert aws.credentials == keys
    assert aws.client("sts").get_caller_identity()["Arn"].endswith(":user/lab-admin")
    assert aws.client("cloudformation").describe_stacks()["Stacks"] == []
