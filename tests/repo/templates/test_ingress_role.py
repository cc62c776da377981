# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Ingresses of role ingress, and what it concludes from certificates, events and addresses."""

from __future__ import annotations

import pytest
import yaml

ARN = "arn:aws:acm:ap-south-1:123456789012:certificate/"
PREFIX = "alb.ingress.kubernetes.io/"


def certificate(name, *names, status="ISSUED"):
    return {
        "certificate_arn": ARN + name,
        "domain_name": names[0],
        "subject_alternative_names": list(names),
        "status": status,
    }


def found(issued=(), useless=(), **given):
    """Variables of a role that has read certificates."""
    lists = {"__ingress_certificates": list(issued), "__ingress_useless_certificates": list(useless)}
    return {name: {"certificates": certificates} for name, certificates in lists.items()} | given


@pytest.mark.parametrize(
    ("names", "covers"),
    [
        (["langfuse.example.com"], True),
        (["*.example.com"], True),
        (["example.com", "LANGFUSE.Example.com"], True),
        (["example.com"], False),
        (["*.com"], False),
        (["*.langfuse.example.com"], False),
    ],
)
def test_a_certificate_covers_the_host(make_role, names, covers):
    role = make_role("ingress", **found([certificate("a", *names)]))
    assert role.value("__ingress_certificate") == (ARN + "a" if covers else "")


def test_the_given_certificate_is_taken(make_role):
    both = [certificate("a", "langfuse.example.com"), certificate("b", "*.example.com")]
    role = make_role("ingress", **found(both, ingress_certificate_arn=ARN + "b"))
    assert role.value("__ingress_certificate") == ARN + "b"


FAULTS = {
    "none": (found(), "No issued ACM certificate in ap-south-1 covers langfuse.example.com: request one for"),
    "given and absent": (
        found([certificate("b", "langfuse.example.com")], ingress_certificate_arn=ARN + "a"),
        "there is no such certificate in ap-south-1 of account 123456789012",
    ),
    "given and pending": (
        found(
            [],
            [certificate("a", "langfuse.example.com", status="PENDING_VALIDATION")],
            ingress_certificate_arn=ARN + "a",
        ),
        "is PENDING_VALIDATION, and a load balancer takes only one that is ISSUED. Make the DNS record",
    ),
    "given and for another": (
        found([certificate("a", "example.com", "www.example.com")], ingress_certificate_arn=ARN + "a"),
        "is for example.com, www.example.com and not for langfuse.example.com or *.example.com (ingress_host).",
    ),
    "found and expired": (
        found([], [certificate("a", "*.example.com", status="EXPIRED")]),
        "No certificate for langfuse.example.com in ap-south-1 is issued: " + ARN + "a is EXPIRED. Renew it.",
    ),
    "found and revoked": (found([], [certificate("a", "*.example.com", status="REVOKED")]), "Request a new one."),
}


@pytest.mark.parametrize(("given", "message"), FAULTS.values(), ids=FAULTS.keys())
def test_certificate_faults(make_role, given, message):
    role = make_role("ingress", **given)
    assert role.value("__ingress_certificate") == ""
    assert message in " ".join(role.value("__ingress_certificate_fault").split())


@pytest.fixture
def ingresses(make_role):
    """The Ingresses that the given variables make, by name."""

    def make(**given):
        role = make_role("ingress", **found([certificate("a", "langfuse.example.com")]), **given)
        text = str(role.value("lookup('ansible.builtin.template', 'ingresses.yml.j2')") or "")
        return {each["metadata"]["name"]: each for each in yaml.safe_load_all(text) if each}

    return make


def annotations(ingress):
    return {key.removeprefix(PREFIX): value for key, value in ingress["metadata"]["annotations"].items()}


def paths(ingress):
    """(host, path) of the one rule."""
    [rule] = ingress["spec"]["rules"]
    [path] = rule["http"]["paths"]
    assert path["backend"] == {"service": {"name": "langfuse-web", "port": {"number": 3000}}}
    return rule.get("host"), path["path"]


