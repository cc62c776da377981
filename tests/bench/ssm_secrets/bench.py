# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests and seconds to read 40 SecureString parameters: ssm_secrets, and one look-up per name of the stock plugin.

Against a moto server on this computer, so what a request costs on the way to AWS is not in the seconds. Each way is
measured three times, and the fastest counts. Exits 1 when ssm_secrets needs more than 5 requests.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import boto3
import goals
from ansible.plugins.loader import init_plugin_loader, lookup_loader
from botocore.httpsession import URLLib3Session
from moto.server import ThreadedMotoServer

init_plugin_loader()
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _ssm  # noqa: E402 (found by the loader)

COUNT = 40
MOST_REQUESTS = 5
ROUNDS = 3
REGION = "ap-south-1"
PREFIX = "/langfuse/production"
NAMES = [f"{PREFIX}/key-{number:02}" for number in range(COUNT)]


def of_path() -> dict[str, str]:
    """Ours, by path."""
    [found] = lookup_loader.get("llmops.langfuse.ssm_secrets").run([PREFIX], {}, by_path=True)
    return {f"{PREFIX}/{name}": value for name, value in found.items()}


def of_names() -> dict[str, str]:
    """Ours, by names."""
    [found] = lookup_loader.get("llmops.langfuse.ssm_secrets").run(NAMES, {})
    return found


def stock() -> dict[str, str]:
    """A look-up of the stock plugin for each name, as playbooks write it."""
    return {name: lookup_loader.get("amazon.aws.ssm_parameter").run([name], {}, region=REGION)[0] for name in NAMES}


def measure(read: Callable[[], dict[str, str]], requests: list[Any]) -> tuple[int, float]:
    """Requests and seconds of one way."""
    fastest = float("inf")
    for _round in range(ROUNDS):
        _ssm._known.clear()
        requests.clear()
        begun = time.perf_counter()
        found = read()
        fastest = min(fastest, time.perf_counter() - begun)
        assert len(found) == COUNT and all(value == f"value of {name}" for name, value in found.items()), read
    return len(requests), fastest


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    goals.add_option(parser)
    options = parser.parse_args()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it shows each request
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": f"http://{'127.0.0.1' if host == '0.0.0.0' else host}:{port}",
    }
    ssm = boto3.client("ssm", region_name=REGION)
    for name in NAMES:
        ssm.put_parameter(Name=name, Value=f"value of {name}", Type="SecureString")

    requests: list[Any] = []
    send = URLLib3Session.send
    URLLib3Session.send = lambda session, request: requests.append(request.url) or send(session, request)  # type: ignore[method-assign]
    print(f"| {COUNT} parameters | requests | seconds |\n|---|---|---|")
    counts = {}
    for title, read in {
        "ssm_secrets, by path": of_path,
        "ssm_secrets, by names": of_names,
        "stock, by name": stock,
    }.items():
        counts[title], seconds = measure(read, requests)
        print(f"| {title} | {counts[title]} | {seconds:.3f} |")
    server.stop()
    ours = {title: count for title, count in counts.items() if title.startswith("ssm_secrets")}
    reached = [goals.Goal(title, count, MOST_REQUESTS, "requests") for title, count in ours.items()]
    return goals.finish(reached, options.goals)


if __name__ == "__main__":
    sys.exit(main())
