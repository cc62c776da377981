# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SIGKILL of the site at random moments, each run on what the one before left; then a run that may end.

KILLS says how many (50), SEED which moments. A chain of killed runs begins on an empty lab and ends with the first run
that was quicker than its kill. What stands then must be what an uninterrupted run makes, and no secret that was ever
written may have another value.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter

from langfuse_lab.aws.left_over import KINDS

KILLS = int(os.environ.get("KILLS", "50"))
SEED = int(os.environ.get("SEED") or random.SystemRandom().randrange(1_000_000))
PREFIX = "/langfuse/lab"


def empty_lab(lab) -> None:
    for step in ("down", "up"):
        done = lab(step)
        assert done.returncode == 0, done.stdout + done.stderr


def standing(lab) -> Counter[str]:
    """How many things of each kind are in AWS and in Langfuse's namespace."""
    from kubernetes import client

    core = lab.kubernetes()
    apps, batch = client.AppsV1Api(core.api_client), client.BatchV1Api(core.api_client)
    networking = client.NetworkingV1Api(core.api_client)
    lists = {
        "deployments": apps.list_namespaced_deployment,
        "stateful sets": apps.list_namespaced_stateful_set,
        "claims": core.list_namespaced_persistent_volume_claim,
        "services": core.list_namespaced_service,
        "secrets": core.list_namespaced_secret,
        "cron jobs": batch.list_namespaced_cron_job,
        "ingresses": networking.list_namespaced_ingress,
    }
    helm = {"owner": "helm"}
    kinds = sorted(KINDS, key=len, reverse=True)  # "vpc endpoint" before "vpc"
    found = Counter(next(kind for kind in kinds if line.startswith(f"{kind} ")) for line in lab.left_over())
    for kind, list_all in lists.items():
        # Helm keeps a record of each revision, and a killed run may make one more.
        found[kind] = sum(
            not helm.items() <= (item.metadata.labels or {}).items() for item in list_all("langfuse").items
        )
    return found


def secrets_of(lab) -> dict[str, str]:
    pages = lab.client("ssm").get_paginator("get_parameters_by_path")
    pages = pages.paginate(Path=PREFIX, Recursive=True, WithDecryption=True)
    return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}


def ended_before(process: subprocess.Popen[str], seconds: float) -> bool:
    """Wait; kill the run and everything it started unless it has ended by then."""
    try:
        process.wait(timeout=seconds)
        return True
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return False


def test_killed_runs_end_where_an_uninterrupted_one_does(site, lab):
    print(f"SEED={SEED} KILLS={KILLS}")
    chance = random.Random(SEED)
    empty_lab(lab)
    begun = time.monotonic()
    site.run("site", name="uninterrupted").ok()
    longest = time.monotonic() - begun
    wanted = standing(lab)
    killed = 0
    while killed < KILLS:
        empty_lab(lab)
        seen: dict[str, str] = {}
        while killed < KILLS:
            process, log = site.start("site", name=f"killed-{killed + 1}")
            if ended_before(process, chance.uniform(1, longest)):
                assert process.returncode == 0, log.read_text()[-6000:]
                break
            killed += 1
            now = secrets_of(lab)
            assert seen.items() <= now.items(), "a secret was lost or written twice"
            seen = now
        site.run("site", name=f"after-{killed}").ok()
        assert standing(lab) == wanted
        assert seen.items() <= secrets_of(lab).items()
