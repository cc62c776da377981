# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Both load balancers, their options, and the reasons why one does not come."""

from __future__ import annotations

import pytest
from volumes import NAMESPACE, apis, until

CONTROLLER = ("aws-load-balancer-controller", "kube-system")


def balancers(lab):
    """Scheme to load balancer."""
    return {each["Scheme"]: each for each in lab.client("elbv2").describe_load_balancers()["LoadBalancers"]}


def listeners(lab, balancer):
    """Port to (listener, patterns of its rules)."""
    elb, found = lab.client("elbv2"), {}
    for listener in elb.describe_listeners(LoadBalancerArn=balancer["LoadBalancerArn"])["Listeners"]:
        rules = [r for r in elb.describe_rules(ListenerArn=listener["ListenerArn"])["Rules"] if not r["IsDefault"]]
        patterns = [
            (condition["Field"], pattern)
            for rule in rules
            for condition in rule["Conditions"]
            for pattern in condition.get("PathPatternConfig", condition.get("HostHeaderConfig", {}))["Values"]
        ]
        found[listener["Port"]] = (listener, patterns)
    return found


def attributes(lab, balancer):
    found = lab.client("elbv2").describe_load_balancer_attributes(LoadBalancerArn=balancer["LoadBalancerArn"])
    return {each["Key"]: each["Value"] for each in found["Attributes"]}


def test_both_load_balancers(lab):
    found = balancers(lab)
    external, internal = listeners(lab, found["internet-facing"]), listeners(lab, found["internal"])
    assert external.keys() == {80, 443} and internal.keys() == {80}
    assert external[80][0]["DefaultActions"][0]["RedirectConfig"]["Port"] == "443"
    assert external[443][0]["SslPolicy"] == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    assert external[443][1] == [("path-pattern", "/*"), ("host-header", "langfuse.example.com")]
    assert internal[80][1] == [("path-pattern", "/*")]
    for balancer in found.values():
        assert attributes(lab, balancer)["idle_timeout.timeout_seconds"] == "300"
    groups = lab.client("elbv2").describe_target_groups()["TargetGroups"]
    assert {(group["HealthCheckPath"], group["TargetType"]) for group in groups} == {("/api/public/health", "ip")}


def test_a_certificate_that_is_pending(site, lab):
    acm = lab.client("acm")
    arn = acm.request_certificate(DomainName="pending.example.com", ValidationMethod="DNS")["CertificateArn"]
    try:
        run = site.run("site", "--tags", "ingress", "-e", "ingress_host=pending.example.com", name="pending")
    finally:
        acm.delete_certificate(CertificateArn=arn)
    assert run.code != 0
    said = " ".join(run.output.split())
    assert f"No certificate for pending.example.com in ap-south-1 is issued: {arn} is PENDING_VALIDATION." in said
    assert "Make the DNS record that ACM shows for it" in said


@pytest.fixture
def no_controller(lab):
    """No pod of the controller."""
    client, api = apis(lab)
    apps = client.AppsV1Api(api)
    replicas = apps.read_namespaced_deployment(*CONTROLLER).spec.replicas
    apps.patch_namespaced_deployment_scale(*CONTROLLER, {"spec": {"replicas": 0}})
    until(lambda: not apps.read_namespaced_deployment(*CONTROLLER).status.ready_replicas, "the controller is gone")
    yield
    apps.patch_namespaced_deployment_scale(*CONTROLLER, {"spec": {"replicas": replicas}})
    until(
        lambda: apps.read_namespaced_deployment(*CONTROLLER).status.ready_replicas == replicas, "the controller is back"
    )


def test_no_controller(site, no_controller):
    """The load balancers stand, but nobody brings them to what was changed."""
    run = site.run("site", "--tags", "ingress", "-e", "ingress_idle_timeout=301", name="no-controller")
    assert run.code != 0
    said = " ".join(run.output.split())
    assert "The load balancers are as they were before this change." in said
    assert "It has no pod that is ready (--tags addons)." in said


SPLIT = {
    "ingress_split": "true",
    "ingress_internal_host": "langfuse.internal.example.com",
    "ingress_web_acl_arn": "arn:aws:wafv2:ap-south-1:123456789012:regional/webacl/langfuse/1",
    "ingress_access_logs_bucket": "the-logs",
}


def test_options_and_an_address_that_langfuse_does_not_know(site, lab):
    """Only the API outside. Langfuse was not told that people log in elsewhere now, which the role sees."""
    zone = lab.client("route53").list_hosted_zones()["HostedZones"][0]["Id"].split("/")[-1]
    options = SPLIT | {"ingress_hosted_zone_id": zone}
    given = [word for name, value in options.items() for word in ("-e", f"{name}={value}")]
    run = site.run("site", "--tags", "ingress", *given, name="split")
    assert run.code != 0
    said = " ".join(run.output.split())
    assert (
        "NEXTAUTH_URL is https://langfuse.example.com, but its pages are reached at http://langfuse.internal.exam"
        in said
    )
    found = balancers(lab)
    external, internal = listeners(lab, found["internet-facing"]), listeners(lab, found["internal"])
    assert [pattern for field, pattern in external[443][1] if field == "path-pattern"] == [
        "/api/public",
        "/api/public/*",
    ]
    assert ("host-header", "langfuse.internal.example.com") in internal[80][1]
    assert attributes(lab, found["internal"])["access_logs.s3.bucket"] == "the-logs"
    client, api = apis(lab)
    external = client.NetworkingV1Api(api).read_namespaced_ingress("langfuse-external", NAMESPACE)
    assert external.metadata.annotations["alb.ingress.kubernetes.io/wafv2-acl-arn"] == SPLIT["ingress_web_acl_arn"]
    route53 = lab.client("route53")
    [record] = [
        record
        for record in route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        if record["Name"] == "langfuse.example.com."
    ]
    assert record["AliasTarget"]["DNSName"].rstrip(".") == found["internet-facing"]["DNSName"]
    change = {"Changes": [{"Action": "DELETE", "ResourceRecordSet": record}]}
    route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)


def test_back_to_what_it_was(site, lab):
    run = site.run("site", "--tags", "ingress", name="ingress-back").ok()
    assert f"https://langfuse.example.com on {balancers(lab)['internet-facing']['DNSName']}" in run.output
    test_both_load_balancers(lab)
