# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ClickHouse's engines for tests: the lab's, and an older one in a virtual environment of its own.

Chart 1 runs ClickHouse 25.2, which no chdb has; 25.5 is the nearest. The environment is made once, in the user's cache.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from langfuse_lab import build

ENGINES = ("26.9", "25.5")
CHDB = {"25.5": "chdb==3.4.1"}


def python_of(engine: str) -> str:
    """The Python that has an engine; its environment is made when it is not there."""
    if engine not in CHDB:
        return sys.executable
    python = f"py{sys.version_info[0]}.{sys.version_info[1]}"
    folder = build.cache() / f"{CHDB[engine].replace('==', '-')}-{python}"
    with _lock(build.cache() / "engines.lock"):
        if not folder.exists():
            _make(folder, CHDB[engine])
    return str(folder / "bin" / "python")


def _make(folder: Path, package: str) -> None:
    """Made under another name, and given its own when it is whole."""
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(unfinished)], check=True)
    driver = f"clickhouse-driver=={version('clickhouse-driver')}"
    pip = [str(unfinished / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, package, driver], check=True)
    unfinished.rename(folder)


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def may_mount() -> bool:
    """Whether a process may have a small file system of its own here."""
    command = [*own_disk(Path("/tmp"), 1 << 20), "true"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def own_disk(folder: Path, size: int) -> list[str]:
    """What to put before a command so that it alone sees a file system of so many bytes at the folder."""
    script = f'mount -t tmpfs -o size={size} tmpfs "$0" && exec "$@"'
    return ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, str(folder)]
