#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that judges whether a VPC can hold an EKS cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_vpc_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Say whether a VPC can hold an EKS cluster, and everything that it lacks
description:
  - Chooses the private and public subnets of a VPC for an EKS cluster, its nodes and its load balancers.
  - Names all that is wrong at once, each fault with its cure. These are DNS that is off, too few zones, subnets that
    do not exist, that are of another VPC or in a zone EKS refuses, missing ways out, missing tags and too few free
    addresses.
notes:
  - Needs C(ec2:DescribeVpcs), C(ec2:DescribeVpcAttribute), C(ec2:DescribeSubnets), C(ec2:DescribeRouteTables)
    and C(ec2:DescribeInstanceTypes).
  - It reads routes and tags. Network ACLs, firewalls and what a NAT instance lets through are not looked at.
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  vpc_id:
    description: The VPC.
    type: str
    required: true
  cluster_name:
    description: Name of the EKS cluster.
    type: str
    required: true
  zones:
    description: Names of the availability zones that EKS can use.
    type: list
    elements: str
    required: true
  private_subnet_ids:
    description:
      - Subnets for nodes and internal load balancers, in the order that is wanted.
      - If empty, those with the tag C(kubernetes.io/role/internal-elb=1), in the order of their zones.
    type: list
    elements: str
    default: []
  public_subnet_ids:
    description:
      - Subnets for external load balancers.
      - If empty, those with the tag C(kubernetes.io/role/elb=1), in the order of their zones.
    type: list
    elements: str
    default: []
  public_wanted:
    description: Whether there must be public subnets.
    type: bool
    default: true
  new_cluster:
    description: Whether the control plane is still to be placed, and needs addresses.
    type: bool
    default: true
  node_groups:
    description: Node groups that are still to be placed, and need addresses for their nodes and pods.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      instance_type:
        description: EC2 instance type of its nodes.
        type: str
        required: true
      max_size:
        description: Most nodes.
        type: int
        required: true
      single_zone:
        description: Whether all its nodes are in the first private subnet.
        type: bool
        default: false
"""

EXAMPLES = r"""
- name: Look at a VPC before a cluster is made in it
  llmops.langfuse.eks_vpc_info:
    region: ap-south-1
    vpc_id: vpc-0123456789abcdef0
    cluster_name: langfuse
    zones: [ap-south-1a, ap-south-1b]
    node_groups:
      - {name: nodes, instance_type: t4g.medium, max_size: 5}
  register: looked

- name: Say everything that is wrong with it
  ansible.builtin.fail:
    msg: "{{ looked.faults + looked.tag_faults }}"
  when: looked.faults or looked.tag_faults
"""

RETURN = r"""
private_subnet_ids:
  description: The private subnets, as named or as found.
  returned: success
  type: list
  elements: str
  sample: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
public_subnet_ids:
  description: The public subnets, as named or as found.
  returned: success
  type: list
  elements: str
  sample: [subnet-0123456789abcdef2, subnet-0123456789abcdef3]
faults:
  description: Everything that is wrong but for missing tags, a sentence each with its cure.
  returned: success
  type: list
  elements: str
  sample:
    - "EnableDnsHostnames of VPC vpc-0123456789abcdef0 is off, so nodes do not find the API server: aws ec2 ..."
missing_tags:
  description: Tags that load balancers need and subnets lack.
  returned: success
  type: list
  elements: dict
  contains:
    subnet_id:
      description: The subnet.
      type: str
      sample: subnet-0123456789abcdef0
    key:
      description: Key of the tag.
      type: str
      sample: kubernetes.io/role/internal-elb
    value:
      description: Value of the tag.
      type: str
      sample: "1"
tag_faults:
  description: The same in sentences, with the command that sets each tag.
  returned: success
  type: list
  elements: str
  sample:
    - "Subnet subnet-0123456789abcdef0 lacks the tag kubernetes.io/role/internal-elb=1: aws ec2 create-tags ..."
"""

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule says so
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.llmops.langfuse.plugins.module_utils._eks_vpc import NodeGroup, Wish, judge, read, tag_fault


def argument_spec():
    """The options of this module beside those of every AWS module."""
    group = dict(
        name=dict(type="str", required=True),
        instance_type=dict(type="str", required=True),
        max_size=dict(type="int", required=True),
        single_zone=dict(type="bool", default=False),
    )
    return dict(
        vpc_id=dict(type="str", required=True),
        cluster_name=dict(type="str", required=True),
        zones=dict(type="list", elements="str", required=True),
        private_subnet_ids=dict(type="list", elements="str", default=[]),
        public_subnet_ids=dict(type="list", elements="str", default=[]),
        public_wanted=dict(type="bool", default=True),
        new_cluster=dict(type="bool", default=True),
        node_groups=dict(type="list", elements="dict", default=[], options=group),
    )


def wish_of(params):
    """The options as the judgement takes them."""
    return Wish(
        vpc_id=params["vpc_id"],
        cluster_name=params["cluster_name"],
        zones=tuple(params["zones"]),
        private=tuple(params["private_subnet_ids"]),
        public=tuple(params["public_subnet_ids"]),
        public_wanted=params["public_wanted"],
        new_cluster=params["new_cluster"],
        node_groups=tuple(NodeGroup(**group) for group in params["node_groups"]),
    )


def main():
    """Run as a module."""
    module = AnsibleAWSModule(argument_spec=argument_spec(), supports_check_mode=True)
    wish = wish_of(module.params)
    try:
        judgement = judge(wish, read(module.client("ec2"), wish))
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"VPC {wish.vpc_id} in {module.region} could not be read")
    module.exit_json(
        changed=False,
        private_subnet_ids=judgement.subnets["private"],
        public_subnet_ids=judgement.subnets["public"],
        faults=judgement.faults,
        missing_tags=judgement.missing_tags,
        tag_faults=[tag_fault(tag) for tag in judgement.missing_tags],
    )


if __name__ == "__main__":
    main()
