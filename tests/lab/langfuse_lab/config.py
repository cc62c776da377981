# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a lab lives, what it is called and which ports it has: DIR/config.json, which all parts read."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

from langfuse_lab import processes

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_BASE = 17400
BASE_STEP = 50
BASES_TRIED = 20
HOST = "127.0.0.1"
ACCOUNT = "123456789012"
REGION = "ap-south-1"

PORTS = (  # in the order of their offsets from the base
    "aws",
    "etcd",
    "etcd_peer",
    "apiserver",
    "controller_manager",
    "scheduler",
    "kwok",
    "network",
    "clickhouse_native",
    "clickhouse_http",
    "controllers",
)


FOLDERS = ("log", "run", "pki", "data", "state")
FILES = ("config.json", "env", "admin.kubeconfig")


class LabError(Exception):
    """Something the person at the keyboard can mend; its text is the whole message."""


@dataclasses.dataclass(frozen=True)
class Lab:
    """One lab: its folder, its names and its ports."""

    directory: Path
    lab_id: str
    issuer: str
    ports: dict[str, int]
    bin_dir: Path

    @property
    def base(self) -> int:
        """Lowest port."""
        return min(self.ports.values())

    @property
    def cluster_endpoint(self) -> str:
        """URL of the API server."""
        return f"https://{self.address('apiserver')}"

    @property
    def pki(self) -> Path:
        """Folder of certificates and keys."""
        return self.directory / "pki"

    @property
    def state(self) -> Path:
        """Folder of what the parts tell each other."""
        return self.directory / "state"

    @property
    def admin_kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator, for the lab's own parts and for looking around."""
        return self.directory / "admin.kubeconfig"

    def address(self, port: str) -> str:
        """Return host:port of a named port."""
        return f"{HOST}:{self.ports[port]}"

    def log(self, part: str) -> Path:
        """Return the log file of a part."""
        return self.directory / "log" / f"{part}.log"

    def as_json(self) -> dict[str, object]:
        """Return what the other parts read."""
        return {
            "lab_id": self.lab_id,
            "region": REGION,
            "account": ACCOUNT,
            "cluster_endpoint": self.cluster_endpoint,
            "ports": self.ports,
            "issuer": self.issuer,
            "ca_file": str(self.pki / "ca.crt"),
            "sa_public_key": str(self.pki / "sa.pub"),
            "admin_kubeconfig": str(self.admin_kubeconfig),
            "helm": str(self.bin_dir / "helm"),
            "bin_dir": str(self.bin_dir),
        }


def lab_directory(given: str | None = None) -> Path:
    """Return the lab's folder: given, $LAB_DIR, or .lab in the repository."""
    return Path(given or os.environ.get("LAB_DIR") or REPOSITORY / ".lab").resolve()


def read(directory: Path) -> Lab | None:
    """Return the lab in a folder, or None when there is none."""
    path = directory / "config.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except json.JSONDecodeError as error:
        raise LabError(f"{path} is not valid JSON ({error}): remove {directory} and start again.") from error
    return Lab(directory, data["lab_id"], data["issuer"], data["ports"], Path(data["bin_dir"]))


def plan(directory: Path, bin_dir: Path) -> Lab:
    """Return the lab to start in a folder of which no part runs: kept names if there are any, ports that are free.

    Raises LabError when the ports asked for by LAB_PORT_BASE are not to be had.
    """
    kept = read(directory)
    if kept:
        return dataclasses.replace(kept, bin_dir=bin_dir, ports=_free_ports(kept.base))
    issuer = f"https://oidc.eks.{REGION}.amazonaws.com/id/{secrets.token_hex(16).upper()}"
    return Lab(directory, secrets.token_hex(4), issuer, _free_ports(DEFAULT_BASE), bin_dir)


def make_directory(directory: Path) -> None:
    """Make a lab's folder; raises LabError when that cannot be done, or when it is somebody else's."""
    with _named_errors(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(directory.iterdir()) and not (directory / "config.json").exists():
            raise LabError(
                f"LAB_DIR {directory} holds other things than a lab, and down would remove some: name another."
            )


def write(lab: Lab) -> None:
    """Write config.json and make the other folders; raises LabError when that cannot be done."""
    with _named_errors(lab.directory):
        write_atomically(lab.directory / "config.json", json.dumps(lab.as_json(), indent=1) + "\n")
        for name in FOLDERS:
            (lab.directory / name).mkdir(mode=0o700, exist_ok=True)


def remove(directory: Path) -> None:
    """Remove what a lab made in its folder, and the folder when nothing else is in it."""
    for name in FOLDERS:
        shutil.rmtree(directory / name, ignore_errors=True)
    for name in FILES:
        (directory / name).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # something else is in it
        directory.rmdir()


def write_atomically(path: Path, text: str) -> None:
    """Write a file that only its owner may read; a reader sees the old text or the new, never a part of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.touch(mode=0o600)
    temporary.write_text(text)
    temporary.replace(path)


def asked_base() -> int | None:
    """Return LAB_PORT_BASE, or None when it is not set."""
    text = os.environ.get("LAB_PORT_BASE")
    if not text:
        return None
    highest = 65536 - len(PORTS)
    if not text.isdecimal() or not 1024 <= int(text) <= highest:
        raise LabError(f"LAB_PORT_BASE={text} is not a port: give a number from 1024 to {highest}.")
    return int(text)


def _free_ports(preferred: int) -> dict[str, int]:
    asked = asked_base()
    if asked is not None:
        ports = _ports_of(asked)
        for name, port in ports.items():
            if not _is_free(port):
                owner = processes.owner_of_port(port) or "another user's process"
                raise LabError(
                    f"LAB_PORT_BASE={asked}: port {port} ({name}) is in use by {owner}; "
                    f"stop it, choose another base, or unset LAB_PORT_BASE to take the next free one."
                )
        return ports
    for step in range(BASES_TRIED):
        ports = _ports_of(preferred + step * BASE_STEP)
        if all(map(_is_free, ports.values())):
            return ports
    last = preferred + (BASES_TRIED - 1) * BASE_STEP
    raise LabError(f"No free ports at any base from {preferred} to {last}: set LAB_PORT_BASE to a free range.")


@contextlib.contextmanager
def _named_errors(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise LabError(f"LAB_DIR {directory} cannot be written: {error.strerror} ({error.filename}).") from error


def _ports_of(base: int) -> dict[str, int]:
    return {name: base + offset for offset, name in enumerate(PORTS)}


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
