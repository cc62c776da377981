# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""CloudFormation of the lab's AWS: making, planning, changing, protecting, rolling back and deleting stacks."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from aws_lab import CAPABILITIES, CLUSTER, NETWORK, AwsLab, running, template
from botocore.exceptions import ClientError

TOPIC = template({"Topic": ("SNS::Topic", {"TopicName": "alerts"})})

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}

EVERY_TYPE = yaml.safe_load(
    f"""
    policy: &policy {json.dumps(POLICY)}
    """
    """
    InternetGateway: [EC2::InternetGateway, {}]
    Attachment: [EC2::VPCGatewayAttachment, {VpcId: {Ref: Vpc}, InternetGatewayId: {Ref: InternetGateway}}]
    Routes: [EC2::RouteTable, {VpcId: {Ref: Vpc}}]
    Default:
      - EC2::Route
      - {RouteTableId: {Ref: Routes}, DestinationCidrBlock: 0.0.0.0/0, GatewayId: {Ref: InternetGateway}}
      - {DependsOn: Attachment}
    Association: [EC2::SubnetRouteTableAssociation, {RouteTableId: {Ref: Routes}, SubnetId: {Ref: SubnetA}}]
    Address: [EC2::EIP, {Domain: vpc}, {DependsOn: Attachment}]
    Nat: [EC2::NatGateway, {SubnetId: {Ref: SubnetA}, AllocationId: {"Fn::GetAtt": [Address, AllocationId]}}]
    Endpoint:
      - EC2::VPCEndpoint
      - {VpcId: {Ref: Vpc}, ServiceName: com.amazonaws.ap-south-1.s3, RouteTableIds: [{Ref: Routes}]}
    Group:
      - EC2::SecurityGroup
      - GroupDescription: function
        VpcId: {Ref: Vpc}
        SecurityGroupEgress: [{IpProtocol: tcp, FromPort: 443, ToPort: 443, CidrIp: 0.0.0.0/0, Description: HTTPS}]
    Ingress:
      - EC2::SecurityGroupIngress
      - GroupId: {"Fn::GetAtt": [Cluster, ClusterSecurityGroupId]}
        IpProtocol: tcp
        FromPort: 443
        ToPort: 443
        SourceSecurityGroupId: {"Fn::GetAtt": [Group, GroupId]}
    NodeTemplate:
      - EC2::LaunchTemplate
      - {LaunchTemplateData: {InstanceType: t4g.medium, MetadataOptions: {HttpTokens: required}}}
    NodeRole:
      - IAM::Role
      - AssumeRolePolicyDocument:
          Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
        ManagedPolicyArns: ["arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"]
        Policies: [{PolicyName: own, PolicyDocument: *policy}]
    Nodes:
      - EKS::Nodegroup
      - ClusterName: {Ref: Cluster}
        NodegroupName: nodes
        NodeRole: {"Fn::GetAtt": [NodeRole, Arn]}
        Subnets: [{Ref: SubnetA}]
        AmiType: AL2023_ARM_64_STANDARD
        ScalingConfig: {MinSize: 2, DesiredSize: 3, MaxSize: 5}
        LaunchTemplate: {Id: {Ref: NodeTemplate}, Version: {"Fn::GetAtt": [NodeTemplate, LatestVersionNumber]}}
        Labels: {nodegroup: general}
        Taints: [{Key: dedicated, Value: clickhouse, Effect: NO_SCHEDULE}]
    Provider:
      - IAM::OIDCProvider
      - {Url: {"Fn::GetAtt": [Cluster, OpenIdConnectIssuerUrl]}, ClientIdList: [sts.amazonaws.com]}
    CoreDns: [EKS::Addon, {ClusterName: {Ref: Cluster}, AddonName: coredns}, {DependsOn: Nodes}]
    Access:
      - EKS::AccessEntry
      - ClusterName: {Ref: Cluster}
        PrincipalArn: {"Fn::GetAtt": [User, Arn]}
        AccessPolicies:
          - PolicyArn: arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy
            AccessScope: {Type: namespace, Namespaces: [langfuse]}
    PodIdentity:
      - EKS::PodIdentityAssociation
      - ClusterName: {Ref: Cluster}
        Namespace: langfuse
        ServiceAccount: web
        RoleArn: {"Fn::GetAtt": [NodeRole, Arn]}
    User: [IAM::User, {UserName: reader}]
    ManagedPolicy:
      - IAM::ManagedPolicy
      - PolicyDocument: *policy
        Users: [{Ref: User}]
    InlinePolicy:
      - IAM::Policy
      - {PolicyName: inline, PolicyDocument: *policy, Roles: [{Ref: NodeRole}]}
    Key: [KMS::Key, {EnableKeyRotation: true, PendingWindowInDays: 7, KeyPolicy: *policy}]
    Alias: [KMS::Alias, {AliasName: alias/langfuse, TargetKeyId: {Ref: Key}}]
    Logs: [Logs::LogGroup, {LogGroupName: /aws/lambda/every, RetentionInDays: 30}]
    Bucket:
      - S3::Bucket
      - BucketName: langfuse-every
        PublicAccessBlockConfiguration:
          {BlockPublicAcls: true, BlockPublicPolicy: true, IgnorePublicAcls: true, RestrictPublicBuckets: true}
        OwnershipControls: {Rules: [{ObjectOwnership: BucketOwnerEnforced}]}
        BucketEncryption:
          ServerSideEncryptionConfiguration: [{ServerSideEncryptionByDefault: {SSEAlgorithm: AES256}}]
        VersioningConfiguration: {Status: Enabled}
        LifecycleConfiguration:
          Rules:
            - {Id: abort, Status: Enabled, AbortIncompleteMultipartUpload: {DaysAfterInitiation: 7}}
            - {Id: expire, Status: Enabled, Prefix: events/, ExpirationInDays: "30"}
    TlsOnly:
      - S3::BucketPolicy
      - Bucket: {Ref: Bucket}
        PolicyDocument:
          Statement:
            - Effect: Deny
              Principal: "*"
              Action: "s3:*"
              Resource: [{"Fn::GetAtt": [Bucket, Arn]}, {"Fn::Sub": "${Bucket.Arn}/*"}]
              Condition: {Bool: {"aws:SecureTransport": "false"}}
    Topic: [SNS::Topic, {TopicName: every}]
    TopicPolicy: [SNS::TopicPolicy, {Topics: [{Ref: Topic}], PolicyDocument: *policy}]
    Queue: [SQS::Queue, {QueueName: every, MessageRetentionPeriod: 1209600}]
    QueuePolicy: [SQS::QueuePolicy, {Queues: [{Ref: Queue}], PolicyDocument: *policy}]
    Subscription: [SNS::Subscription, {TopicArn: {Ref: Topic}, Protocol: sqs, Endpoint: {"Fn::GetAtt": [Queue, Arn]}}]
    Alarm:
      - CloudWatch::Alarm
      - AlarmName: every
        Namespace: LangfusePVC
        MetricName: UsagePercent
        Statistic: Maximum
        Period: "300"
        EvaluationPeriods: 1
        Threshold: 90
        ComparisonOperator: GreaterThanOrEqualToThreshold
        AlarmActions: [{Ref: Topic}]
    Dashboard: [CloudWatch::Dashboard, {DashboardName: every, DashboardBody: '{"widgets": []}'}]
    Function:
      - Lambda::Function
      - FunctionName: every
        Runtime: python3.13
        Architectures: [arm64]
        Handler: index.handler
        Role: {"Fn::GetAtt": [FunctionRole, Arn]}
        Code: {ZipFile: "def handler(event, context): return 1"}
        DeadLetterConfig: {TargetArn: {"Fn::GetAtt": [Queue, Arn]}}
        VpcConfig: {SubnetIds: [{Ref: SubnetA}], SecurityGroupIds: [{Ref: Group}]}
    FunctionRole:
      - IAM::Role
      - AssumeRolePolicyDocument:
          Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: "sts:AssumeRole"}]
    Rule:
      - Events::Rule
      - Name: every
        EventPattern: {source: [aws.cloudwatch]}
        Targets: [{Id: function, Arn: {"Fn::GetAtt": [Function, Arn]}}]
    Permission:
      - Lambda::Permission
      - FunctionName: {Ref: Function}
        Action: lambda:InvokeFunction
        Principal: events.amazonaws.com
        SourceArn: {"Fn::GetAtt": [Rule, Arn]}
    InvokeConfig:
      - Lambda::EventInvokeConfig
      - {FunctionName: {Ref: Function}, Qualifier: $LATEST, MaximumRetryAttempts: 1}
    Parameter: [SSM::Parameter, {Name: /every/one, Type: String, Value: "1"}]
    """
)
del EVERY_TYPE["policy"]


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsLab]:
    with running(tmp_path_factory.mktemp("lab")) as lab:
        yield lab


