# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lambda: functions really run, each invocation in a process of its own.

moto would run them in Docker. Here the deployed archive runs in this computer's Python, with nothing in its environment
but the function's variables and the session of its role, and is killed at its time limit.
"""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import uuid
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from moto.awslambda.models import LambdaFunction
from moto.core.utils import unix_time_millis, utcnow
from moto.logs.models import logs_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends

from langfuse_lab.aws import lab, policies
from langfuse_lab.aws.errors import AwsError
from langfuse_lab.aws.patching import replaces
from langfuse_lab.aws.state import LOCK
from langfuse_lab.aws.sts import require_trust
from langfuse_lab.config import HOST

RUNTIME = Path(__file__).with_name("function_runtime.py")
DEFAULT_RETRIES = 2
RETRY_SECONDS = (1, 2)  # AWS waits one minute, then two
LOG_TAIL_BYTES = 4096
_running: set[subprocess.Popen[bytes]] = set()


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What an invocation came to."""

    payload: bytes  # the handler's answer, or the error as Lambda shows it
    failed: bool
    log: str


@replaces(LambdaFunction, "invoke")
def invoke(
    original: Callable[..., Any], self: LambdaFunction, body: Any, request_headers: Any, response_headers: Any
) -> bytes:
    """Run the function: at once for lambda:Invoke, later for events and for services (which set no headers)."""
    event = body.encode() if isinstance(body, str) else body or b"{}"
    kind = request_headers.get("x-amz-invocation-type", "RequestResponse") if request_headers else "Event"
    if kind == "DryRun":
        return b""
    if kind == "Event":
        submit(self, event)
        return b""
    outcome = run(self, event)
    if outcome.failed:
        response_headers["x-amz-function-error"] = "Unhandled"
    tail = outcome.log.encode()[-LOG_TAIL_BYTES:]
    response_headers["x-amz-log-result"] = base64.b64encode(tail).decode()
    return outcome.payload


@replaces(LambdaFunction, "__init__")
def initialize(original: Callable[..., None], self: LambdaFunction, *args: Any, **kwargs: Any) -> None:
    """moto forgets where a function's failed events go."""
    spec = kwargs["spec"] if "spec" in kwargs else args[1]
    self.dead_letter_config = spec.get("DeadLetterConfig") or {}
    original(self, *args, **kwargs)


@replaces(LambdaFunction, "update_configuration")
def update_configuration(
    original: Callable[..., dict[str, Any]], self: LambdaFunction, config_updates: dict[str, Any]
) -> dict[str, Any]:
    """See initialize."""
    self.dead_letter_config = config_updates.get("DeadLetterConfig", self.dead_letter_config)
    return original(self, config_updates)


@replaces(LambdaFunction, "get_configuration")
def get_configuration(
    original: Callable[..., dict[str, Any]], self: LambdaFunction, *rest: Any, **named: Any
) -> dict[str, Any]:
    """See initialize."""
    return {**original(self, *rest, **named), "DeadLetterConfig": self.dead_letter_config}


def submit(function: LambdaFunction, event: bytes) -> None:
    """Run a function later, again when it fails, and tell its destinations."""
    threading.Thread(target=_run_until_done, args=(function, event), name="lambda", daemon=True).start()


def stop() -> None:
    """End what still runs."""
    for process in list(_running):
        process.kill()


def allows(function: LambdaFunction, service: str, source_arn: str) -> bool:
    """Whether a function's policy lets a service call it for a source."""
    question = policies.Question(
        action="lambda:InvokeFunction",
        resource=function.function_arn,
        principal=("Service", service),
        context={"aws:SourceArn": source_arn, "aws:SourceAccount": function.account_id},
    )
    return policies.evaluate(function.policy.statements, question) is policies.Effect.ALLOW


def run(function: LambdaFunction, event: bytes) -> Outcome:
    """Run a function once, and write its log."""
    request_id = str(uuid.uuid4())
    with LOCK:
        environment = _environment(function)
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="lambda-") as folder:
        payload, failed, output = _execute(function, event, environment, request_id, Path(folder))
    milliseconds = (time.monotonic() - started) * 1000
    log = (
        f"START RequestId: {request_id} Version: $LATEST\n{output}END RequestId: {request_id}\n"
        f"REPORT RequestId: {request_id} Duration: {milliseconds:.2f} ms Memory Size: {function.memory_size} MB\n"
    )
    with LOCK:
        _write_log(function, log)
    return Outcome(payload, failed, log)


