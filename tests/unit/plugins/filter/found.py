# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A platform that is well, as the playbook status finds it."""

from __future__ import annotations

from typing import Any

NOW = "2026-11-26T19:00:00Z"
ARN = "arn:aws:acm:ap-south-1:123456789012:certificate/one"


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **more}


HEALTHY: dict[str, Any] = {
    "release": {"chart": "langfuse-2.0.1", "app_version": "4.16.0", "status": "deployed", "revision": 3},
    "health": [{"name": "web is ready", "ok": True, "found": "OK"}],
    "workloads": [named("langfuse-web", spec={"replicas": 2}, status={"readyReplicas": 2})],
    "autoscalers": [named("langfuse-worker", spec={"minReplicas": 1, "maxReplicas": 3}, status={"currentReplicas": 2})],
    "claims": [
        {
            "name": "data-0",
            "state": "ok",
            "used_percent": 41.6,
            "requested": "200Gi",
            "days_until_full": 90.2,
            "reason": None,
            "capacity_bytes": 200 * 2**30,
        }
    ],
    "tables": {
        "disks": [{"name": "default", "used_percent": 41.6, "total_bytes": 200 * 2**30}],
        "tables": [
            {
                "database": "default",
                "name": "traces",
                "bytes": 3 * 2**20,
                "ttl": "toDateTime(timestamp) + toIntervalDay(30)",
            },
            {"database": "system", "name": "query_log", "bytes": 2**20, "ttl": ""},
        ],
        "database": "default",
        "wanted": {"traces": "30d"},
    },
    "ingresses": [
        {
            "metadata": {
                "name": "langfuse-external",
                "annotations": {"alb.ingress.kubernetes.io/certificate-arn": ARN},
            },
            "status": {"loadBalancer": {"ingress": [{"hostname": "k8s-prod.elb.amazonaws.com"}]}},
        }
    ],
    "certificates": [
        {
            "certificate_arn": ARN,
            "domain_name": "langfuse.example.com",
            "status": "ISSUED",
            "not_after": "2027-01-25T19:00:00+00:00",
        }
    ],
    "alarms": {
        "wanted": ["langfuse-clickhouse-disk"],
        "found": [
            {
                "alarm_name": "langfuse-clickhouse-disk",
                "namespace": "LLMOps/PVC",
                "state_value": "OK",
                "state_updated_timestamp": "2026-11-20T01:02:03+00:00",
            }
        ],
    },
    "emergency": {"function": "langfuse-clickhouse-relief", "alarm": "langfuse-clickhouse-disk"},
    "nodes": ["t4g.medium", "t4g.medium", "t4g.medium", "r7g.xlarge"],
}
