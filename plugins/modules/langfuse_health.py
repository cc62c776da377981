#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that proves that Langfuse works."""

from __future__ import annotations

DOCUMENTATION = r"""
module: langfuse_health
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Prove that Langfuse works
description:
  - Asks web and each worker pod for their health through the API server, so it needs no way into the cluster's network.
    The answers cover PostgreSQL and Redis. Then asks ClickHouse how Langfuse's migrations stand.
  - Waits until all is well. A failure names everything that is wrong and what to do about it, pods that are not ready,
    and the last warnings of Kubernetes.
notes:
  - Needs the rights to list C(pods) and C(events), to get C(services/proxy) and C(pods/proxy), and for O(clickhouse)
    what M(llmops.langfuse.clickhouse_ttl) needs.
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
options:
  namespace:
    description: Namespace of Langfuse.
    type: str
    required: true
  web_service:
    description: Service of web, with a port named C(http).
    type: str
    default: langfuse-web
  worker_selector:
    description: Labels of the worker's pods.
    type: str
    default: app.kubernetes.io/name=langfuse,app=worker
  version:
    description: Version that Langfuse must have, such as V(4.16.0). Not checked if it is not given.
    type: str
  clickhouse:
    description: How to log in to ClickHouse. Not asked if it is not given.
    type: dict
    suboptions:
      login_host:
        description: Its address, for a server that is not in the cluster.
        type: str
        default: localhost
      login_port:
        description: Port of its native interface, without it 9000 or 9440.
        type: int
      login_user:
        description: User.
        type: str
        default: default
      login_password:
        description: Password.
        type: str
      login_database:
        description: Database of Langfuse.
        type: str
        default: default
      secure:
        description: Whether the connection is encrypted.
        type: bool
        default: false
      pod_selector:
        description: Labels of its pods, for a server in O(namespace).
        type: str
  timeout:
    description: How long to wait until all is well, in seconds.
    type: int
    default: 300
requirements:
  - kubernetes >= 29.0.0
  - clickhouse-driver >= 0.2.10, for O(clickhouse)
"""

EXAMPLES = r"""
- name: Prove that Langfuse works
  llmops.langfuse.langfuse_health:
    kubeconfig: /home/ops/.kube/langfuse
    namespace: langfuse
    version: 4.16.0
    clickhouse:
      pod_selector: app=langfuse-clickhouse,clickhouse.com/role=clickhouse-server
      login_password: "{{ clickhouse_password }}"
"""

RETURN = r"""
checks:
  description: What was asked, and what was found.
  returned: always, but for wrong options
  type: list
  elements: dict
  sample:
    - {name: web is ready, ok: true, found: OK}
    - {name: ClickHouse is migrated, ok: false, found: migration 38 is dirty}
"""

import typing as t
from functools import partial

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import PORT, SECURE_PORT, Options
from ansible_collections.llmops.langfuse.plugins.module_utils._clickhouse import connect as connect_clickhouse
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, connect
from ansible_collections.llmops.langfuse.plugins.module_utils._langfuse_health import (
    Health,
    Langfuse,
    wait_until_healthy,
)
from ansible_collections.llmops.langfuse.plugins.module_utils._tunnel import PodTarget

QUERY_SECONDS = 20


def argument_spec():
    """The options of this module."""
    clickhouse = dict(
        login_host=dict(type="str", default="localhost"),
        login_port=dict(type="int"),
        login_user=dict(type="str", default="default"),
        login_password=dict(type="str", no_log=True),
        login_database=dict(type="str", default="default"),
        secure=dict(type="bool", default=False),
        pod_selector=dict(type="str"),
    )
    return dict(
        AUTH_ARG_SPEC,
        namespace=dict(type="str", required=True),
        web_service=dict(type="str", default="langfuse-web"),
        worker_selector=dict(type="str", default="app.kubernetes.io/name=langfuse,app=worker"),
        version=dict(type="str"),
        clickhouse=dict(type="dict", options=clickhouse),
        timeout=dict(type="int", default=300),
    )


def clickhouse_options(params):
    """Where ClickHouse is and who logs in."""
    login = params["clickhouse"]
    pod: t.Any = None
    if login["pod_selector"]:
        pod = PodTarget(params["namespace"], login["pod_selector"], params["kubeconfig"], params["context"])
    return Options(
        host=login["login_host"],
        port=login["login_port"] or (SECURE_PORT if login["secure"] else PORT),
        user=login["login_user"],
        password=login["login_password"] or "",
        database=login["login_database"],
        secure=login["secure"],
        timeout=QUERY_SECONDS,
        pod=pod,
    )


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    params = module.params
    langfuse = Langfuse(params["namespace"], params["web_service"], params["worker_selector"], params["version"])
    try:
        database = partial(connect_clickhouse, clickhouse_options(params)) if params["clickhouse"] else None
        checks = wait_until_healthy(Health(connect(params), langfuse, database), params["timeout"])
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, checks=[check.returned() for check in checks])


if __name__ == "__main__":
    main()
