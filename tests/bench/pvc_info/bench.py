# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A namespace of many claims: pvc_info against a bare client that does the same calls, and against an exec per pod.

The API server is a process of a few lines that answers after a fixed time, as one over a network does: LIST_SECONDS for
a list, NODE_SECONDS for a node's statistics, EXEC_SECONDS for `df` in a pod. The last is what `kubectl exec` takes at
the very least, so the exec per pod is shown in its best light. All three keep as many requests open as the module does.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import goals
import urllib3
from ansible_collections.llmops.langfuse.plugins.module_utils._kubernetes_api import AUTH_ARG_SPEC, connect
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_usage import NODES_AT_ONCE, Question, read_usage

LIST_SECONDS, NODE_SECONDS, EXEC_SECONDS = 0.05, 0.02, 0.1
NAMESPACE = "langfuse"
GIB = 2**30
GOAL = 1.5
SIZES = ((10, 1), (100, 10), (1000, 100))  # claims, nodes
CORE = f"/api/v1/namespaces/{NAMESPACE}"


def cluster(claims: int, nodes: int) -> dict[str, tuple[float, Any]]:
    """Path to (seconds, answer)."""
    pods, volumes, stats = [], [], {f"node-{number}": [] for number in range(nodes)}
    for number in range(claims):
        node, claim, pod = f"node-{number % nodes}", f"data-{number}", f"pod-{number}"
        mount = {"name": "data", "persistentVolumeClaim": {"claimName": claim}}
        pods.append(
            {
                "metadata": {"name": pod, "namespace": NAMESPACE},
                "spec": {"nodeName": node, "volumes": [mount]},
                "status": {"phase": "Running", "hostIP": "10.0.0.1"},
            }
        )
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "20Gi"}}}
        volumes.append({"metadata": {"name": claim}, "spec": spec, "status": {"phase": "Bound"}})
        figures = {"capacityBytes": 20 * GIB, "availableBytes": 10 * GIB, "inodes": 1000, "inodesUsed": 10}
        volume = {"pvcRef": {"name": claim, "namespace": NAMESPACE}, **figures}
        stats[node].append({"podRef": {"name": pod, "namespace": NAMESPACE}, "volume": [volume]})
    answers: dict[str, tuple[float, Any]] = {
        "/version": (0, {"major": "1", "minor": "36", "gitVersion": "v1.36.3"}),
        "/api": (0, {"kind": "APIVersions", "versions": ["v1"]}),
        "/apis": (0, {"kind": "APIGroupList", "groups": []}),
        "/api/v1": (0, {"kind": "APIResourceList", "resources": []}),
        f"{CORE}/pods": (LIST_SECONDS, {"items": pods}),
        f"{CORE}/persistentvolumeclaims": (LIST_SECONDS, {"items": volumes}),
    }
    answers |= {f"/api/v1/nodes/{n}/proxy/stats/summary": (NODE_SECONDS, {"pods": each}) for n, each in stats.items()}
    df = "Use% Mounted on\n 50% /data\n"
    return answers | {f"{CORE}/pods/pod-{number}/exec": (EXEC_SECONDS, df) for number in range(claims)}


def serve(answers: dict[str, tuple[float, Any]], ready: Any, count: Any) -> None:
    """Answer for ever; `count` counts the requests that are no discovery."""
    bodies = {path: (seconds, json.dumps(answer).encode()) for path, (seconds, answer) in answers.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0].rstrip("/")
            seconds, body = bodies[path]
            if seconds:
                with count.get_lock():
                    count.value += 1
            time.sleep(seconds)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    class Http(ThreadingHTTPServer):
        request_queue_size = 256

    server = Http(("127.0.0.1", 0), Handler)
    ready.put(server.server_port)
    server.serve_forever()


def by_module(url: str) -> int:
    """The module's own work, with a client that kubernetes.core made."""
    params = dict.fromkeys(AUTH_ARG_SPEC) | {"host": url, "api_key": "token"}
    usage = read_usage(connect(params), Question(NAMESPACE))
    assert usage.worst == "ok" and usage.claims[0].used_percent == 50
    return len(usage.claims)


def by_bare_client(url: str) -> int:
    """The same calls, and nothing but their JSON."""
    http = urllib3.PoolManager(maxsize=NODES_AT_ONCE)

    def get(path: str) -> Any:
        return json.loads(http.request("GET", url + path, headers={"Authorization": "Bearer token"}).data)

    claims = get(f"{CORE}/persistentvolumeclaims")["items"]
    nodes = sorted({pod["spec"]["nodeName"] for pod in get(f"{CORE}/pods")["items"]})
    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        list(pool.map(lambda node: get(f"/api/v1/nodes/{node}/proxy/stats/summary"), nodes))
    return len(claims)


def by_exec(url: str) -> int:
    """A list of pods, and `df` in each."""
    http = urllib3.PoolManager(maxsize=NODES_AT_ONCE)

    def get(path: str) -> Any:
        return json.loads(http.request("GET", url + path, headers={"Authorization": "Bearer token"}).data)

    pods = get(f"{CORE}/pods")["items"]
    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        return len(list(pool.map(lambda pod: get(f"{CORE}/pods/{pod['metadata']['name']}/exec"), pods)))


def measure(claims: int, nodes: int, rounds: int) -> tuple[dict[str, float], dict[str, int]]:
    """Median seconds and the calls of each way."""
    ready: Any = multiprocessing.Queue()
    count = multiprocessing.Value("i", 0)
    server = multiprocessing.Process(target=serve, args=(cluster(claims, nodes), ready, count), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ready.get()}"
    by_module(url)  # discovery is cached from now on, as on a controller that ran before
    seconds: dict[str, list[float]] = {}
    calls: dict[str, int] = {}
    ways = {"pvc_info": by_module, "bare client": by_bare_client, "exec per pod": by_exec}
    for round_ in range(rounds):
        for name, way in ways.items():
            if name == "exec per pod" and round_:
                continue  # it is far away, and slow
            count.value, begun = 0, time.monotonic()
            assert way(url) == claims
            seconds.setdefault(name, []).append(time.monotonic() - begun)
            calls[name] = count.value
    server.terminate()
    return {name: statistics.median(taken) for name, taken in seconds.items()}, calls


def main() -> int:
    """Measure, print, and fail when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    goals.add_option(parser)
    options = parser.parse_args()
    reached = []
    print(f"Medians of {options.rounds} rounds (exec: one), in seconds.\n")
    print("| claims | nodes | pvc_info | requests | a bare client | ratio | an exec per pod | requests |")
    print("|---|---|---|---|---|---|---|---|")
    for claims, nodes in SIZES:
        seconds, calls = measure(claims, nodes, options.rounds)
        ratio = seconds["pvc_info"] / seconds["bare client"]
        print(
            f"| {claims} | {nodes} | {seconds['pvc_info']:.3f} | {calls['pvc_info']} | {seconds['bare client']:.3f} "
            f"| {ratio:.2f} | {seconds['exec per pod']:.3f} | {calls['exec per pod']} |",
            flush=True,
        )
        reached.append(goals.Goal(f"pvc_info, {claims} claims", ratio, GOAL, "of a bare client"))
        requests = calls["pvc_info"] - nodes
        reached.append(goals.Goal(f"pvc_info, {claims} claims, beside one a node", requests, 2, "requests"))
    return goals.finish(reached, options.goals)


if __name__ == "__main__":
    sys.exit(main())
