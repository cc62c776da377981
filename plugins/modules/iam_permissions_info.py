#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that asks IAM which actions of some policies a caller's own policies lack."""

from __future__ import annotations

DOCUMENTATION = r"""
module: iam_permissions_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Ask IAM which permissions a caller lacks
description:
  - Takes policies that say what is going to be needed, and asks IAM's simulator (C(iam:SimulatePrincipalPolicy))
    whether the policies of the caller allow each of their actions. Nothing is changed and none of the actions is done.
  - One request for each 100 actions, and when some are denied, one more for each of O(examples) of their services.
notes:
  - A caller without C(iam:SimulatePrincipalPolicy), or an IAM that cannot be reached, is no failure;
    RV(simulated) is V(false) then.
  - Of an assumed role, its role is asked for; C(iam:GetRole) finds one that has a path.
    A policy given when a session is made is not seen.
  - The simulator sees service control policies and permissions boundaries, but no policies of resources.
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  policies:
    description:
      - IAM policies by any names, each a dictionary with C(Statement). Their actions are asked for.
      - Values that conditions C(StringEquals) in them name are given to the simulator.
    type: dict
    required: true
  caller_arn:
    description: ARN of the caller, as C(sts:GetCallerIdentity) gives it.
    type: str
    required: true
  examples:
    description:
      - ARNs of things that the actions would be done on, in lists by service, such as C(s3).
      - An action that is not allowed on all resources counts as allowed when it is so on one of these.
        So policies that are narrowed to names do not make the caller look as if he lacked them.
    type: dict
    default: {}
  context:
    description: Values of further condition keys for the simulator.
    type: dict
    default: {}
"""

EXAMPLES = r"""
- name: Find out who this is
  amazon.aws.aws_caller_info:
  register: caller

- name: Ask whether he may make a bucket of any name that begins with langfuse
  llmops.langfuse.iam_permissions_info:
    caller_arn: "{{ caller.arn }}"
    policies:
      storage:
        Statement:
          - Effect: Allow
            Action: [s3:CreateBucket, s3:PutBucketPolicy]
            Resource: "*"
    examples:
      s3: ["arn:aws:s3:::langfuse-example"]
  register: permissions

- name: Fail when he may not
  ansible.builtin.assert:
    that: permissions.missing == {}
"""

RETURN = r"""
simulated:
  description: Whether IAM told.
  returned: always
  type: bool
reason:
  description: Why it did not.
  returned: when not simulated
  type: str
  sample: "An error occurred (AccessDenied) when calling the SimulatePrincipalPolicy operation: User: (...)"
missing:
  description: The actions that the caller's policies do not allow, by the policies that have them.
  returned: always
  type: dict
  sample: {storage: ["s3:PutBucketPolicy"]}
uncertain:
  description: The same of actions that conditions decide on what only a real request has, such as tags.
  returned: always
  type: dict
  sample: {}
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._iam_permissions import (
    Found,
    Unable,
    actions_by_name,
    ask,
    context_of,
    policy_holder,
    report,
)


def argument_spec():
    """The options of this module."""
    return dict(
        policies=dict(type="dict", required=True),
        caller_arn=dict(type="str", required=True),
        examples=dict(type="dict", default={}),
        context=dict(type="dict", default={}),
    )


def run(params, iam):
    """Return the module's answer."""
    by_name = actions_by_name(params["policies"])
    context = {**context_of(params["policies"]), **params["context"]}
    try:
        holder = policy_holder(params["caller_arn"], iam)
        wanted = [action for actions in by_name.values() for action in actions]
        found = ask(iam, holder, wanted, context, params["examples"]) if holder else Found()
    except Unable as error:
        return {"simulated": False, "reason": str(error), **report(Found(), by_name)}
    return {"simulated": True, **report(found, by_name)}


def main():
    """Run as a module."""
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    try:
        answer = run(module.params, module.client("iam"))
    except LangfuseError as error:
        module.fail_json(msg=str(error), **error.details)
    module.exit_json(changed=False, **answer)


if __name__ == "__main__":
    main()
