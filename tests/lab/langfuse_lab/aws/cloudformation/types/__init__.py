# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The resource types that the lab makes, one module a group of services; importing this registers them."""

from langfuse_lab.aws.cloudformation.types import ec2, eks, iam, lambdas, messaging, monitoring, storage

__all__ = ["ec2", "eks", "iam", "lambdas", "messaging", "monitoring", "storage"]
