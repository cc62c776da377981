# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the platform is, from what was read of it. Pure: what is not there is unknown, never well."""

from __future__ import annotations

import datetime
import re
import typing as t
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

OK, UNKNOWN, DEGRADED, BROKEN = "ok", "unknown", "degraded", "broken"
CERTIFICATE_DAYS = 14  # ACM renews 60 days before the end; so late it has failed to
FULL_DAYS = 14
WARNING_PERCENT, CRITICAL_PERCENT = 80, 90
HOURS_A_MONTH = 730
GIB = 2**30

Object = dict[str, t.Any]


@dataclass
class Row:
    """One thing of a part: its name, what was found, how that is, and why."""

    what: str
    found: str
    state: str = OK
    why: str = ""


@dataclass
class Part:
    """One part of the platform, with figures for the page's pictures."""

    title: str
    rows: list[Row] = field(default_factory=list)
    figures: list[Object] = field(default_factory=list)


@dataclass
class Status:
    """All parts."""

    parts: list[Part]

    @property
    def reasons(self) -> list[str]:
        """What is not well, the worst first."""
        rows = [(row, part) for part in self.parts for row in part.rows if row.state != OK]
        rows.sort(key=lambda each: (BROKEN, DEGRADED, UNKNOWN).index(each[0].state))
        return [f"{part.title}: {row.what} {row.why or row.found}".strip() for row, part in rows]

    @property
    def verdict(self) -> str:
        """healthy, degraded or broken. What is unknown may be well, so it is degraded."""
        states = {row.state for part in self.parts for row in part.rows}
        return BROKEN if BROKEN in states else "healthy" if states <= {OK} else DEGRADED


def assess(found: Object, unknown: dict[str, str], prices: Object, now: str) -> Status:
    """Judge everything.

    :param found: by part, as the modules return it.
    :param unknown: why a part was not read; `platform` for all of them.
    :param prices: see `cost`.
    :param now: UTC, 2026-11-26T19:00:00Z.
    """
    time = _time(now)
    judges: dict[str, tuple[str, Callable[[t.Any], Part]]] = {
        "release": ("Helm release", _release),
        "health": ("Langfuse", _health),
        "workloads": ("Pods", _workloads),
        "autoscalers": ("Autoscalers", _autoscalers),
        "claims": ("Volumes", _claims),
        "tables": ("ClickHouse's tables", _tables),
        "ingresses": ("Load balancers", _ingresses),
        "certificates": ("Certificates", lambda given: _certificates(given, found.get("ingresses"), time)),
        "alarms": ("Alarms", _alarms),
        "emergency": ("Emergency", lambda given: _emergency(given, found.get("alarms"))),
        "nodes": ("Cost a month", lambda given: cost(given, found, prices)),
    }
    parts = []
    for key, (title, judge) in judges.items():
        if key in found:
            part = _judged(judge, found[key])
        else:
            reason = unknown.get(key) or unknown.get("platform") or "it was not read"
            state = (
                BROKEN if "platform" in unknown else UNKNOWN
            )  # who sees nothing must not be told that it may be well
            part = _unknown(reason, state)
        part.title = title
        parts.append(part)
    return Status(parts)


def _judged(judge: Callable[[t.Any], Part], found: t.Any) -> Part:
    """What a judge says; what was read and is not as it expects keeps nobody from seeing the other parts."""
    try:
        return judge(found)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        return _unknown(f"was read, and is not as expected ({type(error).__name__}: {error})")


def _unknown(reason: t.Any, state: str = UNKNOWN) -> Part:
    return Part("", [Row("", "unknown", state, " ".join(str(reason).split()))])


def _time(text: t.Any) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    return found if found.tzinfo else found.replace(tzinfo=datetime.UTC)


def _release(release: Object) -> Part:
    if not release:
        return Part("", [Row("langfuse", "not installed", BROKEN, "is not installed")])
    state = str(release.get("status"))
    text = f"{release.get('chart')}, Langfuse {release.get('app_version')}, revision {release.get('revision')}, {state}"
    return Part(
        "", [Row("langfuse", text, OK if state == "deployed" else BROKEN, "" if state == "deployed" else f"is {state}")]
    )


def _health(checks: list[Object]) -> Part:
    rows = [Row(each["name"], str(each["found"]), OK if each["ok"] else BROKEN) for each in checks]
    return Part(
        "", [Row(row.what, row.found, row.state, "" if row.state == OK else f"fails: {row.found}") for row in rows]
    )


