#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that tells how full the claims of a namespace are."""

from __future__ import annotations

DOCUMENTATION = r"""
module: pvc_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Tell how full the persistent volume claims of a namespace are
description:
  - Reads what the kubelets report about every claim of a namespace, and judges it by thresholds.
  - Asks the API server for two lists, and through it each node that has such claims once, for any number of claims.
    One request more tells whether claims that fill can be grown.
  - A claim that nobody reports is V(unknown) with a reason, never empty. A node that does not answer hides nothing
    but its own claims.
  - Warns of claims in the states V(warning) and V(critical), and of nodes that do not answer.
  - The numbers are those that the PVC monitor of the role P(llmops.langfuse.monitoring#role) puts into CloudWatch.
notes:
  - Needs the rights to list C(pods) and C(persistentvolumeclaims) in the namespace, and to get C(nodes/proxy).
    The last is the right to enter every pod of a node, so this module is for an operator and not for a service account.
    The PVC monitor, which runs in the cluster, reads the kubelets themselves and needs C(nodes/stats) only.
  - A claim's file system has some percent less than the claim asks for. What is not available counts as used,
    as in C(df).
  - The kubelets measure about once a minute.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
options:
  namespace:
    description: Namespace of the claims.
    type: str
    required: true
  names:
    description: Claims to look at. If not set, all. One that does not exist is a failure.
    type: list
    elements: str
    default: []
  label_selectors:
    description: Labels that claims must have, such as V(app.kubernetes.io/instance=langfuse).
    type: list
    elements: str
    default: []
  include_unused:
    description: Whether claims are returned that no pod mounts. Their state is V(unknown).
    type: bool
    default: true
  warning:
    description: A claim that is fuller than this many percent, in bytes or in inodes, is worth a warning.
    type: float
    default: 80
  critical:
    description: A claim that is fuller than this many percent, in bytes or in inodes, is critical.
    type: float
    default: 90
  overrides:
    description:
      - Other thresholds for some claims, a claim's name to a dictionary with C(warning) or C(critical) or both.
      - One that is given alone moves the other along where they would cross.
    type: dict
    default: {}
  fail_on:
    description:
      - The mildest state that makes the module fail, after all was read. From good to bad, the states are
        V(ok), V(unknown), V(warning) and V(critical).
    type: str
    choices: [never, unknown, warning, critical]
    default: never
  forecast:
    description:
      - Where the PVC monitor's history is, to foretell when claims will be full. If not set, nothing is foretold.
      - AWS credentials are found as the AWS CLI finds them, and must allow C(cloudwatch:GetMetricData).
    type: dict
    suboptions:
      cluster_name:
        description: The metrics' dimension C(ClusterName).
        type: str
        required: true
      region:
        description: AWS region of the metrics.
        type: str
        required: true
      window:
        description: How far to look back, V(1h) to V(63d). A straight line is laid through what was used.
        type: str
        default: 24h
      horizon_days:
        description: A claim that will be full in less than this many days is worth a warning, however much is free.
        type: float
        default: 14
      minimum_samples:
        description: Nothing is foretold from fewer figures than this. A window has about 48.
        type: int
        default: 12
      metric_namespace:
        description: CloudWatch namespace of the metrics.
        type: str
        default: LangfusePVC
requirements:
  - kubernetes >= 29.0.0
  - boto3 >= 1.34.0, for O(forecast)
seealso:
  - module: llmops.langfuse.pvc_resize
"""

EXAMPLES = r"""
- name: Look at Langfuse's volumes
  llmops.langfuse.pvc_info:
    kubeconfig: /home/ops/.kube/langfuse
    namespace: langfuse
  register: volumes

- name: Fail before an upgrade when a volume is too full for it, and foresee the next week
  llmops.langfuse.pvc_info:
    namespace: langfuse
    warning: 75
    fail_on: warning
    include_unused: false
    overrides:
      langfuse-redis: {warning: 60}
    forecast:
      cluster_name: langfuse
      region: ap-south-1
      window: 3d
      horizon_days: 7
"""

