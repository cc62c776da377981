# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the disk relief does when a server is slow, silent or nearly without space, and its ways to the server."""

from __future__ import annotations

import base64
import io
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _disk_relief as relief

NOW = 1_800_000_000
OLD = NOW - 90 * relief.DAY
PASSWORD = "correct horse battery"


class Server:
    """One disk of 10 000 bytes with one table, whose partitions and replaced parts can be set."""

    def __init__(self) -> None:
        self.partitions: dict[str, tuple[int, int]] = {"202601": (1000, OLD), "202602": (1000, OLD + 1)}
        self.key = "toYYYYMM(timestamp)"
        self.replaced = 0
        self.definition = ""
        self.other = 7600
        self.proof = (1, 1, OLD * 1000)
        self.mutating = 2
        self.mutations: list[tuple[Any, ...]] = []
        self.silent: list[str] = []  # words of statements that get no answer, once each
        self.refused: dict[str, relief.Refused] = {}
        self.sent: list[str] = []

    @property
    def free(self) -> int:
        return 10_000 - self.other - self.replaced - sum(size for size, _newest in self.partitions.values())

    def __call__(self, sql: str) -> list[tuple[Any, ...]]:
        for words in self.silent:
            if words in sql:
                self.silent.remove(words)
                raise relief.Lost("no answer")
        for words, refusal in self.refused.items():
            if words in sql:
                raise refusal
        if not sql.startswith("SELECT"):
            self.sent.append(sql)
            if "PARTITION" in sql:
                self.partitions.pop(sql.split("'")[1])
            elif "MODIFY SETTING" in sql:
                self.replaced = 0
            return []
        if "system.merges" in sql:
            self.mutating -= 1
            return [(1,)] if self.mutating > 0 else []
        return next(rows for words, rows in self._answers().items() if words in sql)

    def _answers(self) -> dict[str, list[tuple[Any, ...]]]:
        parts = [("default", "traces", p, "default", 1, size, 1, size, t) for p, (size, t) in self.partitions.items()]
        if self.replaced:
            parts.append(("default", "traces", "202601", "default", 0, self.replaced, 1, self.replaced, OLD))
        return {
            "now()": [(NOW,)],
            "system.disks": [("default", self.free, 10_000)],
            "system.tables": [("default", "traces", "MergeTree", self.key, self.definition)],
            "FROM system.parts GROUP": parts,
            "NOT active": [(1,)] if self.replaced else [],
            "system.mutations": self.mutations,
            "system.detached_parts": [],
            "_partition_id": [self.proof],
        }


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    return Server()


def run(server: Server, target: float = 90.0, **options: Any) -> dict[str, Any]:
    wish = relief.Wish(target=target, tables={"traces": "timestamp"}, rewrite=options.pop("rewrite", False))
    return relief.Relief(server, wish, **options).run()


def outcomes(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(step["action"], step.get("error", "")) for step in report["steps"]]


def test_below_the_target_nothing_is_done(server: Server) -> None:
    server.other = 0
    report = run(server)
    assert (report["ok"], report["steps"], report["not_freed"], server.sent) == (True, [], [], [])
    assert "Nothing was to be done." in relief.summary(report)


def test_a_silent_server_is_asked_again(server: Server) -> None:
    server.silent = ["DROP PARTITION"]
    assert outcomes(run(server)) == [("drop partition", "no answer"), ("drop partition", "")]
    server = Server()
    begun = iter([False, True])
    report = relief.Relief(
        lambda sql: _lost_once(server, sql, begun), relief.Wish(target=90, tables={"traces": "timestamp"})
    ).run()
    assert report["ok"]


def _lost_once(server: Server, sql: str, begun: Any) -> list[tuple[Any, ...]]:
    if "system.tables" in sql and next(begun, False):
        raise relief.Lost("no answer")
    return server(sql)


def test_a_server_that_is_gone(server: Server) -> None:
    server.silent = ["now()"]
    with pytest.raises(relief.Lost):
        run(server)


def test_no_local_disk() -> None:
    with pytest.raises(relief.Refused, match="no local disk"):
        run(lambda sql: [(NOW,)] if "now()" in sql else [])  # type: ignore[arg-type]


@pytest.mark.parametrize("proof", [(2, 1, OLD * 1000), (1, 1, (NOW - 7 * relief.DAY) * 1000)])
def test_young_rows_and_rows_without_a_time_stay(server: Server, proof: tuple[int, int, int]) -> None:
    server.proof = proof
    report = run(server)
    assert (report["ok"], server.sent) == (False, [])
    assert "Nothing may be given away." in relief.summary(report)