@pytest.fixture(autouse=True)
def nothing_stays(aws: AwsLab) -> Iterator[None]:
    """Delete what a test left, so that tests do not depend on each other."""
    yield
    cloudformation = aws.client("cloudformation")
    for stack in cloudformation.describe_stacks()["Stacks"]:
        cloudformation.update_termination_protection(StackName=stack["StackName"], EnableTerminationProtection=False)
        cloudformation.delete_stack(StackName=stack["StackName"])
    assert cloudformation.describe_stacks()["Stacks"] == []


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    """Return the message of a call that AWS refuses."""
    with pytest.raises(ClientError) as caught:
        call(*args, **kwargs)
    return caught.value.response["Error"]["Message"]


def test_every_type_is_made_read_back_and_deleted(aws: AwsLab) -> None:
    whole = template({**NETWORK, **CLUSTER, **EVERY_TYPE})
    stack = aws.deploy("every", whole, Tags=[{"Key": "platform", "Value": "langfuse"}])
    assert aws.failures("every") == []
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    _check_network(aws)
    _check_bucket(aws)
    _check_node_group(aws)
    _check_function(aws)
    assert aws.changes("every", whole) == {}

    left = aws.printed_left_over()
    assert left == aws.left_over()
    assert {"stack every", "eks cluster lab", "iam user reader", "bucket langfuse-every"} <= set(left)
    assert len({line.split(" ")[0] for line in left}) > 20

    aws.delete("every")
    assert aws.left_over() == []


