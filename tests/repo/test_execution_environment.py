# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment's build context holds the collection and names all that it needs. The image itself is not
built: that takes a container engine and the internet."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from langfuse_lab.build import HELM_VERSION

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As its users make it, beside the collection's archive."""
    folder = tmp_path_factory.mktemp("environment")
    for name in ("execution-environment.yml", "requirements.yml", "requirements.txt"):
        shutil.copy(ROOT / name, folder)
    for command in (
        ["ansible-galaxy", "collection", "build", "--output-path", str(folder), str(ROOT)],
        ["ansible-builder", "create", "--context", "context"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return folder / "context"


def test_it_installs_the_collection_and_what_it_depends_on(context: Path) -> None:
    (archive,) = (context / "_build/collection").glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        assert {"roles/langfuse/tasks/main.yml", "playbooks/site.yml", "requirements.txt"} <= set(packed.getnames())
    wanted = yaml.safe_load((ROOT / "galaxy.yml").read_text())["dependencies"]
    listed = yaml.safe_load((context / "_build/requirements.yml").read_text())["collections"]
    assert {each["name"]: each["version"] for each in listed} == wanted
    assert (context / "_build/requirements.txt").read_text().split() == (ROOT / "requirements.txt").read_text().split()
    steps = (context / "Dockerfile").read_text()
    assert "COPY _build/collection/ /tmp/collection/" in steps
    assert "RUN ansible-galaxy collection install --no-deps" in steps


def test_its_programs_are_those_that_the_lab_runs(context: Path) -> None:
    steps = (context / "Dockerfile").read_text()
    assert re.findall(r"HELM_VERSION=(\S+)", steps) == [HELM_VERSION]
