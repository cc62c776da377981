# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Helm release that a run is at, or was at when it died."""

from __future__ import annotations

from helm_records import begin, deployed, end, records, set_state
from kubernetes.client import AppsV1Api
from runs import wait_until_said


def worker_image(lab, *change: str) -> str:
    """The image of the workers, changed to that one first."""
    apps = AppsV1Api(lab.kubernetes().api_client)
    found = apps.read_namespaced_deployment("langfuse-worker", "langfuse")
    (container,) = found.spec.template.spec.containers
    for image in change:
        container.image = image
        apps.replace_namespaced_deployment("langfuse-worker", "langfuse", found)
    return container.image


def test_what_a_dead_run_began_is_undone_when_nothing_else_is_wanted(site, lab):
    name, image = begin(lab), worker_image(lab)
    worker_image(lab, "docker.langfuse.com/langfuse/langfuse-worker:9.9.9")
    run = site.run("site", "--tags", "langfuse", name="pending-left").ok()
    changed = "".join(run.changed_tasks)
    assert "Release mend | Remove the record" in changed
    assert "Release mend | Have Helm put back its last good revision" in changed
    assert worker_image(lab) == image
    assert records(lab)[name] == "deployed"


def test_a_release_that_another_run_ends_keeps_its_record(site, lab):
    name = begin(lab)
    wanted = ["-e", "langfuse_web_hpa_enabled=true", "-e", "platform_release_pending_seconds=900"]
    process, log = site.start("site", "--tags", "langfuse", *wanted, name="pending-ended")
    wait_until_said(process, log, "FAILED - RETRYING: [localhost]: Release mend | Wait for the run that is at it")
    end(lab, name)
    assert process.wait(timeout=600) == 0, log.read_text()[-3000:]
    assert records(lab)[name] == "superseded"
    assert deployed(lab) != name


def test_a_release_whose_removal_was_not_ended_comes_back(site, lab):
    name = deployed(lab)
    set_state(lab, name, "uninstalling")
    site.run("site", "--tags", "langfuse", name="removal-left").ok()
    assert "uninstalling" not in records(lab).values()
    assert deployed(lab)