def test_ingresses(ingresses):
    both = ingresses()
    assert annotations(both["langfuse-external"]) == {
        "group.name": "prod-external-alb",
        "scheme": "internet-facing",
        "target-type": "ip",
        "healthcheck-path": "/api/public/health",
        "success-codes": "200",
        "load-balancer-attributes": "idle_timeout.timeout_seconds=300",
        "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
        "ssl-redirect": "443",
        "ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
        "certificate-arn": ARN + "a",
        "inbound-cidrs": "0.0.0.0/0",
    }
    assert annotations(both["langfuse-internal"]) == {
        "group.name": "prod-internal-alb",
        "scheme": "internal",
        "target-type": "ip",
        "healthcheck-path": "/api/public/health",
        "success-codes": "200",
        "load-balancer-attributes": "idle_timeout.timeout_seconds=300",
        "listen-ports": '[{"HTTP": 80}]',
    }
    assert paths(both["langfuse-external"]) == ("langfuse.example.com", "/")
    assert paths(both["langfuse-internal"]) == (None, "/")


def test_options(ingresses):
    acl = "arn:aws:wafv2:ap-south-1:123456789012:regional/webacl/x/1"
    both = ingresses(
        ingress_web_acl_arn=acl,
        ingress_access_logs_bucket="logs",
        ingress_allowed_cidrs=["192.0.2.0/24", "198.51.100.0/24"],
    )
    external, internal = annotations(both["langfuse-external"]), annotations(both["langfuse-internal"])
    assert (external["wafv2-acl-arn"], external["inbound-cidrs"]) == (acl, "192.0.2.0/24,198.51.100.0/24")
    assert "wafv2-acl-arn" not in internal
    assert (
        external["load-balancer-attributes"]
        == internal["load-balancer-attributes"]
        == (
            "idle_timeout.timeout_seconds=300,access_logs.s3.enabled=true,access_logs.s3.bucket=logs,access_logs.s3.prefix=langfuse"
        )
    )


def test_either_can_be_off(ingresses):
    assert ingresses(ingress_external_enabled=False).keys() == {"langfuse-internal"}
    assert ingresses(ingress_internal_enabled="false").keys() == {"langfuse-external"}
    assert ingresses(ingress_external_enabled=False, ingress_internal_enabled=False) == {}


SPLIT = {"ingress_split": True, "ingress_internal_host": "langfuse.internal.example.com"}


def test_split(ingresses):
    both = ingresses(**SPLIT)
    assert paths(both["langfuse-external"]) == ("langfuse.example.com", "/api/public")
    assert paths(both["langfuse-internal"]) == ("langfuse.internal.example.com", "/")


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "https://langfuse.example.com"),
        (SPLIT, "http://langfuse.internal.example.com"),
        ({"ingress_external_enabled": False}, ""),
        ({"ingress_external_enabled": False, "ingress_internal_host": "a.b.de"}, "http://a.b.de"),
    ],
)
def test_where_people_log_in(make_role, given, url):
    assert make_role("ingress", **given).value("__ingress_url") == url


@pytest.mark.parametrize(
    ("env", "url"),
    [
        ([{"name": "A"}, {"name": "NEXTAUTH_URL", "value": "https://x"}], "https://x"),
        ([{"name": "NEXTAUTH_URL", "valueFrom": {}}], ""),
        ([], ""),
    ],
)
def test_how_langfuse_knows_itself(make_role, env, url):
    containers = [{"name": "sidecar"}, {"name": "web", "env": env}]
    web = {"resources": [{"spec": {"template": {"spec": {"containers": containers}}}}]}
    assert make_role("ingress", __ingress_web=web).value("__ingress_nextauth_url") == url
    assert make_role("ingress", __ingress_web={"resources": []}).value("__ingress_nextauth_url") == ""


def ingress(name, host=None):
    balancer = {"ingress": [{"hostname": host}]} if host else {}
    return {"metadata": {"name": name, "uid": f"uid-{name}"}, "status": {"loadBalancer": balancer}}


def event(about, message, when, kind="Warning", uid=None):
    return {
        "metadata": {"resourceVersion": f"{about}{when}"},
        "involvedObject": {"name": about, "uid": uid or f"uid-{about}"},
        "type": kind,
        "message": message,
        "lastTimestamp": f"2026-11-24T09:00:{when:02}Z",
    }


