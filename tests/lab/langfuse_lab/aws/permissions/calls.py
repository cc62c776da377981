# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A request as a call of an operation: read from HTTP by botocore's models of the services, whatever the protocol."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import botocore.session
from moto.core.model import OperationModel, ServiceModel
from moto.core.parse import PROTOCOL_PARSERS
from moto.core.request import determine_request_protocol
from moto.core.utils import get_service_model
from werkzeug.datastructures import Headers, MultiDict

from langfuse_lab.aws.signatures import Received

# The name in a signature, where the service has another one for botocore.
SERVICES = {
    "monitoring": "cloudwatch",
    "elasticloadbalancing": "elbv2",
    "tagging": "resourcegroupstaggingapi",
    "email": "ses",
    "states": "stepfunctions",
}
RPC_PATH = re.compile(r"/service/[^/]+/operation/(\w+)")  # of the protocol smithy-rpc-v2-cbor


@dataclasses.dataclass(frozen=True)
class Call:
    """An operation of a service that somebody calls; the service's name is botocore's."""

    service: str
    operation: str
    region: str
    read_parameters: Callable[[], dict[str, Any]] = dataclasses.field(compare=False)

    @functools.cached_property
    def parameters(self) -> dict[str, Any]:
        """Return the parameters by botocore's names; reading them takes longer than all the rest."""
        return {key: value for key, value in self.read_parameters().items() if value is not None}


def of_request(request: Received, signed_for: str, region: str) -> Call | None:
    """Return the call that an HTTP request is, or None when the service has no such operation."""
    service = SERVICES.get(signed_for, signed_for)
    model = service_model(service)
    if model is None:
        return None
    named = _named_operation(request)
    if named:
        return _call(request, model, named, region, {}) if named in model.operation_names else None
    found = _by_path(request, model)
    return _call(request, model, found[0], region, found[1]) if found else None


@functools.cache
def service_model(service: str) -> ServiceModel | None:
    """Return botocore's model of a service, or None when it has none of this name."""
    return get_service_model(service) if service in _services() else None


@functools.cache
def _services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


def _named_operation(request: Received) -> str | None:
    """Return the operation that a request names itself: in a header, in its path or in a form."""
    target = request.headers.get("x-amz-target")
    if target:
        return target.rpartition(".")[2]
    rpc = RPC_PATH.fullmatch(request.path)
    if rpc:
        return rpc[1]
    return _form(request).get("Action")


def _form(request: Received) -> MultiDict[str, str]:
    pairs = parse_qsl(request.query, keep_blank_values=True)
    if "x-www-form-urlencoded" in request.headers.get("content-type", ""):
        pairs += parse_qsl(request.body.decode(errors="replace"), keep_blank_values=True)
    return MultiDict(pairs)


def _call(request: Received, model: ServiceModel, name: str, region: str, labels: dict[str, str]) -> Call:
    def read() -> dict[str, Any]:
        operation = model.operation_model(name)
        protocol = determine_request_protocol(model, request.headers.get("content-type"))
        if protocol not in PROTOCOL_PARSERS:
            raise NotImplementedError(f"{model.service_name} {name} in the protocol {protocol}")
        values = _form(request)
        if protocol in ("ec2", "query"):
            values.setlist("Action", [name])
        asked: Any = {
            "method": request.method,
            "values": values,
            "headers": Headers(list(request.headers.items())),
            "body": request.body,
            "url_path": request.path,
            "url_params": labels,
        }
        return dict(PROTOCOL_PARSERS[protocol](operation).parse(asked))

    return Call(model.service_name, name, region, read)


@dataclasses.dataclass(frozen=True)
class _Route:
    method: str
    pattern: re.Pattern[str]
    labels: tuple[str, ...]  # of the pattern's groups
    query: frozenset[tuple[str, str]]  # what must be in the query; without a value any will do
    headers: frozenset[str]  # what must be among them
    operation: str

    @property
    def weight(self) -> tuple[int, int, int]:
        """Return how much a request must say to be this: the more, the earlier it is tried."""
        return len(self.query), len(self.headers), len(self.pattern.pattern.replace("(.+)", "").replace("([^/]+)", ""))


def _by_path(request: Received, model: ServiceModel) -> tuple[str, dict[str, str]] | None:
    query = parse_qsl(request.query, keep_blank_values=True)
    keys = {key for key, _ in query}
    for route in _routes(model.service_name):
        if route.method != request.method or not route.headers <= request.headers.keys():
            continue
        if not all((key, value) in query if value else key in keys for key, value in route.query):
            continue
        found = route.pattern.fullmatch(request.path)
        if found:
            return route.operation, dict(zip(route.labels, map(unquote, found.groups()), strict=True))
    return None


@functools.cache
def _routes(service: str) -> list[_Route]:
    model = service_model(service)
    assert model
    routes = [_route(model.operation_model(name)) for name in model.operation_names]
    return sorted(routes, key=lambda route: route.weight, reverse=True)


def _route(operation: OperationModel) -> _Route:
    path, _, query = operation.http["requestUri"].partition("?")
    pattern, labels = "", []
    for part in re.split(r"(\{[^}]+\})", path.rstrip("/")):
        if part.startswith("{"):
            labels.append(part.strip("{}").rstrip("+"))
            pattern += "(.+)" if part.endswith("+}") else "([^/]+)"
        else:
            pattern += re.escape(part)
    wanted = frozenset(parse_qsl(query, keep_blank_values=True))
    method, compiled = operation.http["method"], re.compile(f"{pattern}/?")
    return _Route(method, compiled, tuple(labels), wanted, _required_headers(operation), operation.name)


def _required_headers(operation: OperationModel) -> frozenset[str]:
    shape = operation.input_shape
    required = [shape.members[name].serialization for name in shape.required_members] if shape else []
    return frozenset(each["name"].lower() for each in required if each.get("location") == "header")
