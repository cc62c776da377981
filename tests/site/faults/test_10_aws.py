# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS has a bad day. A call that fails twice is tried again and nobody notices; one that fails for good ends the run
with a reason, and the run after it finds all well."""

from __future__ import annotations

import pytest
from faulty_aws import KINDS, Faults, proxy

# Services, and a role whose runs call them.
CALLED_BY = {
    "sts": "secrets",
    "cloudformation": "storage",
    "iam": "langfuse",
    "s3": "storage",
    "ssm": "secrets",
    "eks": "addons",
    "ec2": "cluster",
    "acm": "ingress",
    "elasticloadbalancing": "monitoring",
    "lambda": "clickhouse_retention",
}
FOR_GOOD = 10_000


def through_proxy(site, lab, role: str, faults: Faults):
    with proxy(lab.config["ports"]["aws"], faults) as url:
        name = f"{faults.service}-{faults.kind}-{faults.times}"
        return site.run("site", "--tags", role, name=name, env={"AWS_ENDPOINT_URL": url})


def test_site_stands(site, lab):
    lab.up()
    site.run("site", name="stands").ok()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("service", CALLED_BY)
def test_two_faults_pass_unnoticed(site, lab, service: str, kind: str):
    faults = Faults(service, kind, times=2)
    run = through_proxy(site, lab, CALLED_BY[service], faults).ok()
    assert faults.given == 2, f"{CALLED_BY[service]} did not call {service}"
    assert run.changed == 0, run.changed_tasks


@pytest.mark.parametrize(("service", "kind"), [("cloudformation", "throttled"), ("ssm", "broken"), ("s3", "reset")])
def test_a_service_that_stays_away_is_told(site, lab, service: str, kind: str):
    run = through_proxy(site, lab, CALLED_BY[service], Faults(service, kind, times=FOR_GOOD))
    assert run.code == 2
    assert "Traceback" not in run.output
    assert run.changed == 0, run.changed_tasks


def test_the_run_after_all_that_changes_nothing(site):
    run = site.run("site", name="afterwards").ok()
    assert run.changed == 0, run.changed_tasks