@pytest.fixture
def judge(make_role):
    """A variable of a role that has read Ingresses and events."""

    def value(variable, objects, events, **given):
        read = {"__ingress_objects": {"resources": objects}, "__ingress_events": {"resources": events}}
        return make_role("ingress", **read, **given).value(variable)

    return value


BOTH = [ingress("langfuse-external", "a"), ingress("langfuse-internal", "b")]


def test_addresses(judge):
    assert judge("__ingress_without_address", BOTH, []) == []
    assert judge("__ingress_without_address", [BOTH[0], ingress("langfuse-internal")], []) == ["langfuse-internal"]
    assert judge("__ingress_without_address", [], [], ingress_internal_enabled=False) == ["langfuse-external"]
    assert judge("__ingress_shown", BOTH, [], **SPLIT) == [
        "langfuse-external: https://langfuse.example.com/api/public on a",
        "langfuse-internal: http://langfuse.internal.example.com on b",
    ]
    assert judge("__ingress_shown", BOTH, [])[1] == "langfuse-internal: http://b"


def test_the_newest_word_counts(judge):
    mended = [event("langfuse-external", "no", 1), event("langfuse-external", "yes", 2, kind="Normal")]
    assert judge("__ingress_refusals", BOTH, mended) == []
    refused = [event("langfuse-external", "yes", 1, kind="Normal"), event("langfuse-external", "no", 2)]
    assert judge("__ingress_refusals", BOTH, refused) == ["no"]
    assert judge("__ingress_refusals", BOTH, [event("langfuse-external", "no", 1, uid="a former one")]) == []
    assert judge("__ingress_refusals", BOTH, [event("other", "no", 1)]) == []


@pytest.mark.parametrize(
    ("changed", "before", "silent"), [(True, True, True), (True, False, False), (False, True, False)]
)
def test_silence(judge, changed, before, silent):
    word = event("langfuse-external", "yes", 1, kind="Normal")
    said_before = {"resources": [word] if before else []}
    given = {"__ingress_events_before": said_before, "__ingress_applied": {"changed": changed}}
    assert judge("__ingress_silence", BOTH, [word], **given) is silent


COMPLAINTS = [
    ("couldn't auto-discover subnets: unable to resolve at least one subnet", "kubernetes.io/role/elb"),
    ("CertificateNotFound: Certificate 'x' not found", "See ingress_certificate_arn."),
    ("no AWS credentials: ServiceAccount has no annotation", "(--tags addons)"),
    ("something else", "kubectl -n kube-system logs"),
]


@pytest.mark.parametrize(("said", "cure"), COMPLAINTS)
def test_complaints_bring_their_cure(judge, said, cure):
    message = judge(
        "__ingress_complaint", [ingress("langfuse-external"), BOTH[1]], [event("langfuse-external", said, 1)]
    )
    assert message.startswith(f"langfuse-external has no load balancer. The AWS Load Balancer Controller says: {said}.")
    assert cure in message
    refused = judge("__ingress_complaint", BOTH, [event("langfuse-external", said, 1)])
    assert refused.startswith("The load balancers are as they were before this change.")


def test_a_controller_that_does_not_run(judge):
    dead = {"resources": [{"status": {}}]}
    message = judge("__ingress_complaint", [], [], __ingress_controllers=dead)
    assert "langfuse-external, langfuse-internal have no load balancer." in message
    assert "says: nothing in 600 seconds. It has no pod that is ready (--tags addons)." in message
    alive = {"resources": [{"status": {"readyReplicas": 2}}]}
    assert "kubectl -n kube-system logs" in judge("__ingress_complaint", [], [], __ingress_controllers=alive)


def test_aliases(judge):
    zones = SPLIT | {"ingress_hosted_zone_id": "Z1", "ingress_internal_hosted_zone_id": "Z2"}
    balancers = {"load_balancers": [{"dns_name": "b", "canonical_hosted_zone_id": "ZB"}]}
    found = judge("__ingress_aliases_of_balancers", BOTH, [], __ingress_balancers=balancers, **zones)
    assert [(alias["zone"], alias["host"]) for alias in found] == [("Z2", "langfuse.internal.example.com")]
    assert judge("__ingress_aliases", [], []) == []
    assert [each["zone"] for each in judge("__ingress_aliases", [], [], ingress_external_enabled=False, **zones)] == [
        "Z2"
    ]