def test_a_partition_that_cannot_be_asked_stays(server: Server) -> None:
    server.refused["_partition_id"] = relief.Refused("no rights", 497)
    report = run(server)
    assert [error for _action, error in outcomes(report)] == ["no rights", "no rights"]
    assert report["not_freed"][0]["why"] == "no rights"
    assert server.sent == []


def test_no_space_is_tried_again_when_there_is_some(server: Server) -> None:
    refusals = iter([relief.Refused("Cannot reserve 1.00 MiB", relief.NOT_ENOUGH_SPACE)])

    def ask(sql: str) -> list[tuple[Any, ...]]:
        if "DROP PARTITION ID '202601'" in sql:
            for refusal in refusals:
                raise refusal
        return server(sql)

    report = relief.Relief(ask, relief.Wish(target=78, tables={"traces": "timestamp"})).run()
    whats = [(step["what"][:22], step.get("error", "")) for step in report["steps"]]
    assert whats == [
        ("default.traces 202601,", "Cannot reserve 1.00 MiB"),
        ("default.traces 202602,", ""),
        ("default.traces 202601,", ""),
    ]
    assert report["ok"]


def test_mutations_are_stopped_and_awaited(server: Server) -> None:
    server.mutations = [("default", "traces", "m'1", "DELETE", 1, ""), ("other", "x", "m2", "DELETE", 1, "")]
    report = run(server)
    assert server.sent[0].endswith("mutation_id = 'm\\'1' SYNC")
    assert server.mutating == 0
    assert [action for action, _error in outcomes(report)] == ["stop mutation", "drop partition"]


def test_replaced_parts_go_first_and_the_setting_comes_back(server: Server) -> None:
    server.replaced, server.other = 1500, 6100
    planned = [action for action, _error in outcomes(run(server, dry_run=True))]
    assert planned == ["remove replaced parts", "drop partition"]
    assert server.sent == []
    report = run(server)
    assert outcomes(report) == [("remove replaced parts", "")]
    assert [sql.rsplit("`", 1)[1] for sql in server.sent] == [
        " MODIFY SETTING old_parts_lifetime = 1",
        " RESET SETTING old_parts_lifetime",
    ]
    assert report["ok"] and report["freed_bytes"] == 1500


def test_parts_that_are_replaced_meanwhile_are_not_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.replaced, server.other = 1500, 6100
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits"))

    def busy(sql: str) -> list[tuple[Any, ...]]:
        """A part was replaced a second after the look."""
        if "NOT active" in sql:
            return [(1,)] if int(sql.split("toUnixTimestamp(remove_time) <= ")[1].split()[0]) >= NOW + 1 else []
        return server(sql)

    assert outcomes(relief.Relief(busy, relief.Wish(target=90.0)).run()) == [("remove replaced parts", "")]


def test_replaced_parts_of_a_table_with_a_setting_of_its_own(server: Server) -> None:
    server.replaced, server.other, server.definition = 1500, 6100, "SETTINGS old_parts_lifetime = 60"
    assert [action for action, _error in outcomes(run(server))] == ["drop partition"]


