# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The product runs on the lab as it runs on AWS: nothing in it knows the lab, or takes another way for tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ["roles", "plugins", "playbooks"]
FOREIGN = re.compile(
    r"(?<![a-z])(?:moto|localstack|langfuse_lab)(?![a-z])|is_test|lab_mode|LAB_DIR|127\.0\.0\.1", re.IGNORECASE
)
# A tunnel through the API server listens on the controller, and nowhere else.
ALLOWED = {("plugins/module_utils/_tunnel.py", "127.0.0.1")}

FILES = sorted(
    path.relative_to(REPOSITORY).as_posix()
    for folder in PRODUCT
    for path in (REPOSITORY / folder).rglob("*")
    if path.is_file() and "__pycache__" not in path.parts
)


@pytest.mark.parametrize("name", FILES)
def test_product_file(name: str) -> None:
    lines = (REPOSITORY / name).read_text().splitlines()
    found = [
        f"{name}:{number}: {word}"
        for number, line in enumerate(lines, start=1)
        for word in FOREIGN.findall(line)
        if (name, word) not in ALLOWED
    ]
    assert found == []
