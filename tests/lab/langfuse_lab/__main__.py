# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's command line: build, up, down, status, show, load."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from langfuse_lab import build, config, kubernetes, processes, supervisor
from langfuse_lab.config import Lab, LabError
from langfuse_lab.supervisor import Part, Supervisor

PYTHON_PARTS = {  # name -> (port, path of the health question, what it needs)
    "aws": ("aws", "/lab/health", ()),
    "clickhouse": ("clickhouse_http", "/ping", ()),
    "controllers": ("controllers", "/healthz", ("kube-apiserver", "network", "aws", "clickhouse")),
}


def main(arguments: list[str]) -> int:
    """Run one command; return its exit code."""
    try:
        if arguments[:1] == ["load"]:
            from langfuse_lab.clickhouse import loader

            return loader.main(arguments[1:])
        options = _parser().parse_args(arguments)
        return options.run(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except ModuleNotFoundError as error:
        print(
            f"lab: the Python package {error.name} is missing in {sys.executable}: "
            "use the project's virtual environment, made from requirements-dev.txt.",
            file=sys.stderr,
        )
    except KeyboardInterrupt:
        print("lab: interrupted; up goes on from here, down removes what stands.", file=sys.stderr)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="langfuse_lab", description="AWS, Kubernetes and ClickHouse on one computer.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(name: str, run: Callable[[argparse.Namespace], int], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("--lab-dir", help="folder of the lab (default: $LAB_DIR, else .lab in the repository)")
        added.set_defaults(run=run)
        return added

    building = commands.add_parser("build", help="Build the programs unless they are there; print their folder.")
    building.set_defaults(run=_build)
    up = command("up", _up, "Start what is not up, and wait for it.")
    up.add_argument("--only", choices=["aws"], help="start this part alone, for a cluster that is not the lab's")
    down = command("down", _down, "Stop everything and remove the lab's data.")
    down.add_argument(
        "--keep",
        action="store_true",
        default=os.environ.get("LAB_KEEP") == "1",
        help="keep Kubernetes objects and ClickHouse data for the next up (also LAB_KEEP=1); AWS always starts empty",
    )
    command("status", _status, "Say which parts are up.")
    show = command("show", _show, "Print what stands in the cluster and how to look at it.")
    show.add_argument("--namespace", default="langfuse", help="namespace of the release (default: %(default)s)")
    commands.add_parser("load", help="Write rows of the past into ClickHouse.")  # run by the loader itself
    return parser


def _build(_options: argparse.Namespace) -> int:
    with contextlib.redirect_stdout(sys.stderr):  # only the folder is for programs to read
        binaries = build.bin_dir()
        build.ensure(binaries)
    print(binaries)
    return 0


def _up(options: argparse.Namespace) -> int:
    directory = config.lab_directory(options.lab_dir)
    config.make_directory(directory)
    with _locked(directory):
        lab = _running(directory)
        if not lab or Supervisor(lab, _parts(lab, options.only)).down():
            lab = _start(directory, lab, options.only)
        _write_environment(lab)
    print(f"The lab is up. Use it with:  source {lab.directory / 'env'}")
    return 0


def _running(directory: Path) -> Lab | None:
    """Return the lab of which parts run in a folder, or None; raises LabError when it has other ports than asked."""
    lab = config.read(directory)
    if not lab or not processes.leaders(directory):
        return None
    asked = config.asked_base()
    if asked not in (None, lab.base):
        raise LabError(
            f"LAB_PORT_BASE={asked}, but the lab in {directory} runs with base {lab.base}: "
            "run down first, or set LAB_DIR for a second lab."
        )
    return lab


def _start(directory: Path, running: Lab | None, only: str | None) -> Lab:
    """Start a lab, or what is missing of the running one, with the programs of the present sources; return the lab."""
    began = time.monotonic()
    with _locked(build.cache()):  # two labs that start at the same time must not find the same ports free
        binaries = build.bin_dir()
        lab = dataclasses.replace(running, bin_dir=binaries) if running else config.plan(directory, binaries)
        build.ensure(binaries)
        config.write(lab)
        parts = Supervisor(lab, _parts(lab, only))
        down = parts.down()
        if len(down) < len(parts.parts):
            print(f"Not up: {', '.join(down)}. Starting what is missing.", flush=True)
        kubernetes.prepare(lab)
        started = parts.start()
    print(f"Started in {time.monotonic() - began:.1f} s: {', '.join(started)}.")
    if "aws" in started and "etcd" not in started and not only:
        print("AWS starts empty while Kubernetes remembers: run the site playbook again, or down and up.")
    return lab


def _down(options: argparse.Namespace) -> int:
    directory = config.lab_directory(options.lab_dir)
    with _locked(directory) if directory.is_dir() else contextlib.nullcontext():
        stopped = supervisor.stop(directory)  # also when somebody removed the folder
        print(f"Stopped {', '.join(stopped)}." if stopped else f"No part of a lab runs in {directory}.")
        if options.keep:
            print("Kept Kubernetes objects and ClickHouse data for the next up; what was made in AWS is gone.")
        elif config.read(directory):
            config.remove(directory)
    return 0


def _status(options: argparse.Namespace) -> int:
    lab = _existing(options)
    states = Supervisor(lab, _parts(lab)).states()
    for name, (pid, answers) in states.items():
        state = "up" if answers else "does not answer" if pid else "down"
        details = f"pid {pid:<8} {processes.resident_bytes(pid) / 2**20:>5.0f} MiB" if pid else ""
        print(f"{name:24} {state:16} {details}".rstrip())
    return 0 if all(answers for _, answers in states.values()) else 1


def _show(options: argparse.Namespace) -> int:
    from langfuse_lab import show  # not needed by the other commands

    show.show(_existing(options), options.namespace)
    return 0


def _parts(lab: Lab, only: str | None = None) -> list[Part]:
    python = [
        Part(
            name,
            (sys.executable, "-m", f"langfuse_lab.{name}", "--lab-dir", str(lab.directory)),
            needs,
            f"http://{lab.address(port)}{path}",
        )
        for name, (port, path, needs) in PYTHON_PARTS.items()
    ]
    return [part for part in [*python, *kubernetes.parts(lab)] if only in (None, part.name)]


def _existing(options: argparse.Namespace) -> Lab:
    directory = config.lab_directory(options.lab_dir)
    lab = config.read(directory)
    if not lab:
        raise LabError(f"There is no lab in {directory}: start one with up, or name another folder with LAB_DIR.")
    return lab


@contextlib.contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Let one up or down at a time work on a lab."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_environment(lab: Lab) -> None:
    """Write the shell file that points AWS tools, Helm and kubectl at the lab."""
    path = lab.state / "credentials.json"  # of the lab's administrator, written by the part aws
    try:
        credentials = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise LabError(f"{path} is missing: run up again, or down and up.") from error
    variables = {
        "AWS_ENDPOINT_URL": f"http://{lab.address('aws')}",
        "AWS_ACCESS_KEY_ID": credentials["access_key_id"],
        "AWS_SECRET_ACCESS_KEY": credentials["secret_access_key"],
        "AWS_EC2_METADATA_DISABLED": "true",
        "LAB_DIR": str(lab.directory),
    }
    lines = [
        "unset AWS_PROFILE AWS_SESSION_TOKEN",  # a person's own would be mixed with the lab's key
        *(f"export {name}={shlex.quote(value)}" for name, value in variables.items()),
        f"export PATH={shlex.quote(str(lab.bin_dir))}:$PATH",
        f"export NO_PROXY={config.HOST},localhost${{NO_PROXY:+,$NO_PROXY}}",
        "export no_proxy=$NO_PROXY",
    ]
    config.write_atomically(lab.directory / "env", "\n".join(lines) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