def test_what_another_run_has_removed_is_waited_for(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runs meet: no partition goes in the place of what the other one is about to free."""
    server.replaced, server.other, server.definition = (
        1500,
        6100,
        "SETTINGS old_parts_lifetime = 1, ttl_only_drop_parts = 1",
    )
    monkeypatch.setattr(time, "sleep", lambda seconds: setattr(server, "replaced", 0))
    report = run(server)
    assert (report["ok"], report["steps"], server.sent) == (True, [], [])
    server.replaced, server.silent = 1500, ["NOT active"]
    assert [action for action, _error in outcomes(run(server))] == ["drop partition"]


def test_a_setting_that_does_not_come_back_is_told(server: Server) -> None:
    server.replaced, server.other = 1500, 6100
    server.refused["RESET"] = relief.Refused("no rights")
    [(_action, error)] = outcomes(run(server))
    assert error == "default.traces keeps old_parts_lifetime = 1, reset it by hand: no rights"
    server = Server()
    server.replaced, server.other = 1500, 6100
    server.refused["MODIFY SETTING"] = relief.Refused("no rights")
    assert outcomes(run(server))[0] == ("remove replaced parts", "no rights")


def test_time_runs_out(server: Server) -> None:
    report = run(server, seconds_left=lambda: 10.0)
    assert (report["ok"], server.sent) == (False, [])


def test_rewriting_when_asked_and_where_there_is_room(server: Server) -> None:
    server.key = ""
    assert run(server)["not_freed"][0]["why"].startswith("it has no partitions")
    assert outcomes(run(server, rewrite=True)) == [], "2000 bytes do not fit into 400"
    server.other = 5500
    report = run(server, target=50, rewrite=True)
    assert outcomes(report) == [("rewrite without old rows", "")]
    assert "DELETE WHERE toDateTime64(`timestamp`, 0) < toDateTime64(" in server.sent[0]


@pytest.mark.parametrize(
    ("quantity", "size"), [("10Gi", 10 << 30), ("1.5G", 1_500_000_000), ("7", 7), ("2k", 2000), ("1Ti", 1 << 40)]
)
def test_sizes(quantity: str, size: int) -> None:
    assert relief.parse_size(quantity) == size


@pytest.mark.parametrize("bad", ["", "ten", "10GB", "-1Gi"])
def test_bad_sizes(bad: str) -> None:
    with pytest.raises(relief.Refused, match="is not a size"):
        relief.parse_size(bad)


def test_words_for_people() -> None:
    assert [relief.human(size) for size in (5, 2048, 3 << 30, 1 << 45)] == ["5 B", "2.0 KiB", "3.0 GiB", "32.0 TiB"]
    assert relief.ident("a`b\\") == "`a\\`b\\\\`"


# --- the ways


class Answers:
    """An opener of URLs, with what was asked."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[urllib.request.Request] = []

    def open(self, request: urllib.request.Request, timeout: float) -> Any:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class Answer(io.BytesIO):
    """An answer of a server."""

    status = 200
    headers = {"Content-Type": "text/plain"}


def http_error(code: int, body: bytes, **headers: str) -> urllib.error.HTTPError:
    return urllib.error.HTTPError("https://x", code, "", headers, io.BytesIO(body))  # type: ignore[arg-type]


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A Kubernetes whose answers are given."""

    def make(*answers: Any) -> tuple[relief.Kubernetes, Answers]:
        given = Answers(*answers)
        monkeypatch.setattr(urllib.request, "build_opener", lambda handler: given)
        monkeypatch.setattr(ssl, "create_default_context", lambda cadata: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
        return relief.Kubernetes("https://cluster", "a CA", "a token"), given

    return make


def test_service_proxy(ways: Any) -> None:
    kubernetes, given = ways(Answer(b'["1", 2]\n\n["3", 4]\n'))
    ask = relief.ServiceProxy(kubernetes, "langfuse", "clickhouse", "default", PASSWORD)
    assert ask("SELECT 1") == [["1", 2], ["3", 4]]
    [request] = given.asked
    assert request.full_url == "https://cluster/api/v1/namespaces/langfuse/services/http:clickhouse:8123/proxy/"
    assert (request.get_method(), request.data) == ("POST", b"SELECT 1")
    headers = {name.lower(): value for name, value in request.header_items()}
    assert headers["authorization"] == "Bearer a token"
    assert (headers["x-clickhouse-user"], headers["x-clickhouse-key"]) == ("default", PASSWORD)
    assert headers["x-clickhouse-format"] == "JSONCompactEachRow"


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (urllib.error.URLError("refused"), relief.Lost, "at https://cluster does not answer: refused"),
        (TimeoutError("timed out"), relief.Lost, "does not answer: timed out"),
        (http_error(403, b"no", **{"X-ClickHouse-Exception-Code": "516"}), relief.Refused, "refuses user default"),
        (http_error(500, b"full", **{"x-clickhouse-exception-code": "243"}), relief.Refused, "full, to: SELECT 1"),
        (http_error(401, b"who"), relief.Refused, "does not let this function reach service langfuse/clickhouse: who"),
        (http_error(502, b"gone"), relief.Lost, "does not answer, HTTP 502: gone"),
        (Answer(b'["1"]\nCode: 241'), relief.Refused, "Code: 241, to: SELECT 1"),
    ],
)
def test_failures_of_the_way(ways: Any, answer: Any, kind: type[Exception], message: str) -> None:
    kubernetes, _given = ways(answer)
    ask = relief.ServiceProxy(kubernetes, "langfuse", "clickhouse", "default", PASSWORD)
    with pytest.raises(kind, match=message) as raised:
        ask("SELECT 1")
    assert PASSWORD not in str(raised.value)


@pytest.mark.parametrize("password", ["two\nlines", "€"])
def test_a_password_that_no_header_takes_is_not_shown(ways: Any, password: str) -> None:
    with pytest.raises(relief.Refused, match="no HTTP header may have") as raised:
        relief.ServiceProxy(ways()[0], "langfuse", "clickhouse", "default", password)
    assert password not in str(raised.value)


def claim(size: str) -> Answer:
    return Answer(json.dumps({"spec": {"resources": {"requests": {"storage": size}}}}).encode())


def test_growing_through_the_api(ways: Any) -> None:
    kubernetes, given = ways(claim("10Gi"), claim("12Gi"))
    grow = relief.claim_grower(kubernetes, "langfuse", "data", 20 << 30)
    assert grow(1000, 1200)["to_bytes"] == 12 << 30
    patch = given.asked[1]
    assert (patch.get_method(), patch.get_header("Content-type")) == ("PATCH", "application/merge-patch+json")
    assert json.loads(patch.data) == {"spec": {"resources": {"requests": {"storage": "12Gi"}}}}


def test_growing_is_refused(ways: Any) -> None:
    kubernetes, _given = ways(http_error(403, b"forbidden"))
    with pytest.raises(relief.Refused, match="Kubernetes answers 403: forbidden"):
        relief.claim_grower(kubernetes, "langfuse", "data", 20 << 30)(1000, 1200)


# --- the function


class Aws:
    """boto3's session and all its clients."""

    region_name = "ap-south-1"

    def __init__(self) -> None:
        self.state = "ALARM"
        self.published: list[dict[str, str]] = []

    def client(self, service: str, region_name: str = "") -> Aws:
        return self

    def get_parameter(self, Name: str, WithDecryption: bool) -> dict[str, Any]:
        assert (Name, WithDecryption) == ("/langfuse/password", True)
        return {"Parameter": {"Value": PASSWORD}}

    def describe_alarms(self, AlarmNames: list[str]) -> dict[str, Any]:
        return {"MetricAlarms": [{"StateValue": self.state}] if AlarmNames == ["disk"] else []}

    def publish(self, **message: str) -> None:
        self.published.append(message)


@pytest.fixture
def aws(server: Server, monkeypatch: pytest.MonkeyPatch) -> Aws:
    """AWS around a function whose ClickHouse is the server."""
    aws = Aws()
    settings = {
        "alarm": "disk",
        "topic": "arn:topic",
        "endpoint": "https://cluster",
        "cluster": "langfuse",
        "namespace": "langfuse",
        "service": "clickhouse",
        "user": "default",
        "password_parameter": "/langfuse/password",
        "grow_claim": "data",
        "grow_limit_gib": "20",
        "wish": {"target": 90, "tables": {"traces": "timestamp"}, "protected_logs": ["query_log"]},
    }
    monkeypatch.setenv("SETTINGS", json.dumps(settings))
    monkeypatch.setenv("CLUSTER_CA", base64.b64encode(b"a CA").decode())
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(Session=lambda: aws))
    monkeypatch.setattr(relief, "eks_token", lambda session, region, cluster: "a token")
    monkeypatch.setattr(relief, "Kubernetes", lambda *identity: identity)
    monkeypatch.setattr(relief, "ServiceProxy", lambda *way: server)
    monkeypatch.setattr(relief, "claim_grower", lambda *way: lambda total, needed: {"to_bytes": needed})
    return aws


