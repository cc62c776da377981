# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Kubernetes parts: their certificates, their configuration files and how each is started."""

from __future__ import annotations

import base64
import json
import shlex
import sys
from pathlib import Path

from langfuse_lab import build
from langfuse_lab.config import HOST, Lab, write_atomically
from langfuse_lab.supervisor import Part

KWOK_STAGES = build.MODULE / "kwok"
LAB_SOURCES = build.MODULE.parent
POD_CIDR = "10.244.0.0/16"
SERVICE_CIDR = "172.20.0.0/16"  # what EKS takes for a VPC in 10.0.0.0/8
API_SERVICE_IP = "172.20.0.1"
KUBELET_PORT = 10250
WEBHOOK_CACHE = "10s"  # EKS keeps answers longer; short, so that a change of access entries is seen soon


def prepare(lab: Lab) -> None:
    """Write certificates, kubeconfigs and the configuration files of a lab."""
    from langfuse_lab import pki  # slow to import, and only for the first up

    pki.ensure(lab.pki, (HOST, API_SERVICE_IP))
    _write_kubeconfig(lab, lab.admin_kubeconfig, "admin")
    for client in ("controller-manager", "scheduler"):
        _write_kubeconfig(lab, lab.pki / f"{client}.kubeconfig", client)
    _write_object(lab, "authentication", _authentication())
    _write_object(lab, "authentication-webhook", _authentication_webhook(lab))
    _write_object(lab, "egress", _egress(lab))
    _write_object(lab, "exec", _exec(lab))
    _write_programs(lab)


def parts(lab: Lab) -> list[Part]:
    """Return the Kubernetes parts of a lab."""
    return [_etcd(lab), _apiserver(lab), _controller_manager(lab), _scheduler(lab), _kwok(lab), _network(lab)]


def _etcd(lab: Lab) -> Part:
    client, peer = f"http://{lab.address('etcd')}", f"http://{lab.address('etcd_peer')}"
    return _part(
        lab,
        "etcd",
        {
            "name": "lab",
            "data-dir": lab.directory / "data" / "etcd",
            "unsafe-no-fsync": "true",  # a lab may lose its last writes in a power cut
            "log-level": "warn",
            "listen-client-urls": client,
            "advertise-client-urls": client,
            "listen-peer-urls": peer,
            "initial-advertise-peer-urls": peer,
            "initial-cluster": f"lab={peer}",
        },
        health=f"{client}/readyz",
    )


def _apiserver(lab: Lab) -> Part:
    return _part(
        lab,
        "kube-apiserver",
        {
            "etcd-servers": f"http://{lab.address('etcd')}",
            "bind-address": HOST,
            "advertise-address": HOST,
            "secure-port": lab.ports["apiserver"],
            "endpoint-reconciler-type": "none",  # endpoints must not be loopback addresses
            "tls-cert-file": lab.pki / "server.crt",
            "tls-private-key-file": lab.pki / "server.key",
            "client-ca-file": lab.pki / "ca.crt",
            "service-cluster-ip-range": SERVICE_CIDR,
            "service-account-issuer": lab.issuer,
            "service-account-key-file": lab.pki / "sa.pub",
            "service-account-signing-key-file": lab.pki / "sa.key",
            "api-audiences": "https://kubernetes.default.svc",
            "authentication-config": lab.pki / "authentication.json",
            "authentication-token-webhook-config-file": lab.pki / "authentication-webhook.json",
            "authentication-token-webhook-version": "v1",
            "authentication-token-webhook-cache-ttl": WEBHOOK_CACHE,
            "authorization-mode": "RBAC",
            "egress-selector-config-file": lab.pki / "egress.json",
            "kubelet-certificate-authority": lab.pki / "ca.crt",
            "kubelet-client-certificate": lab.pki / "kubelet-client.crt",
            "kubelet-client-key": lab.pki / "kubelet-client.key",
            "kubelet-preferred-address-types": "InternalIP",
            "allow-privileged": "true",
            "profiling": "false",
        },
        needs=("etcd",),
        health=f"{lab.cluster_endpoint}/readyz",
    )


def _controller_manager(lab: Lab) -> Part:
    return _controller(
        lab,
        "controller-manager",
        {
            "root-ca-file": lab.pki / "ca.crt",
            "service-account-private-key-file": lab.pki / "sa.key",
            "use-service-account-credentials": "true",
        },
    )


def _scheduler(lab: Lab) -> Part:
    return _controller(lab, "scheduler", {})


def _controller(lab: Lab, name: str, flags: dict[str, object]) -> Part:
    kubeconfig = lab.pki / f"{name}.kubeconfig"
    port = name.replace("-", "_")
    common = {
        "kubeconfig": kubeconfig,
        "authentication-kubeconfig": kubeconfig,
        "authorization-kubeconfig": kubeconfig,
        "bind-address": HOST,
        "secure-port": lab.ports[port],
        "tls-cert-file": lab.pki / "server.crt",
        "tls-private-key-file": lab.pki / "server.key",
        "leader-elect": "false",
        "profiling": "false",
    }
    health = f"https://{lab.address(port)}/healthz"
    return _part(lab, f"kube-{name}", common | flags, needs=("kube-apiserver",), health=health)


