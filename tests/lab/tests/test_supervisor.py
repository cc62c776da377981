# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from langfuse_lab import config, processes, supervisor
from langfuse_lab.supervisor import Part, Supervisor

SERVER = """
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
print("started", os.environ["LANGFUSE_LAB_PART"], flush=True)
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[config.Lab]:
    lab = config.Lab(tmp_path, "00000000", "https://issuer", {"apiserver": 6443}, tmp_path / "bin")
    config.write(lab)
    yield lab
    supervisor.stop(tmp_path)


def server(name: str, *needs: str) -> Part:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return Part(name, (sys.executable, "-c", SERVER, str(port)), needs, f"http://127.0.0.1:{port}/healthz")


def test_parts_start_after_what_they_need_and_stop(lab: config.Lab) -> None:
    parts = [server("web", "store"), server("store")]
    assert Supervisor(lab, parts).down() == ["web", "store"]
    assert Supervisor(lab, parts).start() == ["store", "web"]
    assert all(answers for _, answers in Supervisor(lab, parts).states().values())
    assert Supervisor(lab, parts).start() == []
    assert lab.log("web").read_text().startswith(f"started web@{lab.directory}\n")
    assert int((lab.directory / "run" / "web.pid").read_text()) == processes.leaders(lab.directory)["web"]
    assert supervisor.stop(lab.directory) == ["store", "web"]
    assert supervisor.stop(lab.directory) == []


def test_only_the_dead_part_is_started_again(lab: config.Lab) -> None:
    parts = [server("web", "store"), server("store")]
    Supervisor(lab, parts).start()
    before = processes.leaders(lab.directory)
    os.kill(before["store"], signal.SIGKILL)
    wait_until(lambda: "store" not in processes.leaders(lab.directory))
    assert Supervisor(lab, parts).down() == ["store"]
    assert Supervisor(lab, parts).start() == ["store"]
    assert processes.leaders(lab.directory)["web"] == before["web"]


def test_a_part_that_hangs_is_replaced(lab: config.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "ANSWER_TIMEOUT", 0.2)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT", 0.2)
    parts = [server("web")]
    Supervisor(lab, parts).start()
    hung = processes.leaders(lab.directory)["web"]
    os.kill(hung, signal.SIGSTOP)
    assert Supervisor(lab, parts).start() == ["web"]
    assert processes.leaders(lab.directory)["web"] != hung


def test_a_part_that_ends_while_starting_is_named_with_its_log(lab: config.Lab) -> None:
    part = Part("web", (sys.executable, "-c", "import sys; sys.exit('no such disk')"), (), "http://127.0.0.1:9/healthz")
    with pytest.raises(config.LabError, match=r"web ended with code 1 while starting.*web\.log:\nno such disk"):
        Supervisor(lab, [part]).start()


def test_a_part_that_never_answers_is_named_with_its_log(lab: config.Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_TIMEOUT", 0.3)
    part = Part("web", ("sleep", "60"), (), "http://127.0.0.1:9/healthz")
    with pytest.raises(config.LabError, match=r"web does not answer at http://127.0.0.1:9/healthz after 0.3 s"):
        Supervisor(lab, [part]).start()


def test_stop_finds_children_with_an_environment_of_their_own(lab: config.Lab) -> None:
    code = "import subprocess, time; subprocess.Popen(['sleep', '60'], env={}); time.sleep(60)"
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, **processes.mark("controllers", lab.directory)},
        start_new_session=True,
    )
    wait_until(lambda: len(processes.find(lab.directory)) == 2)
    assert processes.leaders(lab.directory) == {"controllers": parent.pid}
    assert supervisor.stop(lab.directory) == ["controllers"]
    assert parent.wait() == -signal.SIGTERM
    assert processes.find(lab.directory) == {}


def test_another_labs_processes_are_left_alone(lab: config.Lab, tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "60"], env=processes.mark("aws", tmp_path / "other"), start_new_session=True)
    try:
        assert supervisor.stop(lab.directory) == []
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_parts_do_not_see_the_callers_aws_settings_and_proxies(
    lab: config.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    part = server("web")
    Supervisor(lab, [part]).start()
    environment = Path(f"/proc/{processes.leaders(lab.directory)['web']}/environ").read_text()
    assert "AWS_PROFILE" not in environment
    assert "https_proxy" not in environment
    assert f"LAB_DIR={lab.directory}" in environment


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.02)
