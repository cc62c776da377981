#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that reads a region's stacks, and the templates of some of them, in one go."""

from __future__ import annotations

DOCUMENTATION = r"""
module: cloudformation_stacks_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Read all stacks of a region, and the templates of those with given tags
description:
  - Tells what M(amazon.aws.cloudformation_info) tells of all stacks, under the same names.
  - That module reads the templates of one stack or of all. This one reads them where they are wanted, which are as
    many requests as there are such stacks, in one run.
notes:
  - Needs C(cloudformation:DescribeStacks), and C(cloudformation:GetTemplate) of the stacks with the tags.
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  template_tags:
    description: Tags, all of which a stack must have for its template to be read.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Read the stacks, and what this platform's were made of
  llmops.langfuse.cloudformation_stacks_info:
    region: ap-south-1
    template_tags: {platform: langfuse}
  register: found

- name: Say where the cluster is
  ansible.builtin.debug:
    msg: "{{ found.cloudformation['langfuse-cluster'].stack_outputs.Endpoint }}"
"""

RETURN = r"""
cloudformation:
  description: The stacks by their names. Stacks that are deleted are not among them.
  returned: success
  type: dict
  contains:
    stack_description:
      description: What else DescribeStacks says of it, in snake case.
      type: dict
      sample: {stack_name: langfuse-cluster, stack_status: CREATE_COMPLETE, enable_termination_protection: true}
    stack_outputs:
      description: Its outputs' values by their keys.
      type: dict
      sample: {ClusterName: langfuse}
    stack_parameters:
      description: Its parameters' values by their keys.
      type: dict
      sample: {KubernetesVersion: "1.36"}
    stack_tags:
      description: Its tags.
      type: dict
      sample: {platform: langfuse}
    stack_template:
      description:
        - The template as it was given, of a stack with the tags.
        - Empty while the stack has none, as before its first change set is executed.
      type: str
      sample: "Resources: {}"
"""

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule says so
    from botocore.exceptions import BotoCoreError, ClientError

from ansible.module_utils.common.dict_transformations import camel_dict_to_snake_dict
from ansible_collections.amazon.aws.plugins.module_utils.botocore import is_boto3_error_code
from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.amazon.aws.plugins.module_utils.retries import AWSRetry
from ansible_collections.amazon.aws.plugins.module_utils.tagging import boto3_tag_list_to_ansible_dict

# What has a name of its own in the answer.
TOLD_APART = {"Outputs", "Parameters", "Tags"}


def read(client, template_tags):
    """Return the stacks by their names, as told, with the templates of those that have all the tags."""
    stacks = {}
    for page in describe_stacks(client):
        for stack in page["Stacks"]:
            stacks[stack["StackName"]] = told(stack)
    for name, stack in stacks.items():
        if template_tags.items() <= stack["stack_tags"].items():
            stack["stack_template"] = template(client, name)
    return stacks


@AWSRetry.jittered_backoff()
def describe_stacks(client):
    """Return all pages; a page that is refused for haste means all of them once more."""
    return list(client.get_paginator("describe_stacks").paginate())


def told(stack):
    """Return a stack as amazon.aws.cloudformation_info tells it."""
    return {
        "stack_description": camel_dict_to_snake_dict({key: stack[key] for key in stack.keys() - TOLD_APART}),
        "stack_outputs": {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])},
        "stack_parameters": {each["ParameterKey"]: each.get("ParameterValue") for each in stack.get("Parameters", [])},
        "stack_tags": boto3_tag_list_to_ansible_dict(stack.get("Tags", [])),
    }


@AWSRetry.jittered_backoff()
def template(client, name):
    """Return a stack's template; empty when it has none, or is gone by now."""
    try:
        return client.get_template(StackName=name)["TemplateBody"]
    except is_boto3_error_code("ValidationError"):
        return ""


def main():
    """Run as a module."""
    module = AnsibleAWSModule(
        argument_spec=dict(template_tags=dict(type="dict", required=True)), supports_check_mode=True
    )
    try:
        tags = {key: str(value) for key, value in module.params["template_tags"].items()}
        stacks = read(module.client("cloudformation"), tags)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"The stacks in {module.region} could not be read")
    module.exit_json(changed=False, cloudformation=stacks)


if __name__ == "__main__":
    main()
