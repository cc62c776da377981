# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors that the lab's own parts of AWS answer with."""

from moto.core.exceptions import ServiceException


class AwsError(ServiceException):
    """A refusal with a code of the service: AwsError(code, message).

    Not moto's class itself: moto looks for the code's meaning in the service that an exception's module belongs to.
    """
