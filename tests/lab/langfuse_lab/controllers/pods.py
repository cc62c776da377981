# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kubelet for the pods that matter: their containers' commands are run as processes of this computer."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from langfuse_lab import kubernetes as localkube
from langfuse_lab.config import Lab
from langfuse_lab.controllers.containers import ContainerError, Materials, expand, rewrite, with_web_identity
from langfuse_lab.controllers.kube import KubernetesError, Object, is_leaving
from langfuse_lab.controllers.world import World, now, pods_of

RUN_LABELS = {"app.kubernetes.io/component": "pvc-monitor"}
SOURCE = "kubelet"
TOOLS = ("aws", "curl", "jq")  # what the monitor's image has beside a shell
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
GRACE_SECONDS = 30
KEPT_LOGS = 200
KILLED = 137


class Pods:
    """Starts, watches and stops the pods labelled to be run."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._folder = lab.directory / "run" / "pods"
        self._logs = lab.directory / "log" / "pods"
        self._running: dict[str, _Run] = {}
        shutil.rmtree(self._folder, ignore_errors=True)  # of pods that a stopped lab left

    def reconcile(self, world: World) -> None:
        """Bring processes to pods, and the pods' status to what the processes did."""
        pods = {pod["metadata"]["uid"]: pod for pod in pods_of(world.list("Pod"), RUN_LABELS)}
        for uid, run in list(self._running.items()):
            if uid not in pods or is_leaving(pods[uid]):
                run.stop()
                if run.is_over():
                    self._forget(uid)
        for uid, pod in pods.items():
            if pod["spec"].get("nodeName") and not is_leaving(pod):
                self._follow(world, uid, pod)

    def close(self) -> None:
        """Kill what runs."""
        for run in self._running.values():
            run.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _follow(self, world: World, uid: str, pod: Object) -> None:
        phase = pod["status"].get("phase")
        run = self._running.get(uid)
        if run is None and phase == "Pending":
            self._start(world, uid, pod)
        elif run is None and phase == "Running":
            message = "The lab's controllers were restarted while the container ran"
            _patch_status(world, pod, _ended(pod, KILLED, "ContainerStatusUnknown", message))
        elif run and run.is_over():
            _patch_status(world, pod, _ended(pod, *run.result()))
            self._forget(uid)

    def _start(self, world: World, uid: str, pod: Object) -> None:
        try:
            run = self._run(world, uid, pod)
        except (ContainerError, KubernetesError, OSError) as error:
            shutil.rmtree(self._folder / uid, ignore_errors=True)
            reason = error.reason if isinstance(error, ContainerError) else "Failed"
            world.event(pod, reason, str(error), source=SOURCE)
            return
        self._running[uid] = run
        _patch_status(world, pod, _started(world, pod))

    def _run(self, world: World, uid: str, pod: Object) -> _Run:
        metadata, spec = pod["metadata"], pod["spec"]
        if len(spec["containers"]) > 1 or spec.get("initContainers"):
            raise ContainerError("Failed", "the lab runs pods of one container without init containers")
        account = world.kubernetes.get(
            "ServiceAccount", spec.get("serviceAccountName", "default"), metadata["namespace"]
        )
        if account is None:
            raise ContainerError("FailedMount", f"serviceaccount {spec.get('serviceAccountName')} not found")
        pod = with_web_identity(pod, account, world.aws.region)
        container = pod["spec"]["containers"][0]
        folder = self._folder / uid
        folder.mkdir(mode=0o700, parents=True)
        materials = Materials(world.kubernetes, pod, folder / "volumes")
        mounts = materials.mounts(container)
        own = materials.environment(container)
        words = [expand(word, own) for word in [*(container.get("command") or []), *(container.get("args") or [])]]
        if not container.get("command"):
            raise ContainerError("Failed", "the lab does not know the entry point of an image: set a command")
        env = self._environment(folder, metadata["name"])
        env |= {name: rewrite(value, mounts) for name, value in own.items()}
        working_dir = container.get("workingDir")
        self._prune_logs()
        return _Run(
            [rewrite(word, mounts) for word in words],
            env,
            Path(rewrite(working_dir, mounts)) if working_dir else folder,
            self._logs / f"{metadata['namespace']}_{metadata['name']}.log",
            spec.get("activeDeadlineSeconds"),
            spec.get("terminationGracePeriodSeconds", GRACE_SECONDS),
        )

    def _environment(self, folder: Path, name: str) -> dict[str, str]:
        """Return what a container has without being told, and how the lab's network and AWS are reached."""
        proxy = f"http://{self._lab.address('network')}"
        return {
            "PATH": f"{self._tools(folder)}:{SYSTEM_PATH}",
            "HOME": str(folder),
            "HOSTNAME": name,
            "KUBERNETES_SERVICE_HOST": localkube.API_SERVICE_IP,
            "KUBERNETES_SERVICE_PORT": "443",
            "KUBERNETES_SERVICE_PORT_HTTPS": "443",
            "HTTPS_PROXY": proxy,
            "https_proxy": proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            "AWS_ENDPOINT_URL": f"http://{self._lab.address('aws')}",
        }

    def _tools(self, folder: Path) -> Path:
        """Make a folder with the programs of the image: those of this computer, else the lab's stand-ins."""
        tools = folder / "bin"
        tools.mkdir()
        stand_ins = {"aws": Path(sys.executable).parent / "aws", "jq": self._lab.bin_dir / "gojq"}
        for name in TOOLS:
            program = shutil.which(name, path=SYSTEM_PATH) or stand_ins.get(name)
            if program is None or not Path(program).exists():
                raise ContainerError("Failed", f"{name} is missing on this computer: install it")
            (tools / name).symlink_to(program)
        return tools

    def _forget(self, uid: str) -> None:
        del self._running[uid]
        shutil.rmtree(self._folder / uid, ignore_errors=True)

    def _prune_logs(self) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        logs = sorted(self._logs.iterdir(), key=lambda path: path.stat().st_mtime)
        for path in logs[: -KEPT_LOGS or None]:
            path.unlink()


