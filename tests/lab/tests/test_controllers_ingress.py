# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The AWS Load Balancer Controller: groups, names, listeners, rules and what it refuses."""

from __future__ import annotations

import re
from typing import Any

import pytest
from langfuse_lab.controllers.ingress_model import (
    IMPLICIT_FINALIZER,
    Group,
    ModelError,
    build,
    groups_of,
    load_balancer_name,
)

ARN = "arn:aws:acm:ap-south-1:123456789012:certificate/1"
EXTERNAL = {
    "group.name": "prod-external-alb",
    "scheme": "internet-facing",
    "target-type": "ip",
    "listen-ports": '[{"HTTP": 80}, {"HTTPS": 443}]',
    "ssl-redirect": "443",
    "ssl-policy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
    "certificate-arn": ARN,
    "healthcheck-path": "/api/public/health",
    "load-balancer-attributes": "idle_timeout.timeout_seconds=300",
}


def ingress(name: str, settings: dict[str, str], path: str = "/", **metadata: Any) -> dict[str, Any]:
    backend = {"service": {"name": "langfuse-web", "port": {"number": 3000}}}
    rule = {
        "host": "langfuse.example.com",
        "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]},
    }
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": "langfuse",
            "uid": name,
            "annotations": {f"alb.ingress.kubernetes.io/{key}": value for key, value in settings.items()},
            **metadata,
        },
        "spec": {"ingressClassName": "alb", "rules": [rule]},
    }


def group(*members: dict[str, Any]) -> Group:
    [found] = groups_of(list(members), frozenset(["alb"])).values()
    return found


def test_ingresses_of_a_group_share_a_load_balancer() -> None:
    found = groups_of([ingress("a", EXTERNAL), ingress("b", EXTERNAL), ingress("c", {})], frozenset(["alb"]))
    assert {name: len(each.members) for name, each in found.items()} == {"prod-external-alb": 2, "langfuse/c": 1}
    assert found["prod-external-alb"].finalizer == "group.ingress.k8s.aws/prod-external-alb"
    assert found["langfuse/c"].finalizer == IMPLICIT_FINALIZER


def test_ingresses_of_other_classes_are_not_served() -> None:
    other = ingress("a", EXTERNAL)
    other["spec"]["ingressClassName"] = "nginx"
    assert groups_of([other], frozenset(["alb"])) == {}


def test_a_deleted_or_moved_ingress_leaves_its_group() -> None:
    finalizers = ["group.ingress.k8s.aws/prod-external-alb"]
    deleted = ingress("a", EXTERNAL, finalizers=finalizers, deletionTimestamp="2026-01-01T00:00:00Z")
    assert group(deleted).leavers == [deleted]
    moved = ingress("b", EXTERNAL | {"group.name": "other"}, finalizers=finalizers)
    found = groups_of([moved], frozenset(["alb"]))
    assert found["prod-external-alb"].leavers == [moved]
    assert found["other"].members == [moved]


@pytest.mark.parametrize(
    ("group_id", "pattern"),
    [
        ("prod-external-alb", r"k8s-prodexternalalb-[0-9a-f]{10}"),
        ("langfuse/langfuse-internal", r"k8s-langfuse-langfuse-[0-9a-f]{10}"),
    ],
)
def test_names_are_the_controllers(group_id: str, pattern: str) -> None:
    assert re.fullmatch(pattern, load_balancer_name("langfuse", group_id, "internal"))


def test_the_external_model() -> None:
    model = build("langfuse", group(ingress("langfuse-external", EXTERNAL)))
    http, https = model.listeners
    assert model.scheme == "internet-facing"
    assert model.attributes == (("idle_timeout.timeout_seconds", "300"),)
    assert model.inbound_cidrs == ("0.0.0.0/0",)
    assert (http.port, http.protocol, http.redirect_port) == (80, "HTTP", "443")
    assert (https.port, https.certificates, https.redirect_port) == (443, (ARN,), "")
    assert https.ssl_policy == "ELBSecurityPolicy-TLS13-1-2-2021-06"
    [target] = model.target_groups.values()
    assert (target.service, target.port, target.health_path) == ("langfuse-web", "3000", "/api/public/health")
    assert https.rules[0].patterns == ("/*",)


def test_the_defaults_are_internal_http() -> None:
    model = build("langfuse", group(ingress("langfuse-internal", {"target-type": "ip"})))
    assert model.scheme == "internal"
    assert [(each.port, each.protocol) for each in model.listeners] == [(80, "HTTP")]


def test_rules_follow_the_groups_order_and_stay_on_their_ports() -> None:
    last = ingress("a", EXTERNAL | {"group.order": "10"})
    first = ingress("b", {**EXTERNAL, "listen-ports": '[{"HTTPS": 443}]'}, path="/api/public")
    http, https = build("langfuse", group(last, first)).listeners
    assert [rule.patterns for rule in https.rules] == [("/api/public", "/api/public/*"), ("/*",)]
    assert [rule.patterns for rule in http.rules] == [("/*",)]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scheme": "public"}, "unknown scheme: public"),
        ({"listen-ports": "443"}, "failed to parse listen-ports configuration: `443`"),
        ({"listen-ports": '[{"TCP": 443}]'}, "listen protocol must be HTTP or HTTPS: TCP"),
        ({"certificate-arn": ""}, "no certificate found for host: langfuse.example.com"),
        ({"load-balancer-attributes": "idle"}, "failed to parse stringMap annotation"),
        ({"target-type": "instance"}, "target type instance"),
    ],
)
def test_what_cannot_be_built_is_said(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=re.escape(message)):
        build("langfuse", group(ingress("a", EXTERNAL | settings)))


def test_members_that_disagree_are_refused() -> None:
    members = ingress("a", EXTERNAL), ingress("b", EXTERNAL | {"scheme": "internal"})
    with pytest.raises(ModelError, match=re.escape("conflicting scheme: ['internal', 'internet-facing']")):
        build("langfuse", group(*members))
