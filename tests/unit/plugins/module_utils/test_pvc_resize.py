# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Growing claims, in a cluster of a few lines that behaves as Kubernetes, the EBS driver and an operator do."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.llmops.langfuse.plugins.module_utils import _pvc_resize
from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_resize import Result, larger, resize
from ansible_collections.llmops.langfuse.plugins.module_utils._pvc_resize_plan import Wish, read_wish
from ansible_collections.llmops.langfuse.plugins.module_utils._quantity import parse_bytes
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ApiError

CORE = "/api/v1/namespaces/langfuse"
CLAIMS = f"{CORE}/persistentvolumeclaims"
SETS = "/apis/apps/v1/namespaces/langfuse/statefulsets"
CLUSTERS = "/apis/clickhouse.com/v1alpha1/namespaces/langfuse/clickhouseclusters"
OPERATOR = {"apiVersion": "clickhouse.com/v1alpha1", "kind": "ClickHouseCluster", "controller": True}


class Cluster:
    """Answers as the API server. `stuck` keeps claims from growing; `events` is what is said of them then."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {}
        self.sets: dict[str, Any] = {}
        self.pods: dict[str, Any] = {}
        self.resources: dict[str, Any] = {}
        self.classes = {"gp3": True, "old": False}
        self.stuck = False
        self.events: list[Any] = []
        self.refuse: dict[tuple[str, str], list[Exception]] = {}
        self.changes: list[tuple[str, str, Any]] = []
        self.adopts = True

    def add_claim(self, name: str, size: str = "20Gi", storage_class: str = "gp3", phase: str = "Bound") -> None:
        self.claims[name] = {
            "metadata": {"name": name},
            "spec": {"storageClassName": storage_class, "resources": {"requests": {"storage": size}}},
            "status": {"phase": phase, "capacity": {"storage": size}},
        }

    def add_set(self, name: str, *templates: str, owner: Any = None, replicas: int = 1) -> None:
        """A StatefulSet with its pods and claims."""
        self.sets[name] = {
            "metadata": {"name": name, "uid": f"{name}-1", "resourceVersion": "7", "labels": {"a": "b"}},
            "spec": {
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": template},
                        "spec": {"resources": {"requests": {"storage": "20Gi"}}},
                        "status": {"phase": "Pending"},
                    }
                    for template in templates
                ]
            },
            "status": {"readyReplicas": replicas},
        }
        if owner:
            self.sets[name]["metadata"]["ownerReferences"] = [owner]
        for ordinal in range(replicas):
            pod = f"{name}-{ordinal}"
            volumes = [{"persistentVolumeClaim": {"claimName": f"{template}-{pod}"}} for template in templates]
            reference = {"kind": "StatefulSet", "name": name, "uid": f"{name}-1", "controller": True}
            self.pods[pod] = {
                "metadata": {"name": pod, "uid": f"uid-{pod}", "ownerReferences": [reference]},
                "spec": {"nodeName": "node-a", "volumes": volumes},
            }
            for template in templates:
                self.add_claim(f"{template}-{pod}")

    def add_operated(self, replicas: int = 2) -> None:
        """A resource of ClickHouse's operator, with a StatefulSet a replica."""
        for replica in range(replicas):
            owner = {**OPERATOR, "name": "langfuse-clickhouse", "uid": "cr-1"}
            self.add_set(f"langfuse-clickhouse-0-{replica}", "data", owner=owner)
        claim = {"resources": {"requests": {"storage": "20Gi"}}}
        self.resources[f"{CLUSTERS}/langfuse-clickhouse"] = {"spec": {"dataVolumeClaimSpec": claim}}

    def _refusal(self, method: str, path: str) -> None:
        for (verb, part), errors in self.refuse.items():
            if verb == method and part in path and errors:
                raise errors.pop(0) if len(errors) > 1 else errors[0]

    def get(self, path: str, **query: str) -> Any:
        self._refusal("get", path)
        lists: dict[str, Any] = {
            CLAIMS: self.claims.values(),
            SETS: self.sets.values(),
            f"{CORE}/pods": self.pods.values(),
            f"{CORE}/events": self.events,
            "/apis/storage.k8s.io/v1/storageclasses": [
                {"metadata": {"name": name}, "allowVolumeExpansion": expands} for name, expands in self.classes.items()
            ],
        }
        if path in lists:
            return copy.deepcopy({"items": list(lists[path])})
        found = self.resources.get(path) or self.sets.get(path.removeprefix(f"{SETS}/"))
        if not found:
            raise ApiError("not found", 404)
        return copy.deepcopy(found)

    def patch(self, path: str, body: Any, **query: str) -> Any:
        self._refusal("patch", path)
        if query.get("dryRun") == "All":
            return {}
        self.changes.append(("patch", path, body))
        if path in self.resources:
            size = body["spec"]["dataVolumeClaimSpec"]["resources"]["requests"]["storage"]
            self.resources[path]["spec"]["dataVolumeClaimSpec"]["resources"]["requests"]["storage"] = size
            names = [name for name in self.claims if "clickhouse" in name]
        else:
            size, names = body["spec"]["resources"]["requests"]["storage"], [path.rpartition("/")[2]]
        for name in names:
            self.claims[name]["spec"]["resources"]["requests"]["storage"] = size
            if not self.stuck:
                self.claims[name]["status"]["capacity"]["storage"] = size
        return {}

    def delete(self, path: str, **query: str) -> Any:
        self._refusal("delete", path)
        assert query == {"propagationPolicy": "Orphan"}
        self.changes.append(("delete", path, None))
        gone = self.sets.pop(path.rpartition("/")[2])
        for pod in self.pods.values():
            pod["metadata"]["ownerReferences"] = [
                owner for owner in pod["metadata"]["ownerReferences"] if owner["uid"] != gone["metadata"]["uid"]
            ]
        return {}

    def create(self, path: str, body: Any) -> Any:
        self._refusal("create", path)
        self.changes.append(("create", path, copy.deepcopy(body)))
        name = body["metadata"]["name"]
        made = copy.deepcopy(body)
        made["metadata"]["uid"] = f"{name}-2"
        self.sets[name] = made
        for pod in self.pods.values() if self.adopts else ():
            if not pod["metadata"]["ownerReferences"]:
                owner = {"kind": "StatefulSet", "name": name, "uid": f"{name}-2", "controller": True}
                pod["metadata"]["ownerReferences"] = [owner]
        return made


