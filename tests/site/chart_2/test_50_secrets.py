# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets: given ones are checked, rotated ones reach the stores and exactly their readers, none is ever shown."""

from __future__ import annotations

import base64
import json
import re
import subprocess

PREFIX = "/langfuse/lab"
ROTATED = ["redis-password", "postgresql-password", "postgresql-admin-password", "clickhouse-password"]


def values_of(lab) -> dict[str, str]:
    return {name.removeprefix(f"{PREFIX}/"): value for name, value in lab.secrets.items()}


def pods(lab) -> dict[str, str]:
    """The uid of the pod of each part."""
    parts = ("clickhouse", "keeper", "postgresql", "redis", "web", "worker")
    found = {pod.metadata.name: pod.metadata.uid for pod in lab.kubernetes().list_namespaced_pod("langfuse").items}
    return {part: uid for part in parts for name, uid in found.items() if name.startswith(f"langfuse-{part}-")}


def test_wrong_secrets_are_refused_without_being_shown(site, lab):
    ssm = lab.client("ssm")
    ssm.put_parameter(Name=f"{PREFIX}/google-client-id", Value="s3cret-but-wrong\n", Type="SecureString")
    try:
        run = site.run("site", "--tags", "secrets", name="secrets-wrong")
    finally:
        ssm.delete_parameter(Name=f"{PREFIX}/google-client-id")
    assert run.code != 0
    assert re.search(rf"{PREFIX}/google-client-id must be a client id of Google", run.output), run.output[-3000:]
    assert "s3cret-but-wrong" not in run.output


def test_rotation_reaches_stores_and_readers(site, lab):
    before, running = values_of(lab), pods(lab)
    rotate = json.dumps({"secrets_rotate": ROTATED})
    run = site.run("site", "--tags", "secrets", "-vvvv", "--diff", "-e", rotate, name="secrets-rotate").ok()
    print(f"rotation {run.seconds:.0f} s")
    after, now_running = values_of(lab), pods(lab)
    assert sorted(key for key in after if after[key] != before[key]) == sorted(ROTATED)
    restarted = sorted(part for part in running if running[part] != now_running[part])
    assert restarted == ["clickhouse", "redis", "web", "worker"]
    assert lab.langfuse("api/public/health?failIfDatabaseUnavailable=true")["status"] == "OK"
    shown = [
        key
        for key, value in [*before.items(), *after.items()]
        if value in run.output or base64.b64encode(value.encode()).decode() in run.output
    ]
    assert shown == []
    # What was before is a version of the parameter, so it can be put back.
    old = lab.client("ssm").get_parameter(Name=f"{PREFIX}/redis-password:1", WithDecryption=True)["Parameter"]["Value"]
    assert old == before["redis-password"]


def test_two_runs_at_once_make_one_value(site, lab):
    lab.client("ssm").delete_parameter(Name=f"{PREFIX}/nextauth-secret")
    started = [site.start("site", "--tags", "secrets", name=f"secrets-at-once-{number}") for number in (1, 2)]
    codes = [process.wait(timeout=900) for process, _log in started]
    assert codes == [0, 0], [log.read_text()[-3000:] for _process, log in started]
    history = lab.client("ssm").get_parameter_history(Name=f"{PREFIX}/nextauth-secret", WithDecryption=True)
    (version,) = history["Parameters"]
    secret = lab.kubernetes().read_namespaced_secret("langfuse-secrets", "langfuse")
    assert base64.b64decode(secret.data["nextauth-secret"]).decode() == version["Value"]


def test_the_run_after_it_changes_nothing(site, lab):
    running = pods(lab)
    run = site.run("site", "--tags", "secrets", name="secrets-after").ok()
    assert run.changed == 0, run.changed_tasks
    assert pods(lab) == running


def test_a_store_sees_no_other_secret(lab):
    secrets = {
        secret.metadata.name: set(secret.data)
        for secret in lab.kubernetes()
        .list_namespaced_secret("langfuse", label_selector="app.kubernetes.io/part-of=langfuse")
        .items
    }
    assert secrets["langfuse-redis-users"] == {"default"}
    assert secrets["langfuse-clickhouse-users"] == {"clickhouse-password"}
    assert secrets["langfuse-postgresql-users"] == {
        "POSTGRES_PASSWORD",
        "POSTGRES_DB",
        "USERDB_USER",
        "USERDB_PASSWORD",
    }
    assert {"salt", "encryption-key", "nextauth-secret"} < secrets["langfuse-secrets"]


def test_helm_keeps_no_secret(site, lab):
    stored = subprocess.run(
        ["helm", "get", "all", "langfuse", "--namespace", "langfuse"],
        env=site.environment | {"KUBECONFIG": str(lab.dir / "admin.kubeconfig")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "langfuse-secrets" in stored
    assert [key for key, value in values_of(lab).items() if value in stored] == []
