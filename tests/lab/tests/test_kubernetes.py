# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml
from langfuse_lab import config, kubernetes


@pytest.fixture
def lab(tmp_path: Path) -> config.Lab:
    ports = {name: 20000 + offset for offset, name in enumerate(config.PORTS)}
    lab = config.Lab(tmp_path, "0123abcd", "https://issuer", ports, Path("/cache/bin"))
    config.write(lab)
    return lab


def test_every_part_listens_on_a_port_of_its_own_and_only_here(lab: config.Lab) -> None:
    parts = kubernetes.parts(lab)
    assert [part.name for part in parts] == [
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kwok",
        "network",
    ]
    health = [part.health.split("//")[1].split("/")[0] for part in parts]
    assert len(set(health)) == len(parts)
    assert all(address.startswith("127.0.0.1:") for address in health)


def test_parts_need_only_parts(lab: config.Lab) -> None:
    parts = kubernetes.parts(lab)
    assert {need for part in parts for need in part.needs} <= {part.name for part in parts}


def test_the_api_server_and_the_proxy_agree_on_the_socket(lab: config.Lab) -> None:
    kubernetes.prepare(lab)
    egress = json.loads((lab.pki / "egress.json").read_text())
    socket = egress["egressSelections"][0]["connection"]["transport"]["uds"]["udsName"]
    network = next(part for part in kubernetes.parts(lab) if part.name == "network")
    assert f"--socket={socket}" in network.command
    assert lab.lab_id in socket


def test_the_administrators_kubeconfig_is_private_and_complete(lab: config.Lab) -> None:
    kubernetes.prepare(lab)
    assert stat.S_IMODE(lab.admin_kubeconfig.stat().st_mode) == 0o600
    kubeconfig = yaml.safe_load(lab.admin_kubeconfig.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == lab.cluster_endpoint
    assert set(kubeconfig["users"][0]["user"]) == {"client-certificate-data", "client-key-data"}


def test_kwok_leaves_the_pvc_monitors_pods_to_the_controllers() -> None:
    stages = [stage for path in kubernetes.KWOK_STAGES.glob("*.yaml") for stage in yaml.safe_load_all(path.read_text())]
    selectors = {stage["metadata"]["name"]: stage["spec"]["selector"]["matchExpressions"] for stage in stages}
    leaves_out = {
        "key": '.metadata.labels["app.kubernetes.io/component"]',
        "operator": "NotIn",
        "values": ["pvc-monitor"],
    }
    assert set(selectors) == {"node-ready", "pod-ready", "pod-ready-again", "pod-complete", "pod-delete"}
    assert leaves_out in selectors["pod-ready"]
    assert leaves_out in selectors["pod-ready-again"]
    assert leaves_out in selectors["pod-complete"]