@pytest.fixture
def cluster() -> Cluster:
    cluster = Cluster()
    cluster.add_set("postgresql", "data")
    cluster.add_claim("redis", "2Gi")
    return cluster


def run(cluster: Cluster, check: bool = False, **wish: Any) -> Result:
    defaults: dict[str, Any] = {"namespace": "langfuse", "size": "50Gi", "timeout": 0}
    return resize(cluster, Wish(**{**defaults, **wish}), check, sleep=lambda _seconds: None)


def size_of(cluster: Cluster, claim: str) -> str:
    return cluster.claims[claim]["spec"]["resources"]["requests"]["storage"]


def test_plain_claim_checked_grown_and_left_alone(cluster: Cluster) -> None:
    planned = run(cluster, check=True, name="redis")
    assert (planned.changed, cluster.changes) == (True, [])
    done = run(cluster, name="redis")
    assert size_of(cluster, "redis") == "50Gi"
    assert done.changed and not done.warnings
    [claim] = done.returned(diff=True)["claims"]
    assert (claim["before"], claim["requested"], claim["capacity"], claim["grown_by"]) == (
        "2Gi",
        "50Gi",
        "50Gi",
        "claim",
    )
    assert planned.returned(diff=True)["diff"] == done.returned(diff=True)["diff"]
    assert done.returned(diff=True)["diff"] == {
        "before": {"PersistentVolumeClaim redis": "2Gi"},
        "after": {"PersistentVolumeClaim redis": "50Gi"},
    }
    again = run(cluster, name="redis")
    assert (again.changed, again.returned(diff=True)["diff"]) == (False, {"before": {}, "after": {}})
    assert "diff" not in again.returned(diff=False)


def test_the_same_size_in_other_words_is_no_change(cluster: Cluster) -> None:
    assert not run(cluster, name="redis", size="2048Mi").changed


