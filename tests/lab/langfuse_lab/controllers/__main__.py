# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""python -m langfuse_lab.controllers --lab-dir DIR"""

from __future__ import annotations

import argparse
import http
import http.server
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
    pods = Pods(lab)
    try:
        loop = _loop(lab, pods)
        server = _health_server(lab.ports["controllers"], loop)
        loop.run(stop)
        server.shutdown()
    finally:
        pods.close()
    return 0


def _fail(message: str) -> int:
    print(f"controllers: {message}", file=sys.stderr)
    return 1


def _loop(lab: Lab, pods: Pods) -> Loop:
    kubernetes = Kubernetes(lab.admin_kubeconfig)
    aws = Aws(f"http://{lab.address('aws')}", config.REGION, lab.state / "credentials.json")
    identity = WebIdentity(aws, kubernetes)
    controllers = {
        "cluster": ControlPlane(lab.state).reconcile,
        "nodes": Nodes().reconcile,
        "volumes": volumes.reconcile,
        "clickhouse-operator": ClickHouseOperator().reconcile,
        "clickhouse": ClickHouse(lab.directory).reconcile,
        "figures": VolumeFigures(lab.state, lab.directory / "data" / "clickhouse").reconcile,
        "load-balancers": LoadBalancers().reconcile,
        "pods": pods.reconcile,
    }
    return Loop(lambda: World(lab, kubernetes, aws, identity), controllers)


def _health_server(port: int, loop: Loop) -> http.server.ThreadingHTTPServer:
    class Health(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/healthz"
            status = http.HTTPStatus.OK if loop.is_alive() else http.HTTPStatus.SERVICE_UNAVAILABLE
            self.send_response(status if known else http.HTTPStatus.NOT_FOUND)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(loop.report().encode() if known else b"{}\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer((config.HOST, port), Health)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
