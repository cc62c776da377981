# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in a lab: Langfuse's addresses, pods, claims with their use, retention, and how to look around."""

from __future__ import annotations

import json
import re
import ssl
import urllib.request
from collections.abc import Iterable, Iterator
from typing import Any

from langfuse_lab.clickhouse.client import ClickHouseError, Client
from langfuse_lab.config import Lab, LabError

Object = dict[str, Any]


class ApiServer:
    """Reads from the lab's API server as its administrator."""

    def __init__(self, lab: Lab) -> None:
        context = ssl.create_default_context(cafile=lab.pki / "ca.crt")
        context.load_cert_chain(lab.pki / "admin.crt", lab.pki / "admin.key")
        no_proxy = urllib.request.ProxyHandler({})
        self._opener = urllib.request.build_opener(no_proxy, urllib.request.HTTPSHandler(context=context))
        self._endpoint = lab.cluster_endpoint

    def get(self, path: str) -> Object:
        """Return the answer to a GET; raises OSError when there is none."""
        with self._opener.open(self._endpoint + path, timeout=10) as answer:
            return json.load(answer)

    def items(self, path: str) -> list[Object]:
        """Return the objects of a list."""
        return self.get(path)["items"]


def show(lab: Lab, namespace: str) -> None:
    """Print what stands in a namespace; raises LabError when the lab is not up."""
    try:
        server = ApiServer(lab)
        core = f"/api/v1/namespaces/{namespace}"
        pods = server.items(f"{core}/pods")
        sections = {
            "Langfuse": list(_addresses(server.items(f"/apis/networking.k8s.io/v1/namespaces/{namespace}/ingresses"))),
            "Pods": sorted(map(_pod, pods)),
            "Claims": list(_claims(server.items(f"{core}/persistentvolumeclaims"), _used(server, pods))),
            "Retention (ClickHouse)": list(_retention(Client.of_lab(lab.directory))),
        }
    except (OSError, ClickHouseError) as error:
        raise LabError(f"The lab in {lab.directory} does not answer ({error}): run up first.") from error
    for title, rows in sections.items():
        print(f"\n{title}")
        print("\n".join(_aligned(rows)) if rows else "  none yet")
    print(_how_to_look(lab, namespace))


def _addresses(ingresses: Iterable[Object]) -> Iterator[tuple[str, ...]]:
    for ingress in ingresses:
        balancers = ingress["status"].get("loadBalancer", {}).get("ingress", [])
        address = balancers[0]["hostname"] if balancers else None
        listeners = ingress["metadata"].get("annotations", {}).get("alb.ingress.kubernetes.io/listen-ports", "")
        scheme = "https" if "HTTPS" in listeners else "http"
        for host in sorted({rule.get("host") or address or "?" for rule in ingress["spec"].get("rules", [])}):
            state = f"load balancer {address}" if address else "no load balancer yet"
            yield ingress["metadata"]["name"], f"{scheme}://{host}", state


def _pod(pod: Object) -> tuple[str, ...]:
    states = pod["status"].get("containerStatuses", [])
    ready = f"{sum(state['ready'] for state in states)}/{len(pod['spec']['containers'])}"
    return pod["metadata"]["name"], ready, pod["status"]["phase"], pod["spec"].get("nodeName", "no node yet")


def _used(server: ApiServer, pods: Iterable[Object]) -> dict[str, int]:
    """Return the percentage in use of each claim that a kubelet reports."""
    used = {}
    for node in sorted({pod["spec"]["nodeName"] for pod in pods if "nodeName" in pod["spec"]}):
        for pod in server.get(f"/api/v1/nodes/{node}/proxy/stats/summary")["pods"]:
            for volume in pod.get("volume", []):
                share = 1 - volume["availableBytes"] / volume["capacityBytes"]
                used[f"{pod['podRef']['namespace']}/{volume['pvcRef']['name']}"] = round(100 * share)
    return used


def _claims(claims: Iterable[Object], used: dict[str, int]) -> Iterator[tuple[str, ...]]:
    for claim in claims:
        metadata = claim["metadata"]
        share = used.get(f"{metadata['namespace']}/{metadata['name']}")
        size = claim["status"].get("capacity", claim["spec"]["resources"]["requests"])["storage"]
        yield metadata["name"], claim["status"]["phase"], size, "use unknown" if share is None else f"{share} % in use"


def _retention(clickhouse: Client) -> Iterator[tuple[str, ...]]:
    query = (
        "SELECT name, total_rows, engine_full FROM system.tables "
        "WHERE database = 'default' AND engine LIKE '%MergeTree' ORDER BY name"
    )
    for table in clickhouse.rows(query):
        rule = re.search(r" TTL (.+?)(?: SETTINGS |$)", table["engine_full"])
        yield table["name"], f"{table['total_rows']} rows", f"TTL {rule[1]}" if rule else "kept for ever"


def _aligned(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  " + "  ".join(map(str.ljust, row, widths)).rstrip()


def _how_to_look(lab: Lab, namespace: str) -> str:
    return f"""
Look around
  source {lab.directory / "env"}
  export KUBECONFIG={lab.admin_kubeconfig}
  kubectl -n {namespace} get pods,pvc,ingress
  helm -n {namespace} list"""