def _execute(
    function: LambdaFunction, event: bytes, environment: dict[str, str], request_id: str, folder: Path
) -> tuple[bytes, bool, str]:
    code, result = folder / "task", folder / "result"
    with zipfile.ZipFile(io.BytesIO(function.code_bytes)) as archive:
        archive.extractall(code)
    context = {
        "function_name": function.function_name,
        "function_version": "$LATEST",
        "invoked_function_arn": function.function_arn,
        "memory_limit_in_mb": str(function.memory_size),
        "aws_request_id": request_id,
        "log_group_name": function.logs_group_name,
        "log_stream_name": environment["AWS_LAMBDA_LOG_STREAM_NAME"],
        "timeout": int(function.timeout),
    }
    command = [sys.executable, str(RUNTIME), str(code), str(function.handler), str(result), json.dumps(context)]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**environment, "LAMBDA_TASK_ROOT": str(code)},
        cwd=code,
    )
    output, in_time = _communicate(process, event, int(function.timeout))
    if not in_time:
        text = f"{utcnow():%Y-%m-%dT%H:%M:%S.000Z} {request_id} Task timed out after {int(function.timeout)}.00 seconds"
        return _error("Sandbox.Timedout", text), True, f"{output}{text}\n"
    if not result.exists():
        text = f"RequestId: {request_id} Error: Runtime exited with error: exit status {process.returncode}"
        return _error("Runtime.ExitError", text), True, f"{output}{text}\n"
    return result.read_bytes(), process.returncode != 0, output


def _communicate(process: subprocess.Popen[bytes], event: bytes, seconds: int) -> tuple[str, bool]:
    """Return what a function's process printed, and whether it ended in time."""
    _running.add(process)
    try:
        output, in_time = process.communicate(event, timeout=seconds)[0], True
    except subprocess.TimeoutExpired:
        process.kill()
        output, in_time = process.communicate()[0], False
    finally:
        _running.discard(process)
    return output.decode(errors="replace"), in_time


def _environment(function: LambdaFunction) -> dict[str, str]:
    question = policies.Question(action="sts:AssumeRole", principal=("Service", "lambda.amazonaws.com"))
    try:
        require_trust(function.account_id, function.role, question)
    except AwsError as refusal:
        message = "The role defined for the function cannot be assumed by Lambda."
        raise AwsError("AccessDeniedException", message) from refusal
    session = sts_backends[function.account_id]["aws"].assume_role(
        region_name=function.region,
        role_session_name=function.function_name,
        role_arn=function.role,
        policy="",
        duration=3600,
        external_id="",
    )
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "en_US.UTF-8",
        "TZ": ":UTC",
        **{name: str(value) for name, value in function.environment_vars.items()},
        "AWS_ENDPOINT_URL": f"http://{HOST}:{lab.current().ports['aws']}",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": function.region,
        "AWS_DEFAULT_REGION": function.region,
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{function.run_time}",
        "AWS_LAMBDA_FUNCTION_NAME": function.function_name,
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory_size),
        "AWS_LAMBDA_LOG_GROUP_NAME": function.logs_group_name,
        "AWS_LAMBDA_LOG_STREAM_NAME": f"{utcnow():%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}",
        "_HANDLER": str(function.handler),
    }


def _write_log(function: LambdaFunction, log: str) -> None:
    logs = logs_backends[function.account_id][function.region]
    logs.ensure_log_group(function.logs_group_name)
    stream = f"{utcnow():%Y/%m/%d}/[$LATEST]{uuid.uuid4().hex}"
    logs.create_log_stream(function.logs_group_name, stream)
    now = int(unix_time_millis())
    events = [{"timestamp": now, "message": line} for line in log.splitlines()]
    logs.put_log_events(function.logs_group_name, stream, events)


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"errorType": kind, "errorMessage": message}).encode()


def _run_until_done(function: LambdaFunction, event: bytes) -> None:
    try:
        settings = function.event_invoke_config[-1].config if function.event_invoke_config else {}
        retries = settings.get("MaximumRetryAttempts", DEFAULT_RETRIES)
        outcome = run(function, event)
        for pause in RETRY_SECONDS[:retries]:
            if not outcome.failed:
                break
            time.sleep(pause)
            outcome = run(function, event)
        with LOCK:
            _tell_destinations(function, event, outcome, settings)
    except Exception:  # the thread's own end: nobody waits for it
        traceback.print_exc()


def _tell_destinations(function: LambdaFunction, event: bytes, outcome: Outcome, settings: dict[str, Any]) -> None:
    way = "OnFailure" if outcome.failed else "OnSuccess"
    destination = settings.get("DestinationConfig", {}).get(way, {}).get("Destination")
    if destination:
        record = {
            "version": "1.0",
            "timestamp": f"{utcnow():%Y-%m-%dT%H:%M:%S.000Z}",
            "requestContext": {
                "functionArn": f"{function.function_arn}:$LATEST",
                "condition": "RetriesExhausted" if outcome.failed else "Success",
            },
            "requestPayload": json.loads(event),
            "responsePayload": json.loads(outcome.payload),
        }
        _send(destination, function, json.dumps(record))
    dead_letters = function.dead_letter_config.get("TargetArn")
    if outcome.failed and dead_letters:
        _send(dead_letters, function, event.decode())


def _send(arn: str, function: LambdaFunction, message: str) -> None:
    _, _, service, region, account, name = arn.split(":")[:6]
    if service == "sqs":
        sqs_backends[account][region].send_message(name, message)
    elif service == "sns":
        sns_backends[account][region].publish(message, arn=arn)
    else:
        print(f"lambda {function.function_name}: the lab does not send to {arn}", file=sys.stderr, flush=True)
