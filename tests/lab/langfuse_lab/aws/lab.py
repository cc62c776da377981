# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab whose AWS this process is. moto builds its own objects, so they cannot be handed it."""

from __future__ import annotations

from langfuse_lab.config import Lab

_entered: list[Lab] = []


def enter(lab: Lab) -> None:
    """Say which lab it is, once, before the first request."""
    _entered[:] = [lab]


def current() -> Lab:
    """Return the lab."""
    return _entered[0]
