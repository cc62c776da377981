# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection local_fork: its forks do what a new Python does, and what is not for them goes to Ansible's local."""

from __future__ import annotations

import functools
import gc
import importlib
import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
from ansible.playbook.play_context import PlayContext
from ansible.plugins.connection.local import Connection as Local
from ansible.plugins.loader import connection_loader
from ansible.plugins.shell.sh import ShellModule as Sh
from ansible_collections.llmops.langfuse.plugins.connection import local_fork
from ansible_collections.llmops.langfuse.plugins.connection.local_fork import run_forked

PYTHON = f"/bin/sh -c '{sys.executable} && sleep 0'"
PROGRAMS = {
    "nothing": "",
    "stdout and stderr": "import os; print('a', flush=True); os.system('echo b; echo c >&2'); print('d')",
    "more than a pipe holds": "import sys; sys.stderr.write('e' * 1_000_000); sys.stdout.write('o' * 1_000_000)",
    "exit code": "raise SystemExit(3)",
    "exit with a message": "import sys; sys.exit('gone')",
    "exit without a code": "import sys; sys.exit()",
    "main": "import sys, __main__; x = 1; print(__main__.x, __name__, sys.argv[1:])",
    "stdin is at its end": "import sys; print(repr(sys.stdin.read()))",
    "at exit": "import atexit; atexit.register(print, 'bye'); raise SystemExit(2)",
    "bytes": "import sys; sys.stdout.buffer.write(b'\\xff\\x00')",
    "killed": "import os; os.kill(os.getpid(), 9)",
}


def in_new_python(program: str) -> tuple[int, bytes, bytes]:
    done = subprocess.run([sys.executable], input=program.encode(), capture_output=True, check=False)
    return (done.returncode if done.returncode >= 0 else 128 - done.returncode), done.stdout, done.stderr


@pytest.mark.parametrize("program", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_does_what_a_new_python_does(program):
    assert run_forked(program.encode()) == in_new_python(program)


def test_an_exception_is_told():
    code, stdout, stderr = run_forked(b"def f():\n    raise ValueError('why')\nf()")
    assert (code, stdout) == (1, b"")
    assert stderr.startswith(b"Traceback") and stderr.endswith(b"ValueError: why\n")


def test_a_syntax_error_is_told():
    code, _stdout, stderr = run_forked(b"def")
    assert code == 1 and b"SyntaxError" in stderr


def test_nothing_of_the_program_is_left_here():
    before = dict(sys.modules), os.getcwd(), list(sys.path)
    run_forked(b"import sys, os, this; os.chdir('/'); sys.path.clear()")
    assert (dict(sys.modules), os.getcwd(), list(sys.path)) == before
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_task_that_ran_out_of_time_leaves_no_process():
    def ring(*_args):
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    begun = time.monotonic()
    try:
        with pytest.raises(TimeoutError):
            run_forked(b"import time; time.sleep(60)")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begun < 30
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


@pytest.fixture
def connection():
    return connection_loader.get("llmops.langfuse.local_fork", PlayContext())


@pytest.fixture
def given_to_local(monkeypatch):
    """The commands that came to Ansible's local."""
    commands = []
    monkeypatch.setattr(Local, "exec_command", lambda _self, cmd, **_options: commands.append(cmd))
    return commands


@pytest.mark.parametrize("command", [PYTHON, f"/bin/sh -c {sys.executable}"])
def test_forks_for_a_program_for_this_python(connection, given_to_local, command):
    assert connection.exec_command(command, in_data=b"print(5)") == (0, b"5\n", b"")
    assert given_to_local == []


def test_a_fork_has_the_environment_of_its_task(connection, given_to_local, monkeypatch):
    monkeypatch.setenv("A", "of the worker")
    shell = Sh()
    wanted = {"A": "it's $HOME; b=c", "_B2": ""}
    command = shlex.join(["/bin/sh", "-c", f"{shell.env_prefix(**wanted)} {sys.executable} && sleep 0"])
    read = "import os, subprocess; print([os.environ.get('A'), os.environ['_B2']], subprocess.getoutput('echo $A'))"
    code, stdout, stderr = connection.exec_command(command, in_data=read.encode())
    assert (code, stdout.decode(), stderr) == (0, f"{list(wanted.values())} {wanted['A']}\n", b"")
    assert given_to_local == [] and os.environ["A"] == "of the worker" and "_B2" not in os.environ


@pytest.mark.parametrize(
    ("command", "in_data"),
    [
        (PYTHON, None),
        (PYTHON, b""),
        ("/bin/sh -c 'echo 1'", b"x"),
        (f"/bin/sh -c 'PYTHONPATH=1 {sys.executable} && sleep 0'", b"x"),
        (f"/bin/sh -c 'LC_ALL=C {sys.executable} && sleep 0'", b"x"),
        (f"/bin/sh -c 'A=1 TZ=UTC {sys.executable} && sleep 0'", b"x"),
        (f"/bin/sh -c 'A=1 env {sys.executable} && sleep 0'", b"x"),
        (f"/bin/sh -c 'echo \"; {sys.executable} && sleep 0'", b"x"),
        ("/bin/sh -c '/elsewhere/python && sleep 0'", b"x"),
        (f"sudo -H -S -n -u root {PYTHON}", b"x"),
        (f"/bin/sh -c '{sys.executable} /tmp/module.py && sleep 0'", b"x"),
    ],
)
def test_anything_else_goes_to_local(connection, given_to_local, command, in_data):
    connection.exec_command(command, in_data=in_data)
    assert given_to_local == [command]


def test_forks_on_linux_only(connection, given_to_local, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    connection.exec_command(PYTHON, in_data=b"x")
    assert given_to_local == [PYTHON]


@pytest.fixture
def one_library(monkeypatch, tmp_path):
    """One library that is there, after one that is not."""
    (tmp_path / "a_library_of_this_test.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(local_fork, "LIBRARIES", ("no_such_library", "a_library_of_this_test"))
    monkeypatch.setattr(gc, "freeze", lambda: None)
    threshold = gc.get_threshold()
    yield "a_library_of_this_test"
    gc.set_threshold(*threshold)
    sys.modules.pop("a_library_of_this_test", None)


@pytest.fixture
def begun(monkeypatch):
    """What else was begun, by name. Not for real: it would last as long as this process, for the tests that follow."""
    names = []
    for module, function in ((local_fork._aws_descriptions, "keep"), (local_fork._packed_modules, "share")):
        monkeypatch.setattr(module, function, functools.partial(names.append, function))
    return names


def is_loaded_in_a_fork(library: str) -> bool:
    return run_forked(f"import sys; print({library!r} in sys.modules)".encode())[1] == b"True\n"


def test_reset_loads_the_libraries_for_all_forks(connection, one_library, begun):
    assert not is_loaded_in_a_fork(one_library)
    connection.reset()
    assert is_loaded_in_a_fork(one_library)
    assert gc.get_threshold() == local_fork.SELDOM
    assert begun == ["keep", "share"]


def test_reset_loads_nothing_where_nothing_forks(connection, one_library, begun, monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    connection.reset()
    assert not is_loaded_in_a_fork(one_library)
    assert gc.get_threshold() != local_fork.SELDOM
    assert begun == []


@pytest.mark.parametrize("library", local_fork.LIBRARIES)
def test_the_libraries_are_there(library):
    importlib.import_module(library)
