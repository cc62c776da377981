#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that keeps passwords of PostgreSQL's roles."""

from __future__ import annotations

DOCUMENTATION = r"""
module: postgresql_passwords
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Keep the passwords of PostgreSQL's roles, by psql in its pod
description:
  - Compares what PostgreSQL keeps of its roles' passwords with the passwords that they should have, and changes those
    that differ. New connections need the new password at once, and open ones go on.
  - Passwords go to C(psql) by its input, and to PostgreSQL as SCRAM-SHA-256 verifiers. So none stands in a command, in
    the API server's audit log or in PostgreSQL's own.
notes:
  - Needs the rights to list C(pods), and to get and create C(pods/exec).
  - Passwords may have letters, digits, C(-) and C(_).
extends_documentation_fragment:
  - kubernetes.core.k8s_auth_options
  - llmops.langfuse.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: There is nothing to show but secrets.
  idempotent:
    support: full
options:
  namespace:
    description: Namespace of the pod.
    type: str
    required: true
  pod_selector:
    description: Labels of the pod, as V(app.kubernetes.io/name=postgresql).
    type: str
    required: true
  container:
    description: Container in which the server runs.
    type: str
    default: postgresql
  superuser:
    description: Role that may change the others.
    type: str
    default: postgres
  superuser_passwords:
    description:
      - Passwords of O(superuser). The first that is taken is used, so that a run which changed it and was killed can be
        started again.
    type: list
    elements: str
    required: true
  passwords:
    description: Roles and the passwords that they should have.
    type: dict
    required: true
  timeout:
    description: How long a command in the pod may take, in seconds.
    type: int
    default: 60
requirements:
  - kubernetes >= 29.0.0
"""

EXAMPLES = r"""
- name: Give Langfuse's role the password that the SSM parameter has now
  llmops.langfuse.postgresql_passwords:
    kubeconfig: /home/ops/.kube/langfuse
    namespace: langfuse
    pod_selector: app.kubernetes.io/instance=langfuse,app.kubernetes.io/name=postgresql
    superuser_passwords: ["{{ former_admin_password }}", "{{ admin_password }}"]
    passwords:
      langfuse: "{{ password }}"
      postgres: "{{ admin_password }}"
"""

RETURN = r"""
roles:
  description: Roles whose password was changed, or would be.
  returned: success
  type: list
  elements: str
  sample: [langfuse]
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC
from ansible_collections.llmops.langfuse.plugins.module_utils._pod_exec import open_shell
from ansible_collections.llmops.langfuse.plugins.module_utils._postgresql_passwords import Server, keep_passwords


def argument_spec():
    """The options of this module."""
    return dict(
        AUTH_ARG_SPEC,
        namespace=dict(type="str", required=True),
        pod_selector=dict(type="str", required=True),
        container=dict(type="str", default="postgresql"),
        superuser=dict(type="str", default="postgres"),
        superuser_passwords=dict(type="list", elements="str", required=True, no_log=True),
        passwords=dict(type="dict", required=True, no_log=True),
        timeout=dict(type="int", default=60),
    )


def main():
    """Run as a module."""
    module = AnsibleModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        server = Server(open_shell(module.params), module.params["superuser"], module.params["superuser_passwords"])
        roles = keep_passwords(server, module.params["passwords"], module.check_mode)
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=bool(roles), roles=roles)


if __name__ == "__main__":
    main()
