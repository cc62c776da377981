# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: quantities of Kubernetes, such as 20Gi."""

from __future__ import annotations

import re
from decimal import Decimal

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_QUANTITY = re.compile(r"^([0-9]+(?:[.][0-9]*)?)(?:([eE][+-]?[0-9]+)|([kMGTPE]|[KMGTPE]i|m)?)$")


def parse_bytes(quantity: str) -> int:
    """The bytes of a quantity. Raises LangfuseError."""
    return int(_parse(quantity, "size: a number with Ki, Mi, Gi, Ti or with k, M, G, T is allowed, such as 300Gi"))


def parse_millis(quantity: str) -> int:
    """The thousandths of a core of a quantity. Raises LangfuseError."""
    return int(_parse(quantity, "number of cores: a number, or thousandths with m, is allowed, such as 250m") * 1000)


def _parse(quantity: str, allowed: str) -> Decimal:
    found = _QUANTITY.match(quantity)
    if not found:
        raise LangfuseError(f"'{quantity}' is no {allowed}.")
    return Decimal(found[1] + (found[2] or "")) * _FACTORS[found[3] or ""]
