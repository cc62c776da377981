# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small file system under the lab's ClickHouse, which can really be full."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from langfuse_lab import supervisor
from langfuse_lab.clickhouse.client import Client


class SmallDisk:
    """The disk, with a file that fills it."""

    def __init__(self, lab, folder: Path) -> None:
        self.client = Client.of_lab(lab.dir)
        self._ballast = folder / "ballast"

    @property
    def percent(self) -> float:
        return float(self.client.execute("SELECT 100 * (1 - free_space / total_space) FROM system.disks"))

    def empty(self) -> None:
        """Take the filling away."""
        self._ballast.unlink(missing_ok=True)

    def fill(self, percent: float) -> None:
        """Fill it to so many percent."""
        self.empty()
        status = os.statvfs(self._ballast.parent)
        size = int(status.f_bavail * status.f_frsize - (100 - percent) / 100 * status.f_blocks * status.f_frsize)
        with self._ballast.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


@contextmanager
def small_disk(lab, size: int) -> Iterator[SmallDisk]:
    """Move ClickHouse to a file system of so many bytes, and back. It stops twice for a moment."""
    data = lab.dir / "data" / "clickhouse"
    kept = data.with_name("clickhouse.kept")
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(data)]
    supervisor.stop(lab.dir, ["clickhouse"])
    shutil.copytree(data, kept, symlinks=True)
    try:
        done = subprocess.run(mounting, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nobody may mount a file system here: {done.stderr.strip()}")
        try:
            shutil.copytree(kept, data, symlinks=True, dirs_exist_ok=True)
            lab.up()
            yield SmallDisk(lab, data)
        finally:
            supervisor.stop(lab.dir, ["clickhouse"])
            subprocess.run(["umount", "--lazy", str(data)], check=True)
    finally:
        shutil.rmtree(kept)
        lab.up()
