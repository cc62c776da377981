# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of volumes do with the lab, beside running playbooks."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "langfuse"
MONITOR = "langfuse-pvc-monitor"
GIB = 2**30


def module(site, lab, name: str, /, **arguments: Any) -> dict[str, Any]:
    """Run a module of the collection as Ansible does, with the kubeconfig that the site wrote."""
    arguments = {"kubeconfig": str(lab.dir / "state" / "site" / "kubeconfig"), "namespace": NAMESPACE, **arguments}
    command = [sys.executable, "-m", f"ansible_collections.llmops.langfuse.plugins.modules.{name}"]
    environment = {**site.environment, "PYTHONPATH": str(ROOT / ".build")}
    text = json.dumps({"ANSIBLE_MODULE_ARGS": arguments})
    done = subprocess.run(command, input=text, env=environment, capture_output=True, text=True, check=False)
    answer = json.loads(done.stdout)
    answer.pop("invocation", None)
    return answer


def until(condition: Callable[[], Any], what: str, seconds: float = 60) -> Any:
    """Wait until a condition gives something, and return that."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.5)


def apis(lab) -> Any:
    """The kubernetes package's client, as the cluster's administrator."""
    from kubernetes import client, config

    return client, config.new_client_from_config(str(lab.dir / "admin.kubeconfig"))


def run_monitor(lab) -> tuple[bool, str]:
    """Run the monitor's CronJob once; returns whether it succeeded and what its pods printed."""
    client, api = apis(lab)
    batch = client.BatchV1Api(api)
    cronjob = batch.read_namespaced_cron_job(MONITOR, NAMESPACE)
    spec = cronjob.spec.job_template.spec
    spec.backoff_limit = 0
    job = client.V1Job(metadata=client.V1ObjectMeta(generate_name=f"{MONITOR}-test-"), spec=spec)
    name = batch.create_namespaced_job(NAMESPACE, job).metadata.name

    def ended() -> Any:
        conditions = batch.read_namespaced_job(name, NAMESPACE).status.conditions or []
        return [each.type for each in conditions if each.type in ("Complete", "Failed") and each.status == "True"]

    [result] = until(ended, f"Job {name} ends", 180)
    logs = sorted((lab.dir / "log" / "pods").glob(f"{NAMESPACE}_{name}-*.log"))
    batch.delete_namespaced_job(name, NAMESPACE, propagation_policy="Background")
    return result == "Complete", "".join(log.read_text() for log in logs)


@contextlib.contextmanager
def filled(lab, **figures: dict[str, int]) -> Iterator[None]:
    """Give claims figures (name with _ for -) until the end, and wait until their kubelet reports them."""
    overrides = lab.dir / "state" / "volume-overrides.json"
    wanted = {f"{NAMESPACE}/{name.replace('_', '-')}": each for name, each in figures.items()}

    def write(content: dict[str, dict[str, int]]) -> None:
        temporary = overrides.with_suffix(".new")
        temporary.write_text(json.dumps(content))
        os.replace(temporary, overrides)

    def reported() -> bool:
        now = json.loads((lab.dir / "state" / "volumes.json").read_text())
        return all(now.get(name, {}) | each == now.get(name) for name, each in wanted.items())

    write(wanted)
    try:
        until(reported, "figures are reported")
        time.sleep(2)  # the kubelets read them
        yield
    finally:
        overrides.unlink()


def published(lab) -> dict[tuple[str, str], float]:
    """The newest value of each of the monitor's metrics of the last minutes, by name and claim ('' for the roll-up)."""
    import datetime

    cloudwatch = lab.client("cloudwatch")
    now = datetime.datetime.now(datetime.UTC)
    found = {}
    for metric in cloudwatch.list_metrics(Namespace="LangfusePVC")["Metrics"]:
        points = cloudwatch.get_metric_statistics(
            Namespace="LangfusePVC",
            MetricName=metric["MetricName"],
            Dimensions=metric["Dimensions"],
            StartTime=now - datetime.timedelta(minutes=10),
            EndTime=now + datetime.timedelta(minutes=1),
            Period=1,
            Statistics=["Maximum"],
        )["Datapoints"]
        claim = next((d["Value"] for d in metric["Dimensions"] if d["Name"] == "PVCName"), "")
        if points:
            newest = max(points, key=lambda point: point["Timestamp"])
            found[metric["MetricName"], claim] = newest["Maximum"]
    return found
