# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lookup as playbooks see it, against moto's SSM in this process."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from ansible import constants
from ansible.errors import AnsibleError, AnsibleLookupError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from ansible.template import Templar, trust_as_template
from ansible.utils.display import Display
from ansible_collections.llmops.langfuse.plugins.lookup import ssm_secrets
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _ssm
from botocore.client import BaseClient
from moto import mock_aws

REGION = "ap-south-1"
NAME = "llmops.langfuse.ssm_secrets"

pytestmark = pytest.mark.usefixtures("no_aws_environment")


@pytest.fixture
def ssm(monkeypatch: pytest.MonkeyPatch) -> Iterator[BaseClient]:
    """An empty SSM, with credentials and region in the environment."""
    monkeypatch.setattr(_ssm, "_known", {})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_REGION", REGION)
    with mock_aws():
        yield boto3.client("ssm", region_name=REGION)


@pytest.fixture
def forty(ssm: BaseClient) -> dict[str, str]:
    """Forty secrets, on two levels."""
    names = [f"deep/key-{number:02}" if number % 4 == 0 else f"key-{number:02}" for number in range(40)]
    secrets = {name: f"value-{number:02}-{{{{ not_a_template }}}}" for number, name in enumerate(names)}
    for name, value in secrets.items():
        put(ssm, f"/langfuse/production/{name}", value)
    return dict(sorted(secrets.items()))


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The operations that the lookup calls, while they happen."""
    made: list[str] = []
    connect = _ssm.connect

    def counted(connection: _ssm.Connection) -> BaseClient:
        client = connect(connection)
        client.meta.events.register("before-call.ssm", lambda model, **_: made.append(model.name))
        return client

    monkeypatch.setattr(_ssm, "connect", counted)
    return made


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[_ssm.Connection]:
    """The connections that the lookup asks for; none is made."""
    asked: list[_ssm.Connection] = []

    def note(connection: _ssm.Connection, query: _ssm.Query, cache: bool) -> _ssm.Reading:
        asked.append(connection)
        return _ssm.Reading(region=REGION)

    monkeypatch.setattr(ssm_secrets, "read", note)
    return asked


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    shown: list[str] = []
    monkeypatch.setattr(ssm_secrets.display, "warning", shown.append)
    return shown


def put(ssm: BaseClient, name: str, value: str, kind: str = "SecureString") -> None:
    ssm.put_parameter(Name=name, Value=value, Type=kind, Overwrite=True)


def lookup(*terms: Any, variables: dict[str, Any] | None = None, **options: Any) -> list[Any]:
    return lookup_loader.get(NAME).run(list(terms), variables or {}, **options)


# What comes back


def test_forty_parameters_by_path(forty: dict[str, str], calls: list[str]) -> None:
    assert lookup("/langfuse/production", by_path=True) == [forty]
    assert calls and len(calls) <= 5
    assert set(calls) == {"GetParametersByPath"}


def test_forty_parameters_by_name(forty: dict[str, str], calls: list[str]) -> None:
    names = [f"/langfuse/production/{name}" for name in reversed(forty)]
    (found,) = lookup(names)
    assert list(found.items()) == list(zip(names, reversed(forty.values()), strict=True))
    assert calls == ["GetParameters"] * 4


def test_eleven_names(forty: dict[str, str], calls: list[str]) -> None:
    names = [f"/langfuse/production/{name}" for name in list(forty)[:11]]
    assert len(lookup(*names)[0]) == 11
    assert calls == ["GetParameters"] * 2


def test_only_the_first_level(forty: dict[str, str]) -> None:
    first_level = {name: value for name, value in forty.items() if "/" not in name}
    assert lookup("/langfuse/production", by_path=True, recursive=False) == [first_level]


def test_a_second_identical_lookup_makes_no_call(forty: dict[str, str], calls: list[str]) -> None:
    assert lookup("/langfuse", by_path=True) == lookup("/langfuse", by_path=True)
    made = len(calls)
    lookup("/langfuse", by_path=True, cache=False)
    assert len(calls) == 2 * made


def test_the_cache_is_not_changed_by_its_readers(ssm: BaseClient) -> None:
    put(ssm, "/list", "a,b", "StringList")
    (first,) = lookup("/list")
    first["/list"].append("c")
    first["/other"] = "x"
    assert lookup("/list") == [{"/list": ["a", "b"]}]


def test_versions_and_labels(ssm: BaseClient) -> None:
    for version in ("one", "two", "three"):
        put(ssm, "/salt", version)
    ssm.label_parameter_version(Name="/salt", ParameterVersion=2, Labels=["former"])
    assert lookup("/salt", "/salt:1", "/salt:former") == [{"/salt": "three", "/salt:1": "one", "/salt:former": "two"}]


def test_types(ssm: BaseClient) -> None:
    put(ssm, "plain", "a", "String")
    put(ssm, "list", "a,b", "StringList")
    put(ssm, "secret", "hidden")
    assert lookup("plain", "list", "secret") == [{"plain": "a", "list": ["a", "b"], "secret": "hidden"}]
    assert lookup("secret", decrypt=False) != [{"secret": "hidden"}]


def test_as_list_has_one_value_a_term(ssm: BaseClient) -> None:
    put(ssm, "a", "1")
    put(ssm, "b", "2")
    assert lookup("b", "absent", "a", "b", as_list=True, on_missing="skip") == ["2", None, "1", "2"]


def test_as_list_by_path_is_in_the_order_of_names(forty: dict[str, str]) -> None:
    assert lookup("/langfuse/production", by_path=True, as_list=True) == list(forty.values())


def test_no_terms_are_an_empty_dictionary(ssm: BaseClient) -> None:
    assert lookup([]) == [{}]


def test_in_templates(forty: dict[str, str]) -> None:
    templar = Templar(loader=DataLoader(), variables={"names": ["/langfuse/production/key-01"]})

    def template(text: str) -> Any:
        return templar.template(trust_as_template(text))

    value = "value-01-{{ not_a_template }}"
    assert template(f"{{{{ lookup('{NAME}', '/langfuse', by_path=true) }}}}")["production/key-01"] == value
    assert template(f"{{{{ lookup('{NAME}', names) }}}}") == {"/langfuse/production/key-01": value}
    assert template(f"{{{{ lookup('{NAME}', names, as_list=true) }}}}") == value
    assert template(f"{{{{ query('{NAME}', names) }}}}") == [{"/langfuse/production/key-01": value}]


# Missing and denied


@pytest.mark.parametrize(
    ("terms", "options", "named"),
    [
        (["/a", "/b"], {}, "not found: /a, /b (in ap-south-1)"),
        (["/a"], {"by_path": True}, "No SSM parameters under /a (in ap-south-1)"),
    ],
)
def test_missing(ssm: BaseClient, warnings: list[str], terms: list[str], options: dict[str, Any], named: str) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        lookup(*terms, **options)
    assert named in str(caught.value)
    assert lookup(*terms, on_missing="skip", **options) == [{}]
    assert warnings == []
    assert lookup(*terms, on_missing="warn", **options) == [{}]
    assert len(warnings) == 1
    assert named in warnings[0]


def test_missing_beside_found_names_the_account(ssm: BaseClient) -> None:
    put(ssm, "/there", "value")
    with pytest.raises(AnsibleLookupError, match="/absent \\(in ap-south-1, account 123456789012\\)"):
        lookup("/there", "/absent")
    assert lookup("/there", "/absent", on_missing="skip") == [{"/there": "value"}]


def test_what_was_missing_is_found_once_it_is_there(ssm: BaseClient) -> None:
    assert lookup("/late", on_missing="skip") == [{}]
    put(ssm, "/late", "value")
    assert lookup("/late") == [{"/late": "value"}]


@pytest.fixture
def denied(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = _ssm.Reading(
        region=REGION,
        account="123456789012",
        caller="arn:aws:iam::123456789012:user/reader",
        values={"/a": "value"},
        missing=["/c"],
        denied={"/b": "ssm:GetParameters", "/k": "kms:Decrypt"},
    )
    monkeypatch.setattr(ssm_secrets, "read", lambda *arguments, **options: reading)


def test_denied_names_parameter_permission_place_and_caller(denied: None) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        lookup("/a", "/b", "/k", "/c")
    text = str(caught.value)
    assert "/b (needs ssm:GetParameters), /k (needs kms:Decrypt) in ap-south-1, account 123456789012" in text
    assert "user/reader" in text
    assert "not found: /c" in text


def test_denied_without_a_known_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = _ssm.Reading(region=REGION, denied={"/b": "ssm:GetParameters"})
    monkeypatch.setattr(ssm_secrets, "read", lambda *arguments, **options: reading)
    with pytest.raises(AnsibleLookupError, match="in ap-south-1: grant the permission, or"):
        lookup("/b")


def test_denied_and_missing_have_their_own_policies(denied: None, warnings: list[str]) -> None:
    terms = ["/a", "/b", "/k", "/c"]
    assert lookup(*terms, on_denied="skip", on_missing="skip") == [{"/a": "value"}]
    assert warnings == []
    assert lookup(*terms, on_denied="warn", on_missing="skip") == [{"/a": "value"}]
    assert len(warnings) == 1
    assert "Access denied" in warnings[0]
    with pytest.raises(AnsibleLookupError) as caught:
        lookup(*terms, on_denied="warn")
    assert "Access denied" not in str(caught.value)


# Options


def test_options_in_their_order(connections: list[_ssm.Connection], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    lookup("a")
    lookup("a", variables={"ssm_secrets_region": "eu-west-2"})
    lookup("a", variables={"ssm_secrets_region": "eu-west-2"}, region="eu-west-3")
    assert [connection.region for connection in connections] == ["eu-west-1", "eu-west-2", "eu-west-3"]


def test_the_ini_file_comes_last(
    connections: list[_ssm.Connection], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ini = tmp_path / "ansible.cfg"
    ini.write_text("[ssm_secrets]\nregion = us-east-1\nretries = 7\nendpoint_url = https://vpce.example.com\n")
    monkeypatch.setattr(constants.config, "_config_file", str(ini))
    monkeypatch.setattr(constants.config, "_parsers", {})
    lookup("a")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-2")
    lookup("a")
    assert [connection.region for connection in connections] == ["us-east-1", "us-east-2"]
    assert (connections[0].retries, connections[0].endpoint_url) == (7, "https://vpce.example.com")


def test_every_option_reaches_the_connection(connections: list[_ssm.Connection]) -> None:
    given = {
        "region": "eu-west-1",
        "profile": "prod",
        "endpoint_url": "https://example.com",
        "access_key": "AKID",
        "secret_key": "key",
        "session_token": "token",
        "retries": 0,
    }
    lookup("a", variables={f"ssm_secrets_{name}": value for name, value in given.items()})
    assert connections == [_ssm.Connection(**given)]


def test_empty_options_are_left_to_boto3(connections: list[_ssm.Connection]) -> None:
    lookup("a", region="", profile="")
    assert connections == [_ssm.Connection()]


def test_credentials_of_the_environment(forty: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(AnsibleLookupError, match="AWS_SECRET_ACCESS_KEY"):
        lookup("/langfuse", by_path=True)


def test_an_option_that_does_not_exist(ssm: BaseClient) -> None:
    with pytest.raises(AnsibleLookupError, match=r"no option bypath: access_key, .*by_path"):
        lookup("/langfuse", bypath=True)


def test_a_value_that_is_not_allowed(ssm: BaseClient) -> None:
    with pytest.raises(AnsibleError, match="on_missing"):
        lookup("/langfuse", on_missing="ignore")


# Secrets


def test_nothing_is_shown_at_any_verbosity(
    ssm: BaseClient, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    put(ssm, "/a", "the-secret-value")
    monkeypatch.setattr(Display(), "verbosity", 6)
    keys = {"access_key": "AKID", "secret_key": "the-secret-key", "session_token": "the-session-token"}
    lookup("/a", "/b", on_missing="warn", **keys)
    output = "".join(capfd.readouterr())
    assert "/b" in output
    assert "the-se" not in output


def test_values_are_registered_for_masking(ssm: BaseClient, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(ssm_secrets, "register_secrets", registered.extend)
    put(ssm, "plain", "production", "String")
    put(ssm, "short", "yes")
    put(ssm, "secret", "hidden")
    lookup("plain", "short", "secret")
    assert registered == ["hidden", base64.b64encode(b"hidden").decode()]


def test_faults_have_no_cause_that_ansible_would_print(ssm: BaseClient) -> None:
    with pytest.raises(AnsibleLookupError) as caught:
        lookup("/a", access_key="AKID")
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None
