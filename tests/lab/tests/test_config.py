# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import socket
import stat
from pathlib import Path

import pytest
from langfuse_lab import config


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return a base with free ports above it, as the default base."""
    with socket.socket() as probe:
        probe.bind((config.HOST, 0))
        base = 20000 + probe.getsockname()[1] % 10000
    monkeypatch.setattr(config, "DEFAULT_BASE", base)
    monkeypatch.delenv("LAB_PORT_BASE", raising=False)
    return base


def test_ports_follow_the_base(base: int) -> None:
    lab = config.plan(Path("/lab"), Path("/bin"))
    assert lab.ports["aws"] == lab.base
    assert lab.ports["controllers"] == lab.base + len(config.PORTS) - 1
    assert lab.cluster_endpoint == f"https://127.0.0.1:{lab.ports['apiserver']}"


def test_a_busy_base_moves_up(base: int) -> None:
    with socket.create_server((config.HOST, base + 3)):
        assert config.plan(Path("/lab"), Path("/bin")).base == base + config.BASE_STEP


def test_a_busy_base_that_was_asked_for_is_an_error(base: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PORT_BASE", str(base))
    with (
        socket.create_server((config.HOST, base + 3)),
        pytest.raises(config.LabError, match=rf"port {base + 3} \(apiserver\) is in use by pid {os.getpid()} "),
    ):
        config.plan(Path("/lab"), Path("/bin"))


@pytest.mark.parametrize("text", ["abc", "80", "65535", "-1", "17400.5"])
def test_a_base_that_is_no_port_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_PORT_BASE", text)
    with pytest.raises(config.LabError, match=f"LAB_PORT_BASE={text} .* from 1024 to"):
        config.asked_base()


def test_names_survive_and_ports_stay_where_they_can(base: int, tmp_path: Path) -> None:
    first = config.plan(tmp_path, Path("/bin"))
    config.write(first)
    again = config.plan(tmp_path, Path("/newer"))
    assert again == config.Lab(tmp_path, first.lab_id, first.issuer, first.ports, Path("/newer"))


def test_what_the_parts_read(base: int, tmp_path: Path) -> None:
    lab = config.plan(tmp_path, Path("/cache/bin"))
    config.write(lab)
    data = json.loads((tmp_path / "config.json").read_text())
    assert data["helm"] == "/cache/bin/helm"
    assert data["ca_file"] == str(tmp_path / "pki" / "ca.crt")
    assert data["region"] in data["issuer"]
    assert stat.S_IMODE((tmp_path / "config.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o700
    assert config.read(tmp_path) == lab


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(config.LabError, match="cannot be written: Not a directory"):
        config.make_directory(tmp_path / "file" / "lab")


def test_a_folder_of_somebody_else_is_an_error(base: int, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    with pytest.raises(config.LabError, match="holds other things than a lab"):
        config.make_directory(tmp_path)
    config.write(config.plan(tmp_path, Path("/bin")))
    config.make_directory(tmp_path)


def test_remove_leaves_other_peoples_files(base: int, tmp_path: Path) -> None:
    lab = config.plan(tmp_path / "lab", Path("/bin"))
    config.make_directory(lab.directory)
    config.write(lab)
    (lab.directory / "notes.txt").touch()
    config.remove(lab.directory)
    assert [path.name for path in lab.directory.iterdir()] == ["notes.txt"]
    (lab.directory / "notes.txt").unlink()
    config.remove(lab.directory)
    assert not lab.directory.exists()


def test_a_broken_config_names_the_cure(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(config.LabError, match=r"not valid JSON .*: remove"):
        config.read(tmp_path)
