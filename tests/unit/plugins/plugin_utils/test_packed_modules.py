# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs share packed modules: those of the very files that are there, of known collections, and of nobody else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ansible import constants
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _packed_modules

PACK = "ansible_collections.amazon.aws.plugins.modules.s3_bucket_info-ZIP_DEFLATED-none"
PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - meta: reset_connection
    - ansible.builtin.stat:
        path: /
"""
INVENTORY = (
    "localhost ansible_connection=llmops.langfuse.local_fork ansible_python_interpreter={{ansible_playbook_python}}\n"
)


@pytest.fixture
def sources(tmp_path_factory, monkeypatch) -> Path:
    """A folder of one file, which stands for all that modules are packed from."""
    folder = tmp_path_factory.mktemp("sources")
    (folder / "module.py").write_text("a = 1\n")
    monkeypatch.setattr(_packed_modules, "_sources", lambda: [folder, folder / "not_there"])
    return folder


@pytest.fixture
def begin(tmp_path, sources, monkeypatch):
    """Begin a run: the folder where Ansible looks for packs, and what ends the run."""

    def begin(name: str):
        ends = []

        def end() -> None:
            monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / name))
            for function, *args in ends:
                function(*args)

        monkeypatch.setattr(constants, "DEFAULT_LOCAL_TMP", str(tmp_path / name))
        monkeypatch.setattr(_packed_modules.atexit, "register", lambda *call: ends.append(call))
        (tmp_path / name).mkdir(exist_ok=True)
        _packed_modules.share()
        return tmp_path / name / "ansiballz_cache", end

    return begin


def kept(local_tmp: Path) -> list[str]:
    return sorted(path.name for path in local_tmp.glob("llmops.langfuse-packed-*/*"))


def packed(begin, *names: str) -> None:
    """A run that packs these modules, from its begin to its end."""
    folder, end = begin("run")
    for name in names:
        (folder / name).write_bytes(b"packed")
    end()


def test_the_next_run_has_what_a_run_packed(tmp_path, begin):
    packed(begin, PACK)
    folder, _end = begin("next")
    assert (folder / PACK).read_bytes() == b"packed"


def test_only_whole_packs_of_known_collections_are_kept(tmp_path, begin):
    own = "ansible.modules.stat-ZIP_DEFLATED-none"
    foreign = ["ansible.legacy.mine-ZIP_DEFLATED-none", "ansible_collections.a.b.plugins.modules.c-ZIP_DEFLATED-none"]
    packed(begin, PACK, own, f"{PACK}.lock", f"{own}-part", *foreign)
    assert kept(tmp_path) == sorted([PACK, own])


@pytest.mark.parametrize("text", ["a = 22\n", "a = 2\n"], ids=["another size", "another time"])
def test_a_changed_file_is_packed_anew(begin, sources, text):
    packed(begin, PACK)
    (sources / "module.py").write_text(text)
    os.utime(sources / "module.py", (1, 1))
    folder, _end = begin("next")
    assert list(folder.iterdir()) == []


def test_what_changes_while_a_run_lasts_is_not_kept_under_its_new_text(begin, sources):
    folder, end = begin("run")
    (folder / PACK).write_bytes(b"packed of the old text")
    (sources / "module.py").write_text("a = 22\n")
    end()
    folder, _end = begin("next")
    assert list(folder.iterdir()) == []


def test_runs_side_by_side_keep_the_first_one_s(tmp_path, begin):
    first, end_first = begin("run")
    second, end_second = begin("beside")
    (first / PACK).write_bytes(b"first")
    (second / PACK).write_bytes(b"second")
    end_first()
    end_second()
    assert [path.read_bytes() for path in tmp_path.glob("llmops.langfuse-packed-*/*")] == [b"first"]


def test_a_folder_that_others_may_write_to_is_not_used(tmp_path, begin):
    packed(begin, PACK)
    (folder,) = tmp_path.glob("llmops.langfuse-packed-*")
    folder.chmod(0o770)
    run, end = begin("next")
    assert not run.exists()
    run.mkdir()
    (run / "ansible.modules.stat-ZIP_DEFLATED-none").write_bytes(b"")
    end()
    assert kept(tmp_path) == [PACK]


def test_a_link_is_no_folder_of_ones_own(tmp_path, begin):
    packed(begin, PACK)
    (folder,) = tmp_path.glob("llmops.langfuse-packed-*")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    run, _end = begin("next")
    assert not run.exists()


def test_what_no_run_used_for_a_week_goes(tmp_path, begin, sources):
    packed(begin, PACK)
    (old,) = tmp_path.glob("llmops.langfuse-packed-*")
    (sources / "module.py").write_text("a = 22\n")
    begin("next")
    assert old.exists()
    os.utime(old, (time.time() - 8 * 24 * 3600,) * 2)
    begin("later")
    assert not old.exists()


def test_a_disk_that_takes_nothing_is_no_fault(tmp_path, begin, monkeypatch):
    def full(*_args, **_options):
        raise OSError("No space left on device")

    monkeypatch.setattr(Path, "mkdir", full)
    _packed_modules.share()
    assert kept(tmp_path) == []


def test_ansible_takes_what_its_last_run_packed(tmp_path):
    """By Ansible itself: where it packs to is its own affair, and could be another place in its next version."""
    (tmp_path / "play.yml").write_text(PLAYBOOK)
    (tmp_path / "hosts").write_text(INVENTORY)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": str(Path(_packed_modules.__file__).parents[5]),
        "ANSIBLE_HOME": str(tmp_path / "home"),
        "ANSIBLE_PIPELINING": "true",
        "ANSIBLE_DEBUG": "true",
    }
    said = []
    for _run in range(2):
        command = [
            sys.executable,
            "-m",
            "ansible.cli.playbook",
            "-i",
            str(tmp_path / "hosts"),
            str(tmp_path / "play.yml"),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        said.append(
            [line for line in ("Creating module", "using cached module") if f"ANSIBALLZ: {line}" in done.stdout]
        )
    assert said == [["Creating module"], ["using cached module"]]
    assert [name for name in kept(tmp_path / "home" / "tmp") if ".stat-" in name]
