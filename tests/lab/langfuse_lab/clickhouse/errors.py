# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors as ClickHouse numbers and words them."""

from __future__ import annotations

import re

SYNTAX_ERROR = 62
NOT_IMPLEMENTED = 48
UNKNOWN_SETTING = 115
READONLY = 164
AUTHENTICATION_FAILED = 516
CLUSTER_DOESNT_EXIST = 701
UNEXPECTED_PACKET = 102
UNKNOWN_EXCEPTION = 1002

_CODED = re.compile(r"Code:\s*(\d+)\.\s*(?:DB::Exception:\s*)?")


class ServerError(Exception):
    """An exception that a ClickHouse server sends to its client: a number and a sentence."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def from_engine(error: Exception) -> ServerError:
    """Make a server's error of the engine's, whose text holds "Code: N. DB::Exception: ...", sometimes twice."""
    text = str(error)
    found = _CODED.search(text)
    if not found:
        return ServerError(UNKNOWN_EXCEPTION, text)
    message = text[found.end() :]
    nested = _CODED.match(message)
    return ServerError(int(found.group(1)), message[nested.end() :] if nested else message)