def _kwok(lab: Lab) -> Part:
    return _part(
        lab,
        "kwok",
        {
            "kubeconfig": lab.admin_kubeconfig,
            "config": [*sorted(KWOK_STAGES.glob("*.yaml")), lab.pki / "exec.json"],
            "manage-all-nodes": "true",
            "node-lease-duration-seconds": 40,
            "node-port": KUBELET_PORT,
            "server-address": lab.address("kwok"),
            "cidr": POD_CIDR,
        },
        needs=("kube-apiserver",),
        health=f"http://{lab.address('kwok')}/healthz",
    )


def _network(lab: Lab) -> Part:
    return _part(
        lab,
        "network",
        {
            "listen": lab.address("network"),
            "socket": _network_socket(lab),
            "kubeconfig": lab.admin_kubeconfig,
            "volumes-file": lab.state / "volumes.json",
            "ca-file": lab.pki / "ca.crt",
            "ca-key-file": lab.pki / "ca.key",
            "kwok": lab.address("kwok"),
            "apiserver": lab.address("apiserver"),
            "service-ip": API_SERVICE_IP,
            "clickhouse-http": lab.address("clickhouse_http"),
            "clickhouse-native": lab.address("clickhouse_native"),
            "langfuse-http": lab.address("controllers"),
        },
        needs=("kube-apiserver",),
        health=f"http://{lab.address('network')}/healthz",
    )


def _part(lab: Lab, name: str, flags: dict[str, object], *, needs: tuple[str, ...] = (), health: str) -> Part:
    arguments = []
    for flag, value in flags.items():
        arguments += [f"--{flag}={each}" for each in (value if isinstance(value, list) else [value])]
    return Part(name, (str(lab.bin_dir / "localkube"), name, *arguments), needs, health)


def _network_socket(lab: Lab) -> str:
    """Return an abstract socket's name: no file to clean up, no limit on the length of LAB_DIR."""
    return f"@llmops-langfuse-lab-{lab.lab_id}"


def _write_kubeconfig(lab: Lab, path: Path, client: str) -> None:
    def data(name: str) -> str:
        return base64.b64encode((lab.pki / name).read_bytes()).decode()

    name = "llmops-langfuse-lab"
    cluster = {"server": lab.cluster_endpoint, "certificate-authority-data": data("ca.crt")}
    user = {"client-certificate-data": data(f"{client}.crt"), "client-key-data": data(f"{client}.key")}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": client, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": client}}],
        "current-context": name,
    }
    write_atomically(path, json.dumps(config, indent=1) + "\n")


def _authentication() -> dict[str, object]:
    """Return the restriction of anonymous requests to health questions, as EKS has it."""
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {
            "enabled": True,
            "conditions": [{"path": "/healthz"}, {"path": "/livez"}, {"path": "/readyz"}],
        },
    }


def _authentication_webhook(lab: Lab) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "aws", "cluster": {"server": f"http://{lab.address('aws')}/lab/authenticate"}}],
        "users": [{"name": "apiserver", "user": {}}],
        "contexts": [{"name": "webhook", "context": {"cluster": "aws", "user": "apiserver"}}],
        "current-context": "webhook",
    }


def _egress(lab: Lab) -> dict[str, object]:
    """Return how the API server reaches nodes and pods. Over TCP it would speak TLS to the proxy, over a socket not."""
    connection = {"proxyProtocol": "HTTPConnect", "transport": {"uds": {"udsName": _network_socket(lab)}}}
    return {
        "apiVersion": "apiserver.k8s.io/v1beta1",
        "kind": "EgressSelectorConfiguration",
        "egressSelections": [{"name": "cluster", "connection": connection}],
    }


def _exec(lab: Lab) -> dict[str, object]:
    """Return what KWOK does with commands in pods: in PostgreSQL's they run here, with a psql of the lab's."""
    environment = {
        "PATH": f"{_programs(lab)}:/usr/bin:/bin",
        "PYTHONPATH": str(LAB_SOURCES),
        "LAB_DIR": str(lab.directory),
    }
    local = {"workDir": "/", "envs": [{"name": name, "value": value} for name, value in environment.items()]}
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "ClusterExec",
        "metadata": {"name": "postgresql"},
        "spec": {"selector": {"matchNames": ["langfuse-postgresql-0"]}, "execs": [{"local": local}]},
    }


def _programs(lab: Lab) -> Path:
    return lab.state / "bin"


def _write_programs(lab: Lab) -> None:
    folder = _programs(lab)
    folder.mkdir(mode=0o700, exist_ok=True)
    psql = folder / "psql"
    psql.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m langfuse_lab.psql "$@"\n')
    psql.chmod(0o700)


def _write_object(lab: Lab, name: str, content: dict[str, object]) -> None:
    write_atomically(lab.pki / f"{name}.json", json.dumps(content, indent=1) + "\n")