def test_statefulset_is_recreated_under_its_pods(cluster: Cluster) -> None:
    cluster.sets["postgresql"]["metadata"]["annotations"] = {"meta.helm.sh/release-name": "langfuse"}
    cluster.add_set("other", "data")
    planned = run(cluster, check=True, statefulset="postgresql", recreate=True)
    assert cluster.changes == []
    done = run(cluster, statefulset="postgresql", recreate=True)
    assert planned.returned(diff=True)["diff"] == done.returned(diff=True)["diff"]
    [recreated] = done.returned(diff=False)["statefulsets"]
    assert (recreated["before"], recreated["after"], recreated["pods"]) == ("20Gi", "50Gi", ["postgresql-0"])
    assert cluster.pods["postgresql-0"]["metadata"]["uid"] == "uid-postgresql-0"
    created = cluster.changes[-1][2]
    assert created["metadata"] == {
        "name": "postgresql",
        "labels": {"a": "b"},
        "annotations": {"meta.helm.sh/release-name": "langfuse"},
    }
    [template] = created["spec"]["volumeClaimTemplates"]
    assert template["spec"]["resources"]["requests"]["storage"] == "50Gi"
    assert "status" not in created and "status" not in template
    assert not run(cluster, statefulset="postgresql", recreate=True).changed


def test_without_recreation_a_warning_says_what_follows(cluster: Cluster) -> None:
    done = run(cluster, statefulset="postgresql")
    assert size_of(cluster, "data-postgresql-0") == "50Gi"
    [warning] = done.warnings
    assert "StatefulSet postgresql (20Gi) cannot be changed in place" in warning
    assert done.returned(diff=False)["statefulsets"][0]["recreated"] is False
    later = run(cluster, statefulset="postgresql", recreate=True)
    assert later.changed and not later.returned(diff=False)["claims"][0]["changed"]


def test_only_the_meant_template_grows(cluster: Cluster) -> None:
    cluster.add_set("two", "data", "logs", replicas=2)
    run(cluster, statefulset="two", template="logs", recreate=True)
    assert [size_of(cluster, f"logs-two-{ordinal}") for ordinal in (0, 1)] == ["50Gi", "50Gi"]
    assert size_of(cluster, "data-two-0") == "20Gi"
    sizes = [t["spec"]["resources"]["requests"]["storage"] for t in cluster.sets["two"]["spec"]["volumeClaimTemplates"]]
    assert sizes == ["20Gi", "50Gi"]


def test_the_operator_grows_its_own(cluster: Cluster) -> None:
    cluster.add_operated(replicas=2)
    planned = run(cluster, check=True, name="data-langfuse-clickhouse-0-0-0", recreate=True)
    assert cluster.changes == []
    done = run(cluster, name="data-langfuse-clickhouse-0-0-0", recreate=True)
    assert [(method, path) for method, path, _body in cluster.changes] == [("patch", f"{CLUSTERS}/langfuse-clickhouse")]
    returned = done.returned(diff=True)
    assert returned["diff"] == planned.returned(diff=True)["diff"]
    assert [claim["name"] for claim in returned["claims"]] == [
        "data-langfuse-clickhouse-0-0-0",
        "data-langfuse-clickhouse-0-1-0",
    ]
    assert {claim["grown_by"] for claim in returned["claims"]} == {"ClickHouseCluster"}
    assert returned["resources"] == [
        {"kind": "ClickHouseCluster", "name": "langfuse-clickhouse", "before": "20Gi", "after": "50Gi"}
    ]
    assert returned["statefulsets"] == []
    assert not run(cluster, name="data-langfuse-clickhouse-0-0-0").changed


def test_labels_choose(cluster: Cluster) -> None:
    run(cluster, label_selectors=("app=any",))
    assert {size_of(cluster, name) for name in cluster.claims} == {"50Gi"}


def test_refusals_come_all_at_once_and_before_any_change(cluster: Cluster) -> None:
    cluster.add_claim("large", "1Ti")
    cluster.add_claim("stiff", storage_class="old")
    cluster.add_claim("waiting", phase="Pending")
    cluster.add_set("foreign", "data", owner={"kind": "Postgres", "name": "pg", "uid": "x", "controller": True})
    with pytest.raises(LangfuseError) as raised:
        run(cluster, label_selectors=("all",))
    for reason in (
        "large asks for 1Ti and a volume never shrinks",
        "StorageClass old of stiff has no allowVolumeExpansion",
        "waiting is Pending, and only a Bound claim can grow",
        "data-foreign-0 is of Postgres pg, whose operator must be told the size",
    ):
        assert reason in str(raised.value)
    assert cluster.changes == []


