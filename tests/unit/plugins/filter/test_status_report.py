# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The status report: each part's verdict, what is missing, the table and the page."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.llmops.langfuse.plugins.filter.status_report import FilterModule, status_report
from ansible_collections.llmops.langfuse.tests.unit.plugins.filter.found import HEALTHY, NOW


def alarm(found: dict[str, Any], **given: Any) -> None:
    found["alarms"]["wanted"].append(given["alarm_name"])
    found["alarms"]["found"].append(given)


def report(change: Any = None, **options: Any) -> dict[str, Any]:
    found = copy.deepcopy(HEALTHY)
    if change:
        change(found)
    return status_report(found, name="langfuse", region="ap-south-1", now=NOW, **options)


def lines_with(text: str, made: dict[str, Any]) -> list[str]:
    return [" ".join(line.split()) for line in made["lines"] if text in line]


def test_all_well() -> None:
    made = report()
    assert (made["verdict"], made["reasons"]) == ("healthy", [])
    assert lines_with("data-0", made) == ["data-0 42 % of 200Gi, full in 90 days"]
    assert lines_with("langfuse.example.com", made) == ["langfuse.example.com ISSUED, 60 days left"]
    assert lines_with("traces", made) == ["traces kept 30 days"]
    assert made["lines"][-1] == "All in all: healthy"


CASES: list[tuple[str, Any, str, str]] = [
    ("release is gone", lambda f: f.update(release={}), "broken", "langfuse is not installed"),
    ("release failed", lambda f: f["release"].update(status="failed"), "broken", "langfuse is failed"),
    ("web is down", lambda f: f["health"][0].update(ok=False, found="503"), "broken", "web is ready fails: 503"),
    ("no pod", lambda f: f["workloads"][0].update(status={}), "broken", "langfuse-web has no ready pod"),
    ("scaled to nothing", lambda f: f["workloads"][0]["spec"].update(replicas=0), "broken", "is scaled to nothing"),
    (
        "one of two",
        lambda f: f["workloads"][0].update(status={"readyReplicas": 1}),
        "degraded",
        "has 1 of 2 pods ready",
    ),
    ("no workload", lambda f: f.update(workloads=[]), "broken", "pods are not there"),
    ("at its most", lambda f: f["autoscalers"][0]["status"].update(currentReplicas=3), "degraded", "is at its most"),
    (
        "does not scale",
        lambda f: f["autoscalers"][0]["status"].update(
            conditions=[{"type": "ScalingActive", "status": "False", "message": "no metrics"}]
        ),
        "degraded",
        "does not scale: no metrics",
    ),
    (
        "claim warns",
        lambda f: f["claims"][0].update(state="warning", reason="84 % is used"),
        "degraded",
        "84 % is used",
    ),
    ("claim is full", lambda f: f["claims"][0].update(state="critical", reason="95 %"), "broken", "data-0 95 %"),
    (
        "claim unknown",
        lambda f: f["claims"][0].update(state="unknown", used_percent=None, days_until_full=None, reason="no node"),
        "degraded",
        "data-0 no node",
    ),
    ("full soon", lambda f: f["claims"][0].update(days_until_full=9.5), "degraded", "is full in 10 days"),
    (
        "no rule",
        lambda f: f["tables"]["tables"][0].update(ttl=""),
        "degraded",
        "traces is kept for ever, wanted are 30 days",
    ),
    (
        "another rule",
        lambda f: f["tables"]["tables"][0].update(ttl="d + toIntervalDay(90)"),
        "degraded",
        "traces is kept 90 days, wanted are 30 days",
    ),
    ("no table", lambda f: f["tables"].update(tables=[]), "degraded", "traces is not there"),
    ("disk", lambda f: f["tables"]["disks"][0].update(used_percent=92), "broken", "disk default is 92 % full"),
    ("no address", lambda f: f["ingresses"][0].update(status={}), "broken", "langfuse-external has no address"),
    (
        "certificate ends",
        lambda f: f["certificates"][0].update(not_after="2026-12-06T20:00:00+00:00"),
        "degraded",
        "is ISSUED, 10 days left",
    ),
    ("certificate pends", lambda f: f["certificates"][0].update(status="PENDING_VALIDATION"), "broken", "PENDING"),
    ("certificate is gone", lambda f: f.update(certificates=[]), "broken", "is not in this account and region"),
    ("alarm", lambda f: alarm(f, alarm_name="x", state_value="ALARM"), "degraded", "x goes off"),
    ("alarm is gone", lambda f: f["alarms"]["wanted"].append("x"), "degraded", "x is not there: somebody deleted it"),
    (
        "alarm without figures",
        lambda f: alarm(f, alarm_name="x", state_value="INSUFFICIENT_DATA", namespace="LLMOps/PVC"),
        "degraded",
        "x gets no figures",
    ),
    ("no alarm", lambda f: f["alarms"].update(wanted=[]), "degraded", "nobody hears of a full volume"),
    (
        "emergency runs",
        lambda f: f["alarms"]["found"][0].update(state_value="ALARM"),
        "broken",
        "disk is over its limit",
    ),
    (
        "emergency's alarm without figures",
        lambda f: f["alarms"]["found"][0].update(state_value="INSUFFICIENT_DATA"),
        "degraded",
        "langfuse-clickhouse-relief has an alarm without figures",
    ),
    ("emergency without an alarm", lambda f: f["alarms"]["found"].clear(), "degraded", "no alarm that starts it"),
    (
        "a table of the same name elsewhere",
        lambda f: f["tables"]["tables"][0].update(database="other"),
        "degraded",
        "traces is not there",
    ),
    ("no function", lambda f: f["emergency"].update(function=""), "degraded", "nothing frees a full disk"),
]