def _check_network(aws: AwsLab) -> None:
    ec2 = aws.client("ec2")
    (vpc,) = [vpc for vpc in ec2.describe_vpcs()["Vpcs"] if not vpc["IsDefault"]]
    names = ec2.describe_vpc_attribute(VpcId=vpc["VpcId"], Attribute="enableDnsHostnames")
    assert names["EnableDnsHostnames"]["Value"] is True
    assert {"Key": "platform", "Value": "langfuse"} in vpc["Tags"]
    groups = ec2.describe_security_groups(Filters=[{"Name": "description", "Values": ["function"]}])["SecurityGroups"]
    assert [rule["ToPort"] for rule in groups[0]["IpPermissionsEgress"]] == [443]
    assert ec2.describe_addresses()["Addresses"][0]["AssociationId"]


def _check_bucket(aws: AwsLab) -> None:
    s3 = aws.client("s3")
    block = s3.get_public_access_block(Bucket="langfuse-every")["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    rules = s3.get_bucket_lifecycle_configuration(Bucket="langfuse-every")["Rules"]
    assert [(rule["ID"], rule.get("Expiration")) for rule in rules] == [("abort", None), ("expire", {"Days": 30})]
    ownership = s3.get_bucket_ownership_controls(Bucket="langfuse-every")["OwnershipControls"]
    assert ownership == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert s3.get_bucket_versioning(Bucket="langfuse-every")["Status"] == "Enabled"
    # The policy denies what does not come by TLS; the lab's way counts as such.
    version = s3.put_object(Bucket="langfuse-every", Key="a/b c.json", Body=b"{}")["VersionId"]
    assert s3.get_object(Bucket="langfuse-every", Key="a/b c.json")["Body"].read() == b"{}"
    s3.delete_object(Bucket="langfuse-every", Key="a/b c.json", VersionId=version)


def _check_node_group(aws: AwsLab) -> None:
    group = aws.client("eks").describe_nodegroup(clusterName="lab", nodegroupName="nodes")["nodegroup"]
    assert group["status"] == "ACTIVE"
    assert group["version"] == "1.36"
    assert group["scalingConfig"] == {"minSize": 2, "desiredSize": 3, "maxSize": 5}
    assert group["labels"] == {"nodegroup": "general"}
    assert group["taints"] == [{"key": "dedicated", "value": "clickhouse", "effect": "NO_SCHEDULE"}]
    assert group["launchTemplate"]["version"] == "1"
    assert group["tags"] == {"platform": "langfuse"}
    role = group["nodeRole"].split("/")[-1]
    attached = aws.client("iam").list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    assert [policy["PolicyName"] for policy in attached] == ["AmazonEKSWorkerNodePolicy"]


def _check_function(aws: AwsLab) -> None:
    function = aws.client("lambda").get_function_configuration(FunctionName="every")
    assert function["Architectures"] == ["arm64"]
    assert function["DeadLetterConfig"]["TargetArn"].endswith(":every")
    assert len(function["VpcConfig"]["SubnetIds"]) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (template({"X": ("RDS::DBInstance", {})}), "Unrecognized resource types: [AWS::RDS::DBInstance]"),
        (template({"X": ("EKS::Clusters", {})}), "Unrecognized resource types: [AWS::EKS::Clusters]"),
        (template({"X": ("SNS::Topic", {"TopicName": {"Ref": "Y"}})}), "Unresolved resource dependencies [Y]"),
        (
            template({"X": ("SNS::Topic", {}), "Y": ("SNS::Topic", {"TopicName": {"Fn::GetAtt": ["X", "Colour"]}})}),
            "resource X does not support attribute type Colour",
        ),
        (
            template({"X": ("SNS::Topic", {}, {"DependsOn": "Y"}), "Y": ("SNS::Topic", {}, {"DependsOn": "X"})}),
            "Circular dependency between resources: [X, Y]",
        ),
        ({"Resources": {}}, "At least one Resources member must be defined"),
        ("Resources: {X: {Type: AWS::SNS::Topic, Propertys: {}}}", "Invalid template resource property 'Propertys'"),
        ("a: [", "YAML not well-formed"),
        ("Description: " + "x" * 52000, "less than or equal to 51200"),
    ],
)
def test_bad_templates_are_refused_at_once(aws: AwsLab, body: Any, message: str) -> None:
    assert message in refused(aws.deploy, "bad", body)
    assert aws.left_over() == []