def test_a_resource_that_asks_for_more_is_refused(cluster: Cluster) -> None:
    cluster.add_operated(replicas=1)
    spec = cluster.resources[f"{CLUSTERS}/langfuse-clickhouse"]["spec"]["dataVolumeClaimSpec"]
    spec["resources"]["requests"]["storage"] = "90Gi"
    with pytest.raises(
        LangfuseError, match="ClickHouseCluster langfuse-clickhouse asks for 90Gi and claims never shrink"
    ):
        run(cluster, name="data-langfuse-clickhouse-0-0-0")


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        ({"name": "nope"}, "No claim in namespace langfuse is meant by nope"),
        ({"statefulset": "nope"}, "Namespace langfuse has no StatefulSet nope"),
        ({"statefulset": "two"}, "template is not set: StatefulSet two has data, logs"),
        ({"statefulset": "two", "template": "x"}, "template is x: StatefulSet two has data, logs"),
        ({"name": "redis", "size": "many"}, "'many' is no size"),
    ],
)
def test_what_is_not_there(cluster: Cluster, wish: dict[str, Any], message: str) -> None:
    cluster.add_set("two", "data", "logs")
    with pytest.raises(LangfuseError, match=message):
        run(cluster, **wish)


def event(claim: str, message: str, count: int = 1, kind: str = "Warning") -> dict[str, Any]:
    metadata = {"uid": f"event-{claim}"}
    return {"metadata": metadata, "count": count, "type": kind, "message": message, "involvedObject": {"name": claim}}


