# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Helm release that is pending: another run ends it in time, or nobody does, as after a killed run."""

from __future__ import annotations

import base64
import gzip
import json

from runs import wait_until_said


def records(lab) -> dict[str, str]:
    """The state of each record of the release langfuse, by the record's name."""
    found = lab.kubernetes().list_namespaced_secret("langfuse", label_selector="owner=helm,name=langfuse").items
    return {each.metadata.name: each.metadata.labels["status"] for each in found}


def set_state(lab, name: str, state: str) -> None:
    """Have a record say that its release is in that state, as Helm writes it: JSON, gzip, and base64 twice."""
    core = lab.kubernetes()
    written = core.read_namespaced_secret(name, "langfuse").data["release"]
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(written))))
    release["info"]["status"] = state
    packed = base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
    core.patch_namespaced_secret(
        name, "langfuse", {"data": {"release": packed}, "metadata": {"labels": {"status": state}}}
    )


def deployed(lab) -> str:
    (name,) = (name for name, state in records(lab).items() if state == "deployed")
    return name


def test_a_release_that_another_run_ends_meanwhile_keeps_its_record(site, lab):
    name = deployed(lab)
    set_state(lab, name, "pending-upgrade")
    arguments = ["-e", "langfuse_web_hpa_enabled=true", "-e", "platform_release_pending_seconds=30"]
    process, log = site.start("site", "--tags", "langfuse", *arguments, name="pending-ended")
    wait_until_said(process, log, "Release | Give another run time to end")
    set_state(lab, name, "deployed")
    assert process.wait(timeout=600) == 0, log.read_text()[-3000:]
    assert records(lab)[name] == "superseded"
    assert deployed(lab) != name


def test_a_release_that_nobody_ends_is_mended(site, lab):
    name = deployed(lab)
    set_state(lab, name, "pending-upgrade")
    run = site.run("site", "--tags", "langfuse", name="pending-left").ok()
    assert "Release | Remove the pending record" in "".join(run.changed_tasks)
    assert "pending-upgrade" not in records(lab).values()
    assert deployed(lab)