def _workloads(workloads: list[Object]) -> Part:
    if not workloads:
        return Part("", [Row("pods", "none", BROKEN, "are not there")])
    rows = []
    for each in sorted(workloads, key=lambda item: item["metadata"]["name"]):
        wanted = each["spec"].get("replicas", 1)
        ready = (each.get("status") or {}).get("readyReplicas") or 0
        if wanted == 0:
            state, why = BROKEN, "is scaled to nothing"
        elif ready == 0:
            state, why = BROKEN, "has no ready pod"
        else:
            state, why = (OK, "") if ready >= wanted else (DEGRADED, f"has {ready} of {wanted} pods ready")
        rows.append(Row(each["metadata"]["name"], f"{ready} of {wanted} ready", state, why))
    return Part("", rows)


def _autoscalers(scalers: list[Object]) -> Part:
    rows = []
    for each in scalers:
        spec, status = each["spec"], each.get("status") or {}
        least, most, now = spec.get("minReplicas", 1), spec["maxReplicas"], status.get("currentReplicas") or 0
        idle = [c for c in status.get("conditions") or [] if c["type"] == "ScalingActive" and c["status"] == "False"]
        why = (
            f"does not scale: {idle[0].get('message', '')}" if idle else "is at its most" if now >= most > least else ""
        )
        rows.append(Row(each["metadata"]["name"], f"{now}, of {least} to {most}", DEGRADED if why else OK, why))
    return Part("", rows or [Row("", "none")])


def _claims(claims: list[Object]) -> Part:
    states = {"ok": OK, "warning": DEGRADED, "critical": BROKEN}
    part = Part("")
    for each in claims:
        percent, days = each.get("used_percent"), each.get("days_until_full")
        state, why = states.get(each["state"], UNKNOWN), str(each.get("reason") or "")
        found = f"{percent:.0f} % of {each.get('requested')}" if percent is not None else "unknown"
        if days is not None:
            found += f", full in {days:.0f} days"
            if days < FULL_DAYS and state == OK:
                state, why = DEGRADED, f"is full in {days:.0f} days"
        part.rows.append(Row(each["name"], found, state, why))
        part.figures.append({"name": each["name"], "percent": percent, "state": state})
    return part if part.rows else Part("", [Row("claims", "none", BROKEN, "are not there")])


def _tables(server: Object) -> Part:
    part = Part("")
    for disk in server["disks"]:
        percent = disk["used_percent"]
        state = BROKEN if percent >= CRITICAL_PERCENT else DEGRADED if percent >= WARNING_PERCENT else OK
        text = f"{percent:.0f} % of {disk['total_bytes'] / GIB:.0f} GiB"
        part.rows.append(Row(f"disk {disk['name']}", text, state, "" if state == OK else f"is {percent:.0f} % full"))
    wanted = {name: int(str(keep).removesuffix("d")) for name, keep in server["wanted"].items()}
    there = {each["name"]: each for each in server["tables"] if each["database"] == server["database"]}
    part.rows += [_rule(name, days, there.get(name)) for name, days in wanted.items()]
    for each in server["tables"]:
        days = wanted.get(each["name"]) if each["database"] == server["database"] else None
        name = f"{each['database']}.{each['name']}"
        part.figures.append({"name": name, "bytes": each["bytes"], "days": _days(each.get("ttl")), "wanted": days})
    return part


def _days(ttl: str | None) -> int | None:
    """The days of a rule in the server's own words."""
    found = re.findall(r"toIntervalDay\((\d+)\)", ttl or "")
    return int(found[0]) if len(found) == 1 else None


def _rule(name: str, wanted: int, table: Object | None) -> Row:
    if table is None:
        return Row(
            name, "not there", DEGRADED, "is not there: Langfuse has not made it, or another chart major is installed"
        )
    days = _days(table.get("ttl"))
    text = f"kept {days} days" if days is not None else f"kept {table['ttl']}" if table.get("ttl") else "kept for ever"
    fits = days == wanted
    return Row(name, text, OK if fits else DEGRADED, "" if fits else f"is {text}, wanted are {wanted} days")


