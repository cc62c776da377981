# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The calls that are made, and what is made of AWS's answers, without a network."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _ssm
from ansible_collections.llmops.langfuse.plugins.plugin_utils._ssm import (
    Connection,
    Query,
    Reading,
    SsmError,
    connect,
    read,
)
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    PartialCredentialsError,
)
from botocore.parsers import ResponseParserError
from botocore.stub import Stubber

REGION = "eu-west-1"
ACCOUNT = "123456789012"
CALLER = f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/session"
KEYS = {"access_key": "AKIDEXAMPLE", "secret_key": "the-secret-key", "session_token": "the-session-token"}
CONNECTION = Connection(region=REGION, **KEYS)

pytestmark = pytest.mark.usefixtures("no_aws_environment", "empty_cache")


@pytest.fixture
def empty_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_ssm, "_known", {})


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    client = connect(CONNECTION)
    monkeypatch.setattr(_ssm, "connect", lambda connection: client)
    with Stubber(client) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


def arn(name: str, account: str = ACCOUNT) -> str:
    return f"arn:aws:ssm:{REGION}:{account}:parameter/{name.removeprefix('/')}"


def parameter(name: str, value: str = "", kind: str = "SecureString", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Value": value or f"value of {name}", "Type": kind, "ARN": arn(name), **more}


def expect_names(stub: Stubber, names: list[str], *found: dict[str, Any], decrypt: bool = True) -> None:
    stub.add_response("get_parameters", {"Parameters": list(found)}, {"Names": names, "WithDecryption": decrypt})


def by_path(path: str, recursive: bool = True, **more: Any) -> dict[str, Any]:
    return {"Path": path, "Recursive": recursive, "WithDecryption": True, "MaxResults": 10, **more}


def expect_page(stub: Stubber, request: dict[str, Any], *found: dict[str, Any], **more: Any) -> None:
    stub.add_response("get_parameters_by_path", {"Parameters": list(found), **more}, request)


def expect_denial(stub: Stubber, names: list[str], message: str) -> None:
    expected = {"Names": names, "WithDecryption": True}
    stub.add_client_error("get_parameters", "AccessDeniedException", message, expected_params=expected)


def denial(action: str, resource: str) -> str:
    reason = f"because no identity-based policy allows the {action} action"
    return f"User: {CALLER} is not authorized to perform: {action} on resource: {resource} {reason}"


# By name


def test_names_come_back_in_the_order_asked(stub: Stubber) -> None:
    expect_names(stub, ["/b", "/a"], parameter("/a"), parameter("/b"))
    reading = read(CONNECTION, Query(("/b", "/a")))
    assert list(reading.values.items()) == [("/b", "value of /b"), ("/a", "value of /a")]
    assert reading.complete
    assert reading.place == f"{REGION}, account {ACCOUNT}"


def test_eleven_names_are_two_calls(stub: Stubber) -> None:
    names = [f"/n{number}" for number in range(11)]
    expect_names(stub, names[:10], *map(parameter, names[:10]))
    expect_names(stub, names[10:], parameter(names[10]))
    assert list(read(CONNECTION, Query(tuple(names))).values) == names


def test_a_name_given_twice_is_asked_once(stub: Stubber) -> None:
    expect_names(stub, ["/a", "/b"], parameter("/a"), parameter("/b"))
    assert list(read(CONNECTION, Query(("/a", "/b", "/a"))).values) == ["/a", "/b"]


def test_versions_and_labels_of_one_parameter_are_told_apart(stub: Stubber) -> None:
    expect_names(stub, ["/a", "/b:blue"], parameter("/a", "now", Version=3), parameter("/b", "labelled", Version=7))
    expect_names(stub, ["/a:1"], parameter("/a", "first", Version=1, Selector=":1"))
    values = read(CONNECTION, Query(("/a", "/a:1", "/b:blue"))).values
    assert values == {"/a": "now", "/a:1": "first", "/b:blue": "labelled"}


def test_arns_are_names_too(stub: Stubber) -> None:
    own, shared = arn("/own"), arn("/shared", account="999999999999")
    expect_names(stub, [own, f"{shared}:2"], parameter("/own"), {**parameter(shared, "two"), "ARN": shared})
    assert read(CONNECTION, Query((own, f"{shared}:2"))).values == {own: "value of /own", f"{shared}:2": "two"}


def test_types(stub: Stubber) -> None:
    found = [parameter("/s", "plain", "String"), parameter("/l", "x,y", "StringList"), parameter("/x", "hidden")]
    expect_names(stub, ["/s", "/l", "/x"], *found)
    reading = read(CONNECTION, Query(("/s", "/l", "/x")))
    assert reading.values == {"/s": "plain", "/l": ["x", "y"], "/x": "hidden"}
    assert reading.secrets == ["hidden"]


def test_ciphertext_is_no_secret(stub: Stubber) -> None:
    expect_names(stub, ["/x"], parameter("/x", "AQICAH"), decrypt=False)
    reading = read(CONNECTION, Query(("/x",), decrypt=False))
    assert (reading.values, reading.secrets) == ({"/x": "AQICAH"}, [])


def test_missing_names_are_listed(stub: Stubber) -> None:
    expect_names(stub, ["/a", "/b"], parameter("/b"))
    expect_names(stub, ["/a:9"])
    reading = read(CONNECTION, Query(("/a", "/b", "/a:9")))
    assert reading.missing == ["/a", "/a:9"]
    assert not reading.complete


def test_no_names_are_no_call(stub: Stubber) -> None:
    assert read(CONNECTION, Query(())).values == {}


# Permissions


def test_one_denied_name_does_not_hide_the_others(stub: Stubber) -> None:
    message = denial("ssm:GetParameters", arn("/b"))
    expect_denial(stub, ["/a", "/b"], message)
    expect_names(stub, ["/a"], parameter("/a"))
    expect_denial(stub, ["/b"], message)
    reading = read(CONNECTION, Query(("/a", "/b")))
    assert reading.values == {"/a": "value of /a"}
    assert (reading.denied, reading.missing) == ({"/b": "ssm:GetParameters"}, [])
    assert (reading.caller, reading.account) == (CALLER, ACCOUNT)


@pytest.mark.parametrize(
    "message",
    [
        denial("kms:Decrypt", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/0"),
        "The ciphertext refers to a customer master key that does not exist or you are not allowed to access.",
    ],
)
def test_a_key_that_may_not_be_used(stub: Stubber, message: str) -> None:
    expect_denial(stub, ["/a"], message)
    assert read(CONNECTION, Query(("/a",))).denied == {"/a": "kms:Decrypt"}


def test_denied_path(stub: Stubber) -> None:
    message = denial("ssm:GetParametersByPath", arn("/p/"))
    stub.add_client_error("get_parameters_by_path", "AccessDeniedException", message)
    expect_page(stub, by_path("/q"), parameter("/q/a"))
    reading = read(CONNECTION, Query(("/p", "/q"), by_path=True))
    assert (reading.denied, reading.missing) == ({"/p": "ssm:GetParametersByPath"}, [])
    assert reading.values == {"a": "value of /q/a"}


# By path


def test_pages_of_a_path_are_joined_and_sorted(stub: Stubber) -> None:
    expect_page(stub, by_path("/p"), parameter("/p/z"), parameter("/p/deep/a"), NextToken="more")
    expect_page(stub, by_path("/p", NextToken="more"), parameter("/p/b"))
    reading = read(CONNECTION, Query(("/p/",), by_path=True))
    assert list(reading.values) == ["b", "deep/a", "z"]


def test_one_level_of_the_root(stub: Stubber) -> None:
    expect_page(stub, by_path("/", recursive=False), parameter("/a"))
    assert list(read(CONNECTION, Query(("/",), by_path=True, recursive=False)).values) == ["a"]


def test_the_later_path_wins(stub: Stubber) -> None:
    expect_page(stub, by_path("/general"), parameter("/general/a", "1"), parameter("/general/b", "2"))
    expect_page(stub, by_path("/special"), parameter("/special/a", "3"))
    assert read(CONNECTION, Query(("/general", "/special"), by_path=True)).values == {"a": "3", "b": "2"}


def test_an_empty_path_is_missing(stub: Stubber) -> None:
    expect_page(stub, by_path("/nothing"))
    reading = read(CONNECTION, Query(("/nothing",), by_path=True))
    assert (reading.missing, reading.place) == (["/nothing"], REGION)


# The cache


def test_the_same_question_is_asked_once(stub: Stubber) -> None:
    expect_names(stub, ["/a"], parameter("/a"))
    assert read(CONNECTION, Query(("/a",))) is read(CONNECTION, Query(("/a",)))


def test_another_question_is_not_answered_from_the_cache(stub: Stubber) -> None:
    expect_names(stub, ["/a"], parameter("/a"))
    expect_names(stub, ["/a"], parameter("/a", "ciphertext"), decrypt=False)
    read(CONNECTION, Query(("/a",)))
    assert read(CONNECTION, Query(("/a",), decrypt=False)).values == {"/a": "ciphertext"}


@pytest.mark.parametrize("found", [[], [parameter("/a")]], ids=["incomplete", "cache=False"])
def test_not_cached(stub: Stubber, found: list[dict[str, Any]]) -> None:
    expect_names(stub, ["/a"], *found)
    expect_names(stub, ["/a"], *found)
    read(CONNECTION, Query(("/a",)), cache=not found)
    read(CONNECTION, Query(("/a",)), cache=not found)


# Faults


@pytest.mark.parametrize(
    ("connection", "named"),
    [
        (Connection(region=REGION, retries=-1), "retries is -1"),
        (Connection(region=REGION, access_key="AKID"), "access_key and secret_key"),
        (Connection(region=REGION, secret_key="hush"), "access_key and secret_key"),
        (Connection(region=REGION, session_token="hush"), "session_token"),
        (Connection(region=REGION, profile="prod", access_key="AKID", secret_key="hush"), "profile 'prod'"),
        (Connection(region=REGION, profile="absent"), "(absent)"),
        (Connection(), "No AWS region"),
        (Connection(region=REGION, endpoint_url="nonsense"), "nonsense"),
        (Connection(region="no such region"), "no such region"),
    ],
)
def test_bad_connections(connection: Connection, named: str) -> None:
    assert_fault(lambda: connect(connection), named)


@pytest.mark.parametrize(
    ("query", "named"), [(Query(("p",), by_path=True), "'p' is no path"), (Query(("",)), "parameter is empty")]
)
def test_bad_queries(query: Query, named: str) -> None:
    assert_fault(lambda: read(CONNECTION, query), named)


def test_a_profile_wins_over_keys_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "[profile prod]\nregion = eu-north-1\naws_access_key_id = AKIDPROD\naws_secret_access_key = key\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    client = connect(Connection(profile="prod"))
    assert client.meta.region_name == "eu-north-1"
    assert client._request_signer._credentials.access_key == "AKIDPROD"


def test_no_boto3(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3.session", None)
    assert_fault(lambda: connect(CONNECTION), f"{sys.executable} cannot import boto3")


def refusal(code: str, message: str = "") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "GetParameters")


def test_no_credentials() -> None:
    assert_fault(lambda: read(Connection(region=REGION), Query(("/a",))), "No AWS credentials")


@pytest.mark.parametrize(
    ("error", "named"),
    [
        (NoCredentialsError(), "No AWS credentials"),
        (PartialCredentialsError(provider="env", cred_var="AWS_SECRET_ACCESS_KEY"), "AWS_SECRET_ACCESS_KEY"),
        (CredentialRetrievalError(provider="process", error_msg="it\nbroke"), "it broke"),
        (
            EndpointConnectionError(endpoint_url="https://ssm"),
            f"Cannot reach SSM in {REGION} at https://ssm.{REGION}.amazonaws.com",
        ),
        (ConnectTimeoutError(endpoint_url="https://ssm"), "Cannot reach SSM"),
        (ResponseParserError("Unable to parse response: <html>"), "is not SSM: check endpoint_url"),
        (refusal("ThrottlingException", "Rate exceeded"), "throttled ssm:GetParameters"),
        (refusal("InvalidKeyId"), f"ssm:GetParameters failed in {REGION}: InvalidKeyId"),
        (refusal("ValidationException", "bad\nname"), "ValidationException: bad name"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_faults_of_a_call(stub: Stubber, monkeypatch: pytest.MonkeyPatch, error: Exception, named: str) -> None:
    def fail(**arguments: Any) -> None:
        raise error

    monkeypatch.setattr(stub.client, "get_parameters", fail)
    assert_fault(lambda: read(CONNECTION, Query(("/a",))), named)


def test_refused_credentials_do_not_repeat_the_request(stub: Stubber) -> None:
    message = "The Canonical String for this request should have been\nx-amz-security-token:the-session-token"
    stub.add_client_error("get_parameters", "InvalidSignatureException", message)
    text = assert_fault(lambda: read(CONNECTION, Query(("/a",))), "refused the credentials")
    assert "the-session-token" not in text


def assert_fault(action: Callable[[], Any], named: str) -> str:
    """The action must fail with one line that names this and holds no secret; return the line."""
    with pytest.raises(SsmError) as caught:
        action()
    text = str(caught.value)
    assert named in text
    assert "\n" not in text
    assert "hush" not in text
    assert "the-secret-key" not in text
    return text


def test_secrets_are_in_no_repr() -> None:
    assert "the-se" not in repr(CONNECTION)


# Retries


def answers(client: BaseClient, *statuses: int) -> list[int]:
    """Let the client get these HTTP answers in turn, and return the list of those still to come."""
    remaining = list(statuses)

    def answer(request: Any, **_: Any) -> AWSResponse:
        status = remaining.pop(0)
        body = {"Parameters": [parameter("/a")]} if status == 200 else {"__type": "ThrottlingException"}
        response = AWSResponse(request.url, status, {}, None)
        response._content = json.dumps(body).encode()
        return response

    client.meta.events.register("before-send.ssm.*", answer)
    return remaining


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> BaseClient:
    client = connect(Connection(region=REGION, access_key="AKID", secret_key="key", retries=2))
    monkeypatch.setattr(_ssm, "connect", lambda connection: client)
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda seconds: None)
    return client


def test_throttled_calls_are_tried_again(client: BaseClient) -> None:
    remaining = answers(client, 400, 400, 200)
    assert read(CONNECTION, Query(("/a",))).values == {"/a": "value of /a"}
    assert remaining == []


def test_retries_are_counted(client: BaseClient) -> None:
    remaining = answers(client, 400, 400, 400, 200)
    assert_fault(lambda: read(CONNECTION, Query(("/a",))), "throttled")
    assert remaining == [200]


def test_a_place_without_an_account() -> None:
    assert Reading(region=REGION).place == REGION
