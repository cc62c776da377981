# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Print what this Python lacks of a file of requirements, one to a line, with the version that is there.

Usage: unmet_requirements.py requirements.txt
"""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement


def main() -> None:
    """Look at each line of the file."""
    for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            needed = Requirement(line)
            version = version_of(needed.name)
            if version is None:
                print(needed)
            elif not needed.specifier.contains(version, prereleases=True):
                print(f"{needed}, and {version} is there")


def version_of(name: str) -> str | None:
    """The version of a package, or None without it."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


if __name__ == "__main__":
    main()
