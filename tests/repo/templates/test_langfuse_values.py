# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The chart values that role langfuse makes: the real chart reads every one, and Langfuse gets what it needs."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

CHARTS = Path(__file__).resolve().parents[2] / "lab" / "charts"
sys.path.insert(0, str(CHARTS))
from make_schemas import KEY_LISTS, read_keys  # noqa: E402

OUTPUTS = {"BucketName": "bucket", "LangfuseS3RoleArn": "arn:aws:iam::123456789012:role/langfuse-s3"}
EXTERNAL = {
    "langfuse_external_postgresql": {"host": "db.example.com", "database": "lf"},
    "langfuse_external_redis": {"host": "redis.example.com"},
    "langfuse_external_clickhouse": {"host": "ch.example.com", "user": "lf"},
}
EVERYTHING = {
    "storage_s3_access": "user",
    "langfuse_google_enabled": True,
    "langfuse_google_allowed_domains": ["example.com", "example.org"],
    "langfuse_password_login_disabled": True,
    "langfuse_smtp_from_address": "langfuse@example.com",
    "langfuse_license_enabled": True,
    "langfuse_experimental_features_enabled": True,
    "langfuse_web_hpa_enabled": True,
    "langfuse_environment": {"LANGFUSE_LOG_LEVEL_X": 1, "LANGFUSE_SWITCH_X": True},
}
VARIANTS = {"default": {}, "everything": EVERYTHING, "external": EXTERNAL, "all": EVERYTHING | EXTERNAL}


@pytest.fixture
def make_values(make_role):
    """The values for a chart major and variables."""

    def make(major: int, **given: Any) -> dict[str, Any]:
        role = make_role("langfuse", platform_chart_major=major, **given)
        role.variables["platform_outputs"] = OUTPUTS
        assert role.value("__langfuse_faults") == []
        return json.loads(json.dumps(role.value("__langfuse_values")))

    return make


def keys_of_chart(major: int) -> set[str]:
    return {
        key
        for name in KEY_LISTS[f"langfuse-{major}"]
        for key in read_keys((CHARTS / "keys" / f"{name}.txt").read_text())
    }


def leaves(value: Any, path: str = "") -> list[str]:
    """Paths of everything that is no dictionary."""
    if not isinstance(value, dict) or not value:
        return [path]
    return [leaf for key, item in value.items() for leaf in leaves(item, f"{path}.{key}".removeprefix("."))]


def is_read(path: str, keys: set[str]) -> bool:
    """Whether a path, or one above it that holds free-form values, is in a chart's list."""
    parts = path.split(".")
    return path in keys or any(".".join([*parts[:length], "*"]) in keys for length in range(1, len(parts)))


def environment(values: dict[str, Any], component: str) -> dict[str, Any]:
    entries = [*values["langfuse"]["additionalEnv"], *values["langfuse"][component]["pod"]["additionalEnv"]]
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in entries}


@pytest.mark.parametrize(
    ("major", "size", "variant"), list(itertools.product((1, 2), ("small", "medium", "large"), VARIANTS))
)
def test_the_real_chart_reads_every_value(make_values, major, size, variant):
    values = make_values(major, platform_size=size, **VARIANTS[variant])
    keys = keys_of_chart(major)
    assert [path for path in leaves(values) if not is_read(path, keys)] == []


def test_a_value_that_does_nothing_is_seen():
    keys = keys_of_chart(2)
    assert is_read("clickhouse.cluster.settings.query_log.ttl", keys)
    assert not is_read("clickhouse.cluster.podAnnotations.x", keys)
    assert not is_read("redis.dataStorage.size", keys)


