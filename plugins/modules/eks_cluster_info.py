#!/usr/bin/python
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module that reads an EKS cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
module: eks_cluster_info
author:
  - llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Read an EKS cluster, its add-ons and its node groups
description:
  - Reads one EKS cluster by its name, with its OIDC provider, its EKS add-ons and its managed node groups.
  - With O(addons) it also tells which builds of them EKS offers.
notes:
  - EKS knows only the add-ons that it manages. What somebody installed by hand is not among RV(cluster.addons).
  - Needs C(eks:DescribeCluster), C(eks:ListAddons), C(eks:DescribeAddon), C(eks:ListNodegroups),
    C(eks:DescribeNodegroup) and C(iam:ListOpenIDConnectProviders), and for O(addons) C(eks:DescribeAddonVersions).
extends_documentation_fragment:
  - llmops.langfuse.attributes
  - llmops.langfuse.attributes.info_module
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
options:
  name:
    description: Name of the cluster.
    type: str
    required: true
  kubernetes_version:
    description:
      - Kubernetes minor version, such as V(1.36), for which the builds of O(addons) are looked up.
      - Without it that of the cluster.
    type: str
  addons:
    description: Names of EKS add-ons, such as V(vpc-cni), whose builds are looked up.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Read the cluster
  llmops.langfuse.eks_cluster_info:
    name: production
    region: ap-south-1
  register: found

- name: Fail without it
  ansible.builtin.assert:
    that: found.cluster is not none
    fail_msg: There is no cluster production in ap-south-1.

- name: Read it, and which builds of two add-ons fit the next Kubernetes version
  llmops.langfuse.eks_cluster_info:
    name: production
    region: ap-south-1
    kubernetes_version: "1.36"
    addons: [vpc-cni, coredns]
"""

RETURN = r"""
cluster:
  description: The cluster. Null if there is none of this name.
  returned: success
  type: dict
  contains:
    name:
      description: Name of the cluster.
      type: str
      sample: production
    arn:
      description: ARN of the cluster.
      type: str
      sample: arn:aws:eks:ap-south-1:123456789012:cluster/production
    status:
      description: V(CREATING), V(ACTIVE), V(UPDATING), V(DELETING), V(FAILED) or V(PENDING).
      type: str
      sample: ACTIVE
    version:
      description: Kubernetes minor version.
      type: str
      sample: "1.36"
    platform_version:
      description: EKS's own version of the control plane.
      type: str
      sample: eks.4
    endpoint:
      description: URL of the API server. Null while it is being made.
      type: str
      sample: https://0123456789ABCDEF.gr7.ap-south-1.eks.amazonaws.com
    certificate_authority_data:
      description: Certificate of its authority, base64. Null while it is being made.
      type: str
      sample: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t
    vpc_id:
      description: The VPC that the cluster is in.
      type: str
      sample: vpc-0123456789abcdef0
    subnet_ids:
      description: Subnets in which the control plane has network interfaces.
      type: list
      elements: str
      sample: [subnet-0123456789abcdef0, subnet-0123456789abcdef1]
    security_group_ids:
      description: Further security groups of these interfaces.
      type: list
      elements: str
      sample: []
    cluster_security_group_id:
      description: Security group that EKS made for the control plane and its nodes.
      type: str
      sample: sg-0123456789abcdef0
    endpoint_public_access:
      description: Whether the API server can be reached from outside the VPC.
      type: bool
      sample: true
    endpoint_private_access:
      description: Whether it is reached from inside the VPC without leaving it.
      type: bool
      sample: true
    public_access_cidrs:
      description: Networks that may reach it from outside.
      type: list
      elements: str
      sample: [203.0.113.0/24]
    authentication_mode:
      description: V(API), V(API_AND_CONFIG_MAP) or V(CONFIG_MAP). The last knows no access entries.
      type: str
      sample: API_AND_CONFIG_MAP
    support_type:
      description: Upgrade policy, V(STANDARD) or V(EXTENDED).
      type: str
      sample: STANDARD
    deletion_protection:
      description: Whether EKS refuses to delete the cluster.
      type: bool
      sample: true
    tags:
      description: Tags of the cluster.
      type: dict
      sample: {app: langfuse}
    oidc_issuer:
      description: URL of the cluster's OpenID Connect issuer.
      type: str
      sample: https://oidc.eks.ap-south-1.amazonaws.com/id/0123456789ABCDEF
    oidc_provider_arn:
      description: ARN of the IAM provider for this issuer. Null if the account has none.
      type: str
      sample: arn:aws:iam::123456789012:oidc-provider/oidc.eks.ap-south-1.amazonaws.com/id/0123456789ABCDEF
    addons:
      description: The add-ons that EKS manages, in the order of their names.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the add-on.
          type: str
          sample: vpc-cni
        version:
          description: Its build.
          type: str
          sample: v1.21.1-eksbuild.1
        status:
          description: V(CREATING), V(ACTIVE), V(DEGRADED), V(UPDATING) or another of EKS's.
          type: str
          sample: ACTIVE
        service_account_role_arn:
          description: ARN of the IAM role that it acts as. Null if it has none of its own.
          type: str
          sample: null
        issues:
          description: What EKS says is wrong with it.
          type: list
          elements: str
          sample: []
        tags:
          description: Tags of the add-on.
          type: dict
          sample: {}
    node_groups:
      description: The managed node groups, in the order of their names.
      type: list
      elements: dict
      contains:
        name:
          description: Name of the group.
          type: str
          sample: langfuse-nodes
        status:
          description: V(CREATING), V(ACTIVE), V(DEGRADED), V(UPDATING) or another of EKS's.
          type: str
          sample: ACTIVE
        version:
          description: Kubernetes minor version of its nodes.
          type: str
          sample: "1.36"
        release_version:
          description: Release of their machine image.
          type: str
          sample: 1.36.0-20261101
        min_size:
          description: Fewest nodes.
          type: int
          sample: 2
        desired_size:
          description: Nodes that it has or is getting.
          type: int
          sample: 3
        max_size:
          description: Most nodes.
          type: int
          sample: 5
        ami_type:
          description: Machine image.
          type: str
          sample: AL2023_ARM_64_STANDARD
        capacity_type:
          description: V(ON_DEMAND), V(SPOT) or V(CAPACITY_BLOCK).
          type: str
          sample: ON_DEMAND
        instance_types:
          description: Instance types of the group. Empty if its launch template names the type.
          type: list
          elements: str
          sample: [t4g.medium]
        labels:
          description: Kubernetes labels of its nodes.
          type: dict
          sample: {nodegroup: clickhouse}
        taints:
          description: Taints of its nodes, each with C(key), C(value) and C(effect) as EKS writes it.
          type: list
          elements: dict
          sample: [{key: dedicated, value: clickhouse, effect: NO_SCHEDULE}]
        subnet_ids:
          description: Subnets of its nodes.
          type: list
          elements: str
          sample: [subnet-0123456789abcdef0]
        node_role_arn:
          description: ARN of the role of its nodes.
          type: str
          sample: arn:aws:iam::123456789012:role/nodes
        launch_template:
          description: Its launch template's C(id), C(name) and C(version). Null if it has none.
          type: dict
          sample: {id: lt-0123456789abcdef0, name: nodes, version: "1"}
        issues:
          description: What EKS says is wrong with it.
          type: list
          elements: str
          sample: []
        tags:
          description: Tags of the group.
          type: dict
          sample: {}
