# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles secrets and langfuse conclude from what is there: who restarts, what is refused, what grows."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from conftest import read_variables

SIZES = ["small", "medium", "large"]
SECRETS = {
    "salt": "a" * 32,
    "encryption-key": "b" * 64,
    "nextauth-secret": "c" * 32,
    "postgresql-password": "d" * 32,
    "postgresql-admin-password": "e" * 32,
    "redis-password": "f" * 32,
    "clickhouse-password": "g" * 32,
    "init-user-password": "h" * 32,
    "init-project-public-key": "pk-lf-" + "i" * 32,
    "init-project-secret-key": "sk-lf-" + "j" * 32,
}


def in_use(make_role, values: dict[str, str], **given: Any) -> dict[str, Any]:
    """The Secret that a run with these values leaves."""
    digests = make_role("secrets", __secrets_values=values, **given).value("__secrets_digests")
    annotation = {"llmops.langfuse/in-use": json.dumps(dict(digests))}
    return {"resources": [{"metadata": {"name": "langfuse-secrets", "annotations": annotation}}]}


def restarts_of(make_role, **given: Any) -> list[str]:
    """What the role would restart, which first finds what has changed."""
    changed = make_role("secrets", **given).value("__secrets_outdated")
    return make_role("secrets", **given, __secrets_changed=changed).value("__secrets_to_restart")


@pytest.mark.parametrize("major", [1, 2])
@pytest.mark.parametrize(
    ("changes", "restarts"),
    [
        ({}, []),
        ({"nextauth-secret": "x" * 32}, ["web", "worker"]),
        ({"redis-password": "x" * 32}, ["redis", "web", "worker"]),
        ({"clickhouse-password": "x" * 32}, ["clickhouse", "web", "worker"]),
        ({"postgresql-password": "x" * 32}, ["web", "worker"]),
        ({"postgresql-admin-password": "x" * 32}, []),
        ({"init-user-password": "x" * 32}, ["web"]),
        ({"license-key": "x" * 32}, []),  # new: nothing runs with another one
    ],
)
def test_exactly_the_readers_restart(make_role, major, changes, restarts):
    found = in_use(make_role, SECRETS, platform_chart_major=major)
    given = {"platform_chart_major": major, "__secrets_values": SECRETS | changes, "__secrets_found": found}
    assert restarts_of(make_role, **given) == restarts


def test_nothing_restarts_for_the_first_secrets(make_role):
    assert restarts_of(make_role, __secrets_values=SECRETS, __secrets_found={"resources": []}) == []


def test_digests_tell_no_value(make_role):
    digests = make_role("secrets", __secrets_values=SECRETS).value("__secrets_digests")
    assert all(len(digest) == 16 for digest in digests.values())
    other = make_role("secrets", __secrets_values=SECRETS | {"salt": "z" * 32}).value("__secrets_digests")
    assert all(other[key] != digests[key] for key in digests), "without the salt nobody can try values out"


@pytest.mark.parametrize(
    ("key", "value", "good"),
    [
        ("encryption-key", "0aF" * 21 + "0", True),
        ("encryption-key", "b" * 63 + "g", False),
        ("encryption-key", "b" * 64 + "\n", False),
        ("redis-password", "p" * 15, False),
        ("redis-password", "p" * 16 + "@", False),
        ("redis-password", "p-_1" * 4, True),
        ("google-client-id", "1-a.apps.googleusercontent.com", True),
        ("google-client-id", "1-a.apps.googleusercontent.com.evil", False),
        ("smtp-connection-url", "smtps://a:b@smtp.example.com:465", True),
        ("smtp-connection-url", "smtp.example.com", False),
        ("init-project-secret-key", "pk-lf-" + "a" * 32, False),
    ],
)
def test_rules_of_given_values(make_role, key, value, good):
    role = make_role("secrets", checked=value, key=key)
    rule = "(__secrets_rule_password | combine(__secrets_rules[key] | default({})))"
    assert role.value(f"checked is regex({rule}.pattern)") is good


def release(chart: str = "langfuse-2.0.1", tag: str = "4.16.0", **values: Any) -> dict[str, Any]:
    stores = {"postgresql": {"deploy": True}, "redis": {"deploy": True}}
    stores["clickhouse"] = {"deploy": True, "cluster": {"enabled": True}}
    given = {"langfuse": {"image": {"tag": tag}}} | stores | values
    return {"status": {"chart": chart, "status": "deployed", "revision": 1, "values": given, "app_version": "4.16.0"}}


@pytest.mark.parametrize(
    ("installed", "given", "refused"),
    [
        ({}, {}, []),
        (release(), {}, []),
        (
            release("langfuse-2.1.0"),
            {},
            ["langfuse_chart_version is 2.0.1, and 2.1.0 is installed: a chart does not go"],
        ),
        (release(tag="4.17.0"), {}, ["Langfuse 4.16.0 is older than 4.17.0"]),
        (release(tag="4.4.0"), {}, []),
        (release(), {"langfuse_external_redis": {"host": "x"}}, ["langfuse_external_redis changes the store"]),
        (release(), {"langfuse_external_redis": {"host": "x"}, "langfuse_allow_store_change": True}, []),
        (
            release(
                "langfuse-1.5.41", "3.224.1", clickhouse={"deploy": True, "replicaCount": 3, "clusterEnabled": True}
            ),
            {"platform_chart_major": 1},
            ["The tables of ClickHouse were made on a cluster", "clickhouse.replicaCount is 1, and was 3"],
        ),
    ],
)
def test_what_an_installed_release_may_not_become(make_role, installed, given, refused):
    role = make_role("langfuse", __langfuse_installed=copy.deepcopy(installed), **given)
    found = role.value("__langfuse_refusals")
    assert len(found) == len(refused)
    assert all(part in text for part, text in zip(refused, found, strict=True)), found