@pytest.mark.parametrize(("major", "variant"), list(itertools.product((1, 2), VARIANTS)))
def test_the_stand_in_chart_takes_them(make_values, major, variant):
    """Helm checks them against the strict schema and the chart's own refusals."""
    values = make_values(major, **VARIANTS[variant])
    done = subprocess.run(
        ["helm", "template", "langfuse", CHARTS / f"langfuse-{major}", "--values", "-"]
        + [f"--api-versions=clickhouse.com/v1alpha1/{kind}Cluster" for kind in ("ClickHouse", "Keeper")],
        input=yaml.safe_dump(values),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    stores = {
        item["metadata"]["name"] for item in yaml.safe_load_all(done.stdout) if item and item["kind"] == "StatefulSet"
    }
    assert bool(stores) == ("langfuse_external_redis" not in VARIANTS[variant])


@pytest.mark.parametrize("major", [1, 2])
def test_what_the_chart_gets_wrong_goes_through_the_environment(make_values, major):
    values = make_values(major, **EVERYTHING)
    shared = environment(values, "worker")
    assert shared["LANGFUSE_S3_MEDIA_MAX_CONTENT_LENGTH"] == "1000000000"
    assert shared["LANGFUSE_S3_MEDIA_DOWNLOAD_URL_EXPIRY_SECONDS"] == "3600"
    assert shared["LANGFUSE_ENABLE_EXPERIMENTAL_FEATURES"] == "true"
    assert shared["SMTP_CONNECTION_URL"] == {"secretKeyRef": {"name": "langfuse-secrets", "key": "smtp-connection-url"}}
    assert shared["EMAIL_FROM_ADDRESS"] == "langfuse@example.com"
    assert (shared["LANGFUSE_LOG_LEVEL_X"], shared["LANGFUSE_SWITCH_X"]) == ("1", "true")
    assert values["s3"]["forcePathStyle"] is False


@pytest.mark.parametrize("major", [1, 2])
def test_heap_follows_the_memory_limit(make_values, major):
    by_size = environment(make_values(major), "worker")["NODE_OPTIONS"]
    by_sizing = environment(make_values(major, langfuse_sizing={"worker": {"memory_limit": "3Gi"}}), "worker")[
        "NODE_OPTIONS"
    ]
    limits = {"langfuse": {"web": {"resources": {"limits": {"memory": "2Gi"}}}}}
    by_values = environment(make_values(major, langfuse_values=limits), "web")["NODE_OPTIONS"]
    assert [by_size, by_sizing, by_values] == [f"--max-old-space-size={mib}" for mib in (1152, 2304, 1536)]


@pytest.mark.parametrize("major", [1, 2])
def test_no_secret_is_a_value(make_values, major):
    """Helm keeps values in the cluster and shows them to who asks."""
    text = json.dumps(make_values(major, **EVERYTHING))
    named = re.findall(r'"(password|connectionUrl|secretAccessKey|clientSecret|salt)": "[^"]', text)
    assert named == []


def test_access_to_the_bucket(make_values):
    by_role = make_values(2)
    assert by_role["langfuse"]["serviceAccount"]["annotations"] == {
        "eks.amazonaws.com/role-arn": OUTPUTS["LangfuseS3RoleArn"]
    }
    assert by_role["langfuse"]["pod"]["annotations"] == {"llmops.langfuse/role-arn": OUTPUTS["LangfuseS3RoleArn"]}
    assert "accessKeyId" not in by_role["s3"]
    by_keys = make_values(2, storage_s3_access="user")
    assert "annotations" not in by_keys["langfuse"]["serviceAccount"]
    assert by_keys["s3"]["accessKeyId"] == {"secretKeyRef": {"name": "langfuse-secrets", "key": "s3-access-key-id"}}


@pytest.mark.parametrize("major", [1, 2])
def test_external_stores_are_reached_over_tls(make_values, major):
    values = make_values(major, **EXTERNAL)
    postgresql, redis, clickhouse = values["postgresql"], values["redis"], values["clickhouse"]
    assert [store["deploy"] for store in (postgresql, redis, clickhouse)] == [False] * 3
    assert (postgresql["host"], postgresql["args"], postgresql["auth"]["database"]) == (
        "db.example.com",
        "sslmode=require",
        "lf",
    )
    assert (redis["host"], redis["tls"]) == ("redis.example.com", {"enabled": True})
    assert (clickhouse["host"], clickhouse["httpPort"], clickhouse["nativePort"]) == (
        "https://ch.example.com",
        8443,
        9440,
    )
    assert clickhouse["migration"] == {"ssl": True}
    assert clickhouse["auth"]["username"] == "lf"


def test_sizes():
    """The original table is `small`; three ClickHouse replicas belong to `large` on major 2."""
    path = Path(__file__).resolve().parents[3] / "roles" / "platform" / "vars"
    small = yaml.safe_load((path / "size_small.yml").read_text())["__platform_sizing"]
    pod = {"cpu": "250m", "cpu_limit": "500m", "memory": "512Mi", "memory_limit": "1Gi"}
    assert small["web"] == {"min_replicas": 1, "max_replicas": 2} | pod
    assert small["worker"] == small["web"] | {"max_replicas": 3, "memory_limit": "1536Mi"}
    assert [small[store]["storage"] for store in ("postgresql", "redis", "clickhouse")] == ["20Gi", "2Gi", "200Gi"]
    assert (small["clickhouse"]["cpu"], small["clickhouse"]["memory"]) == ("3500m", "26Gi")


@pytest.mark.parametrize(("major", "replicas"), [(1, 1), (2, 3)])
def test_replicas_of_the_large_size(make_role, make_values, major, replicas):
    groups = make_role("platform", platform_size="large", platform_chart_major=major).value(
        "platform_sizing.node_groups"
    )
    group = next(group for group in groups if group["name"] == "langfuse-clickhouse")
    assert [group["min_size"], group["desired_size"], group["max_size"]] == [replicas] * 3
    assert group["single_zone"] is (replicas == 1)
    clickhouse = make_values(major, platform_size="large")["clickhouse"]
    assert (clickhouse["replicaCount"] if major == 1 else clickhouse["cluster"]["replicas"]) == replicas
