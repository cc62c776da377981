# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of volumes for the kubelet: ClickHouse's from its true data, the others' set."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from kubernetes.utils.quantity import parse_quantity

from langfuse_lab.config import write_atomically
from langfuse_lab.controllers.clickhouse import clickhouse_pods
from langfuse_lab.controllers.kube import Object
from langfuse_lab.controllers.world import World

MEASURE_SECONDS = 3
FILE_SYSTEM_SHARE = 0.985  # of a volume's bytes that ext4 leaves for files
BYTES_PER_INODE = 16384
OTHERS_USED = 0.12  # share of the bytes and inodes that volumes without a real program behind them show as used

Figures = dict[str, int]


class VolumeFigures:
    """Writes state/volumes.json when a figure changed."""

    def __init__(self, state: Path, data: Path) -> None:
        self._file = state / "volumes.json"
        self._overrides = state / "volume-overrides.json"
        self._data = data
        self._measured = float("-inf")
        self._usage = (0, 0)
        self._written = ""

    def reconcile(self, world: World) -> None:
        """Give each bound claim its figures; state/volume-overrides.json is merged over them."""
        if time.monotonic() - self._measured > MEASURE_SECONDS:
            self._usage = usage(self._data)
            self._measured = time.monotonic()
        true_ones = {name for pod in clickhouse_pods(world) for name in claims_of(pod)}
        disk = disk_of(self._data)
        figures = {}
        for claim in world.list("PersistentVolumeClaim"):
            name = f"{claim['metadata']['namespace']}/{claim['metadata']['name']}"
            if claim.get("status", {}).get("phase") == "Bound":
                size = int(parse_quantity(claim["status"]["capacity"]["storage"]))
                figures[name] = figures_of(size, self._usage if name in true_ones else None)
                if disk and name in true_ones:
                    figures[name] |= disk
        for name, override in self._overridden().items():
            figures[name] = figures.get(name, {}) | override
        text = json.dumps(figures, indent=1, sort_keys=True) + "\n"
        if text != self._written:
            write_atomically(self._file, text)
            self._written = text

    def _overridden(self) -> dict[str, Figures]:
        return json.loads(self._overrides.read_text()) if self._overrides.exists() else {}


def figures_of(size: int, used: tuple[int, int] | None) -> Figures:
    """Return the figures of a volume of so many bytes, with its true use in bytes and inodes if that is known."""
    capacity, inodes = int(size * FILE_SYSTEM_SHARE), size // BYTES_PER_INODE
    used_bytes, used_inodes = used or (int(capacity * OTHERS_USED), int(inodes * OTHERS_USED))
    return {
        "capacityBytes": capacity,
        "usedBytes": min(used_bytes, capacity),
        "inodes": inodes,
        "inodesUsed": min(used_inodes, inodes),
    }


def disk_of(folder: Path) -> Figures:
    """Return the figures of the file system at a folder that is one of its own; none of another's."""
    if not folder.is_mount():
        return {}
    status = os.statvfs(folder)
    total = status.f_blocks * status.f_frsize
    return {"capacityBytes": total, "usedBytes": total - status.f_bavail * status.f_frsize}


def claims_of(pod: Object) -> list[str]:
    """Return namespace/name of the claims a pod mounts."""
    volumes = pod["spec"].get("volumes") or []
    names = [each["persistentVolumeClaim"]["claimName"] for each in volumes if "persistentVolumeClaim" in each]
    return [f"{pod['metadata']['namespace']}/{name}" for name in names]


def usage(folder: Path) -> tuple[int, int]:
    """Return the bytes on disk and the number of files and folders under a folder; hard links count once."""
    total, inodes = 0, set()
    for status in _walk(folder):
        if status.st_ino not in inodes:
            inodes.add(status.st_ino)
            total += status.st_blocks * 512
    return total, len(inodes)


def _walk(folder: Path | str) -> Iterator[os.stat_result]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                yield entry.stat(follow_symlinks=False)
                if entry.is_dir(follow_symlinks=False):
                    yield from _walk(entry.path)
    except FileNotFoundError:  # merged away while we look
        return
