# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run says when the API server, or the controller's webhook, does not answer: the reason, after the tries."""

from __future__ import annotations

import pytest
from kubernetes.client import AdmissionregistrationV1Api
from runs import kill_part


@pytest.fixture
def silent_webhook(lab):
    """A webhook that has to agree to each Ingress, at an address where nothing listens."""
    webhooks = AdmissionregistrationV1Api(lab.kubernetes().api_client)
    name = "silent.llmops.langfuse"
    rule = {"apiGroups": ["networking.k8s.io"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["ingresses"]}
    webhook = {
        "name": name,
        "clientConfig": {"url": "https://127.0.0.1:9/"},
        "rules": [rule],
        "failurePolicy": "Fail",
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    webhooks.create_validating_webhook_configuration({"metadata": {"name": name}, "webhooks": [webhook]})
    yield
    webhooks.delete_validating_webhook_configuration(name)


def test_a_webhook_that_does_not_answer(silent_webhook, site):
    run = site.run("site", "--tags", "ingress", "-e", "ingress_wait_seconds=20", name="webhook-silent")
    assert run.code != 0
    said = " ".join(run.output.split())
    assert "Kubernetes does not take the Ingresses:" in said
    assert "failed calling webhook" in said.partition("Kubernetes does not take the Ingresses:")[2]
    assert "see that its pods run (--tags addons)" in said


def test_an_api_server_that_does_not_answer(site, lab):
    kill_part(lab, "kube-apiserver")
    try:
        run = site.run("site", "--tags", "ingress", name="api-server-dead")
    finally:
        lab.up()
    assert run.code != 0 and run.changed == 0
    said = " ".join(run.output.split())
    reason = said.partition("it cannot be reached from here; check cluster_public_access_cidrs")[2]
    assert "Connection refused" in reason, run.output[-3000:]
    after = site.run("site", "--tags", "ingress", name="api-server-back").ok()
    assert after.changed == 0, after.changed_tasks