addon_builds:
  description:
    - Which builds EKS offers of each of O(addons) for the version of Kubernetes, by the add-on's name.
    - C(default) is the one that EKS takes if none is named, C(versions) are all that fit, the newest first.
    - C(proposed) is the installed one if it fits, else C(default). A C(kube-proxy) fits its own minor version only.
    - If EKS does not offer an add-on for this version, C(default) and C(proposed) are null and C(versions) is empty.
  returned: with O(addons), if O(kubernetes_version) is given or the cluster exists
  type: dict
  sample:
    vpc-cni:
      default: v1.20.4-eksbuild.2
      proposed: v1.20.4-eksbuild.2
      versions: [v1.21.1-eksbuild.1, v1.20.4-eksbuild.2]
"""

from contextlib import suppress

with suppress(ImportError):  # AnsibleAWSModule says so
    from botocore.exceptions import BotoCoreError, ClientError

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.llmops.langfuse.plugins.module_utils._eks import read_builds, read_cluster


def argument_spec():
    """The options of this module beside those of every AWS module."""
    return dict(
        name=dict(type="str", required=True),
        kubernetes_version=dict(type="str"),
        addons=dict(type="list", elements="str"),
    )


def main():
    """Run as a module."""
    module = AnsibleAWSModule(
        argument_spec=argument_spec(),
        required_by={"kubernetes_version": ("addons",)},
        supports_check_mode=True,
    )
    name, version, addons = (module.params[key] for key in ("name", "kubernetes_version", "addons"))
    eks = module.client("eks")
    try:
        cluster = read_cluster(eks, module.client("iam"), name)
        found = {"cluster": cluster}
        version = version or (cluster and cluster["version"])
        if addons and version:
            found["addon_builds"] = read_builds(eks, addons, version, cluster)
    except (BotoCoreError, ClientError) as error:
        module.fail_json_aws(error, msg=f"EKS cluster {name} in {module.region} could not be read")
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
