# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's AWS as a web server: who asks, and whether he may, is checked; then moto (as mended here) answers."""

from __future__ import annotations

import io
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

# Before moto's import, which reads it: policies such as AdministratorAccess exist.
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"

from moto.cloudformation import urls as cloudformation_urls
from moto.eks import urls as eks_urls
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import BaseWSGIServer, make_server

from langfuse_lab.aws import alarms, ec2, events, functions, lab, s3, seed, signatures, sts, token_review
from langfuse_lab.aws.cloudformation.api import CloudFormationResponse
from langfuse_lab.aws.eks.api import EksResponse
from langfuse_lab.aws.permissions import enforcement, simulation
from langfuse_lab.aws.signatures import Received, Refused
from langfuse_lab.aws.state import LOCK
from langfuse_lab.config import HOST, Lab

MENDED = (alarms, ec2, events, functions, s3, simulation, sts)  # importing them mends moto
TOKEN_REVIEW = "/lab/authenticate"
HEALTH = "/lab/health"
ASKED = "/lab/asked"  # GET: who asked for which actions; POST: the same, and forget it
SCHEDULES = "/lab/schedules"
OPEN_PATHS = ("/moto-api/",)
OPEN_ACTIONS = ("AssumeRoleWithWebIdentity",)
INVOCATION = re.compile(r"/[0-9-]+/functions/.+/invocations/?")
ERROR_CODES = {  # some services have words of their own
    ("ec2", "InvalidClientTokenId"): "AuthFailure",
    ("ec2", "SignatureDoesNotMatch"): "AuthFailure",
    ("s3", "InvalidClientTokenId"): "InvalidAccessKeyId",
    ("ec2", "AccessDenied"): "UnauthorizedOperation",
}
JSON_CODES = {"AccessDenied": "AccessDeniedException"}
ERROR_PREFIXES = {("ec2", "AccessDenied"): "You are not authorized to perform this operation. "}
READ_ONLY = re.compile("Describe|List|Get|BatchGet|Head")

Environment = dict[str, Any]
StartResponse = Callable[..., Any]

cloudformation_urls.url_paths.clear()
cloudformation_urls.url_paths["{0}/$"] = CloudFormationResponse.dispatch
eks_urls.url_paths.clear()
eks_urls.url_paths["{0}/(?P<path>.+)$"] = EksResponse.dispatch


class Application:
    """The WSGI application."""

    def __init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environment, start_response: StartResponse) -> Iterable[bytes]:
        started = time.monotonic()
        request = _received(environ)
        if environ["PATH_INFO"] == HEALTH:
            return _send(200, "ok", "text/plain", start_response)
        if environ["PATH_INFO"] == TOKEN_REVIEW:
            return self._review(request, start_response)
        if environ["PATH_INFO"] == ASKED:
            asked = enforcement.RECORD.take(forget=request.method == "POST")
            return _send(200, json.dumps(asked), "application/json", start_response)
        if environ["PATH_INFO"] == SCHEDULES and request.method == "POST":
            with LOCK:
                fired = events.fire_schedules(only_due=False)
            return _send(200, json.dumps(fired), "application/json", start_response)
        caller = "-"
        try:
            caller = _caller(request)
            return self._answer(environ, start_response)
        except Refused as refusal:
            return _error(request, 403, refusal.code, str(refusal), start_response)
        except enforcement.Denied as denied:
            return _error(request, 403, "AccessDenied", str(denied), start_response)
        except NotImplementedError as missing:
            return _error(
                request, 501, "NotImplemented", f"The lab's AWS does not know this: {missing}", start_response
            )
        except Exception as fault:
            traceback.print_exc()
            message = f"The lab's AWS failed at {_operation(request)}: {fault!r}"
            return _error(request, 500, "InternalFailure", message, start_response)
        finally:
            _log(request, caller, time.monotonic() - started)

    def _answer(self, environ: Environment, start_response: StartResponse) -> list[bytes]:
        if INVOCATION.fullmatch(environ["PATH_INFO"]):
            return _whole(self._moto(environ, start_response))  # it takes its time, and calls AWS itself
        with LOCK:
            return _whole(self._moto(environ, start_response))

    def _review(self, request: Received, start_response: StartResponse) -> list[bytes]:
        with LOCK:
            review = token_review.review(json.loads(request.body))
        if not review["status"]["authenticated"]:
            print(f"EKS refuses a token: {review['status']['error']}", file=sys.stderr, flush=True)
        return _send(200, json.dumps(review), "application/json", start_response)


