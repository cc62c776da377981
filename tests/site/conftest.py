# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab and the playbooks, as the site tests use them."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from iam_user import Asked, IamUser

ROOT = Path(__file__).resolve().parents[2]
LAB_DIR = Path(os.environ["LAB_DIR"])
LOGS = Path(__file__).parent / "log" / LAB_DIR.name.removeprefix(".lab-test-")
RECAP = re.compile(r"^localhost +: ok=(\d+) +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.M)


@dataclass
class Run:
    """One ansible-playbook run: its exit code, everything it printed, and seconds."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        recap = RECAP.search(self.output)
        assert recap, f"no recap:\n{self.output[-2000:]}"
        return int(recap[2])

    def ok(self) -> Run:
        assert self.code == 0, self.output[-6000:]
        return self

    @property
    def changed_tasks(self) -> list[str]:
        """The tasks that changed something, for the message of a failed assertion."""
        tasks, now = [], ""
        for line in self.output.splitlines():
            if line.startswith("TASK ["):
                now = line
            elif line.startswith("changed: "):
                tasks.append(now)
        return tasks


class Site:
    """Runs the playbooks against the lab as a user would, from a shell that sourced the lab's env file."""

    def __init__(self) -> None:
        LOGS.mkdir(parents=True, exist_ok=True)
        self.count = 0

    @property
    def environment(self) -> dict[str, str]:
        """What a shell has after sourcing the lab's env file."""
        script = f"source {shlex.quote(str(LAB_DIR / 'env'))} && env -0"
        out = subprocess.run(["bash", "-c", script], check=True, capture_output=True, text=True).stdout
        return dict(line.split("=", 1) for line in out.split("\0") if line)

    def start(
        self, playbook: str, *args: str, name: str = "", env: dict[str, str | None] | None = None
    ) -> tuple[subprocess.Popen[str], Path]:
        self.count += 1
        log = LOGS / f"{self.count:02}-{name or playbook}.log"
        environment = {**self.environment, **(env or {})}
        command = ["ansible-playbook", "-i", "inventories/local", f"llmops.langfuse.{playbook}", *args]
        with log.open("w") as out:
            process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={k: v for k, v in environment.items() if v is not None},
                stdout=out,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                text=True,
                start_new_session=True,
            )
        return process, log

    def run(self, playbook: str, *args: str, name: str = "", env: dict[str, str | None] | None = None) -> Run:
        begun = time.monotonic()
        process, log = self.start(playbook, *args, name=name, env=env)
        code = process.wait(timeout=900)
        return Run(code, log.read_text(), time.monotonic() - begun)


class Lab:
    """The lab's command line, its AWS and its Kubernetes."""

    dir = LAB_DIR

    def __call__(self, *args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["python", "-m", "langfuse_lab", *args], cwd=ROOT, capture_output=True, text=True, check=False
        )

    def up(self) -> None:
        """Start what is not up."""
        done = self("up")
        assert done.returncode == 0, done.stdout + done.stderr

    @property
    def secrets(self) -> dict[str, str]:
        """The value of each SSM parameter of the platform, by its name."""
        pages = self.client("ssm").get_paginator("get_parameters_by_path")
        pages = pages.paginate(Path="/langfuse/lab", Recursive=True, WithDecryption=True)
        return {parameter["Name"]: parameter["Value"] for page in pages for parameter in page["Parameters"]}

    @property
    def config(self) -> dict:
        return json.loads((LAB_DIR / "config.json").read_text())

    def client(self, service: str):
        """A boto3 client of the lab's administrator."""
        import boto3

        keys = json.loads((LAB_DIR / "state" / "credentials.json").read_text())
        return boto3.client(
            service,
            region_name=self.config["region"],
            endpoint_url=f"http://127.0.0.1:{self.config['ports']['aws']}",
            aws_access_key_id=keys["access_key_id"],
            aws_secret_access_key=keys["secret_access_key"],
        )

    @property
    def bucket(self) -> str:
        return next(bucket["Name"] for bucket in self.client("s3").list_buckets()["Buckets"])

    def rows(self, table: str) -> int:
        """How many rows a table of ClickHouse has."""
        from langfuse_lab.clickhouse.client import Client

        return int(Client.of_lab(LAB_DIR).execute(f"SELECT count() FROM {table}"))

    def volumes_of_claims(self) -> dict[str, str]:
        """The EC2 volume of each claim of Langfuse's namespace."""
        core = self.kubernetes()
        handles = {each.metadata.name: each.spec.csi.volume_handle for each in core.list_persistent_volume().items}
        claims = core.list_namespaced_persistent_volume_claim("langfuse").items
        return {claim.metadata.name: handles[claim.spec.volume_name] for claim in claims}

    def langfuse(self, path: str) -> dict[str, Any]:
        """What Langfuse's web answers, asked through the API server's service proxy."""
        api = self.kubernetes().api_client
        url = f"{api.configuration.host}/api/v1/namespaces/langfuse/services/langfuse-web:http/proxy/{path}"
        answer = api.call_api("GET", url)
        answer.read()
        return json.loads(answer.data)

    def node_groups(self) -> dict[str, dict[str, Any]]:
        """The cluster's node groups as EKS has them, by their names."""
        eks, cluster = self.client("eks"), "langfuse"
        names = eks.list_nodegroups(clusterName=cluster)["nodegroups"]
        return {name: eks.describe_nodegroup(clusterName=cluster, nodegroupName=name)["nodegroup"] for name in names}

    def slow_down(self, seconds: dict[str, float]) -> None:
        """Let resources of CloudFormation stacks take time, by type; less than before ends what waits."""
        from langfuse_lab.config import write_atomically

        write_atomically(LAB_DIR / "state" / "cloudformation-seconds.json", json.dumps(seconds))

    def kubernetes(self):
        """The core API, as the cluster's administrator."""
        from kubernetes import client, config

        return client.CoreV1Api(config.new_client_from_config(str(LAB_DIR / "admin.kubeconfig")))

    def left_over(self) -> list[str]:
        """What AWS holds beyond what was there before the first run."""
        out = subprocess.run(
            ["python", "-m", "langfuse_lab.aws.left_over", "--lab-dir", str(LAB_DIR)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        return out.stdout.splitlines()


@pytest.fixture(scope="session")
def site() -> Site:
    return Site()


@pytest.fixture(scope="session")
def lab() -> Lab:
    return Lab()


@pytest.fixture(scope="session")
def iam_user(lab: Lab) -> IamUser:
    """A user who has no more permissions than the roles list; made when a test first asks for him."""
    return IamUser(lab)


@pytest.fixture(scope="session")
def asked() -> dict[str, Asked]:
    """What AWS asked the user's policies for, run by run."""
    return {}


@pytest.fixture(scope="session")
def kept() -> dict[str, Any]:
    """What a teardown shall keep, as it was before."""
    return {}
