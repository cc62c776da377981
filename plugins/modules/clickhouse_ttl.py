#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that keeps the retention rules of MergeTree tables."""

from __future__ import annotations

DOCUMENTATION = r"""
module: clickhouse_ttl
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Keep the retention rules of ClickHouse tables
description:
  - Keeps the TTL of a list of MergeTree tables, over one connection. A table is altered only if its rule,
    in the server's own words, differs from the wanted one.
  - By default no row is rewritten. The server marks what is expired and removes it with its next merges.
    This module never runs C(OPTIMIZE).
  - A table that fails does not stop the others. The module then fails at its end and returns what became of each.
notes:
  - With O(tables[].only_drop_parts=true) and monthly partitions, rows stay up to a month longer than asked for,
    until their whole part is expired or a merge rewrites it for another reason. Size the disk for that.
  - Needs the rights SELECT on the tables and on C(system), ALTER TTL, ALTER MATERIALIZE TTL and ALTER SETTINGS,
    and for O(tables[].drop_expired) ALTER DELETE.
  - Replicated tables pass a rule on to their replicas, but no settings. So several servers need O(cluster),
    whatever the engine.
    What is counted before a change is counted on the one server that is asked, by reading every row's time once.
  - Works with ClickHouse 24.8 and later.
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.clickhouse
attributes:
  check_mode:
    support: full
    details: Everything is looked up, counted and refused as in a real run; only the statements are not sent.
  diff_mode:
    support: full
  idempotent:
    support: full
    details: With O(tables[].drop_expired=true), partitions that have expired since are dropped by a later run.
options:
  tables:
    description: Tables and their rules.
    type: list
    elements: dict
    required: true
    suboptions:
      database:
        description: Database of the table. If not set, O(login_database).
        type: str
      name:
        description: Name of the table.
        type: str
        required: true
      state:
        description:
          - V(present) gives the table the rule.
          - V(absent) takes away the rule that deletes rows unconditionally,
            and with O(tables[].other_rules=replace) all rules.
        type: str
        choices: [present, absent]
        default: present
      column:
        description:
          - Column that says how old a row is, a Date or DateTime of any kind.
          - Rows are kept for O(tables[].keep) from that time.
        type: str
      keep:
        description:
          - How long rows are kept, at most 50 years.
          - A whole number of V(h), V(d), V(w), V(mo) or V(y), such as V(30d).
        type: str
      ttl:
        description: The rules in ClickHouse's syntax, as after TTL in CREATE TABLE, instead of O(tables[].column).
        type: str
      where:
        description: Condition, in ClickHouse's syntax, that rows must meet to be deleted. Goes with O(tables[].column).
        type: str
      other_rules:
        description:
          - What becomes of rules that the table has already.
          - With V(keep) a rule takes the place of one that does the same, a deletion that of the unconditional one,
            and all others stay, that is moves, recompressions, groupings, and deletions under other conditions.
          - With V(replace) they go.
        type: str
        choices: [keep, replace]
        default: keep
      materialize:
        description:
          - What happens to rows that are there when the rule changes.
          - V(recalculate) marks when their parts expire and rewrites nothing.
            It sets C(materialize_ttl_recalculate_only=1) on the table.
          - V(none) leaves them alone until a merge rewrites them.
          - V(full) rewrites all parts that are not wholly expired. It is refused unless 1.2 times their size is free.
        type: str
        choices: [recalculate, none, full]
        default: recalculate
      only_drop_parts:
        description:
          - Whether expired rows stay until their whole part is expired, which costs nothing, instead of being
            cut out by rewriting the part. Sets C(ttl_only_drop_parts). If not set, it is left as it is.
          - Use V(true) for tables with partitions by time, and V(false) for tables without partitions.
        type: bool
      drop_expired:
        description:
          - Whether to drop the partitions whose every row is expired, which frees their disk at once.
          - Only done if the partition key has the rule's column. Refused while a mutation of the table is not done.
        type: bool
        default: false
      drop_limit:
        description:
          - The largest partition that may be dropped, such as V(80GB) or V(1TiB).
            If not set, the server's own C(max_partition_size_to_drop), which is 50 GB unless configured.
        type: str
      allow_drop_all:
        description: Whether a rule may be set by which every row of the table is expired.
        type: bool
        default: false
      if_missing:
        description: What to do if the table does not exist.
        type: str
        choices: [fail, skip]
        default: fail
      if_unsupported:
        description: What to do if the table is none of the MergeTree engines, as a view.
        type: str
        choices: [fail, skip]
        default: fail
  cluster:
    description: Cluster on which the statements are run (ON CLUSTER).
    type: str
"""

