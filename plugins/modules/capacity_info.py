#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that tells whether pods would find room."""

from __future__ import annotations

DOCUMENTATION = r"""
module: capacity_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Tell whether pods would find room on a cluster's nodes
description:
  - Places sets of pods, each set for itself, onto the nodes that are ready, by requests, number of pods, labels and
    taints, beside what already runs there and the daemon sets that a new node is still to get.
  - Says which pods find no room, and which limits no node could ever give.
notes:
  - Needs the rights to list C(nodes), C(pods) and C(daemonsets) in all namespaces.
  - Affinities, spread constraints, zones of volumes and node groups that would grow are not looked at.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
options:
  namespace:
    description: Namespace in which pods are replaced.
    type: str
    required: true
  replaced:
    description: Label selectors of pods that run now and are not counted, because the new ones take their place.
    type: list
    elements: str
    default: []
  sets:
    description: The sets of pods.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the set.
        type: str
        required: true
      pods:
        description: Its pods, by groups that are alike.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: Name of the group.
            type: str
            required: true
          count:
            description: How many pods.
            type: int
            required: true
          requests:
            description: What each asks for, C(cpu) and C(memory).
            type: dict
            required: true
          limits:
            description: What each may use.
            type: dict
          node_selector:
            description: Labels that its node must have.
            type: dict
          tolerations:
            description: Taints that it bears.
            type: list
            elements: dict
"""

EXAMPLES = r"""
- name: See whether ClickHouse would find room
  llmops.langfuse.capacity_info:
    namespace: langfuse
    sets:
      - name: small
        pods:
          - name: clickhouse
            count: 1
            requests: {cpu: 3500m, memory: 26Gi}
            node_selector: {dedicated: clickhouse}
            tolerations: [{key: dedicated, value: clickhouse, effect: NoSchedule}]
"""

RETURN = r"""
faults:
  description: For each set by its name, what finds no room. Empty if all do.
  returned: success
  type: dict
  sample:
    small: ["clickhouse: no node that is ready is for it (dedicated=clickhouse)."]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._capacity import Group, faults, read_nodes
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, connect


def argument_spec():
    """The options of this module."""
    group = dict(
        name=dict(type="str", required=True),
        count=dict(type="int", required=True),
        requests=dict(type="dict", required=True),
        limits=dict(type="dict"),
        node_selector=dict(type="dict"),
        tolerations=dict(type="list", elements="dict"),
    )
    one_set = dict(
        name=dict(type="str", required=True),
        pods=dict(type="list", elements="dict", required=True, options=group),
    )
    return dict(
        AUTH_ARG_SPEC,
        namespace=dict(type="str", required=True),
        replaced=dict(type="list", elements="str", default=[]),
        sets=dict(type="list", elements="dict", required=True, options=one_set),
    )


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    try:
        sets = {each["name"]: [Group.read(group) for group in each["pods"]] for each in params["sets"]}
        nodes = read_nodes(connect(params), params["namespace"], params["replaced"])
        found = {name: faults(nodes, groups) for name, groups in sets.items()}
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, faults=found)


if __name__ == "__main__":
    main()
