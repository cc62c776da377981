# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: how full the claims of a namespace are, from what the API server and the kubelets say.

The numbers are those of the PVC monitor (roles/monitoring/files/metrics.jq); one fixture feeds the tests of both.
"""

from __future__ import annotations

import math
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import Api, ApiError, Object, needs

STATES = ("ok", "unknown", "warning", "critical")  # from good to bad
ENDED = ("Succeeded", "Failed")  # phases of pods that mount nothing
NODES_AT_ONCE = 8


@dataclass(frozen=True)
class Thresholds:
    """A claim that is fuller than this many percent, in bytes or inodes, is worth a warning, or critical."""

    warning: float
    critical: float

    def state(self, percent: float) -> str:
        """The state of so many percent."""
        if percent > self.critical:
            return "critical"
        return "warning" if percent > self.warning else "ok"


@dataclass
class Claim:
    """A claim as it is returned. Figures are None while its state is unknown."""

    name: str
    phase: str
    storage_class: str | None
    requested: str
    state: str = "unknown"
    reason: str = ""
    pods: list[str] = field(default_factory=list)
    node: str | None = None
    metric_pod: str | None = None
    expandable: bool | None = None
    capacity_bytes: int | None = None
    used_bytes: int | None = None
    available_bytes: int | None = None
    used_percent: float | None = None
    inodes: int | None = None
    inodes_used: int | None = None
    inodes_used_percent: float | None = None
    sampled_at: str | None = None
    days_until_full: float | None = None
    forecast_samples: int | None = None


@dataclass
class Usage:
    """What was found in a namespace."""

    claims: list[Claim]
    node_errors: dict[str, str]

    @property
    def worst(self) -> str:
        """The worst state of all claims."""
        return max((claim.state for claim in self.claims), key=STATES.index, default="ok")

    def summary(self) -> Object:
        """The worst state, and how many claims are in each."""
        states = [claim.state for claim in self.claims]
        return {"worst": self.worst, "counts": {state: states.count(state) for state in STATES}}

    def at_least(self, state: str) -> list[Claim]:
        """The claims that are in this state or in a worse one."""
        return [claim for claim in self.claims if STATES.index(claim.state) >= STATES.index(state)]

    def warnings(self) -> list[str]:
        """What somebody should look at."""
        claims = [f"Claim {claim.name} is {claim.state}: {claim.reason}" for claim in self.at_least("warning")]
        return claims + [f"Node {node} says nothing of its claims: {why}" for node, why in self.node_errors.items()]

    def returned(self) -> Object:
        """The module's return values."""
        return {
            "pvcs": [asdict(claim) for claim in self.claims],
            "summary": self.summary(),
            "node_errors": self.node_errors,
        }


@dataclass(frozen=True)
class Question:
    """Whose usage is asked for."""

    namespace: str
    names: Sequence[str] = ()
    label_selectors: Sequence[str] = ()
    include_unused: bool = True
    thresholds: Thresholds = Thresholds(80, 90)
    overrides: Mapping[str, Thresholds] = field(default_factory=dict)

    def of(self, claim: str) -> Thresholds:
        """The thresholds of a claim."""
        return self.overrides.get(claim, self.thresholds)


def read_question(params: Mapping[str, t.Any]) -> Question:
    """Read the module's options. Raises LangfuseError."""
    general = Thresholds(params["warning"], params["critical"])
    own = {name: _thresholds(name, wish or {}, general) for name, wish in params["overrides"].items()}
    _check("warning and critical", general)
    return Question(
        params["namespace"], params["names"], params["label_selectors"], params["include_unused"], general, own
    )


def _thresholds(name: str, wish: Mapping[str, t.Any], general: Thresholds) -> Thresholds:
    unknown = sorted(set(wish) - {"warning", "critical"})
    if unknown:
        raise LangfuseError(f"overrides.{name} has {', '.join(unknown)}: warning and critical are allowed.")
    try:
        given = {key: float(value) for key, value in wish.items()}
    except (TypeError, ValueError):
        raise LangfuseError(f"overrides.{name} is {dict(wish)}: warning and critical must be numbers.") from None
    # One that is given alone moves the other along, so that they stay in order.
    own = Thresholds(
        given.get("warning", min(general.warning, given.get("critical", general.warning))),
        given.get("critical", max(general.critical, given.get("warning", general.critical))),
    )
    _check(f"overrides.{name}", own)
    return own


