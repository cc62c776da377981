# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: modules that an earlier run of Ansible packed, for the next run to take.

Ansible packs a module with all that it imports when a run first uses it, which takes about 0.1 s for each. The packs
lie in a folder that goes when the run ends. They hold code, and nothing of a task: neither arguments nor results.
"""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import importlib
import os
import shutil
import stat
import sys
import time
import typing as t
from pathlib import Path

import ansible
from ansible import constants

if t.TYPE_CHECKING:
    from collections.abc import Iterator

# Other collections' modules, and roles' own, are packed anew in each run: what they import is not looked at here.
COLLECTIONS = ("amazon.aws", "community.aws", "kubernetes.core", "llmops.langfuse")
KEPT = ("ansible.modules.", *(f"ansible_collections.{name}.plugins.modules." for name in COLLECTIONS))
PREFIX = "llmops.langfuse-packed-"
UNUSED = 7 * 24 * 3600  # seconds


def share() -> None:
    """Give this run the packs of earlier ones, and keep for later ones what this run packs until its end."""
    with contextlib.suppress(OSError):  # without them a run is only slower
        # Named now, so that a file that changes while this run lasts leaves no pack under the name of its new text.
        kept = Path(constants.DEFAULT_LOCAL_TMP).parent / (PREFIX + _fingerprint())
        kept.mkdir(mode=0o700, exist_ok=True)
        if _is_mine_alone(kept):
            os.utime(kept)
            _forget_unused(kept.parent)
            _link(kept, _run_folder())
            atexit.register(_keep, kept)


def _keep(kept: Path) -> None:
    with contextlib.suppress(OSError):
        _link(_run_folder(), kept, durable=True)


def _forget_unused(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        if folder.stat().st_mtime < time.time() - UNUSED:
            shutil.rmtree(folder, ignore_errors=True)


def _run_folder() -> Path:
    """Where Ansible's module_common looks for a pack before it makes one."""
    return Path(constants.DEFAULT_LOCAL_TMP) / "ansiballz_cache"


def _is_mine_alone(folder: Path) -> bool:
    """Whether nobody else can write there: Ansible unpickles what it finds."""
    status = folder.lstat()
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077


def _link(source: Path, target: Path, *, durable: bool = False) -> None:
    """Link the packs that the target lacks; durably, so that a crash of the computer leaves none half written."""
    target.mkdir(exist_ok=True)
    there = {path.name for path in target.iterdir()}
    for path in source.iterdir():
        if path.name not in there and _is_pack(path.name):
            if durable:
                _write_through(path)
            with contextlib.suppress(FileExistsError):  # a run beside this one was faster
                os.link(path, target / path.name)


def _write_through(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _is_pack(name: str) -> bool:
    return name.startswith(KEPT) and not name.endswith((".lock", "-part"))


def _fingerprint() -> str:
    """A text that is another one when any file is that modules are packed from."""
    seen = hashlib.sha256(f"{sys.version} {ansible.__version__}".encode())
    for folder in _sources():
        for path in sorted(folder.rglob("*.py")):
            status = path.stat()
            seen.update(f"\n{path} {status.st_size} {status.st_mtime_ns}".encode())
    return seen.hexdigest()[:16]


def _sources() -> Iterator[Path]:
    core = Path(ansible.__file__).parent
    yield from (core / "modules", core / "module_utils")
    yield from map(Path, constants.DEFAULT_MODULE_UTILS_PATH)
    for name in COLLECTIONS:
        with contextlib.suppress(ImportError):  # community.aws is needed by some only
            plugins = Path(importlib.import_module(f"ansible_collections.{name}").__path__[0]) / "plugins"
            yield from (plugins / "modules", plugins / "module_utils")
