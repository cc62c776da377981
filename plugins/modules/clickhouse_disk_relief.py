#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that frees ClickHouse's disk in an emergency."""

from __future__ import annotations

DOCUMENTATION = r"""
module: clickhouse_disk_relief
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Free the disk of a ClickHouse server, without writing to it
description:
  - Does nothing while no local disk is fuller than O(target_percent). Otherwise it gives away what nobody misses,
    looks at the disk after each step, and stops at the target.
  - The order is to stop mutations that are not done, empty system logs that the server renamed, let the server
    remove replaced parts now instead of after 8 minutes, empty the other system logs, drop detached parts that the
    server put aside,
    and drop old partitions of O(tables), the oldest first.
  - No row younger than O(keep_days) is dropped. Before a partition goes, its rows are asked how old they are.
  - It is the code that the role P(llmops.langfuse.clickhouse_retention#role) runs in a Lambda function on an alarm.
notes:
  - Never runs DELETE, OPTIMIZE or a TTL that is materialised. They wait for space that is not there. The exception
    is O(rewrite_unpartitioned).
  - A mutation that is stopped is not run again, deletions that Langfuse asked for included. They are in RV(steps).
  - Only mutations and detached parts of O(login_database) and of C(system) are touched.
  - The size limits for dropping (C(max_partition_size_to_drop), C(max_table_size_to_drop)) do not hold it up.
  - Frees the one server that is asked. Replicated tables lose a partition on all replicas, others do not.
  - Needs the rights SELECT on the tables and on C(system), ALTER DELETE, ALTER SETTINGS, TRUNCATE and
    DROP TABLE.
  - Works with ClickHouse 24.8 and later.
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.clickhouse
attributes:
  check_mode:
    support: full
    details:
      - The dry run. Shows each step with the bytes it frees, by the sizes of parts.
      - What removing replaced parts frees is not known before, so a real run may need fewer steps.
  diff_mode:
    support: full
    details: Shows what is given away.
  idempotent:
    support: full
    details: Does nothing once the target is reached.
options:
  target_percent:
    description: Percent of the disk in use at which to stop.
    type: float
    default: 75
  tables:
    description: Tables that may lose old partitions.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the table, in O(login_database).
        type: str
        required: true
      column:
        description: Column that says how old a row is, a Date or DateTime of any kind.
        type: str
        required: true
      keep_days:
        description: Days of rows that are kept in this table. If not set, O(keep_days).
        type: int
  keep_days:
    description: Days of rows that are kept, whatever happens.
    type: int
    default: 7
  protected_logs:
    description: System logs that are not emptied. Langfuse reads C(query_log).
    type: list
    elements: str
    default: [query_log, crash_log]
  leftover_logs_only:
    description:
      - Only drop the system logs that the server renamed when their configuration changed, and do that however full
        the disk is. Nothing reads them any more.
    type: bool
    default: false
  rewrite_unpartitioned:
    description:
      - Whether to rewrite those of O(tables) that have no partitions, without their old rows, if 1.2 times their
        size is free. This comes after all else, and its space returns about 8 minutes later.
    type: bool
    default: false
  grow_claim:
    description:
      - Persistent volume claim to make larger as the last resort, in O(namespace). If not set, none.
      - Needs the rights to get and patch it. The file system follows in minutes. AWS allows one change in 6 hours.
    type: str
  grow_limit:
    description: Size beyond which the claim is not grown, such as V(200Gi).
    type: str
seealso:
  - module: llmops.langfuse.clickhouse_disk_info
"""

EXAMPLES = r"""
- name: See what an emergency would give away (with --check)
  llmops.langfuse.clickhouse_disk_relief:
    namespace: langfuse
    pod_selector: app=langfuse-clickhouse,clickhouse.com/role=clickhouse-server
    login_password: "{{ clickhouse_password }}"
    target_percent: 75
    keep_days: 7
    tables:
      - {name: events_full, column: start_time}
      - {name: events_core, column: start_time}
      - {name: traces, column: timestamp}
      - {name: observations, column: start_time}
      - {name: scores, column: timestamp, keep_days: 90}

- name: The same, and grow the volume when that is not enough
  llmops.langfuse.clickhouse_disk_relief:
    namespace: langfuse
    pod_selector: app=langfuse-clickhouse,clickhouse.com/role=clickhouse-server
    login_password: "{{ clickhouse_password }}"
    tables:
      - {name: traces, column: timestamp}
    grow_claim: clickhouse-storage-volume-langfuse-clickhouse-0-0-0
    grow_limit: 200Gi
"""

RETURN = r"""
ok:
  description: Whether all disks are below the target now, in check mode whether they would be.
  returned: when ClickHouse was reached
  type: bool
before:
  description: The fullest disk before.
  returned: when ClickHouse was reached
  type: dict
  sample: {disk: default, percent: 91.4, free_bytes: 9000000000, total_bytes: 105000000000}
after:
  description: The fullest disk afterwards.
  returned: when ClickHouse was reached
  type: dict
  sample: {disk: default, percent: 71.7, free_bytes: 29700000000, total_bytes: 105000000000}
steps:
  description: What was done in this order, in check mode what would be. A step that failed has an C(error).
  returned: when ClickHouse was reached
  type: list
  elements: dict
  sample:
    - {action: drop partition, what: "default.traces 202605, newest row 2026-05-31", bytes: 54000000,
       freed_bytes: 54001664, percent: 71.7, seconds: 0.02,
       statement: "ALTER TABLE `default`.`traces` DROP PARTITION ID '202605' SETTINGS max_partition_size_to_drop = 0"}
freed_bytes:
  description: Sum of what the steps freed.
  returned: when ClickHouse was reached
  type: int
not_freed:
  description: What holds the disk still, and why, if it is over the target.
  returned: when ClickHouse was reached
  type: list
  elements: dict
  sample: [{what: default.blob_storage_file_log, bytes: 9000000, why: it has no partitions}]
grown:
  description: What became of O(grow_claim). Null if it was not needed.
  returned: when ClickHouse was reached
  type: dict
summary:
  description: All of that for people.
  returned: when ClickHouse was reached
  type: str
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    Options,
    connect,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse_disk import (
    claim_grower,
    outcome,
    read_wish,
    relieve,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError


def argument_spec():
    """The options of this module."""
    table = dict(
        name=dict(type="str", required=True),
        column=dict(type="str", required=True),
        keep_days=dict(type="int"),
    )
    return dict(
        ARGUMENT_SPEC,
        target_percent=dict(type="float", default=75),
        tables=dict(type="list", elements="dict", default=[], options=table),
        keep_days=dict(type="int", default=7),
        protected_logs=dict(type="list", elements="str", default=["query_log", "crash_log"]),
        leftover_logs_only=dict(type="bool", default=False),
        rewrite_unpartitioned=dict(type="bool", default=False),
        grow_claim=dict(type="str"),
        grow_limit=dict(type="str"),
    )


def main():
    """Run as a module."""
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_together=[*REQUIRED_TOGETHER, ("grow_claim", "grow_limit")],
        supports_check_mode=True,
    )
    try:
        options, wish = Options.of(module.params), read_wish(module.params)
        grow = claim_grower(options.pod, module.params["grow_claim"], module.params["grow_limit"], module.check_mode)
        with connect(options) as server:
            report = relieve(server, wish, module.check_mode, grow)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    returned = outcome(report, module._diff)
    if "msg" in returned:
        module.fail_json(**returned)
    module.exit_json(**returned)


if __name__ == "__main__":
    main()