EXAMPLES = r"""
- name: Keep 30 days of traces and observations
  llmops.langfuse.clickhouse_ttl:
    login_host: clickhouse.internal.example.com
    login_password: "{{ clickhouse_password }}"
    tables:
      - name: traces
        column: timestamp
        keep: 30d
        only_drop_parts: true
      - name: observations
        column: start_time
        keep: 30d
        only_drop_parts: true
        drop_expired: true

- name: The same through the Kubernetes API, for a table that Langfuse may not have made yet
  llmops.langfuse.clickhouse_ttl:
    namespace: langfuse
    pod_selector: app=langfuse-clickhouse,clickhouse.com/role=clickhouse-server
    kubeconfig: /home/ops/.kube/langfuse
    login_password: "{{ clickhouse_password }}"
    tables:
      - name: events_full
        column: start_time
        keep: 30d
        only_drop_parts: true
        if_missing: skip

- name: Keep everything again
  llmops.langfuse.clickhouse_ttl:
    login_password: "{{ clickhouse_password }}"
    tables:
      - name: scores
        state: absent
"""

RETURN = r"""
tables:
  description: What became of each table, in the order of O(tables). Also returned when the module fails.
  returned: when ClickHouse was reached
  type: list
  elements: dict
  contains:
    database:
      description: Database of the table.
      type: str
      sample: default
    name:
      description: Name of the table.
      type: str
      sample: traces
    changed:
      description: Whether something was altered, or would be.
      type: bool
    failed:
      description: Whether this table failed.
      type: bool
    msg:
      description: Why it failed.
      type: str
    skipped_reason:
      description: Why nothing was looked at.
      type: str
    engine:
      description: Engine of the table.
      type: str
      sample: ReplacingMergeTree
    partition_key:
      description: Partition key of the table.
      type: str
      sample: toYYYYMM(timestamp)
    before:
      description: The TTL, its rules and the settings that go with it, as found.
      type: dict
      sample:
        ttl: ""
        rules: []
        settings: {ttl_only_drop_parts: false, materialize_ttl_recalculate_only: false}
    after:
      description: The same as read back from the server, in check mode as it would be.
      type: dict
      sample:
        ttl: toDateTime(timestamp) + toIntervalDay(30)
        rules: [{kind: delete, text: toDateTime(timestamp) + toIntervalDay(30)}]
        settings: {ttl_only_drop_parts: true, materialize_ttl_recalculate_only: true}
    statements:
      description: Statements that were run, in order, in check mode those that would be.
      type: list
      elements: str
      sample:
        - ALTER TABLE `default`.`traces` MODIFY SETTING ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1
    impact:
      description:
        - What the rule means for the rows that were there, on the server that was asked.
        - Null if neither the rule changes nor expired partitions are to be dropped.
      type: dict
      sample:
        rows_total: 6000
        rows_expired: 2392
        bytes_total: 330000000
        partitions_expired: [{id: "202605", rows: 2392, bytes: 54000000}]
        bytes_to_rewrite: 0
        free_bytes: 900000000
    warnings:
      description: What to know about this table.
      type: list
      elements: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    Options,
    connect,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse_ttl import keep_rules, report
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._ttl_wish import read_wishes


def argument_spec():
    """The options of this module."""
    table = dict(
        database=dict(type="str"),
        name=dict(type="str", required=True),
        state=dict(type="str", choices=["present", "absent"], default="present"),
        column=dict(type="str"),
        keep=dict(type="str"),
        ttl=dict(type="str"),
        where=dict(type="str"),
        other_rules=dict(type="str", choices=["keep", "replace"], default="keep"),
        materialize=dict(type="str", choices=["recalculate", "none", "full"], default="recalculate"),
        only_drop_parts=dict(type="bool"),
        drop_expired=dict(type="bool", default=False),
        drop_limit=dict(type="str"),
        allow_drop_all=dict(type="bool", default=False),
        if_missing=dict(type="str", choices=["fail", "skip"], default="fail"),
        if_unsupported=dict(type="str", choices=["fail", "skip"], default="fail"),
    )
    tables = dict(
        type="list",
        elements="dict",
        required=True,
        options=table,
        required_together=[("column", "keep")],
        mutually_exclusive=[("column", "ttl"), ("where", "ttl")],
        required_if=[("state", "present", ("column", "ttl"), True)],
    )
    return dict(ARGUMENT_SPEC, tables=tables, cluster=dict(type="str"))


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), required_together=REQUIRED_TOGETHER, supports_check_mode=True)
    try:
        options = Options.of(module.params)
        cluster = module.params["cluster"]
        wishes = read_wishes(module.params["tables"], options.database, cluster)
        with connect(options) as server:
            results = keep_rules(server, wishes, cluster, module.check_mode)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    for result in results:
        for warning in result.warnings:
            module.warn(warning)
    returned = report(results, module._diff)
    if "msg" in returned:
        module.fail_json(**returned)
    module.exit_json(**returned)


if __name__ == "__main__":
    main()
