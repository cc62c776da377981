# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The records that Helm keeps of the release langfuse, and states that runs leave when they die."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

from kubernetes import watch

OF_THE_RELEASE = "owner=helm,name=langfuse"


def records(lab) -> dict[str, str]:
    """The state of each record of the release langfuse, by the record's name."""
    found = lab.kubernetes().list_namespaced_secret("langfuse", label_selector=OF_THE_RELEASE).items
    return {each.metadata.name: each.metadata.labels["status"] for each in found}


def wait_until_installing(lab, seconds: int = 60) -> None:
    """Wait until Helm begins to install: by a watch, since in the lab it may have ended a second later."""
    events = watch.Watch().stream(
        lab.kubernetes().list_namespaced_secret,
        "langfuse",
        label_selector=OF_THE_RELEASE,
        timeout_seconds=seconds,
    )
    states = []
    for event in events:
        states.append(event["object"].metadata.labels["status"])
        if states[-1] == "pending-install":
            return
    raise AssertionError(f"Helm has not begun within {seconds} s, but its records became: {states}")


def deployed(lab) -> str:
    (name,) = (name for name, state in records(lab).items() if state == "deployed")
    return name


def begin(lab) -> str:
    """Write the record of an upgrade that has begun, as Helm does first of all; its name."""
    core = lab.kubernetes()
    before = core.read_namespaced_secret(deployed(lab), "langfuse")
    revision = int(before.metadata.labels["version"]) + 1
    name = f"sh.helm.release.v1.langfuse.v{revision}"
    release = unpacked(before.data["release"])
    release["version"] = revision
    release["info"]["status"] = "pending-upgrade"
    labels = {**before.metadata.labels, "version": str(revision), "status": "pending-upgrade"}
    body = {"metadata": {"name": name, "labels": labels}, "type": before.type, "data": {"release": packed(release)}}
    core.create_namespaced_secret("langfuse", body)
    return name


def end(lab, name: str) -> None:
    """Have the upgrade that has begun come to its end."""
    set_state(lab, deployed(lab), "superseded")
    set_state(lab, name, "deployed")


def set_state(lab, name: str, state: str) -> None:
    """Have a record say that its release is in that state."""
    core = lab.kubernetes()
    release = unpacked(core.read_namespaced_secret(name, "langfuse").data["release"])
    release["info"]["status"] = state
    core.patch_namespaced_secret(
        name, "langfuse", {"data": {"release": packed(release)}, "metadata": {"labels": {"status": state}}}
    )


def unpacked(written: str) -> dict[str, Any]:
    """A release as Helm writes it: JSON, gzip, and base64 twice."""
    return json.loads(gzip.decompress(base64.b64decode(base64.b64decode(written))))


def packed(release: dict[str, Any]) -> str:
    return base64.b64encode(base64.b64encode(gzip.compress(json.dumps(release).encode()))).decode()
