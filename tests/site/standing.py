# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands after runs that were not left alone, to compare with what one that was makes."""

from __future__ import annotations

from collections import Counter

from langfuse_lab.aws.left_over import KINDS


def empty_lab(lab) -> None:
    done = lab("down")
    assert done.returncode == 0, done.stdout + done.stderr
    lab.up()


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
