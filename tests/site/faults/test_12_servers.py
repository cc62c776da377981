# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The API server dies under a run, and ClickHouse while its tables get other rules. The run ends well or says what it
misses; the run after it finds or makes what is wanted."""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path

import pytest
from langfuse_lab.clickhouse.client import Client
from runs import kill_part, wait_until_said

DAYS = 20  # instead of 30
WANTED = ["--tags", "clickhouse_retention", "-e", f"clickhouse_retention_days={DAYS}"]
RULES = (
    "SELECT name, create_table_query FROM system.tables WHERE database = 'default' AND create_table_query ILIKE '%TTL%'"
)
SILENCE_SECONDS = 75  # after 50 the cluster takes a node for lost, and its pods for not ready
API_SERVER_DIES_AT = [
    "llmops.langfuse.platform : API server",
    "llmops.langfuse.storage : Classes",
    "llmops.langfuse.addons : Controller",
    "llmops.langfuse.secrets : Apply",
    "llmops.langfuse.langfuse : Release",
    "llmops.langfuse.ingress : Objects",
    "llmops.langfuse.monitoring : PVC monitor",
]


def fails_clearly(log: Path) -> None:
    text = log.read_text()
    assert "fatal: " in text or "[ERROR]" in text
    assert "Traceback" not in text and "MODULE FAILURE" not in text, text[-4000:]


@pytest.mark.parametrize("place", API_SERVER_DIES_AT)
def test_the_api_server_dies(place, site, lab):
    role = re.search(r"langfuse\.(\w+) :", place)[1].replace("platform", "secrets")
    process, log = site.start("site", "--tags", role, name=f"api-server-dies-{role}")
    try:
        wait_until_said(process, log, f"TASK [{place}")
        kill_part(lab, "kube-apiserver")
        time.sleep(3)
    finally:
        lab.up()
    code = process.wait(timeout=900)
    if code:
        fails_clearly(log)
    after = site.run("site", "--tags", role, name=f"api-server-back-{role}").ok()
    assert after.changed == 0, after.changed_tasks


def test_nodes_come_back_after_a_long_silence(site, lab):
    kill_part(lab, "kube-apiserver")
    time.sleep(SILENCE_SECONDS)
    lab.up()
    after = site.run("site", "--tags", "addons", name="api-server-long-away").ok()
    assert after.changed == 0, after.changed_tasks


@pytest.mark.parametrize("delay", [0.0, 1.0, 1.5, 2.0])
def test_clickhouse_dies_while_rules_change(delay, site, lab):
    process, log = site.start("site", *WANTED, name=f"clickhouse-dies-{delay}")
    try:
        wait_until_said(process, log, "TASK [llmops.langfuse.clickhouse_retention : TTL | Keep")
        time.sleep(delay)
        with contextlib.suppress(ProcessLookupError):
            kill_part(lab, "clickhouse")
    finally:
        lab.up()
    if process.wait(timeout=900):
        fails_clearly(log)
    site.run("site", *WANTED, name=f"clickhouse-back-{delay}").ok()
    rules = Client.of_lab(lab.dir).execute(RULES + " FORMAT TSVRaw")
    assert f"toIntervalDay({DAYS})" in rules
    assert "toIntervalDay(30)" not in rules
    site.run("site", "--tags", "clickhouse_retention", name=f"thirty-days-{delay}").ok()