RETURN = r"""
pvcs:
  description: The claims by name. Also returned when the module fails by O(fail_on).
  returned: when the API server answered
  type: list
  elements: dict
  contains:
    name:
      description: Name of the claim.
      type: str
      sample: data-langfuse-postgresql-0
    phase:
      description: Phase of the claim.
      type: str
      sample: Bound
    state:
      description: V(ok), V(unknown), V(warning) or V(critical).
      type: str
      sample: warning
    reason:
      description: Why it is not V(ok).
      type: str
      sample: 84.31 % of its bytes are used, more than 80 %.
    pods:
      description: Pods that mount it. Empty if it is unused.
      type: list
      elements: str
      sample: [langfuse-postgresql-0]
    node:
      description: Node of the first of them.
      type: str
      sample: ip-10-42-64-10.ap-south-1.compute.internal
    metric_pod:
      description: The name that the PVC monitor's metrics have as C(PodName), a workload's where pods' are random.
      type: str
      sample: langfuse-postgresql-0
    storage_class:
      description: Its StorageClass.
      type: str
      sample: gp3
    expandable:
      description:
        - Whether the StorageClass lets it be grown.
        - Asked for only if a claim is V(warning) or V(critical), else null. Null as well if it may not be read.
      type: bool
    requested:
      description: What the claim asks for.
      type: str
      sample: 20Gi
    capacity_bytes:
      description: Size of its file system. This and the following are null if V(unknown).
      type: int
      sample: 21152595148
    used_bytes:
      description: What is not available of it.
      type: int
      sample: 17833752969
    available_bytes:
      description: What is available.
      type: int
      sample: 3318842179
    used_percent:
      description: The share that is not available.
      type: float
      sample: 84.31
    inodes:
      description: Number of inodes, null if the file system has no fixed number.
      type: int
      sample: 1310720
    inodes_used:
      description: How many of them are used.
      type: int
      sample: 157286
    inodes_used_percent:
      description: The share that is used.
      type: float
      sample: 12.0
    sampled_at:
      description: When the kubelet measured it.
      type: str
      sample: "2026-11-24T09:12:44Z"
    days_until_full:
      description:
        - Days until it is full if it grows on as in the forecast's window.
        - Null without O(forecast), with too few figures, or if it does not grow.
      type: float
      sample: 9.5
    forecast_samples:
      description: From how many figures that was foretold. Null without O(forecast).
      type: int
      sample: 48
summary:
  description: The worst state, and how many claims are in each.
  returned: when the API server answered
  type: dict
  sample: {worst: warning, counts: {ok: 2, unknown: 0, warning: 1, critical: 0}}
node_errors:
  description: Why nodes did not answer, node to reason.
  returned: when the API server answered
  type: dict
  sample: {}
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, connect
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_forecast import cloudwatch, foretell, read_forecast
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_usage import failure, read_question, read_usage


def argument_spec():
    """The options of this module."""
    forecast = dict(
        cluster_name=dict(type="str", required=True),
        region=dict(type="str", required=True),
        window=dict(type="str", default="24h"),
        horizon_days=dict(type="float", default=14),
        minimum_samples=dict(type="int", default=12),
        metric_namespace=dict(type="str", default="LangfusePVC"),
    )
    return dict(
        AUTH_ARG_SPEC,
        namespace=dict(type="str", required=True),
        names=dict(type="list", elements="str", default=[]),
        label_selectors=dict(type="list", elements="str", default=[]),
        include_unused=dict(type="bool", default=True),
        warning=dict(type="float", default=80),
        critical=dict(type="float", default=90),
        overrides=dict(type="dict", default={}),
        fail_on=dict(type="str", choices=["never", "unknown", "warning", "critical"], default="never"),
        forecast=dict(type="dict", options=forecast),
    )


def run_module(params):
    """Read what is asked for."""
    question = read_question(params)
    forecast = read_forecast(params["forecast"]) if params["forecast"] else None
    usage = read_usage(connect(params), question)
    if forecast:
        foretell(cloudwatch(forecast.region), forecast, question.namespace, usage.claims)
    return usage


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        usage = run_module(module.params)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    reason = failure(usage, module.params["fail_on"])
    if reason:
        module.fail_json(msg=reason, **usage.returned())
    for warning in usage.warnings():
        module.warn(warning)
    module.exit_json(changed=False, **usage.returned())


if __name__ == "__main__":
    main()
