# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Python lacks of a file of requirements."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

ROLES = Path(__file__).parents[3] / "roles"
SCRIPT = ROLES / "platform" / "files" / "unmet_requirements.py"


def unmet(requirements: Path) -> list[str]:
    command = [sys.executable, str(SCRIPT), str(requirements)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()


def test_what_is_missing_or_too_old(tmp_path):
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("# a comment\n\nboto3>=1.34.0\nBoto3>=999\nno-such-package>=1.0\n")
    assert unmet(requirements) == [f"Boto3>=999, and {version('boto3')} is there", "no-such-package>=1.0"]


def test_this_python_has_what_the_collection_requires():
    assert unmet(ROLES.parent / "requirements.txt") == []