def _ingresses(ingresses: list[Object]) -> Part:
    rows = []
    for each in ingresses:
        points = ((each.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
        host = next((point["hostname"] for point in points if point.get("hostname")), "")
        rows.append(
            Row(
                each["metadata"]["name"], host or "no address", OK if host else BROKEN, "" if host else "has no address"
            )
        )
    return Part("", rows or [Row("load balancers", "none", BROKEN, "are not there")])


def _certificates(certificates: list[Object], ingresses: list[Object] | None, now: datetime.datetime) -> Part:
    """Those that the Ingresses name."""
    if ingresses is None:
        return Part(
            "", [Row("certificates", "unknown", UNKNOWN, "in use are named by the Ingresses, which were not read")]
        )
    notes = [(each["metadata"].get("annotations") or {}) for each in ingresses]
    used = {
        arn for note in notes for arn in note.get("alb.ingress.kubernetes.io/certificate-arn", "").split(",") if arn
    }
    there = {each["certificate_arn"]: each for each in certificates}
    rows = []
    for arn in sorted(used):
        each = there.get(arn)
        if each is None:
            rows.append(Row(arn, "not there", BROKEN, "is not in this account and region"))
            continue
        left = (_time(each["not_after"]) - now).days if each.get("not_after") else None
        text = f"{each['status']}" + (f", {left} days left" if left is not None else "")
        late = left is not None and left < CERTIFICATE_DAYS
        state = BROKEN if each["status"] != "ISSUED" or (left is not None and left < 0) else DEGRADED if late else OK
        rows.append(Row(each["domain_name"], text, state, "" if state == OK else f"is {text}"))
    return Part("", rows or [Row("", "none in use")])


def _alarms(alarms: Object) -> Part:
    """Those of the monitoring stack; others may have names that begin alike."""
    there = {str(each["alarm_name"]): each for each in alarms["found"]}
    rows = [_alarm(name, there.get(name)) for name in sorted(alarms["wanted"])]
    return Part("", rows or [Row("alarms", "none", DEGRADED, "are not there, so nobody hears of a full volume")])


def _alarm(name: str, alarm: Object | None) -> Row:
    if alarm is None:
        return Row(name, "not there", DEGRADED, "is not there: somebody deleted it")
    since = alarm.get("state_updated_timestamp")
    text = f"{alarm['state_value']} since {since}" if since else str(alarm["state_value"])
    if alarm["state_value"] == "ALARM":
        return Row(name, text, DEGRADED, "goes off")
    # A load balancer without requests has no figures; a volume always has.
    if alarm["state_value"] == "INSUFFICIENT_DATA" and not str(alarm.get("namespace")).startswith("AWS/"):
        return Row(name, text, UNKNOWN, "gets no figures, so it cannot go off")
    return Row(name, text)


def _emergency(emergency: Object, alarms: Object | None) -> Part:
    """The function that frees ClickHouse's disk, and when its alarm last changed."""
    name = emergency["function"]
    if not name:
        return Part("", [Row("function", "none", DEGRADED, "is not there, so nothing frees a full disk")])
    if alarms is None:
        return Part("", [Row(name, "unknown", UNKNOWN, "has an alarm that was not read")])
    alarm = next((each for each in alarms["found"] if each["alarm_name"] == emergency["alarm"]), None)
    if not alarm:
        return Part("", [Row(name, "its alarm is not there", DEGRADED, "has no alarm that starts it")])
    since = f"since {alarm.get('state_updated_timestamp') or 'it was made'}"
    if alarm["state_value"] == "ALARM":
        return Part("", [Row(name, f"runs {since}", BROKEN, "runs: ClickHouse's disk is over its limit")])
    if alarm["state_value"] != "OK":
        return Part("", [Row(name, f"unknown {since}", UNKNOWN, "has an alarm without figures, which cannot start it")])
    return Part("", [Row(name, f"idle {since}")])


def cost(nodes: list[str], found: Object, prices: Object) -> Part:
    """What AWS bills by the hour or the month. With prices an estimate, without traffic, S3 and CloudWatch.

    :param nodes: the instance type of each node.
    :param prices: `date`, `gib_month` of gp3, and `hours` by instance type and of control_plane, nat_gateway and
        load_balancer.
    """
    unread = " and ".join(key for key in ("ingresses", "claims") if key not in found)
    if unread:
        return Part("", [Row("billed", "unknown", UNKNOWN, f"is not known without the {unread}, which were not read")])
    counted = Counter(nodes)
    things = {"control_plane": 1, **counted, "nat_gateway": 1, "load_balancer": len(found["ingresses"])}
    gib = sum((each.get("capacity_bytes") or 0) / GIB for each in found["claims"])
    listed = ", ".join(f"{count} x {name.replace('_', ' ')}" for name, count in things.items() if count)
    listed += f", {gib:.0f} GiB of claims"
    if not prices:
        return Part("", [Row("billed", f"{listed}; set status_prices for an estimate")])
    hours = prices.get("hours")
    known = {**(hours if isinstance(hours, dict) else {}), "gib_month": prices.get("gib_month")}
    needed = [*(name for name, count in things.items() if count), "gib_month"]
    missing = [name for name in needed if not isinstance(known.get(name), (int, float))]
    if missing:
        return Part("", [Row("billed", f"{listed}; status_prices has no number for {', '.join(missing)}")])
    total = (
        sum(known[name] * count for name, count in things.items() if count) * HOURS_A_MONTH + gib * known["gib_month"]
    )
    return Part(
        "",
        [
            Row(
                "estimate",
                f"{total:.0f} USD for {listed}; prices of {prices.get('date', 'an unknown date')}, "
                "without traffic, S3 and CloudWatch",
            )
        ],
    )