@pytest.mark.parametrize(
    ("properties", "reason"),
    [
        ({"CidrBlok": "10.0.0.0/16"}, "#: extraneous key [CidrBlok] is not permitted"),
        ({"EnableDnsSupport": "perhaps", "CidrBlock": "10.0.0.0/16"}, "#/EnableDnsSupport: 'perhaps' is not of type"),
        ({"CidrBlock": "10.0.0.0/99"}, "Resource handler returned message"),
        ({"CidrBlock": "10.0.0.0/16", "Ipv4IpamPoolId": "pool"}, "The lab cannot set Ipv4IpamPoolId of AWS::EC2::VPC"),
    ],
)
def test_failed_creation_says_why_and_leaves_nothing(aws: AwsLab, properties: dict[str, Any], reason: str) -> None:
    broken = template({"Topic": ("SNS::Topic", {}), "Vpc": ("EC2::VPC", properties, {"DependsOn": "Topic"})})
    stack = aws.deploy("broken", broken, OnFailure="DELETE", ClientRequestToken="mine")
    assert stack["StackStatus"] == "DELETE_COMPLETE"
    assert reason in aws.failures(stack["StackId"])[0]
    events = aws.client("cloudformation").describe_stack_events(StackName=stack["StackId"])["StackEvents"]
    assert {event["ClientRequestToken"] for event in events} == {"mine"}
    assert aws.left_over() == []


