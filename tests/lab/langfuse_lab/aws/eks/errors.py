# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""EKS's errors."""

from langfuse_lab.aws.errors import AwsError


class InvalidParameter(AwsError):
    code = "InvalidParameterException"


class InvalidRequest(AwsError):
    code = "InvalidRequestException"


class InUse(AwsError):
    code = "ResourceInUseException"


class NotFound(AwsError):
    code = "ResourceNotFoundException"
