# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules on this computer, each in a fork of the Ansible worker that wants it instead of in a new Python."""

from __future__ import annotations

DOCUMENTATION = r"""
name: local_fork
author: llmops.langfuse contributors (@llmops)
version_added: 1.0.0
short_description: Run modules on this computer in a fork of Ansible's worker
description:
  - Does what P(ansible.builtin.local#connection) does, in less time. That starts a Python for each task, which compiles
    Ansible's part of the module anew. Here a fork of the worker runs the module, with Python and Ansible loaded.
  - Each module still has a process of its own, a child of the worker, with what the worker has as environment.
  - M(ansible.builtin.meta) with C(reset_connection) loads the Python libraries for AWS and Kubernetes into Ansible
    itself, and botocore's description of AWS, once for all modules that run after it. The role
    P(llmops.langfuse.platform#role) begins with it.
  - It also lets runs share the modules that Ansible packs, of Ansible and of the collections that the roles use. They
    lie in C(llmops.langfuse-packed-*) in the folder that C(local_tmp) names. A change of any file that they are packed
    from makes Ansible pack them anew. What no run used for a week is removed; you may remove it at any time.
  - What is no module of this Python goes to P(ansible.builtin.local#connection), as does everything where the system
    is not Linux. That is, among others, C(become), C(async), modules without pipelining, and an C(environment) with
    variables that Python or its libraries look at only when they start (C(PYTHON*), C(LD_*), C(LC_*), C(LANG*), C(TZ)).
options:
  become_success_timeout:
    description: See P(ansible.builtin.local#connection), which does what has C(become). In seconds.
    type: int
    default: 10
    vars:
      - name: ansible_local_become_success_timeout
  become_strip_preamble:
    description: See P(ansible.builtin.local#connection), which does what has C(become).
    type: bool
    default: true
    vars:
      - name: ansible_local_become_strip_preamble
extends_documentation_fragment:
  - ansible.builtin.connection_pipelining
seealso:
  - plugin: ansible.builtin.local
    plugin_type: connection
"""

import atexit
import gc
import importlib
import os
import re
import shlex
import signal
import sys
import traceback
import types
import typing as t

from ansible.plugins.connection.local import Connection as Local
from ansible.utils.display import Display
from ansible_collections.llmops.langfuse.plugins.plugin_utils import _aws_descriptions, _packed_modules

display = Display()

# What most modules of this collection's roles import. Not more: each fork pays for the memory.
LIBRARIES = (
    "boto3.session",
    "botocore.endpoint",
    "botocore.httpsession",
    "botocore.paginate",
    "botocore.parsers",
    "botocore.waiter",
    "jsonpatch",
    "kubernetes.dynamic",
    "ansible.module_utils.urls",
    "ansible_collections.amazon.aws.plugins.module_utils.modules",
    "ansible_collections.amazon.aws.plugins.module_utils.tagging",
    "ansible_collections.kubernetes.core.plugins.module_utils.ansiblemodule",
    "ansible_collections.kubernetes.core.plugins.module_utils.helm",
    "ansible_collections.kubernetes.core.plugins.module_utils.k8s.runner",
)

# What a task may set for a fork: nothing that is looked at only when Python or the C library starts.
SETTING = re.compile(r"(?!PYTHON|LD_|LC_|LANG|TZ=)[A-Za-z_]\w*=", re.ASCII)

# How much garbage is let lie, as gc.set_threshold() has it: most processes of a run end before it matters.
SELDOM = (100_000, 20, 20)


class Connection(Local):
    """ansible.builtin.local, but for a program that is to be given to a Python like this one."""

    def reset(self) -> None:
        """Load libraries and take packed modules; Ansible calls this in the process that all workers are forks of."""
        if sys.platform.startswith("linux"):
            for name in LIBRARIES:
                _beforehand(name, lambda name=name: importlib.import_module(name))
            _beforehand("AWS's description", _aws_descriptions.keep)
            _packed_modules.share()
            gc.freeze()  # else each fork's garbage collection copies all of it
            gc.set_threshold(*SELDOM)

    def exec_command(self, cmd: str, in_data: bytes | None = None, sudoable: bool = True) -> tuple[int, bytes, bytes]:
        """Run a command; its exit code, and what it wrote to stdout and stderr."""
        environment = _environment(cmd)
        if not in_data or environment is None or not sys.platform.startswith("linux"):
            return super().exec_command(cmd, in_data=in_data, sudoable=sudoable)
        self._connect()
        display.vvv(f"FORK {cmd}", host=self._play_context.remote_addr)
        return run_forked(in_data, environment)


def _beforehand(what: str, load: t.Callable[[], object]) -> None:
    try:
        load()
    except Exception as error:  # it is for the module that needs it to say so
        display.vvv(f"{what} is not loaded beforehand: {error}")


def _environment(cmd: str) -> dict[str, str] | None:
    """What a shell is to set for the Python that runs here; None when a fork of it would not do as well.

    Ansible writes NAME=value for a task's environment, each value quoted. The `sleep 0` is for terminals.
    """
    try:
        _shell, option, command = shlex.split(cmd)
        *settings, program = shlex.split(command.removesuffix(" && sleep 0"))
    except ValueError:
        return None
    if option != "-c" or program != sys.executable or not all(map(SETTING.match, settings)):
        return None
    return dict(setting.split("=", 1) for setting in settings)


def run_forked(program: bytes, environment: t.Mapping[str, str] | None = None) -> tuple[int, bytes, bytes]:
    """Run a Python program in a fork of this process; the exit code a shell would tell, stdout and stderr."""
    # Not pipes, which can fill, nor files, since there may be secrets in it.
    with open(os.memfd_create("stdout"), "rb") as stdout, open(os.memfd_create("stderr"), "rb") as stderr:
        pid = os.fork()
        if pid == 0:
            _become(program, environment or {}, stdout.fileno(), stderr.fileno())
        code = _wait(pid)
        return code, _all(stdout), _all(stderr)


def _wait(pid: int) -> int:
    try:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    except BaseException:  # the task's timeout
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    return code if code >= 0 else 128 - code


def _all(file: t.IO[bytes]) -> bytes:
    file.seek(0)
    return file.read()


def _become(program: bytes, environment: t.Mapping[str, str], stdout: int, stderr: int) -> t.NoReturn:
    """Be the program, in the child: nothing of the worker's may be done at its end."""
    from ansible.module_utils import _internal  # not above: an Ansible that lacks it is to come as far as its refusal

    code = 1
    try:
        os.environ.update(environment)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        sys.stdin = os.fdopen(0, "r", closefd=False)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        sys.stderr = os.fdopen(2, "w", closefd=False)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        atexit._clear()
        _internal.is_controller = False  # what modules warn of is in their results, and not displayed
        code = _execute(program)
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _execute(program: bytes) -> int:
    """Execute a program as Python does; its exit code."""
    main = sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = [""]
    try:
        exec(compile(program, "<stdin>", "exec"), vars(main))
    except SystemExit as end:
        if isinstance(end.code, str):
            sys.stderr.write(end.code + "\n")
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    return 0
