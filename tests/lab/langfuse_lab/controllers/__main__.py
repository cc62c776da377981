# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m langfuse_lab.controllers --lab-dir DIR"""

from __future__ import annotations

import argparse
import http.server
import json
import signal
import sys
import threading
from pathlib import Path
from typing import Any

from langfuse_lab import config
from langfuse_lab.config import Lab, LabError
from langfuse_lab.controllers import volumes
from langfuse_lab.controllers.aws import Aws, WebIdentity
from langfuse_lab.controllers.clickhouse import ClickHouse
from langfuse_lab.controllers.clickhouse_operator import ClickHouseOperator
from langfuse_lab.controllers.cluster import ControlPlane
from langfuse_lab.controllers.figures import VolumeFigures
from langfuse_lab.controllers.kube import Kubernetes
from langfuse_lab.controllers.langfuse import Langfuse
from langfuse_lab.controllers.load_balancers import LoadBalancers
from langfuse_lab.controllers.loop import Loop
from langfuse_lab.controllers.nodes import Nodes
from langfuse_lab.controllers.pods import Pods
from langfuse_lab.controllers.world import World


def main(arguments: list[str]) -> int:
    """Run the controllers of one lab until SIGTERM."""
    parser = argparse.ArgumentParser(prog="langfuse_lab.controllers", description=__doc__)
    parser.add_argument("--lab-dir", required=True, type=Path, help="folder of the lab")
    directory = parser.parse_args(arguments).lab_dir.absolute()
    try:
        lab = config.read(directory)
    except LabError as error:
        return _fail(str(error))
    if lab is None:
        return _fail(f"There is no lab in {directory}: its config.json is missing.")
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    pods, langfuse = Pods(lab), Langfuse(lab)
    try:
        loop = _loop(lab, pods, langfuse)
        server = _server(lab.ports["controllers"], loop, langfuse)
        loop.run(stop)
        server.shutdown()
    finally:
        pods.close()
    return 0


def _fail(message: str) -> int:
    print(f"controllers: {message}", file=sys.stderr)
    return 1


def _loop(lab: Lab, pods: Pods, langfuse: Langfuse) -> Loop:
    kubernetes = Kubernetes(lab.admin_kubeconfig)
    aws = Aws(f"http://{lab.address('aws')}", config.REGION, lab.state / "credentials.json")
    identity = WebIdentity(aws, kubernetes)
    controllers = {
        "cluster": ControlPlane(lab.state).reconcile,
        "nodes": Nodes().reconcile,
        "volumes": volumes.reconcile,
        "clickhouse-operator": ClickHouseOperator().reconcile,
        "clickhouse": ClickHouse(lab.directory).reconcile,
        "langfuse": langfuse.reconcile,
        "figures": VolumeFigures(lab.state, lab.directory / "data" / "clickhouse").reconcile,
        "load-balancers": LoadBalancers().reconcile,
        "pods": pods.reconcile,
    }
    return Loop(lambda: World(lab, kubernetes, aws, identity), controllers)


def _server(port: int, loop: Loop, langfuse: Langfuse) -> http.server.ThreadingHTTPServer:
    """Serve this part's own health, and Langfuse's in the place of its pods."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/healthz":
                status, body = 200 if loop.is_alive() else 503, loop.report()
            elif answer := langfuse.answer(self.path):
                status, body = answer[0], json.dumps(answer[1])
            else:
                status, body = 404, "{}\n"
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((config.HOST, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
