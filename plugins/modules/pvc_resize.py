#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that grows persistent volume claims."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pvc_resize
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Grow persistent volume claims while their pods run
description:
  - Gives claims a larger size, waits until they have it, and brings what made them along, so that the next Helm upgrade
    to the same size is accepted. Pods are not restarted.
  - A plain claim is patched.
  - A claim of a StatefulSet is patched as well. The template that it was made from cannot be changed, so with
    O(recreate_statefulset=true) the StatefulSet is deleted without its pods and created again with a larger template,
    and adopts its pods.
  - Claims of ClickHouse's operator (C(ClickHouseCluster), C(KeeperCluster)) are grown by the operator. Its resource is
    patched, and all claims of the resource grow, whichever was named.
  - Every reason against a growth is looked for before anything is changed, and all are told at once.
notes:
  - Volumes never shrink. A claim that asks for more than O(size) already is a failure.
  - Set the new size in the Helm chart's values too, before the next upgrade. Helm would ask for the old size again, and
    Kubernetes would refuse that.
  - AWS changes an EBS volume at most four times in 24 hours, each time only after the last change is complete.
    So grow in large steps. The module says so when AWS refuses.
  - Needs the rights to list and patch C(persistentvolumeclaims), to list C(statefulsets), C(pods), C(events) and
    C(storageclasses), for O(recreate_statefulset) to get, create and delete C(statefulsets), and for the operator to
    get and patch C(clickhouseclusters) and C(keeperclusters).
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - llmops.langfuse.attributes
attributes:
  check_mode:
    support: full
    details: The API server judges the changes of claims and resources (dry run), and nothing is changed or waited for.
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  namespace:
    description: Namespace of the claims.
    type: str
    required: true
  name:
    description: The claim.
    type: str
  label_selectors:
    description: Labels that claims must have, instead of O(name).
    type: list
    elements: str
  statefulset:
    description: The StatefulSet whose claims are meant, all replicas', instead of O(name).
    type: str
  template:
    description: The template of O(statefulset) whose claims are meant. May be left out if there is one only.
    type: str
  size:
    description: The size that the claims shall ask for, such as V(300Gi).
    type: str
    required: true
  max_size:
    description: The largest O(size) that is allowed, a guard against a slip of the pen, which no volume would forget.
    type: str
  recreate_statefulset:
    description:
      - Whether a StatefulSet whose template asks for less is deleted without its pods and created again.
      - With V(false) it stays, and a warning says what that means.
      - Killed in between, the pods run on without their StatefulSet. The next upgrade of its release makes it again.
    type: bool
    default: false
  wait:
    description: Whether to wait until the claims have the size.
    type: bool
    default: true
  wait_timeout:
    description: How long to wait for the claims, and then for a StatefulSet, in seconds.
    type: int
    default: 600
requirements:
  - kubernetes >= 29.0.0
seealso:
  - module: llmops.langfuse.pvc_info
"""

EXAMPLES = r"""
- name: Give ClickHouse of chart major 2 more room, by its operator
  llmops.langfuse.pvc_resize:
    kubeconfig: /home/ops/.kube/langfuse
    namespace: langfuse
    name: clickhouse-storage-volume-langfuse-clickhouse-0-0-0
    size: 400Gi
    max_size: 1Ti

- name: Grow PostgreSQL and its StatefulSet under the running pod
  llmops.langfuse.pvc_resize:
    namespace: langfuse
    statefulset: langfuse-postgresql
    size: 50Gi
    recreate_statefulset: true
"""

RETURN = r"""
claims:
  description: The claims that were meant, and those that their operator grows along with them.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the claim.
      type: str
      sample: data-langfuse-postgresql-0
    changed:
      description: Whether it was grown, or would be.
      type: bool
    before:
      description: What it asked for.
      type: str
      sample: 20Gi
    requested:
      description: What it asks for, in check mode what it would.
      type: str
      sample: 50Gi
    capacity:
      description: What it has. Empty if that was not waited for.
      type: str
      sample: 50Gi
    storage_class:
      description: Its StorageClass.
      type: str
      sample: gp3
    statefulset:
      description: The StatefulSet that made it, null if none did.
      type: str
      sample: langfuse-postgresql
    grown_by:
      description: The kind of what was patched for it, V(claim) for itself.
      type: str
      sample: claim
resources:
  description: Resources of an operator that were patched, or would be.
  returned: success
  type: list
  elements: dict
  sample: [{kind: ClickHouseCluster, name: langfuse-clickhouse, before: 200Gi, after: 400Gi}]
statefulsets:
  description: StatefulSets whose template asked for less than O(size), with the pods that they had and have.
  returned: success
  type: list
  elements: dict
  sample:
    - name: langfuse-postgresql
      template: data
      before: 20Gi
      after: 50Gi
      recreated: true
      pods: [langfuse-postgresql-0]
statefulset:
  description: The StatefulSet that was deleted and could not be created again, to create it by hand.
  returned: when that failed
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, connect
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_resize import resize
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_resize_plan import read_wish


def argument_spec():
    """The options of this module."""
    return dict(
        AUTH_ARG_SPEC,
        namespace=dict(type="str", required=True),
        name=dict(type="str"),
        label_selectors=dict(type="list", elements="str"),
        statefulset=dict(type="str"),
        template=dict(type="str"),
        size=dict(type="str", required=True),
        max_size=dict(type="str"),
        recreate_statefulset=dict(type="bool", default=False),
        wait=dict(type="bool", default=True),
        wait_timeout=dict(type="int", default=600),
    )


def main():
    """Run as a module."""
    which = ("name", "label_selectors", "statefulset")
    module = AnsibleModule(
        argument_spec=argument_spec(),
        required_one_of=[which],
        mutually_exclusive=[which],
        required_by={"template": ["statefulset"]},
        supports_check_mode=True,
    )
    try:
        result = resize(connect(module.params), read_wish(module.params), module.check_mode)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    for warning in result.warnings:
        module.warn(warning)
    module.exit_json(**result.returned(module._diff))


if __name__ == "__main__":
    main()