def invoke(**event: Any) -> dict[str, Any]:
    return relief.handler(event, SimpleNamespace(get_remaining_time_in_millis=lambda: 170_000))


def test_function_on_the_alarm(server: Server, aws: Aws, capsys: pytest.CaptureFixture[str]) -> None:
    report = invoke(detail={})
    assert report["ok"] and report["grown"] is None
    assert aws.published[0]["Subject"] == "ClickHouse disk freed: 96.0 % -> 86.0 %"
    assert json.loads(capsys.readouterr().out)["summary"] == aws.published[0]["Message"]


def test_function_by_its_schedule(server: Server, aws: Aws) -> None:
    aws.state = "OK"
    assert "is not in ALARM" in invoke(**{"detail-type": "Scheduled Event"})["skipped"]
    aws.state = "ALARM"
    server.other = 0
    assert invoke(**{"detail-type": "Scheduled Event"})["ok"]
    assert (server.sent, aws.published) == ([], [])


def test_function_grows_as_the_last_resort(server: Server, aws: Aws) -> None:
    server.partitions = {"202702": (2000, NOW)}
    report = invoke(detail={})
    assert report["grown"]["to_bytes"] == 9600 * 100 // 90 + 1
    assert "STILL TOO FULL" in aws.published[0]["Subject"]
    assert "Growing the volume" in aws.published[0]["Message"]
    assert invoke(dry_run=True)["grown"] is None


def test_token_names_the_cluster() -> None:
    boto3 = pytest.importorskip("boto3")
    session = boto3.Session(
        aws_access_key_id="AKIAIOSFODNN7EXAMPLE", aws_secret_access_key="secret", region_name="ap-south-1"
    )
    token = relief.eks_token(session, "ap-south-1", "langfuse").removeprefix("k8s-aws-v1.")
    url = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode()
    assert "Action=GetCallerIdentity" in url and "x-k8s-aws-id" in url and "ap-south-1" in url
