# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the AWS Load Balancer Controller makes of ingresses: groups of them, and one load balancer for a group."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from typing import Any

from langfuse_lab.controllers.kube import Object, annotations, is_leaving

CLASS_CONTROLLER = "ingress.k8s.aws/alb"
IMPLICIT_FINALIZER = "ingress.k8s.aws/resources"
GROUP_FINALIZER = "group.ingress.k8s.aws/"
PREFIX = "alb.ingress.kubernetes.io/"
SCHEMES = ("internal", "internet-facing")
PROTOCOLS = ("HTTP", "HTTPS")
DEFAULT_SSL_POLICY = "ELBSecurityPolicy-2016-08"


class ModelError(Exception):
    """Why no load balancer can be made of a group's ingresses."""


@dataclasses.dataclass
class Group:
    """Ingresses that share a load balancer, and those that leave it but still carry its finalizer."""

    group_id: str  # the group's name, or namespace/name of a lone ingress
    members: list[Object] = dataclasses.field(default_factory=list)
    leavers: list[Object] = dataclasses.field(default_factory=list)

    @property
    def finalizer(self) -> str:
        """The finalizer that members carry."""
        return IMPLICIT_FINALIZER if "/" in self.group_id else GROUP_FINALIZER + self.group_id


@dataclasses.dataclass(frozen=True)
class TargetGroup:
    """Where requests go: a port of a Service, and how its pods are asked for their health."""

    name: str
    namespace: str
    service: str
    port: str  # number or name
    health_path: str
    success_codes: str


@dataclasses.dataclass(frozen=True)
class Rule:
    """Requests of a host (any if empty) whose path matches a pattern."""

    host: str
    patterns: tuple[str, ...]
    target: TargetGroup


@dataclasses.dataclass(frozen=True)
class Listener:
    """A port of the load balancer; with `redirect_port` it only sends clients to that port by HTTPS."""

    port: int
    protocol: str
    certificates: tuple[str, ...]
    ssl_policy: str
    redirect_port: str
    rules: tuple[Rule, ...]


@dataclasses.dataclass(frozen=True)
class Model:
    """A load balancer as AWS should have it."""

    name: str
    scheme: str
    subnets: tuple[str, ...]  # ids or names; empty: found by tags
    security_groups: tuple[str, ...]  # ids; empty: one is made
    inbound_cidrs: tuple[str, ...]
    attributes: tuple[tuple[str, str], ...]
    tags: tuple[tuple[str, str], ...]
    listeners: tuple[Listener, ...]

    @property
    def target_groups(self) -> dict[str, TargetGroup]:
        """The target groups by name."""
        return {rule.target.name: rule.target for listener in self.listeners for rule in listener.rules}


def groups_of(ingresses: list[Object], classes: frozenset[str]) -> dict[str, Group]:
    """Return the groups of the ingresses of given ingress classes; leavers may be of other classes by now."""
    groups: dict[str, Group] = {}
    for ingress in ingresses:
        current = _group_id(ingress) if _is_alb(ingress, classes) and not is_leaving(ingress) else None
        if current:
            groups.setdefault(current, Group(current)).members.append(ingress)
        for finalizer in ingress["metadata"].get("finalizers") or []:
            old = _group_id_of_finalizer(ingress, finalizer)
            if old and old != current:
                groups.setdefault(old, Group(old)).leavers.append(ingress)
    return groups


def _is_alb(ingress: Object, classes: frozenset[str]) -> bool:
    by_annotation = annotations(ingress).get("kubernetes.io/ingress.class")
    return by_annotation == "alb" or ingress["spec"].get("ingressClassName") in classes


def _group_id(ingress: Object) -> str:
    return _text(ingress, "group.name") or _own_id(ingress)


def _own_id(ingress: Object) -> str:
    return f"{ingress['metadata']['namespace']}/{ingress['metadata']['name']}"


def _group_id_of_finalizer(ingress: Object, finalizer: str) -> str | None:
    if finalizer == IMPLICIT_FINALIZER:
        return _own_id(ingress)
    return finalizer.removeprefix(GROUP_FINALIZER) if finalizer.startswith(GROUP_FINALIZER) else None


def build(cluster: str, group: Group) -> Model:
    """Return the load balancer of a group's members. Raises ModelError."""
    members = sorted(group.members, key=lambda each: (int(_text(each, "group.order") or 0), _own_id(each)))
    scheme = _agreed(members, "scheme") or "internal"
    if scheme not in SCHEMES:
        raise ModelError(f"unknown scheme: {scheme}")
    ports = sorted({port for member in members for port in _ports(member)}, key=lambda each: each[0])
    if len({port for port, _ in ports}) < len(ports):
        raise ModelError(f"conflicting protocols on a port: {ports}")
    return Model(
        _agreed(members, "load-balancer-name") or load_balancer_name(cluster, group.group_id, scheme),
        scheme,
        _words(_agreed(members, "subnets")),
        _words(_agreed(members, "security-groups")),
        _words(_agreed(members, "inbound-cidrs")) or ("0.0.0.0/0",),
        _pairs(members, "load-balancer-attributes"),
        _pairs(members, "tags"),
        tuple(_listener(cluster, port, protocol, members) for port, protocol in ports),
    )


