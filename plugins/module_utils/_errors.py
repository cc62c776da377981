# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the one exception of this collection's modules."""

from __future__ import annotations

import typing as t


class LangfuseError(Exception):
    """A fault that the user can mend. The message is one line and holds nothing secret.

    :param details: further return values of the module that fails.
    """

    def __init__(self, message: str, **details: t.Any) -> None:
        super().__init__(message)
        self.details = details
