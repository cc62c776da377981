# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The oldest versions that are allowed are the same wherever they are said, and are those that run_oldest.sh runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
ANSIBLE = yaml.safe_load((ROOT / "meta/runtime.yml").read_text())["requires_ansible"].removeprefix(">=")
PYTHON = [line for line in (ROOT / "requirements.txt").read_text().splitlines() if line and not line.startswith("#")]
PLUGINS = [path for path in sorted((ROOT / "plugins").glob("*/*.py")) if "\nrequirements:\n" in path.read_text()]


def test_ansible():
    assert yaml.safe_load((ROOT / "roles/platform/vars/main.yml").read_text())["__platform_ansible_minimum"] == ANSIBLE
    for meta in sorted(ROOT.glob("roles/*/meta/main.yml")):
        assert yaml.safe_load(meta.read_text())["galaxy_info"]["min_ansible_version"] == ANSIBLE, meta
    assert f"ansible-core>={ANSIBLE}," in (ROOT / "execution-environment.yml").read_text()
    assert f"| ansible-core | {ANSIBLE} or newer" in (ROOT / "README.md").read_text()


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_packages_of_a_plugin(path):
    stated = re.search(r"\nrequirements:\n((?:  - .*\n)+)", path.read_text())[1]
    packages = [line.removeprefix("  - ").split(",")[0].replace(" ", "") for line in stated.splitlines()]
    known = {Requirement(line).name for line in PYTHON}
    assert {package for package in packages if Requirement(package).name in known} <= set(PYTHON), path


def test_packages_of_the_readme():
    (row,) = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| Python on the ")]
    told = {name: version for name, version in re.findall(r"`([\w-]+)` ([\d.]+)", row)}
    for line in PYTHON:
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert re.fullmatch(rf"{re.escape(told[requirement.name])}(\.0)*", specifier.version), line
