#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that says what fills ClickHouse's disks."""

from __future__ import annotations

DOCUMENTATION = r"""
module: clickhouse_disk_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Say what fills the disks of a ClickHouse server
description:
  - Reads how full the local disks are and what holds them, that is tables with their active and inactive parts,
    system logs that the server renamed, detached parts, mutations that are not done, and the oldest partitions.
  - Changes nothing.
notes:
  - Figures are of the one server that is asked.
  - Needs the right SELECT on C(system).
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
  - llmops.langfuse.clickhouse
options: {}
seealso:
  - module: llmops.langfuse.clickhouse_disk_relief
"""

EXAMPLES = r"""
- name: Look at ClickHouse's disk
  llmops.langfuse.clickhouse_disk_info:
    namespace: langfuse
    pod_selector: app=langfuse-clickhouse,clickhouse.com/role=clickhouse-server
    login_password: "{{ clickhouse_password }}"
  register: clickhouse_disk

- name: Fail before it is too late
  ansible.builtin.assert:
    that: clickhouse_disk.disks | map(attribute='used_percent') | max < 80
"""

RETURN = r"""
disks:
  description: The local disks. Object storage is left out.
  returned: success
  type: list
  elements: dict
  sample: [{name: default, free_bytes: 9000000000, total_bytes: 105000000000, used_percent: 91.4}]
tables:
  description:
    - All tables of the MergeTree engines, the largest first.
    - Inactive parts were replaced by merges or mutations. They hold the disk for about 8 minutes more.
  returned: success
  type: list
  elements: dict
  sample:
    - {database: default, name: traces, engine: ReplacingMergeTree, partition_key: toYYYYMM(timestamp),
       ttl: toDateTime(timestamp) + toIntervalDay(30), rows: 6000, bytes: 330000000, inactive_bytes: 0,
       largest_part_bytes: 54000000, partitions: 6, disks: [default]}
leftover_logs:
  description: System logs that the server renamed when their configuration changed. Nothing reads them any more.
  returned: success
  type: list
  elements: dict
  sample: [{name: system.trace_log_0, bytes: 71000000000}]
detached_parts:
  description:
    - Parts that belong to no table any more.
    - RV(detached_parts[].dead) is true if the server put the part aside. The others were detached by a person.
  returned: success
  type: list
  elements: dict
  contains:
    dead:
      description: Whether the server put it aside.
      type: bool
    name:
      description: Name of the part, beside C(database), C(table), C(disk), C(bytes) and C(reason).
      type: str
mutations:
  description:
    - Mutations that are not done.
    - An empty C(fail_reason) does not mean that all is well. RV(mutations[].lacks_space) is true if less is free
      than the table's largest part has, so that the server waits without a word.
  returned: success
  type: list
  elements: dict
  contains:
    lacks_space:
      description: Whether it waits for space.
      type: bool
    id:
      description: Its name, beside C(database), C(table), C(command), C(parts_to_do) and C(fail_reason).
      type: str
oldest_partitions:
  description:
    - The oldest partition of each partitioned table in O(login_database), with the time of its newest row
      in seconds since 1970, or null where the server keeps none.
  returned: success
  type: list
  elements: dict
  sample: [{database: default, name: traces, partition: "202605", bytes: 54000000, newest_row: 1780271999}]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import (
    ARGUMENT_SPEC,
    REQUIRED_TOGETHER,
    Options,
    connect,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse_disk import read_info
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError


def argument_spec():
    """The options of this module."""
    return dict(ARGUMENT_SPEC)


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), required_together=REQUIRED_TOGETHER, supports_check_mode=True)
    try:
        options = Options.of(module.params)
        with connect(options) as server:
            info = read_info(server, options.database)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, **info)


if __name__ == "__main__":
    main()