def load_balancer_name(cluster: str, group_id: str, scheme: str) -> str:
    """Return the name that the controller gives: of the group, or of namespace and ingress, and a hash."""
    digest = hashlib.sha256(f"{cluster}{group_id}{scheme}".encode()).hexdigest()[:10]
    parts = [re.sub("[^A-Za-z0-9]", "", part) for part in group_id.split("/")]
    readable = parts[0][:17] if len(parts) == 1 else f"{parts[0][:8]}-{parts[1][:8]}"
    return f"k8s-{readable}-{digest}"


def _listener(cluster: str, port: int, protocol: str, members: list[Object]) -> Listener:
    on_port = [member for member in members if (port, protocol) in _ports(member)]
    certificates = tuple(dict.fromkeys(arn for member in on_port for arn in _words(_text(member, "certificate-arn"))))
    if protocol == "HTTPS" and not certificates:
        raise ModelError(f"no certificate found for host: {', '.join(_hosts(on_port)) or '*'}")
    redirect = _agreed(on_port, "ssl-redirect")
    return Listener(
        port,
        protocol,
        certificates,
        _agreed(on_port, "ssl-policy") or DEFAULT_SSL_POLICY if protocol == "HTTPS" else "",
        redirect if protocol == "HTTP" else "",
        tuple(rule for member in on_port for rule in _rules(cluster, member)),
    )


def _hosts(members: list[Object]) -> list[str]:
    return sorted({rule.get("host", "*") for member in members for rule in member["spec"].get("rules") or []})


def _ports(ingress: Object) -> set[tuple[int, str]]:
    text = _text(ingress, "listen-ports")
    if not text:
        return {(443, "HTTPS")} if _text(ingress, "certificate-arn") else {(80, "HTTP")}
    try:
        ports = {(int(port), protocol) for entry in json.loads(text) for protocol, port in entry.items()}
    except (ValueError, AttributeError, TypeError) as error:
        raise ModelError(f"failed to parse listen-ports configuration: `{text}`: {error}") from None
    wrong = sorted(protocol for _, protocol in ports if protocol not in PROTOCOLS)
    if wrong:
        raise ModelError(f"listen protocol must be HTTP or HTTPS: {wrong[0]}")
    return ports


def _rules(cluster: str, ingress: Object) -> list[Rule]:
    rules = []
    for rule in ingress["spec"].get("rules") or []:
        for path in rule.get("http", {}).get("paths", []):
            target = _target_group(cluster, ingress, path["backend"])
            rules.append(Rule(rule.get("host", ""), _patterns(path.get("path", ""), path["pathType"]), target))
    return rules


def _patterns(path: str, path_type: str) -> tuple[str, ...]:
    if path_type != "Prefix":
        return (path or "/*",)
    prefix = path.rstrip("/")
    return (prefix, f"{prefix}/*") if prefix else ("/*",)


def _target_group(cluster: str, ingress: Object, backend: dict[str, Any]) -> TargetGroup:
    target_type = _text(ingress, "target-type") or "instance"
    if target_type != "ip":
        raise ModelError(f"target type {target_type}: pods of the lab are reached by target type ip only")
    service, port = backend["service"]["name"], backend["service"]["port"]
    port_text = str(port.get("number") or port["name"])
    if port_text == "use-annotation":
        raise ModelError("the lab does not know backends of port use-annotation")
    namespace = ingress["metadata"]["namespace"]
    path = _text(ingress, "healthcheck-path") or "/"
    codes = _text(ingress, "success-codes") or "200"
    identity = f"{cluster}{_own_id(ingress)}{service}{port_text}{path}{codes}"
    digest = hashlib.sha256(identity.encode()).hexdigest()[:10]
    name = f"k8s-{_short(namespace)}-{_short(service)}-{digest}"
    return TargetGroup(name, namespace, service, port_text, path, codes)


def _short(name: str) -> str:
    return re.sub("[^A-Za-z0-9]", "", name)[:8]


def _text(ingress: Object, name: str) -> str:
    return annotations(ingress).get(PREFIX + name, "").strip()


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def _agreed(members: list[Object], name: str) -> str:
    """Return an annotation's value, on which all members that have it must agree."""
    values = sorted({text for member in members if (text := _text(member, name))})
    if len(values) > 1:
        raise ModelError(f"conflicting {name}: {values}")
    return values[0] if values else ""


def _pairs(members: list[Object], name: str) -> tuple[tuple[str, str], ...]:
    pairs: dict[str, str] = {}
    for member in members:
        for word in _words(_text(member, name)):
            key, equals, value = word.partition("=")
            if not equals:
                raise ModelError(f"failed to parse stringMap annotation, {PREFIX}{name}: {word}")
            if pairs.setdefault(key, value) != value:
                raise ModelError(f"conflicting {name}, {key}: {pairs[key]} and {value}")
    return tuple(sorted(pairs.items()))
