# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The teardown of a cluster: only on the platform's own name, and again after it was killed."""

from __future__ import annotations

import time

from runs import kill, wait_until_said
from volumes import until


def are_replaced(lab) -> bool:
    """Whether the node groups have as many instances as they shall, all by their launch templates of now."""
    wanted = []
    for name, group in lab.node_groups().items():
        wanted += [(name, group["launchTemplate"]["version"])] * group["scalingConfig"]["desiredSize"]
    running = [{"Name": "instance-state-name", "Values": ["running"]}]
    pages = lab.client("ec2").get_paginator("describe_instances").paginate(Filters=running)
    found = []
    for instance in pages.search("Reservations[].Instances[]"):
        tags = {tag["Key"]: tag["Value"] for tag in instance["Tags"]}
        found.append((tags["eks:nodegroup-name"], tags["aws:ec2launchtemplate:version"]))
    return sorted(found) == sorted(wanted)


def test_it_asks_first(site, lab):
    # The lab's EKS calls an update done at once, and goes on replacing nodes for the run before.
    until(lambda: are_replaced(lab), "the nodes are those of the last update", 120)
    before = lab.left_over()
    run = site.run("teardown", name="teardown-unasked")
    assert run.code != 0
    assert "-e teardown_confirm=langfuse" in run.output
    assert lab.left_over() == before


def test_one_that_was_killed_is_finished_by_the_next(site, lab):
    lab.slow_down({"AWS::EKS::Cluster": 10})
    arguments = ["-e", "teardown_confirm=langfuse", "-e", "teardown_delete_data=true"]
    process, log = site.start("teardown", *arguments, name="teardown-killed")
    wait_until_said(process, log, "Order the deletion of cluster", seconds=300)
    time.sleep(2)
    kill(process)
    site.run("teardown", *arguments, name="teardown").ok()
    lab.slow_down({})
    assert lab.left_over() == []
