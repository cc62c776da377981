# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every source file says at its head who owns it and under which licence."""

from __future__ import annotations

import subprocess
from pathlib import Path, PurePosixPath

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEADER = [
    "Copyright (c) 2026 llmops.langfuse contributors",
    "GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)",
    "SPDX-License-Identifier: GPL-3.0-or-later",
]
# A shebang, a YAML document's start or an opening comment may stand before it.
HEAD_LINES = 6
SOURCES = {".cfg", ".go", ".j2", ".mod", ".py", ".sh", ".sql", ".toml", ".tpl", ".txt", ".yaml", ".yml"}
NAMES = {".ansible-lint", ".gitignore", ".yamllint", "Makefile", "run"}
# Made by a tool, or rendered by Helm without their head (Chart.yaml and values.yaml of the chart carry it).
WITHOUT = [
    "requirements-dev.txt",
    "changelogs/changelog.yaml",
    "tests/lab/charts/*/templates/*",
    "tests/lab/charts/*/crds/*",
]


def sources() -> list[str]:
    """The source files of the checkout, whether committed or not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(name for name in names if is_source(PurePosixPath(name)) and (REPOSITORY / name).is_file())


def is_source(path: PurePosixPath) -> bool:
    return (path.suffix in SOURCES or path.name in NAMES) and not any(path.match(pattern) for pattern in WITHOUT)


@pytest.mark.parametrize("name", sources())
def test_header(name: str) -> None:
    head = (REPOSITORY / name).read_text().splitlines()[:HEAD_LINES]
    missing = [line for line in HEADER if not any(line in present for present in head)]
    assert missing == []
