# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS on one computer: moto's server, pinned, mended where it differs from AWS, with two services of our own.

What stands in for what
- CloudFormation (cloudformation/) is ours. A stack makes its resources by calls to the services, as its caller. AWS's
  own schemas, which cfn-lint brings, say what a type's properties are and which of them replace the resource. An
  unknown type, an unknown property and one that the lab cannot make take effect are refused, never dropped. Failures
  are rolled back; change sets tell what an update does; stack policies, termination protection and capabilities hold.
- EKS (eks/) is ours: clusters, node groups, add-ons, access entries, pod identities, versions. A cluster is this
  lab's Kubernetes; there can be one. Its token webhook (token_review.py) checks tokens' signatures and access
  entries.
- Every request is signed by somebody who exists (signatures.py). STS gives a role to those that it trusts (sts.py).
- Lambda functions run, in processes of this computer's Python (functions.py). Alarms look at their metrics and tell
  SNS and EventBridge (alarms.py); EventBridge calls functions and topics (events.py).
- S3, EC2, IAM, KMS, SSM, SNS, SQS, Logs, ELBv2, ACM and Route 53 are moto's, with the repairs in s3.py and ec2.py.

What it does not prove
- That AWS accepts a template: quotas, service-linked roles, what a service checks beyond its schema. cfn-lint is
  asked too.
- Permissions: IAM policies are kept, not evaluated. Only trust policies, bucket policies (statements for everybody;
  the way to the lab counts as TLS), Lambda permissions and stack policies are.
- Time: stacks, clusters and node groups are there when the call returns; nothing is ever IN_PROGRESS. Failed events
  are tried again after 1 and 2 s, not minutes. Throttling, eventual consistency and drift do not happen.
- The network: security groups, routes and NAT are records. A function reaches what this computer reaches.
- Versions of EKS add-ons: placeholders. Python of a function: the lab's, whatever its runtime says; memory is not
  limited, nor is reserved concurrency. Alarms on metric math are not evaluated. E-mail is not sent; AWS-managed and
  customer keys of topics do not stop a message.
"""
