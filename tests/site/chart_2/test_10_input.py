# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab starts empty, and wrong input is refused before anything changes."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest


def test_lab_starts_empty(lab):
    begun = time.monotonic()
    lab.up()
    print(f"lab start {time.monotonic() - begun:.1f} s")
    assert lab.left_over() == []


def test_lab_up_again_does_nothing(lab):
    pids = {p.name: p.read_text() for p in (lab.dir / "run").glob("*.pid")}
    assert pids
    lab.up()
    assert {p.name: p.read_text() for p in (lab.dir / "run").glob("*.pid")} == pids


def with_old_package(folder: Path) -> dict[str, str | None]:
    """An environment in which Python finds another version of a package before the one that is installed."""
    metadata = folder / "kubernetes-28.1.0.dist-info" / "METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: kubernetes\nVersion: 28.1.0\n")
    return {"PYTHONPATH": str(folder)}


def with_mfa_profile(folder: Path) -> dict[str, str | None]:
    """An environment with no credentials but a profile for which somebody would have to type a code."""
    config = folder / "config"
    config.write_text(
        "[profile mfa]\nsource_profile = keys\nrole_arn = arn:aws:iam::123456789012:role/admin\n"
        "mfa_serial = arn:aws:iam::123456789012:mfa/somebody\n"
        "[profile keys]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = a-secret-of-its-own\n"
    )
    keys = {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}
    return {**keys, "AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "mfa"}


def with_no_such_profile(_folder: Path) -> dict[str, str | None]:
    return {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "AWS_PROFILE": "no-such"}


def helm_of_version(version: str | None, folder: Path) -> list[str]:
    """Where a Helm is that says this version, and can do nothing else."""
    if version is None:
        return []
    helm = folder / "helm"
    helm.write_text(f"#!/bin/sh\necho {version}\n")
    helm.chmod(0o755)
    return [str(folder)]


BAD_INPUT = {
    "a misspelt tag": (
        ["--tags", "storage,clickhouse_retention_releif"],
        {},
        r"clickhouse_retention_releif,\s+which\s+nothing\s+here\s+has;\s+nothing\s+was\s+changed",
    ),
    "no region": (["-e", '{"platform_region": null}'], {}, r"platform_region"),
    "unknown size": (
        ["-e", "platform_size=huge"],
        {},
        r"platform_size must be one of: small, medium, large, got: huge",
    ),
    "chart major 3": (["-e", "platform_chart_major=3"], {}, r"platform_chart_major must be one of: 1, 2, got: 3"),
    "two faults of two roles": (
        ["-e", "langfuse_host=https://x", "-e", "clickhouse_retention_days=0"],
        {},
        r"(?s)langfuse_host is 'https://x'.*clickhouse_retention_days is 0",
    ),
    "a text for a list, and a variable without a value": (
        ["-e", "monitoring_alarm_emails=me@example.com", "-e", '{"secrets_kms_key_id": null}'],
        {},
        r"(?s)secrets_kms_key_id has no value: .*monitoring_alarm_emails is a text: a list is allowed",
    ),
    "no credentials": (
        [],
        {"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None, "HOME": "/nonexistent"},
        r"No credentials were found",
    ),
    "a profile that is not there": (
        [],
        with_no_such_profile,
        r"cannot be used; check AWS_PROFILE.* AWS\s+SDK: The config profile \(no-such\) could not be found",
    ),
    "a profile that asks for a code": ([], with_mfa_profile, r"(?s)AWS SDK: it broke off.* MFA code"),
    "another account's credentials": (
        ["-e", '{"platform_account_id": "999999999999"}'],
        {},
        r"(?s)credentials of AWS account\s+123456789012 .* platform_account_id\s+is\s+999999999999; nothing was",
    ),
    "an account that YAML took for a number": (
        ["-e", '{"platform_account_id": 1402433619}'],
        {},
        r"platform_account_id is '1402433619': the 12 digits",
    ),
    "unreachable endpoint": (
        [],
        {"AWS_ENDPOINT_URL": "http://127.0.0.1:9", "AWS_MAX_ATTEMPTS": "1"},
        r"endpoint cannot be reached",
    ),
    "an old Python package": ([], with_old_package, r"needs kubernetes>=29.0.0, and 28.1.0 is there: .* pip install"),
    "no Helm": ([], {"helm": None}, r"Helm is not on PATH"),
    "old Helm": ([], {"helm": "v3.16.4"}, r"Helm is 3.16.4: at least 3.17.0 and below 5.0.0 is allowed"),
    "an environment for another cluster": (
        [],
        {"K8S_AUTH_API_KEY": "a-secret-of-its-own", "HELM_KUBECONTEXT": "other"},
        r"The environment has HELM_KUBECONTEXT, K8S_AUTH_API_KEY, by which .* another cluster than langfuse,",
    ),
    # That of the older Ansible line, which these tests run with.
    "Helm 4 and a collection that does not know it": (
        [],
        {"helm": "v4.2.4"},
        r"Helm is 4.2.4, which kubernetes.core 6.2.0 does not know",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_refused_before_anything_changes(name, site, lab, tmp_path):
    args, env, message = BAD_INPUT[name]
    if callable(env):
        env = env(tmp_path)
    if "helm" in env:
        path = [p for p in site.environment["PATH"].split(":") if not os.path.exists(os.path.join(p, "helm"))]
        env = {"PATH": ":".join([*helm_of_version(env["helm"], tmp_path), *path])}
    run = site.run("site", *args, name="bad-" + name.replace(" ", "-"), env=env)
    assert run.code != 0
    assert re.search(message, run.output), run.output[-3000:]
    assert "Traceback" not in run.output
    assert "a-secret-of-its-own" not in run.output
    assert run.output.count("fatal:") == 1, run.output[-3000:]
    assert lab.left_over() == []