class _Run:
    """A process in the place of a container; limits are in seconds."""

    def __init__(
        self, command: list[str], env: dict[str, str], folder: Path, log: Path, deadline: int | None, grace: int
    ) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                env=env,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                process_group=0,  # to be stopped as a whole; the session stays, by which `down` finds it
            )
        self._began = time.monotonic()
        self._deadline = deadline
        self._grace = grace
        self._stopped: float | None = None
        self._is_late = False

    def is_over(self) -> bool:
        """Tell whether the process has ended; enforces the deadline on the way."""
        if self._process.poll() is not None:
            self._signal(signal.SIGKILL)  # what it left in the background
            return True
        if self._deadline is not None and time.monotonic() - self._began > self._deadline:
            self._is_late = True
            self.stop()
        return False

    def stop(self) -> None:
        """Ask the process to end, and kill it after its grace period."""
        if self._stopped is None:
            self._stopped = time.monotonic()
            self._signal(signal.SIGTERM)
        elif time.monotonic() - self._stopped > self._grace:
            self._signal(signal.SIGKILL)

    def kill(self) -> None:
        """End the process at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()

    def result(self) -> tuple[int, str, str]:
        """Return the exit code, the pod's reason and its message."""
        if self._is_late:
            return KILLED, "DeadlineExceeded", "Pod was active on the node longer than the specified deadline"
        code = self._process.returncode
        return (128 - code if code < 0 else code), "", ""

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


def _started(world: World, pod: Object) -> Object:
    node = world.find("Node", pod["spec"]["nodeName"])
    addresses = node["status"].get("addresses", []) if node else []
    internal = [each["address"] for each in addresses if each["type"] == "InternalIP"]
    status = {"phase": "Running", "startTime": now(), **_conditions("True", "")}
    if internal:
        status |= {"hostIP": internal[0], "hostIPs": [{"ip": internal[0]}]}
    state = {"running": {"startedAt": now()}}
    return status | {"containerStatuses": [_container_status(pod, state, is_ready=True)]}


def _ended(pod: Object, code: int, reason: str, message: str) -> Object:
    began = pod["status"].get("startTime", now())
    terminated = {
        "exitCode": code,
        "reason": "Completed" if code == 0 else reason or "Error",
        "startedAt": began,
        "finishedAt": now(),
    }
    return {
        "phase": "Succeeded" if code == 0 else "Failed",
        "reason": reason,
        "message": message,
        "containerStatuses": [_container_status(pod, {"terminated": terminated}, is_ready=False)],
        **_conditions("False", "PodCompleted"),
    }


def _container_status(pod: Object, state: Object, *, is_ready: bool) -> Object:
    container = pod["spec"]["containers"][0]
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": container["image"],
        "ready": is_ready,
        "started": is_ready,
        "restartCount": 0,
        "state": state,
    }


def _conditions(ready: str, reason: str) -> Object:
    common = {"status": ready, "reason": reason, "lastTransitionTime": now()}
    initialized = {"type": "Initialized", "status": "True", "lastTransitionTime": now()}
    return {"conditions": [initialized, *({"type": name, **common} for name in ("ContainersReady", "Ready"))]}


def _patch_status(world: World, pod: Object, status: Object) -> None:
    world.kubernetes.patch(pod, {"status": status}, subresource="status", strategic=True)
