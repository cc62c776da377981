# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the whole site on the lab whose environment this process has, as the benchmarks measure them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
RECAP = re.compile(r"^localhost +: ok=(\d+) +changed=(\d+)", re.M)


def site() -> str:
    """Run the whole site; what it printed, with the seconds of each role at its end."""
    command = ["ansible-playbook", "-i", "inventories/local", "playbooks/site.yml"]
    more = {"ANSIBLE_CALLBACKS_ENABLED": "ansible.posix.profile_roles"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | more, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-4000:])
    return done.stdout


def tasks_without_change(printed: str) -> str:
    """How many tasks the run had; exit when it changed something."""
    ok, changed = RECAP.search(printed).groups()
    if changed != "0":
        sys.exit(f"The run changed something:\n{printed[-4000:]}")
    return ok


def lab() -> dict:
    """The lab's configuration; what runs here besides the site, to which the inventory names it, learns its region."""
    config = json.loads(Path(os.environ["LAB_DIR"], "config.json").read_text())
    os.environ["AWS_DEFAULT_REGION"] = config["region"]
    return config