def make(here: Lab) -> BaseWSGIServer:
    """Return the server of a lab, with what is there from the start; serve_forever() runs it."""
    lab.enter(here)
    server = make_server(HOST, here.ports["aws"], Application(), threaded=True, request_handler=_Handler)
    seed.plant(here)
    alarms.start()
    events.start()
    return server


class _Handler(MotoRequestHandler):
    """moto's, with the log left to the application."""

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing."""


def _received(environ: Environment) -> Received:
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)) if not _is_chunked(environ) else b""
    if not _is_chunked(environ):
        environ["wsgi.input"] = io.BytesIO(body)
    headers = {
        name.removeprefix("HTTP_").replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_") or name in ("CONTENT_TYPE", "CONTENT_LENGTH")
    }
    path, _, query = environ["RAW_URI"].partition("?")
    return Received(environ["REQUEST_METHOD"], path, query, headers, body)


def _is_chunked(environ: Environment) -> bool:
    return environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked"


def _caller(request: Received) -> str:
    """Return the access key that a request is signed with.

    Raises Refused for what is not signed as it must be, and Denied for what the caller's policies do not allow.
    """
    if request.path.startswith(OPEN_PATHS):
        return "-"
    with LOCK:
        signature = signatures.read(request)
        if signature:
            key = signatures.verify(request, signature).access_key_id
            enforcement.check_request(request, signature.service, signature.region, key)
            return key
    if _form(request).get("Action") in OPEN_ACTIONS:
        return "-"
    raise Refused("MissingAuthenticationToken", "Request is missing Authentication Token")


def _form(request: Received) -> dict[str, str]:
    text = request.query or (
        request.body.decode(errors="replace")
        if "x-www-form-urlencoded" in request.headers.get("content-type", "")
        else ""
    )
    return {name: values[0] for name, values in parse_qs(text).items()}


def _operation(request: Received) -> str:
    target = request.headers.get("x-amz-target")
    return target or _form(request).get("Action") or f"{request.method} {request.path}"


def _service(request: Received) -> str:
    found = re.search(r"Credential=[^/,]+/\d+/[^/,]+/([^/,]+)/", request.headers.get("authorization", ""))
    return found[1] if found else "sts" if _form(request) else "s3"


def _log(request: Received, caller: str, seconds: float) -> None:
    operation = _operation(request)
    if not request.path.startswith(OPEN_PATHS) and not READ_ONLY.search(operation) and not operation.startswith("GET"):
        now = time.strftime("%H:%M:%S")
        print(f"{now} {_service(request)} {operation} {caller} {seconds * 1000:.0f} ms", flush=True)


def _whole(response: Iterable[bytes]) -> list[bytes]:
    try:
        return list(response)
    finally:
        if hasattr(response, "close"):
            response.close()


def _error(request: Received, status: int, code: str, message: str, start_response: StartResponse) -> list[bytes]:
    """Answer an error in the words and the form of the service."""
    service = _service(request)
    message = ERROR_PREFIXES.get((service, code), "") + message
    code = ERROR_CODES.get((service, code), code)
    if "json" in request.headers.get("content-type", "") or service in ("eks", "lambda"):
        code = JSON_CODES.get(code, code)
        content = {"__type": code, "message": message}
        return _send(status, json.dumps(content), "application/json", start_response, ("x-amzn-ErrorType", code))
    error = f"<Code>{escape(code)}</Code><Message>{escape(message)}</Message>"
    if service == "s3":
        text = f"<Error>{error}</Error>"
    elif service == "ec2":
        text = f"<Response><Errors><Error>{error}</Error></Errors><RequestID>lab</RequestID></Response>"
    else:
        text = f"<ErrorResponse><Error><Type>Sender</Type>{error}</Error><RequestId>lab</RequestId></ErrorResponse>"
    return _send(status, text, "text/xml", start_response)


def _send(
    status: int, text: str, content_type: str, start_response: StartResponse, *headers: tuple[str, str]
) -> list[bytes]:
    body = text.encode()
    every = [("Content-Type", content_type), ("Content-Length", str(len(body))), *headers]
    start_response(f"{status} {HTTPStatus(status).phrase}", every)
    return [body]
