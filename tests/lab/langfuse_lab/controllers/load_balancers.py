# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS Load Balancer Controller: an ELBv2 load balancer for each group of ingresses of its class."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from langfuse_lab.controllers.aws import ROLE_ANNOTATION, error_code, tag_list
from langfuse_lab.controllers.ingress_model import (
    CLASS_CONTROLLER,
    Group,
    Listener,
    Model,
    ModelError,
    Rule,
    TargetGroup,
    build,
    groups_of,
)
from langfuse_lab.controllers.kube import Object, annotations, is_leaving, labels
from langfuse_lab.controllers.world import World

APP = "aws-load-balancer-controller"
SOURCE = "ingress"
CLUSTER_TAG = "elbv2.k8s.aws/cluster"
STACK_TAG = "ingress.k8s.aws/stack"
RESOURCE_TAG = "ingress.k8s.aws/resource"
SUBNET_TAGS = {"internet-facing": "kubernetes.io/role/elb", "internal": "kubernetes.io/role/internal-elb"}
NOT_FOUND_ACTION = {"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "ContentType": "text/plain"}}


class DeployError(Exception):
    """Why AWS does not take a model."""


class LoadBalancers:
    """Keeps a load balancer for each group while the controller's Deployment is available."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Model, str]] = {}  # group -> what was made, its host name
        self._targets: dict[str, frozenset[tuple[str, int]]] = {}  # target group -> its pods
        self._refused: set[str] = set()  # groups whose last word was a complaint

    def reconcile(self, world: World) -> None:
        """Make, change and delete load balancers. Without the Deployment finalizers stay, as on AWS."""
        deployment = world.deployment(APP)
        if world.view.cluster is None or deployment is None:
            self._made.clear()
            return
        groups = groups_of(world.list("Ingress"), _classes(world)) if world.list("Ingress") else {}
        for group in groups.values():
            try:
                self._follow(world, deployment, group)
                if group.group_id in self._refused:
                    self._refused.discard(group.group_id)
                    _say_success(world, group)
            except (ModelError, DeployError, ClientError) as error:
                self._refused.add(group.group_id)
                reason = "FailedBuildModel" if isinstance(error, ModelError) else "FailedDeployModel"
                for ingress in group.members + group.leavers:
                    world.event(ingress, reason, f"{reason} due to {error}", source=SOURCE)

    def _follow(self, world: World, deployment: Object, group: Group) -> None:
        for ingress in group.members:
            finalizers = ingress["metadata"].get("finalizers") or []
            if group.finalizer not in finalizers:
                world.kubernetes.patch(ingress, {"metadata": {"finalizers": [*finalizers, group.finalizer]}})
        if group.members:
            self._make(world, deployment, group)
        else:
            _Stack(world, deployment, group.group_id).delete()
            self._made.pop(group.group_id, None)
        for ingress in group.leavers:
            _let_go(world, ingress, group.finalizer)

    def _make(self, world: World, deployment: Object, group: Group) -> None:
        model = build(world.view.cluster["name"], group)
        made, host = self._made.get(group.group_id, (None, ""))
        if model != made:
            stack = _Stack(world, deployment, group.group_id)
            host = stack.ensure(model)
            for name in model.target_groups:
                self._targets.pop(name, None)
            self._made[group.group_id] = (model, host)
            _say_success(world, group)
        self._register(world, deployment, group, model)
        status = {"loadBalancer": {"ingress": [{"hostname": host}]}}
        for ingress in group.members:
            if (ingress.get("status") or {}).get("loadBalancer") != status["loadBalancer"]:
                world.kubernetes.patch(ingress, {"status": status}, subresource="status")

    def _register(self, world: World, deployment: Object, group: Group, model: Model) -> None:
        """Bring the target groups to the pods that are ready now."""
        for target_group in model.target_groups.values():
            targets = _ready_addresses(world, target_group)
            if self._targets.get(target_group.name) != targets:
                _Stack(world, deployment, group.group_id).register(target_group.name, targets)
                self._targets[target_group.name] = targets


def _say_success(world: World, group: Group) -> None:
    for ingress in group.members:
        world.event(ingress, "SuccessfullyReconciled", "Successfully reconciled", source=SOURCE, kind="Normal")


def _classes(world: World) -> frozenset[str]:
    found = world.kubernetes.list("IngressClass")
    return frozenset(each["metadata"]["name"] for each in found if each["spec"].get("controller") == CLASS_CONTROLLER)


def _let_go(world: World, ingress: Object, finalizer: str) -> None:
    if not is_leaving(ingress):
        world.kubernetes.patch(ingress, {"status": {"loadBalancer": None}}, subresource="status")
    kept = [each for each in ingress["metadata"]["finalizers"] if each != finalizer]
    world.kubernetes.patch(ingress, {"metadata": {"finalizers": kept}})


def _ready_addresses(world: World, target_group: TargetGroup) -> frozenset[tuple[str, int]]:
    """Return address and port of the pods behind a Service's port."""
    service = world.find("Service", target_group.service, target_group.namespace)
    ports = service["spec"]["ports"] if service else []
    names = [port.get("name", "") for port in ports if target_group.port in (str(port["port"]), port.get("name"))]
    if not names:
        raise ModelError(
            f"unable to find port {target_group.port} on service {target_group.namespace}/{target_group.service}"
        )
    found = set()
    for each in world.list("EndpointSlice"):
        if each["metadata"]["namespace"] != target_group.namespace:
            continue
        if labels(each).get("kubernetes.io/service-name") != target_group.service:
            continue
        numbers = [port["port"] for port in each.get("ports") or [] if port.get("name", "") == names[0]]
        ready = [point for point in each.get("endpoints") or [] if point.get("conditions", {}).get("ready")]
        found.update((point["addresses"][0], number) for point in ready for number in numbers)
    return frozenset(found)


class _Stack:
    """What AWS has of one group, made with the role of the controller's service account."""

    def __init__(self, world: World, deployment: Object, group_id: str) -> None:
        self._world = world
        self._deployment = deployment
        self._cluster = world.view.cluster["name"]
        self._vpc = world.view.cluster["resourcesVpcConfig"]["vpcId"]
        self._tags = {CLUSTER_TAG: self._cluster, STACK_TAG: group_id}
        self._ec2 = self._client("ec2")
        self._elb = self._client("elbv2")

    def _client(self, service: str) -> Any:
        namespace = self._deployment["metadata"]["namespace"]
        name = self._deployment["spec"]["template"]["spec"].get("serviceAccountName", "default")
        account = self._world.kubernetes.get("ServiceAccount", name, namespace)
        role = annotations(account).get(ROLE_ANNOTATION) if account else None
        if role is None:
            raise DeployError(
                f"no AWS credentials: ServiceAccount {namespace}/{name} has no annotation {ROLE_ANNOTATION}"
            )
        return self._world.identity.client(service, namespace, name, role)

    def ensure(self, model: Model) -> str:
        """Bring AWS to a model; return the load balancer's host name."""
        subnets = self._subnets(model)
        groups = list(model.security_groups) or [self._security_group(model)]
        self._check_certificates(model)
        self._delete_load_balancers(keep=model.name)
        balancer = self._load_balancer(model, subnets, groups)
        arn = balancer["LoadBalancerArn"]
        targets = {name: self._target_group(each) for name, each in model.target_groups.items()}
        self._listen(arn, model, targets)
        self._delete_target_groups(keep=frozenset(targets))
        if model.attributes:
            attributes = [{"Key": key, "Value": value} for key, value in model.attributes]
            self._elb.modify_load_balancer_attributes(LoadBalancerArn=arn, Attributes=attributes)
        return balancer["DNSName"]

    def delete(self) -> None:
        """Delete everything that was made for the group."""
        self._delete_load_balancers()
        self._delete_target_groups()
        for group in self._security_groups():
            self._ec2.delete_security_group(GroupId=group["GroupId"])

    def register(self, name: str, targets: frozenset[tuple[str, int]]) -> None:
        """Make a target group's targets these."""
        arn = self._elb.describe_target_groups(Names=[name])["TargetGroups"][0]["TargetGroupArn"]
        health = self._elb.describe_target_health(TargetGroupArn=arn)["TargetHealthDescriptions"]
        known = {(each["Target"]["Id"], each["Target"]["Port"]) for each in health}
        if known - targets:
            self._elb.deregister_targets(TargetGroupArn=arn, Targets=_targets(known - targets))
        if targets - known:
            self._elb.register_targets(TargetGroupArn=arn, Targets=_targets(targets - known))

    def _subnets(self, model: Model) -> list[str]:
        in_vpc = {"Name": "vpc-id", "Values": [self._vpc]}
        if model.subnets:
            ids = all(each.startswith("subnet-") for each in model.subnets)
            chosen = {"Name": "subnet-id" if ids else "tag:Name", "Values": list(model.subnets)}
            found = self._ec2.describe_subnets(Filters=[in_vpc, chosen])["Subnets"]
            if len(found) < len(model.subnets):
                raise ModelError(f"couldn't find all subnets: {list(model.subnets)}, found: {len(found)}")
        else:
            tag = {"Name": f"tag:{SUBNET_TAGS[model.scheme]}", "Values": ["", "1"]}
            found = self._ec2.describe_subnets(Filters=[in_vpc, tag])["Subnets"]
            if not found:
                raise ModelError("couldn't auto-discover subnets: unable to resolve at least one subnet")
        by_zone = {
            each["AvailabilityZone"]: each["SubnetId"] for each in sorted(found, key=lambda each: each["SubnetId"])
        }
        if len(by_zone) < 2:
            raise ModelError("subnets count less than minimal required count: 1 < 2")
        return list(by_zone.values())

    def _security_groups(self) -> list[dict[str, Any]]:
        filters = [{"Name": f"tag:{key}", "Values": [value]} for key, value in self._tags.items()]
        return self._ec2.describe_security_groups(Filters=filters)["SecurityGroups"]

    def _security_group(self, model: Model) -> str:
        """Return the load balancer's own security group, open on its ports for the networks allowed."""
        found = [group for group in self._security_groups() if group["GroupName"] == model.name]
        if found:
            group = found[0]
        else:
            tags = tag_list(self._tags | {RESOURCE_TAG: "ManagedLBSecurityGroup"})
            made = self._ec2.create_security_group(
                GroupName=model.name,
                Description="[k8s] Managed SecurityGroup for LoadBalancer",
                VpcId=self._vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
            )
            group = {"GroupId": made["GroupId"], "IpPermissions": []}
        if group["IpPermissions"]:
            self._ec2.revoke_security_group_ingress(GroupId=group["GroupId"], IpPermissions=group["IpPermissions"])
        ports = [
            {
                "IpProtocol": "tcp",
                "FromPort": listener.port,
                "ToPort": listener.port,
                "IpRanges": [{"CidrIp": cidr} for cidr in model.inbound_cidrs],
            }
            for listener in model.listeners
        ]
        self._ec2.authorize_security_group_ingress(GroupId=group["GroupId"], IpPermissions=ports)
        return group["GroupId"]

    def _check_certificates(self, model: Model) -> None:
        """Refuse, as ELBv2 does, a certificate that does not exist or is not issued."""
        acm = self._world.aws.client("acm")
        for arn in sorted({arn for listener in model.listeners for arn in listener.certificates}):
            try:
                status = acm.describe_certificate(CertificateArn=arn)["Certificate"]["Status"]
            except ClientError as error:
                raise DeployError(f"CertificateNotFound: Certificate '{arn}' not found") from error
            if status != "ISSUED":
                raise DeployError(f"UnsupportedCertificate: The certificate '{arn}' is {status}, it must be ISSUED")

    def _own(self, arns: list[str]) -> list[str]:
        """Return those of some ELBv2 objects that were made for the group."""
        if not arns:
            return []
        described = self._elb.describe_tags(ResourceArns=arns)["TagDescriptions"]
        tags = {each["ResourceArn"]: {tag["Key"]: tag["Value"] for tag in each["Tags"]} for each in described}
        return [arn for arn in arns if self._tags.items() <= tags.get(arn, {}).items()]

    def _delete_load_balancers(self, keep: str = "") -> None:
        found = self._elb.describe_load_balancers()["LoadBalancers"]
        names = {each["LoadBalancerArn"]: each["LoadBalancerName"] for each in found}
        for arn in self._own(list(names)):
            if names[arn] != keep:
                self._elb.delete_load_balancer(LoadBalancerArn=arn)

    def _delete_target_groups(self, keep: frozenset[str] = frozenset()) -> None:
        found = self._elb.describe_target_groups()["TargetGroups"]
        names = {each["TargetGroupArn"]: each["TargetGroupName"] for each in found}
        for arn in self._own(list(names)):
            if names[arn] not in keep:
                self._elb.delete_target_group(TargetGroupArn=arn)

    def _load_balancer(self, model: Model, subnets: list[str], groups: list[str]) -> dict[str, Any]:
        try:
            found = self._elb.describe_load_balancers(Names=[model.name])["LoadBalancers"][0]
        except ClientError as error:
            if error_code(error) != "LoadBalancerNotFound":
                raise
        else:
            self._elb.set_security_groups(LoadBalancerArn=found["LoadBalancerArn"], SecurityGroups=groups)
            return found
        return self._elb.create_load_balancer(
            Name=model.name,
            Subnets=subnets,
            SecurityGroups=groups,
            Scheme=model.scheme,
            Type="application",
            Tags=tag_list(dict(model.tags) | self._tags | {RESOURCE_TAG: "LoadBalancer"}),
        )["LoadBalancers"][0]

    def _target_group(self, wanted: TargetGroup) -> str:
        try:
            found = self._elb.describe_target_groups(Names=[wanted.name])["TargetGroups"]
        except ClientError as error:
            if error_code(error) != "TargetGroupNotFound":
                raise
            found = self._elb.create_target_group(
                Name=wanted.name,
                Protocol="HTTP",
                Port=80,  # of a target that names none; each does
                VpcId=self._vpc,
                TargetType="ip",
                HealthCheckProtocol="HTTP",
                HealthCheckPath=wanted.health_path,
                Matcher={"HttpCode": wanted.success_codes},
                Tags=tag_list(self._tags | {RESOURCE_TAG: f"{wanted.namespace}/{wanted.service}:{wanted.port}"}),
            )["TargetGroups"]
        return found[0]["TargetGroupArn"]

    def _listen(self, balancer: str, model: Model, targets: dict[str, str]) -> None:
        known = {each["Port"]: each for each in self._elb.describe_listeners(LoadBalancerArn=balancer)["Listeners"]}
        for port in known.keys() - {listener.port for listener in model.listeners}:
            self._elb.delete_listener(ListenerArn=known[port]["ListenerArn"])
        for listener in model.listeners:
            settings = _listener_settings(listener)
            if listener.port in known:
                arn = known[listener.port]["ListenerArn"]
                self._elb.modify_listener(ListenerArn=arn, **settings)
            else:
                made = self._elb.create_listener(LoadBalancerArn=balancer, Tags=tag_list(self._tags), **settings)
                arn = made["Listeners"][0]["ListenerArn"]
            self._rules(arn, listener, targets)

    def _rules(self, listener_arn: str, listener: Listener, targets: dict[str, str]) -> None:
        for rule in self._elb.describe_rules(ListenerArn=listener_arn)["Rules"]:
            if not rule["IsDefault"]:
                self._elb.delete_rule(RuleArn=rule["RuleArn"])
        if listener.redirect_port:
            return
        for priority, rule in enumerate(listener.rules, start=1):
            self._elb.create_rule(
                ListenerArn=listener_arn,
                Priority=priority,
                Conditions=_conditions(rule),
                Actions=[{"Type": "forward", "TargetGroupArn": targets[rule.target.name]}],
            )


def _listener_settings(listener: Listener) -> dict[str, Any]:
    action: dict[str, Any] = NOT_FOUND_ACTION
    if listener.redirect_port:
        redirect = {"Protocol": "HTTPS", "Port": listener.redirect_port, "StatusCode": "HTTP_301"}
        action = {"Type": "redirect", "RedirectConfig": redirect}
    settings: dict[str, Any] = {"Port": listener.port, "Protocol": listener.protocol, "DefaultActions": [action]}
    if listener.protocol == "HTTPS":
        settings["Certificates"] = [{"CertificateArn": listener.certificates[0]}]
        settings["SslPolicy"] = listener.ssl_policy
    return settings


def _conditions(rule: Rule) -> list[dict[str, Any]]:
    conditions: list[dict[str, Any]] = [
        {"Field": "path-pattern", "PathPatternConfig": {"Values": list(rule.patterns)}},
    ]
    if rule.host:
        conditions.append({"Field": "host-header", "HostHeaderConfig": {"Values": [rule.host]}})
    return conditions


def _targets(targets: set[tuple[str, int]] | frozenset[tuple[str, int]]) -> list[dict[str, Any]]:
    return [{"Id": address, "Port": port} for address, port in sorted(targets)]