def test_failed_creation_can_be_rolled_back_or_left(aws: AwsLab) -> None:
    broken = template({"Topic": ("SNS::Topic", {}), "Vpc": ("EC2::VPC", {"CidrBlock": "no"}, {"DependsOn": "Topic"})})
    assert aws.deploy("rolled", broken)["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "ROLLBACK_COMPLETE state and can not be updated" in refused(aws.update, "rolled", TOPIC)
    assert "already exists" in refused(aws.deploy, "rolled", TOPIC)
    assert aws.deploy("left", broken, OnFailure="DO_NOTHING")["StackStatus"] == "CREATE_FAILED"
    assert len(aws.client("sns").list_topics()["Topics"]) == 1


def test_no_change_is_no_update(aws: AwsLab) -> None:
    listed = template(
        {"Topic": ("SNS::Topic", {"DisplayName": {"Fn::Join": ["", {"Ref": "Words"}]}})},
        Parameters={
            "Words": {"Type": "CommaDelimitedList", "Default": "a, b"},
            "Number": {"Type": "Number", "Default": 1},
        },
        Outputs={"Topic": {"Value": {"Ref": "Topic"}}},
    )
    assert aws.deploy("same", listed)["StackStatus"] == "CREATE_COMPLETE"
    assert aws.changes("same", listed) == {}
    assert refused(aws.update, "same", listed) == "No updates are to be performed."
    assert refused(aws.update, "same", parameters={"Words": "a,b"}) == "No updates are to be performed."
    described = {**listed, "Description": "other words"}
    assert refused(aws.update, "same", described) == "No updates are to be performed."

    more = {**listed, "Outputs": {**listed["Outputs"], "Name": {"Value": {"Fn::GetAtt": ["Topic", "TopicName"]}}}}
    assert aws.changes("same", more) == {}
    assert aws.update("same", more)["Outputs"]["Name"].startswith("same-Topic-")
    tags = [{"Key": "a", "Value": "b"}]
    assert list(aws.changes("same", more, Tags=tags)) == ["Topic"]
    assert aws.update("same", more, Tags=tags)["Tags"] == tags
    assert refused(aws.update, "same", more) == "No updates are to be performed."  # tags not given stay


def test_change_sets_tell_what_an_update_does(aws: AwsLab) -> None:
    groups = {
        **NETWORK,
        **CLUSTER,
        **{name: EVERY_TYPE[name] for name in ("NodeTemplate", "NodeRole", "Nodes", "Logs")},
    }
    aws.deploy("plan", template(groups))
    assert aws.failures("plan") == []

    scaled = copy.deepcopy(groups)
    scaled["Nodes"][1]["ScalingConfig"]["DesiredSize"] = 4
    changes = aws.changes("plan", template(scaled))
    assert {name: change["Replacement"] for name, change in changes.items()} == {"Nodes": "False"}
    assert changes["Nodes"]["Details"][0]["Target"]["Name"] == "ScalingConfig"
    aws.update("plan", template(scaled))
    group = aws.client("eks").describe_nodegroup(clusterName="lab", nodegroupName="nodes")["nodegroup"]
    assert group["scalingConfig"]["desiredSize"] == 4

    rolled = copy.deepcopy(scaled)
    rolled["NodeTemplate"][1]["LaunchTemplateData"]["InstanceType"] = "t4g.large"
    changes = aws.changes("plan", template(rolled))
    assert {name: change["Replacement"] for name, change in changes.items()} == {
        "NodeTemplate": "False",
        "Nodes": "False",
    }
    aws.update("plan", template(rolled))
    group = aws.client("eks").describe_nodegroup(clusterName="lab", nodegroupName="nodes")["nodegroup"]
    assert group["launchTemplate"]["version"] == "2"

    replaced = copy.deepcopy(rolled)
    replaced["Vpc"][1]["CidrBlock"] = "10.43.0.0/16"
    del replaced["Logs"]
    changes = aws.changes("plan", template(replaced))
    assert (changes["Logs"]["Action"], changes["Vpc"]["Replacement"]) == ("Remove", "True")
    assert changes["SubnetA"]["Replacement"] == changes["Nodes"]["Replacement"] == "Conditional"


def test_a_template_without_parameters_says_so(aws: AwsLab) -> None:
    """The AWS CLI's `cloudformation deploy` asks for them before an update."""
    summary = aws.client("cloudformation").get_template_summary(TemplateBody=json.dumps(TOPIC))
    assert summary["Parameters"] == [] and summary["ResourceTypes"] == ["AWS::SNS::Topic"]


def test_creation_by_change_set(aws: AwsLab) -> None:
    cloudformation = aws.client("cloudformation")
    made = cloudformation.create_change_set(
        StackName="new", ChangeSetName="first", ChangeSetType="CREATE", TemplateBody=json.dumps(TOPIC)
    )
    assert aws.stack("new")["StackStatus"] == "REVIEW_IN_PROGRESS"
    cloudformation.execute_change_set(ChangeSetName=made["Id"])
    assert aws.stack("new")["StackStatus"] == "CREATE_COMPLETE"
    assert "cannot be executed" in refused(cloudformation.execute_change_set, ChangeSetName=made["Id"])
    assert "does not exist" in refused(
        cloudformation.create_change_set, StackName="none", ChangeSetName="x", TemplateBody=json.dumps(TOPIC)
    )


def test_replacement_makes_the_new_before_it_deletes_the_old(aws: AwsLab) -> None:
    generated = template({"Topic": ("SNS::Topic", {}), "Keep": ("SNS::Topic", {})})
    before = aws.deploy("swap", {**generated, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}})["Outputs"]["Topic"]
    generated["Resources"]["Topic"]["Properties"]["TopicName"] = "chosen"
    after = aws.update("swap", {**generated, "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}}})["Outputs"]["Topic"]
    topics = {topic["TopicArn"] for topic in aws.client("sns").list_topics()["Topics"]}
    assert after in topics
    assert before not in topics


def test_custom_named_resources_are_not_replaced(aws: AwsLab) -> None:
    network = {**NETWORK, **CLUSTER}
    aws.deploy("named", template(network))
    moved = copy.deepcopy(network)
    moved["Role2"] = moved["ClusterRole"]
    moved["Cluster"][1]["RoleArn"] = {"Fn::GetAtt": ["Role2", "Arn"]}
    assert aws.changes("named", template(moved))["Cluster"]["Replacement"] == "Conditional"
    assert aws.update("named", template(moved))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "cannot update a stack when a custom-named resource requires replacing" in aws.failures("named")[0]
    assert len(aws.client("iam").list_roles()["Roles"]) == 1
    assert aws.changes("named", template(network)) == {}


def test_cluster_is_upgraded_by_one_minor_version(aws: AwsLab) -> None:
    def at(version: str) -> dict[str, Any]:
        wanted = copy.deepcopy({**NETWORK, **CLUSTER})
        wanted["Cluster"][1]["Version"] = version
        return template(wanted)

    aws.deploy("upgrade", at("1.34"))
    assert aws.update("upgrade", at("1.36"))["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert "Unsupported Kubernetes minor version update from 1.34 to 1.36" in aws.failures("upgrade")[0]
    assert aws.changes("upgrade", at("1.35"))["Cluster"]["Replacement"] == "False"
    assert aws.update("upgrade", at("1.35"))["StackStatus"] == "UPDATE_COMPLETE"
    assert aws.client("eks").describe_cluster(name="lab")["cluster"]["version"] == "1.35"


def test_failed_update_brings_back_what_was(aws: AwsLab) -> None:
    before = template({"A": ("SNS::Topic", {"DisplayName": "old"}), "B": ("SNS::Topic", {})})
    aws.deploy("back", before)
    topics = aws.client("sns").list_topics()["Topics"]
    broken = template(
        {
            "A": ("SNS::Topic", {"DisplayName": "new"}),
            "C": ("SNS::Topic", {}, {"DependsOn": "A"}),
            "D": ("EC2::VPC", {"CidrBlock": "no"}, {"DependsOn": "C"}),
        }
    )
    assert aws.update("back", broken)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert aws.client("sns").list_topics()["Topics"] == topics
    names = [
        aws.client("sns").get_topic_attributes(TopicArn=t["TopicArn"])["Attributes"]["DisplayName"] for t in topics
    ]
    assert names == ["old", ""]
    assert aws.changes("back", before) == {}


def test_protections(aws: AwsLab) -> None:
    allow = {"Effect": "Allow", "Action": "Update:*", "Principal": "*", "Resource": "*"}
    deny = {**allow, "Effect": "Deny", "Action": ["Update:Replace", "Update:Delete"]}
    policy = json.dumps({"Statement": [allow, deny]})
    both = template({"A": ("SNS::Topic", {}), "B": ("SNS::Topic", {"TopicName": "b"})})
    aws.deploy("safe", both, EnableTerminationProtection=True, StackPolicyBody=policy)

    renamed = template({"A": ("SNS::Topic", {}), "B": ("SNS::Topic", {"TopicName": "c"})})
    for broken in (renamed, template({"A": ("SNS::Topic", {})})):
        assert aws.update("safe", broken)["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert [reason.split(":")[0] for reason in aws.failures("safe")] == ["Action denied by stack policy"]
    assert len(aws.client("sns").list_topics()["Topics"]) == 2

    assert "TerminationProtection is enabled" in refused(aws.delete, "safe")
    aws.client("cloudformation").update_termination_protection(StackName="safe", EnableTerminationProtection=False)
    aws.delete("safe")
    assert aws.left_over() == []


def test_deletion_stops_at_what_something_else_needs_and_can_be_repeated(aws: AwsLab) -> None:
    network = template(NETWORK, Outputs={"Subnet": {"Value": {"Ref": "SubnetA"}}})
    subnet = aws.deploy("net", network)["Outputs"]["Subnet"]
    interface = aws.client("ec2").create_network_interface(SubnetId=subnet)["NetworkInterface"]["NetworkInterfaceId"]
    aws.delete("net")
    stack = aws.stack("net")
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert stack["StackStatusReason"] == "The following resource(s) failed to delete: [SubnetA]. "
    assert "has dependencies and cannot be deleted" in aws.failures("net")[0]
    aws.client("ec2").delete_network_interface(NetworkInterfaceId=interface)
    aws.delete("net")
    assert aws.left_over() == []


def test_bucket_with_objects_stays(aws: AwsLab) -> None:
    aws.deploy("data", template({"Bucket": ("S3::Bucket", {"BucketName": "langfuse-data"})}))
    aws.client("s3").put_object(Bucket="langfuse-data", Key="x", Body=b"x")
    aws.delete("data")
    assert aws.stack("data")["StackStatus"] == "DELETE_FAILED"
    aws.client("s3").delete_object(Bucket="langfuse-data", Key="x")
    aws.client("s3").delete_bucket(Bucket="langfuse-data")
    aws.delete("data")  # what is gone already is no failure
    assert aws.left_over() == []


def test_retained_resources_stay(aws: AwsLab) -> None:
    aws.deploy("keep", template({"Topic": ("SNS::Topic", {}, {"DeletionPolicy": "Retain"})}))
    aws.delete("keep")
    (topic,) = aws.client("sns").list_topics()["Topics"]
    aws.client("sns").delete_topic(**topic)


def test_parameters_and_capabilities_are_checked(aws: AwsLab) -> None:
    slots = {"Size": {"Type": "String", "AllowedValues": ["small", "large"]}, "Days": {"Type": "Number", "MinValue": 1}}
    sized = template({"Topic": ("SNS::Topic", {"DisplayName": {"Ref": "Size"}})}, Parameters=slots)
    given = {"Size": "small", "Days": "1"}
    assert refused(aws.deploy, "p", sized) == "Parameters: [Size, Days] must have values"
    assert refused(aws.deploy, "p", sized, parameters={**given, "X": "1"}) == (
        "Parameters: [X] do not exist in the template"
    )
    assert refused(aws.deploy, "p", sized, parameters={**given, "Size": "huge"}) == (
        "Parameter 'Size' must be one of AllowedValues"
    )
    assert "must be a number not less than 1" in refused(aws.deploy, "p", sized, parameters={**given, "Days": "0"})
    named = template({"User": ("IAM::User", {"UserName": "someone"})})
    assert refused(
        aws.client("cloudformation").create_stack,
        StackName="p",
        TemplateBody=json.dumps(named),
        Capabilities=["CAPABILITY_IAM"],
    ) == (f"Requires capabilities : {CAPABILITIES}".replace("'", ""))
