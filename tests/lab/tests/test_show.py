# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from langfuse_lab import show


def ingress(name: str, ports: str, host: str | None, load_balancer: str | None) -> dict:
    return {
        "metadata": {"name": name, "annotations": {"alb.ingress.kubernetes.io/listen-ports": ports}},
        "spec": {"rules": [{"host": host} if host else {}]},
        "status": {"loadBalancer": {"ingress": [{"hostname": load_balancer}]} if load_balancer else {}},
    }


def test_addresses() -> None:
    rows = show._addresses(
        [
            ingress("external", '[{"HTTP": 80}, {"HTTPS": 443}]', "langfuse.example.com", "prod.elb.amazonaws.com"),
            ingress("internal", '[{"HTTP": 80}]', None, "internal.elb.amazonaws.com"),
            ingress("new", "", "new.example.com", None),
        ]
    )
    assert list(rows) == [
        ("external", "https://langfuse.example.com", "load balancer prod.elb.amazonaws.com"),
        ("internal", "http://internal.elb.amazonaws.com", "load balancer internal.elb.amazonaws.com"),
        ("new", "http://new.example.com", "no load balancer yet"),
    ]


def test_claims_say_what_is_unknown() -> None:
    claims = [
        {
            "metadata": {"namespace": "langfuse", "name": name},
            "spec": {"resources": {"requests": {"storage": "8Gi"}}},
            "status": {"phase": "Bound", "capacity": {"storage": "20Gi"}} if name == "a" else {"phase": "Pending"},
        }
        for name in ("a", "b")
    ]
    assert list(show._claims(claims, {"langfuse/a": 42})) == [
        ("a", "Bound", "20Gi", "42 % in use"),
        ("b", "Pending", "8Gi", "use unknown"),
    ]


class ClickHouse:
    def rows(self, query: str) -> list[dict]:
        engine = "MergeTree PARTITION BY toYYYYMM(timestamp) ORDER BY id"
        rules = {
            "observations": " SETTINGS index_granularity = 8192",
            "scores": " TTL timestamp + toIntervalDay(7)",
            "traces": " TTL toDateTime(timestamp) + toIntervalDay(30) SETTINGS index_granularity = 8192",
        }
        return [{"name": name, "total_rows": 7, "engine_full": engine + rule} for name, rule in rules.items()]


def test_retention_is_read_from_the_tables() -> None:
    assert list(show._retention(ClickHouse())) == [
        ("observations", "7 rows", "kept for ever"),
        ("scores", "7 rows", "TTL timestamp + toIntervalDay(7)"),
        ("traces", "7 rows", "TTL toDateTime(timestamp) + toIntervalDay(30)"),
    ]


def test_columns_are_aligned() -> None:
    assert list(show._aligned([("a", "1"), ("long", "2")])) == ["  a     1", "  long  2"]