def test_ebs_limit_is_explained(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.stuck = True
    cluster.events = [event("redis", "old")]
    patch = cluster.patch

    def patch_and_say(path: str, body: Any, **query: str) -> Any:
        cluster.events = [event("redis", "VolumeModificationRateExceeded: wait", count=2), event("x", "of another")]
        return patch(path, body, **query)

    monkeypatch.setattr(cluster, "patch", patch_and_say)
    with pytest.raises(LangfuseError) as raised:
        run(cluster, name="redis", timeout=60)
    assert str(raised.value).startswith(
        "redis cannot grow now: VolumeModificationRateExceeded: wait AWS changes an EBS"
    )


def test_waiting_ends_with_the_drivers_reason(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    cluster.stuck = True
    times = iter(range(100))
    monkeypatch.setattr(_pvc_resize.time, "monotonic", lambda: next(times))
    with pytest.raises(LangfuseError, match="redis did not reach 50Gi within 3 seconds: the driver says nothing"):
        run(cluster, name="redis", timeout=3)
    cluster.events = []
    monkeypatch.setattr(cluster, "get", _with_event(cluster, event("redis", "no credentials")))
    with pytest.raises(LangfuseError, match="within 3 seconds: no credentials"):
        run(cluster, name="redis", timeout=3)


def _with_event(cluster: Cluster, said: dict[str, Any]) -> Any:
    """Events that are there from the second look on."""
    get, looks = cluster.get, []

    def answer(path: str, **query: str) -> Any:
        if path.endswith("/events"):
            looks.append(path)
            return {"items": [said] if len(looks) > 1 else []}
        return get(path, **query)

    return answer


def test_events_that_may_not_be_read_are_no_failure(cluster: Cluster) -> None:
    cluster.refuse["get", "/events"] = [ApiError("forbidden", 403)]
    assert run(cluster, name="redis").changed


def test_a_file_system_that_waits_for_its_pod(cluster: Cluster) -> None:
    cluster.stuck = True
    cluster.claims["redis"]["status"]["conditions"] = [{"type": "FileSystemResizePending", "status": "True"}]
    assert run(cluster, name="redis").warnings == [
        "redis: the volume has grown; its file system follows when a pod mounts it."
    ]
    cluster.claims["data-postgresql-0"]["status"]["conditions"] = cluster.claims["redis"]["status"]["conditions"]
    with pytest.raises(LangfuseError, match="data-postgresql-0 did not reach 50Gi"):
        run(cluster, name="data-postgresql-0", timeout=-1)


def test_not_waiting(cluster: Cluster) -> None:
    cluster.stuck = True
    done = run(cluster, name="redis", wait=False)
    assert done.returned(diff=False)["claims"][0]["capacity"] == ""


RIGHTS = [
    ("get", "persistentvolumeclaims", "list persistentvolumeclaims in"),
    ("get", "statefulsets", "list statefulsets in"),
    ("get", "storageclasses", "list storageclasses"),
    ("patch", "persistentvolumeclaims", "patch persistentvolumeclaims in"),
    ("delete", "statefulsets", "delete statefulsets in"),
    ("get", "clickhouseclusters", "get clickhouseclusters in"),
]


@pytest.mark.parametrize(("verb", "part", "right"), RIGHTS)
def test_missing_rights_are_named(cluster: Cluster, verb: str, part: str, right: str) -> None:
    cluster.add_operated(1)
    cluster.refuse[verb, part] = [ApiError("forbidden", 403)]
    names = "data-langfuse-clickhouse-0-0-0" if part == "clickhouseclusters" else "data-postgresql-0"
    with pytest.raises(LangfuseError, match=f"need the right to {right}"):
        run(cluster, name=names, recreate=True)


def test_creation_is_tried_again(cluster: Cluster) -> None:
    cluster.refuse["create", "statefulsets"] = [ApiError("timeout", 504), ApiError("timeout", 504)]
    with pytest.raises(LangfuseError, match="was deleted and cannot be created again: timeout") as raised:
        run(cluster, statefulset="postgresql", recreate=True)
    assert raised.value.details["statefulset"]["metadata"]["name"] == "postgresql"
    cluster = Cluster()
    cluster.add_set("postgresql", "data")
    failures = iter([ApiError("timeout", 504)])
    create = cluster.create

    def create_at_last(path: str, body: Any) -> Any:
        for error in failures:
            raise error
        return create(path, body)

    cluster.create = create_at_last  # type: ignore[method-assign]
    assert run(cluster, statefulset="postgresql", recreate=True).recreated


def test_pods_that_are_not_adopted(cluster: Cluster) -> None:
    cluster.adopts = False
    with pytest.raises(LangfuseError, match="new StatefulSet postgresql has not adopted its pods postgresql-0"):
        run(cluster, statefulset="postgresql", recreate=True, timeout=-1)


def test_a_deletion_that_does_not_end(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "delete", lambda path, **query: {})
    with pytest.raises(LangfuseError, match="StatefulSet postgresql is not deleted within -1 seconds") as raised:
        run(cluster, statefulset="postgresql", recreate=True, timeout=-1)
    assert raised.value.details["statefulset"]["kind"] == "StatefulSet"


def test_a_server_that_fails_while_the_deletion_is_waited_for(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "delete", lambda path, **query: {})
    cluster.refuse["get", "statefulsets/postgresql"] = [ApiError("away", 503)]
    with pytest.raises(ApiError, match="away"):
        run(cluster, statefulset="postgresql", recreate=True)


def test_templates_without_a_size_get_one() -> None:
    bare = {"metadata": {"name": "x"}, "spec": {"volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {}}]}}
    assert larger(bare, [0], "1Gi")["spec"]["volumeClaimTemplates"][0]["spec"] == {
        "resources": {"requests": {"storage": "1Gi"}}
    }


def options(**given: Any) -> dict[str, Any]:
    defaults = {"label_selectors": None, "statefulset": None, "template": None, "max_size": None, "wait": True}
    return {"namespace": "n", "name": "c", "recreate_statefulset": False, "wait_timeout": 5, **defaults, **given}


def test_options() -> None:
    assert read_wish(options(size="1Ti", max_size="1024Gi")) == Wish("n", "1Ti", "c", max_size="1024Gi", timeout=5)
    with pytest.raises(LangfuseError, match=r"size is 2Ti, more than max_size \(1Ti\): a volume never shrinks again"):
        read_wish(options(size="2Ti", max_size="1Ti"))


@pytest.mark.parametrize(
    ("quantity", "size"),
    [
        ("0", 0),
        ("20Gi", 20 * 2**30),
        ("1.5Ti", 3 * 2**39),
        ("100G", 10**11),
        ("1e3", 1000),
        ("12E", 12 * 10**18),
        ("5k", 5000),
    ],
)
def test_quantities(quantity: str, size: int) -> None:
    assert parse_bytes(quantity) == size


@pytest.mark.parametrize("quantity", ["", "Gi", "20GB", "-1Gi", "20 Gi", "1.2.3Gi", "20gi"])
def test_bad_quantities(quantity: str) -> None:
    with pytest.raises(LangfuseError, match="is no size"):
        parse_bytes(quantity)
