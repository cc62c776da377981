# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every role has a molecule scenario that converges, runs again and verifies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
MOLECULE = REPOSITORY / "molecule"
# platform is a dependency of every role, so every scenario runs it.
ROLES = sorted(path.name for path in (REPOSITORY / "roles").iterdir() if path.name != "platform")
SCENARIOS = sorted(path.parent.name for path in MOLECULE.glob("*/molecule.yml"))


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text()) or {}


CONFIG = load(REPOSITORY / ".config/molecule/config.yml")


def settings(scenario: str, *names: str) -> Any:
    """What molecule finds in a scenario's file, else in the common one."""
    for value in (load(MOLECULE / scenario / "molecule.yml"), CONFIG):
        for name in names:
            value = value.get(name, {})
        if value:
            return value
    return None


def playbook(scenario: str, step: str) -> Path:
    return (MOLECULE / scenario / (settings(scenario, "ansible", "playbooks", step) or f"{step}.yml")).resolve()


def test_every_role_has_a_scenario_and_every_scenario_a_role() -> None:
    assert sorted({*SCENARIOS} - {"default", "kind"}) == ROLES


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "default"])
def test_scenario_makes_repeats_and_verifies(scenario: str) -> None:
    sequence = settings(scenario, "scenario", "test_sequence")
    assert sequence[1:4] == ["converge", "idempotence", "verify"]
    missing = [step for step in sequence if step != "idempotence" and not playbook(scenario, step).is_file()]
    assert missing == []


@pytest.mark.parametrize("scenario", [name for name in SCENARIOS if name != "default"])
def test_verification_asserts_and_shows_what_stands_when_it_fails(scenario: str) -> None:
    tasks = load(playbook(scenario, "verify"))[0]["tasks"]
    (block,) = [task for task in tasks if "block" in task]
    assert any("ansible.builtin.assert" in task for task in block["block"])
    assert [task["ansible.builtin.include_tasks"] for task in block["rescue"]] == ["../shared/tasks/dump.yml"]


@pytest.mark.parametrize("scenario", ROLES)
def test_verification_reads_no_variable_of_the_role(scenario: str) -> None:
    assert f"{scenario}_" not in playbook(scenario, "verify").read_text()


def test_the_roles_cluster_is_made_and_destroyed_by_default_alone() -> None:
    assert settings("default", "scenario", "test_sequence") == ["create", "destroy"]
    assert CONFIG["shared_state"] is True
    sequences = {name: settings(name, "scenario", "test_sequence") for name in ROLES}
    assert [name for name, sequence in sequences.items() if {"create", "destroy"} & {*sequence}] == []


def test_preparation_knows_by_what_each_role_before_the_last_is_known() -> None:
    (play,) = load(MOLECULE / "shared/prepare.yml")
    site = [entry["role"].rpartition(".")[2] for entry in load(REPOSITORY / "playbooks/site.yml")[0]["roles"]]
    assert list(play["vars"]["traces"]) == site[:-1]