def test_a_first_installation_that_failed_may_be_changed(make_role):
    installed = release(tag="4.17.0")
    installed["status"]["status"] = "failed"
    assert make_role("langfuse", __langfuse_installed=installed).value("__langfuse_refusals") == []


def claim(selector: str, size: str) -> dict[str, Any]:
    labels = dict(pair.split("=") for pair in selector.split(","))
    return {"metadata": {"labels": labels}, "spec": {"resources": {"requests": {"storage": size}}}}


@pytest.mark.parametrize(("major", "parts"), [(1, 3), (2, 4)])
def test_claims_that_ask_for_another_size(make_role, major, parts):
    role = make_role("langfuse", platform_chart_major=major)
    stores = [part for part in ("postgresql", "redis", "clickhouse", "keeper") if part in role.value("platform_chart")]
    assert len(stores) == parts
    sizes = role.value("__langfuse_storage_sizes")
    claims = [claim(role.value(f"platform_chart.{store}.selector"), sizes[store]) for store in stores]

    def growths(*found: Any) -> list[str]:
        other = make_role("langfuse", platform_chart_major=major, __langfuse_claims={"resources": list(found)})
        return [growth["name"] for growth in other.value("__langfuse_growths")]

    assert growths(*claims, {"metadata": {}, "spec": {}}) == []
    smaller = claim(role.value("platform_chart.clickhouse.selector"), "100Gi")
    assert growths(*claims, smaller, smaller) == ["clickhouse"]
    assert growths() == []


def test_autoscalers_without_the_behaviour(make_role):
    behaviour = make_role("langfuse").value("langfuse_hpa_behavior")

    def scaler(name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"name": name}, "spec": spec}

    found = [scaler("langfuse-worker"), scaler("langfuse-web", behavior=behaviour), scaler("other")]
    role = make_role("langfuse", langfuse_web_hpa_enabled=True, __langfuse_scalers_found={"resources": found})
    assert role.value("__langfuse_wrong_scalers") == ["langfuse-worker"]
    role = make_role("langfuse", __langfuse_scalers_found={"resources": [scaler("langfuse-web")]})
    assert role.value("__langfuse_wrong_scalers") == [], "web is not the role's to scale"


def test_switches_need_their_parameters(make_role):
    role = make_role(
        "langfuse",
        langfuse_google_enabled=True,
        langfuse_license_enabled=True,
        storage_s3_access="user",
        __langfuse_secret_keys=["google-client-id", "s3-access-key-id"],
    )
    missing = role.value("__langfuse_missing_keys")
    named = ["google-client-secret", "license-key", "s3-secret-access-key"]
    assert [text.split(": write")[0].rpartition(" ")[2] for text in missing] == named


def test_pods_of_the_sizes(make_role):
    path = make_role("platform").path / "vars"
    profiles = {f"__langfuse_size_{size}": read_variables(path / f"size_{size}.yml") for size in SIZES}
    external = {"langfuse_external_postgresql": {"host": "x"}}
    sets = make_role("langfuse", **profiles, **external).value("__langfuse_pod_sets")
    by_name = {each["name"]: {pod["name"]: pod for pod in each["pods"]} for each in sets}
    assert list(by_name) == ["wanted", "most", *SIZES]
    assert list(by_name["wanted"]) == ["web", "worker", "redis", "clickhouse", "keeper"]
    assert (by_name["wanted"]["worker"]["count"], by_name["most"]["worker"]["count"]) == (1, 3)
    assert by_name["most"]["web"]["count"] == 1, "web is not scaled unless asked for"
    assert by_name["wanted"]["clickhouse"]["node_selector"] == {"dedicated": "clickhouse"}


def test_what_may_tell_why_a_release_is_not_ready(make_role):
    waiting = [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, {"state": {"running": {}}}]
    pods = [
        {"metadata": {"name": "web"}, "status": {"phase": "Running", "containerStatuses": waiting}},
        {
            "metadata": {"name": "worker"},
            "status": {"phase": "Pending", "conditions": [{"status": "False", "message": "0/3 nodes are available"}]},
        },
        {"metadata": {"name": "well"}, "status": {"phase": "Running", "conditions": [{"status": "True"}]}},
        {"metadata": {"name": "done"}, "status": {"phase": "Succeeded", "conditions": [{"status": "False"}]}},
    ]
    events = [
        {
            "metadata": {"creationTimestamp": str(number)},
            "involvedObject": {"kind": "Pod", "name": f"pod-{number}"},
            "message": "BackOff",
        }
        for number in (3, 1, 2, 6, 5, 4)
    ]
    role = make_role("platform", __platform_pods={"resources": pods}, __platform_events={"resources": events})
    assert role.value("__platform_release_traces") == [
        "pod web: CrashLoopBackOff",
        "pod worker: 0/3 nodes are available",
        *(f"event of Pod pod-{number}: BackOff" for number in (2, 3, 4, 5, 6)),
    ]