def _check(what: str, thresholds: Thresholds) -> None:
    if not 0 <= thresholds.warning <= thresholds.critical <= 100:
        raise LangfuseError(
            f"{what} are {thresholds.warning:g} and {thresholds.critical:g}: "
            "0 to 100 is allowed, the first not above the other."
        )


def read_usage(api: Api, question: Question) -> Usage:
    """Ask the API server, and through it the kubelets: two lists and a request a node, for any number of claims."""
    namespace = question.namespace
    claims = _listed(api, namespace, "persistentvolumeclaims", question.label_selectors)
    if question.names:
        missing = sorted(set(question.names) - {claim["metadata"]["name"] for claim in claims})
        if missing:
            raise LangfuseError(
                f"No claim {', '.join(missing)} is in namespace {namespace}: check names and namespace."
            )
        claims = [claim for claim in claims if claim["metadata"]["name"] in question.names]
    mounts = _mounts(_listed(api, namespace, "pods"), {claim["metadata"]["name"] for claim in claims})
    nodes = {pod["spec"]["nodeName"] for pods in mounts.values() for pod in pods}
    summaries, errors = _summaries(api, sorted(nodes))
    stats = _stats(summaries, namespace)
    found = [_claim(claim, mounts, stats, errors, question) for claim in sorted(claims, key=_name)]
    if not question.include_unused:
        found = [claim for claim in found if claim.pods]
    _say_expandable(api, found)
    return Usage(found, errors)


def _listed(api: Api, namespace: str, resource: str, selectors: Sequence[str] = ()) -> list[Object]:
    query = {"labelSelector": ",".join(selectors)} if selectors else {}
    try:
        return api.get(f"/api/v1/namespaces/{namespace}/{resource}", **query)["items"]
    except ApiError as error:
        raise needs(error, "list", resource, namespace) from error


def _name(item: Object) -> str:
    return item["metadata"]["name"]


def _mounts(pods: Iterable[Object], claims: set[str]) -> dict[str, list[Object]]:
    """The pods that mount each claim: all that have a node and have not ended, those that still start included."""
    mounts: dict[str, list[Object]] = {}
    for pod in sorted(pods, key=_name):
        if pod["spec"].get("nodeName") and pod.get("status", {}).get("phase") not in ENDED:
            for name in {*_claim_names(pod)} & claims:
                mounts.setdefault(name, []).append(pod)
    return mounts


def _claim_names(pod: Object) -> Iterable[str]:
    for volume in pod["spec"].get("volumes") or []:
        if "persistentVolumeClaim" in volume:
            yield volume["persistentVolumeClaim"]["claimName"]
        elif "ephemeral" in volume:
            yield f"{_name(pod)}-{volume['name']}"


def _summaries(api: Api, nodes: Sequence[str]) -> tuple[list[Object], dict[str, str]]:
    """What each kubelet says, and why some say nothing. A dead node must not hide the others."""

    def ask(node: str) -> Object | LangfuseError:
        try:
            return api.get(f"/api/v1/nodes/{node}/proxy/stats/summary")
        except LangfuseError as error:
            return error

    with ThreadPoolExecutor(NODES_AT_ONCE) as pool:
        answers = list(pool.map(ask, nodes))
    for answer in answers:
        if isinstance(answer, ApiError) and answer.status == 403 and "nodes/proxy" in str(answer):
            raise needs(answer, "get", "nodes/proxy") from answer
    errors = {
        node: str(answer) for node, answer in zip(nodes, answers, strict=True) if isinstance(answer, LangfuseError)
    }
    return [answer for answer in answers if not isinstance(answer, LangfuseError)], errors


def _stats(summaries: Iterable[Object], namespace: str) -> dict[str, Object]:
    """The kubelets' figures by claim."""
    stats: dict[str, Object] = {}
    for summary in summaries:
        for pod in summary.get("pods") or []:
            for volume in pod.get("volume") or []:
                claim = volume.get("pvcRef") or {}
                if claim.get("namespace") == namespace and volume.get("capacityBytes"):
                    stats.setdefault(claim["name"], volume)
    return stats