@pytest.mark.parametrize(("change", "verdict", "reason"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_wrong_is_said(change: Any, verdict: str, reason: str) -> None:
    made = report(change)
    assert made["verdict"] == verdict
    assert [each for each in made["reasons"] if reason in each]


@pytest.mark.parametrize("part", HEALTHY)
def test_a_part_that_was_not_read_is_unknown_and_not_left_out(part: str) -> None:
    made = report(lambda found: found.pop(part), unknown={part: "it does\nnot answer"})
    assert made["verdict"] == "degraded"
    assert "unknown: it does not answer" in "\n".join(made["lines"])
    assert "it does not answer" in made["page"]


def test_what_hangs_on_an_unread_part_is_unknown_too() -> None:
    def unread(found: dict[str, Any]) -> None:
        for part in ("alarms", "ingresses", "claims"):
            del found[part]

    reasons = report(unread)["reasons"]
    assert "Emergency: langfuse-clickhouse-relief has an alarm that was not read" in reasons
    assert "Certificates: certificates in use are named by the Ingresses, which were not read" in reasons
    assert "Cost a month: billed is not known without the ingresses and claims, which were not read" in reasons


def test_alarms_of_others_and_load_balancers_without_requests_do_not_count() -> None:
    def change(found: dict[str, Any]) -> None:
        found["alarms"]["found"].append({"alarm_name": "langfuse-prod-disk", "state_value": "ALARM"})
        alarm(found, alarm_name="langfuse-5xx", state_value="INSUFFICIENT_DATA", namespace="AWS/ApplicationELB")

    made = report(change)
    assert made["verdict"] == "healthy" and "langfuse-prod" not in "\n".join(made["lines"])
    assert lines_with("langfuse-5xx", made) == ["langfuse-5xx INSUFFICIENT_DATA"]


def test_nothing_was_read() -> None:
    made = status_report({}, name="langfuse", region="x", now=NOW, unknown={"platform": "no credentials"})
    assert made["verdict"] == "broken"
    assert len(lines_with("broken: no credentials", made)) == len(HEALTHY)


def test_what_is_not_as_expected_hides_nothing_else() -> None:
    made = report(lambda found: found.update(claims=[{"name": "data", "capacity_bytes": "much"}], release="none"))
    assert made["verdict"] == "degraded"
    told = [line for line in made["lines"] if "was read, and is not as expected" in line]
    assert len(told) >= 2, made["lines"]
    assert lines_with("langfuse-web", made) == lines_with("langfuse-web", report())
    assert "was read, and is not as expected" in made["page"]


def test_cost_is_listed_without_prices_and_added_up_with_them() -> None:
    listed = "1 x control plane, 3 x t4g.medium, 1 x r7g.xlarge, 1 x nat gateway, 1 x load balancer, 200 GiB of claims"
    assert lines_with("billed", report()) == [f"billed {listed}; set status_prices for an estimate"]
    hours = {"control_plane": 0.1, "t4g.medium": 0.02, "r7g.xlarge": 0.2, "nat_gateway": 0.05}
    assert "no number for load_balancer, gib_month" in lines_with("billed", report(prices={"hours": hours}))[0]
    quoted = {"hours": {**hours, "load_balancer": "0.03"}, "gib_month": "0.1"}
    assert "no number for load_balancer, gib_month" in lines_with("billed", report(prices=quoted))[0]
    assert "no number for control_plane, t4g.medium" in lines_with("billed", report(prices={"hours": 5}))[0]
    prices = {"date": "2026-11-01", "hours": {**hours, "load_balancer": 0.03}, "gib_month": 0.1}
    # (0.1 + 3 x 0.02 + 0.2 + 0.05 + 0.03) x 730 h + 200 x 0.1
    assert lines_with("estimate", report(prices=prices))[0].startswith("estimate 341 USD for 1 x control plane")


class Page(HTMLParser):
    """The page's words, and the widths of its bars."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.bars: list[tuple[str, float]] = []
        self.outside: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "rect":
            self.bars.append((given["class"], float(given["width"])))
        self.outside += [given[key] for key in ("src", "href") if key in given]

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_shows_figures_and_needs_no_network() -> None:
    shown = Page(report()["page"])
    text = " ".join(shown.words)
    assert "42 %" in text and "3 MiB" in text and "30 days" in text and "healthy" in text
    assert ("ok", 166.4) in shown.bars  # 41.6 % of 400
    assert shown.outside == [] and "url(" not in report()["page"] and "@import" not in report()["page"]


def test_words_of_others_are_escaped() -> None:
    evil = "<script>alert(1)</script>"
    made = report(lambda found: (found["claims"][0].update(name=evil), found["health"][0].update(ok=False, found=evil)))
    assert "<script>" not in made["page"] and "&lt;script&gt;" in made["page"]


def test_as_a_filter() -> None:
    assert FilterModule().filters() == {"status_report": status_report}
    with pytest.raises(AnsibleFilterError, match="not str"):
        status_report("x", name="a", region="b", now=NOW)  # type: ignore[arg-type]
