# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""System logs as a server has them after a changed configuration, and the NodePort, opened and closed."""

from __future__ import annotations

import json

from langfuse_lab.clickhouse.client import Client

PORT = 30123


def nodeport_rules(lab) -> list[str]:
    """The networks that a rule of any security group lets to the port."""
    rules = lab.client("ec2").describe_security_group_rules()["SecurityGroupRules"]
    return [rule.get("CidrIpv4", "") for rule in rules if rule.get("FromPort") == PORT]


def test_leftovers_go_endless_logs_are_named_and_the_port_opens(site, lab):
    client = Client.of_lab(lab.dir)
    table = "CREATE TABLE system.{} (d Date) ENGINE = MergeTree ORDER BY d"
    for name in ("trace_log", "query_log_0"):
        client.execute(table.format(name))
        client.execute(f"INSERT INTO system.{name} VALUES (today())")
    client.execute(f"{table.format('query_log')} TTL d + INTERVAL 10 DAY")
    more = '{"clickhouse_retention_nodeport_enabled": true, "clickhouse_retention_nodeport_networks": ["10.9.0.0/16"]}'
    try:
        run = site.run("site", "--tags", "clickhouse_retention", "-e", more, name="retention-logs").ok()
        left = {row["name"] for row in client.rows("SELECT name FROM system.tables WHERE name LIKE '%_log%'")}
    finally:
        for name in ("trace_log", "query_log"):
            client.execute(f"DROP TABLE system.{name} SYNC")
    assert "trace_log (for ever)" in " ".join(run.output.split())
    assert "query_log (" not in run.output
    assert "query_log_0" not in left and {"trace_log", "query_log"} <= left
    assert nodeport_rules(lab) == ["10.9.0.0/16"]
    service = lab.kubernetes().read_namespaced_service("langfuse-clickhouse-nodeport", "langfuse")
    assert service.spec.ports[0].node_port == PORT


def retention_elsewhere(site, lab, name: str, port: int):
    """What the role would do with a ClickHouse of the user's own, which is the lab's by its address."""
    own = {"host": "127.0.0.1", "native_port": port, "tls": False}
    more = json.dumps({"langfuse_external_clickhouse": own, "clickhouse_retention_days": 31})
    return site.run("site", "--tags", "clickhouse_retention", "--check", "-e", more, name=name)


def test_an_own_clickhouse_is_reached_by_its_address_and_has_no_emergency(site, lab):
    run = retention_elsewhere(site, lab, "retention-own", lab.config["ports"]["clickhouse_native"]).ok()
    tasks = " ".join(run.changed_tasks)
    assert "TTL | Keep the rules of the bulk tables" in tasks
    assert "Emergency | Let its function reach ClickHouse" in tasks, "its rights would go"


def test_an_own_clickhouse_that_does_not_answer_is_named(site, lab):
    run = retention_elsewhere(site, lab, "retention-away", 1)
    assert run.code != 0
    assert "127.0.0.1:1" in run.output


def test_a_plain_run_closes_the_port_and_changes_nothing_else(site, lab):
    run = site.run("site", "--tags", "clickhouse_retention", name="retention-afterwards").ok()
    assert run.changed == 2, run.changed_tasks
    assert nodeport_rules(lab) == []
    services = lab.kubernetes().list_namespaced_service("langfuse").items
    assert "langfuse-clickhouse-nodeport" not in [service.metadata.name for service in services]
