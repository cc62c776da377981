# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the lab's AWS: `python -m langfuse_lab.aws --lab-dir DIR`. SIGTERM ends it."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

from langfuse_lab import config


def main() -> int:
    parser = argparse.ArgumentParser(prog="langfuse_lab.aws", description=__doc__)
    parser.add_argument("--lab-dir", type=Path, required=True, help="the lab's folder, with its config.json")
    lab = config.read(parser.parse_args().lab_dir.resolve())
    if lab is None:
        print("There is no config.json in the lab's folder: `python -m langfuse_lab up` makes it.", file=sys.stderr)
        return 1
    from langfuse_lab.aws import functions, server  # after the arguments: they load all of moto

    serving = server.make(lab)  # says so and exits when the port is in use
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=serving.shutdown).start())
    print(f"AWS answers on http://{lab.address('aws')}", flush=True)
    serving.serve_forever()
    functions.stop()
    sys.stdout.flush()
    os._exit(0)  # nothing is kept, and to take moto's objects apart would take seconds


if __name__ == "__main__":
    sys.exit(main())
