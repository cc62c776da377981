# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pods that run: volumes, environment, web identity, and paths that lead to folders of this computer."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from langfuse_lab.controllers.containers import ContainerError, Materials, expand, rewrite, with_web_identity

SCRIPT = Path("/lab/run/u/volumes/script")
TMP = Path("/lab/run/u/volumes/tmp")
MOUNTS = {"/opt/pvc-monitor": SCRIPT, "/tmp": TMP, "/tmp/cache": Path("/lab/cache")}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/opt/pvc-monitor/collect.sh", f"{SCRIPT}/collect.sh"),
        ("/opt/pvc-monitor", str(SCRIPT)),
        ("cd /tmp && cat /opt/pvc-monitor/x", f"cd {TMP} && cat {SCRIPT}/x"),
        ("PATH=/tmp:/tmp/cache/bin", f"PATH={TMP}:/lab/cache/bin"),
        ("/opt/pvc-monitor-other/x", "/opt/pvc-monitor-other/x"),
        ("/var/tmp/x", "/var/tmp/x"),
        ("https://example.com/tmp/x", "https://example.com/tmp/x"),
    ],
)
def test_paths_under_mounts_lead_to_their_folders(text: str, expected: str) -> None:
    assert rewrite(text, MOUNTS) == expected


def test_without_mounts_nothing_is_rewritten() -> None:
    assert rewrite("/tmp/x", {}) == "/tmp/x"


def test_variables_expand_as_in_kubernetes() -> None:
    env = {"NAME": "langfuse"}
    assert expand("$(NAME)-$(OTHER)-$$(NAME)-$NAME", env) == "langfuse-$(OTHER)-$(NAME)-$NAME"


def test_a_service_account_with_a_role_gets_a_token_for_sts() -> None:
    pod = {"spec": {"containers": [{"name": "c", "env": [{"name": "AWS_REGION", "value": "eu-west-1"}]}]}}
    account = {"metadata": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/monitor"}}}
    admitted = with_web_identity(pod, account, "ap-south-1")
    [container] = admitted["spec"]["containers"]
    env = {each["name"]: each["value"] for each in container["env"]}
    assert env["AWS_ROLE_ARN"] == "arn:aws:iam::1:role/monitor"
    assert env["AWS_WEB_IDENTITY_TOKEN_FILE"] == "/var/run/secrets/eks.amazonaws.com/serviceaccount/token"
    assert env["AWS_REGION"] == "eu-west-1", "what the pod says itself stays"
    [source] = admitted["spec"]["volumes"][0]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "sts.amazonaws.com"
    assert "volumes" not in pod["spec"], "the pod itself is not changed"
    assert with_web_identity(pod, {"metadata": {}}, "ap-south-1") is pod


class Kubernetes:
    """Objects by kind and name, and a token for whoever asks."""

    def __init__(self, objects: dict[tuple[str, str], dict[str, Any]]) -> None:
        self.objects = objects
        self.audiences: list[str] = []

    def get(self, kind: str, name: str, _namespace: str) -> dict[str, Any] | None:
        return self.objects.get((kind, name))

    def service_account_token(self, _namespace: str, name: str, audience: str, _seconds: int, _pod: object) -> str:
        self.audiences.append(audience)
        return f"token of {name}"


def secret(**data: str) -> dict[str, Any]:
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


OBJECTS = {
    ("Secret", "keys"): secret(password="s3cret"),
    ("ConfigMap", "script"): {"data": {"collect.sh": "echo hello"}},
    ("ConfigMap", "kube-root-ca.crt"): {"data": {"ca.crt": "PEM"}},
}
API_ACCESS = [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
]


def pod(volumes: list[dict[str, Any]]) -> dict[str, Any]:
    metadata = {"name": "monitor-1", "namespace": "langfuse", "uid": "u", "labels": {"app": "monitor"}}
    return {"metadata": metadata, "spec": {"serviceAccountName": "monitor", "volumes": volumes}}


def test_volumes_are_laid_out(tmp_path: Path) -> None:
    volumes = [
        {"name": "api", "projected": {"sources": API_ACCESS}},
        {"name": "script", "configMap": {"name": "script", "defaultMode": 0o755}},
        {"name": "keys", "secret": {"secretName": "keys"}},
        {"name": "tmp", "emptyDir": {}},
    ]
    mounts = [{"name": each["name"], "mountPath": f"/mnt/{each['name']}/"} for each in volumes]
    kubernetes = Kubernetes(OBJECTS)
    folders = Materials(kubernetes, pod(volumes), tmp_path).mounts({"volumeMounts": mounts})
    assert (folders["/mnt/api"] / "token").read_text() == "token of monitor"
    assert (folders["/mnt/api"] / "ca.crt").read_text() == "PEM"
    assert (folders["/mnt/api"] / "namespace").read_text() == "langfuse"
    assert (folders["/mnt/script"] / "collect.sh").stat().st_mode & 0o777 == 0o700
    assert (folders["/mnt/keys"] / "password").read_text() == "s3cret"
    assert list(folders["/mnt/tmp"].iterdir()) == []
    assert kubernetes.audiences == [""]


def test_the_environment_is_the_containers(tmp_path: Path) -> None:
    env = [
        {"name": "PLAIN", "value": "a"},
        {"name": "REFERS", "value": "$(PLAIN)b"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "password"}}},
        {"name": "NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "APP", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}},
        {"name": "MAYBE", "valueFrom": {"configMapKeyRef": {"name": "none", "key": "x", "optional": True}}},
    ]
    container = {"env": env, "envFrom": [{"prefix": "S_", "secretRef": {"name": "keys"}}]}
    assert Materials(Kubernetes(OBJECTS), pod([]), tmp_path).environment(container) == {
        "S_password": "s3cret",
        "PLAIN": "a",
        "REFERS": "ab",
        "PASSWORD": "s3cret",
        "NAMESPACE": "langfuse",
        "APP": "monitor",
    }


def test_a_missing_reference_is_named(tmp_path: Path) -> None:
    materials = Materials(Kubernetes(OBJECTS), pod([]), tmp_path)
    missing = {"name": "X", "valueFrom": {"secretKeyRef": {"name": "keys", "key": "nothing"}}}
    with pytest.raises(ContainerError, match="couldn't find key nothing in Secret langfuse/keys"):
        materials.environment({"env": [missing]})
    with pytest.raises(ContainerError, match='secret "none" not found'):
        materials.environment({"envFrom": [{"secretRef": {"name": "none"}}]})


def test_volumes_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "data-0"}}]
    materials = Materials(Kubernetes(OBJECTS), pod(volumes), tmp_path)
    with pytest.raises(ContainerError, match="volume data: the lab's pods have no persistentVolumeClaim volumes"):
        materials.mounts({"volumeMounts": [{"name": "data", "mountPath": "/data"}]})