def _claim(
    claim: Object,
    mounts: Mapping[str, list[Object]],
    stats: Mapping[str, Object],
    errors: Mapping[str, str],
    question: Question,
) -> Claim:
    name, spec = _name(claim), claim["spec"]
    pods = mounts.get(name, [])
    found = Claim(
        name=name,
        phase=claim["status"]["phase"],
        storage_class=spec.get("storageClassName"),
        requested=spec["resources"]["requests"]["storage"],
        pods=[_name(pod) for pod in pods],
        node=pods[0]["spec"]["nodeName"] if pods else None,
        metric_pod=lasting_name(pods[0]) if pods else None,
    )
    figures = stats.get(name)
    found.reason = _why_unknown(claim, found, figures, errors)
    if figures and not found.reason:
        _fill(found, figures, question.of(name))
    return found


def lasting_name(pod: Object) -> str:
    """A pod's own name in a StatefulSet; elsewhere it is random, and its workload's name keeps a series together."""
    owner = (pod["metadata"].get("ownerReferences") or [{}])[0]
    if owner.get("kind") != "ReplicaSet":
        return _name(pod)
    return owner["name"].removesuffix("-" + (pod["metadata"].get("labels") or {}).get("pod-template-hash", ""))


def is_measurable(claim: Object) -> bool:
    """Whether a claim has a file system that can fill. A block volume's kubelet knows its size only."""
    spec = claim["spec"]
    return spec.get("volumeMode", "Filesystem") == "Filesystem" and spec.get("accessModes") != ["ReadOnlyMany"]


def _why_unknown(claim: Object, found: Claim, figures: Object | None, errors: Mapping[str, str]) -> str:
    if not is_measurable(claim):
        return "It is a block volume or read-only: there is no file system that can fill."
    if figures:
        return ""
    if found.phase != "Bound":
        return f"It is {found.phase}, not Bound."
    if not found.pods:
        return "No pod mounts it, so no kubelet measures it."
    if found.node in errors:
        return f"The kubelet of node {found.node} did not answer: {errors[found.node]}"
    return f"The kubelet of node {found.node} has no figures for it: not measured yet, or not measurable (hostPath)."


def _fill(found: Claim, figures: Object, thresholds: Thresholds) -> None:
    capacity, available = figures["capacityBytes"], figures["availableBytes"]
    found.capacity_bytes, found.available_bytes = capacity, available
    found.used_bytes = capacity - available
    found.used_percent = round2(100 * (1 - available / capacity))
    found.sampled_at = figures.get("time")
    if figures.get("inodes"):  # xfs and network file systems have no fixed number
        found.inodes, found.inodes_used = figures["inodes"], figures["inodesUsed"]
        found.inodes_used_percent = round2(100 * found.inodes_used / found.inodes)
    by_inodes = (found.inodes_used_percent or 0) > found.used_percent
    worst = found.inodes_used_percent if by_inodes else found.used_percent
    found.state = thresholds.state(worst)
    if found.state != "ok":
        limit = thresholds.critical if found.state == "critical" else thresholds.warning
        found.reason = f"{worst:g} % of its {'inodes' if by_inodes else 'bytes'} are used, more than {limit:g} %."


def round2(value: float) -> float:
    """A number with two decimals, halves rounded up, as the PVC monitor does."""
    return math.floor(100 * value + 0.5) / 100


def _say_expandable(api: Api, claims: Iterable[Claim]) -> None:
    """Say of claims that fill whether they can be grown: one request more, only when there are such."""
    filling = [claim for claim in claims if claim.state in ("warning", "critical")]
    if not filling:
        return
    try:
        classes = api.get("/apis/storage.k8s.io/v1/storageclasses")["items"]
    except ApiError:
        return  # cluster-wide, and not everybody may read it; it stays null
    expandable = {_name(item): bool(item.get("allowVolumeExpansion")) for item in classes}
    for claim in filling:
        claim.expandable = expandable.get(claim.storage_class or "", False)


def failure(usage: Usage, fail_on: str) -> str:
    """Why the module fails, when a claim is in the state to fail on or in a worse one; else nothing."""
    if fail_on == "never":
        return ""
    bad = usage.at_least(fail_on)
    named = "; ".join(f"{claim.name} is {claim.state}: {claim.reason}" for claim in bad)
    return f"{len(bad)} of {len(usage.claims)} claims: {named}" if bad else ""
