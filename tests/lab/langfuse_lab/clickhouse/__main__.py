# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the lab's ClickHouse: `python -m langfuse_lab.clickhouse --lab-dir DIR`. SIGTERM ends it."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from langfuse_lab.clickhouse.accounts import Accounts
from langfuse_lab.clickhouse.engine import Engine, StatementLog
from langfuse_lab.clickhouse.http import HttpServer
from langfuse_lab.clickhouse.native import NativeServer
from langfuse_lab.config import HOST


def main() -> None:
    parser = argparse.ArgumentParser(prog="langfuse_lab.clickhouse", description=__doc__)
    parser.add_argument("--lab-dir", type=Path, required=True, help="the lab's directory, with its config.json")
    lab_dir: Path = parser.parse_args().lab_dir.resolve()
    ports = json.loads((lab_dir / "config.json").read_text())["ports"]

    engine = Engine(lab_dir / "data" / "clickhouse", StatementLog(lab_dir / "log" / "clickhouse-statements.jsonl"))
    accounts = Accounts(lab_dir)
    for kind, server, port in (
        ("native", NativeServer, ports["clickhouse_native"]),
        ("HTTP", HttpServer, ports["clickhouse_http"]),
    ):
        try:
            listening = server((HOST, port), engine, accounts)
        except OSError as error:
            print(f"ClickHouse cannot listen on its {kind} port {port}: {error.strerror}", file=sys.stderr, flush=True)
            os._exit(1)
        threading.Thread(target=listening.serve_forever, daemon=True).start()
        print(f"ClickHouse {engine.version}: {kind} on {HOST}:{port}", flush=True)

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    stop.wait()
    os._exit(0)  # the engine's own threads do not always end


if __name__ == "__main__":
    main()
