# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles conclude from what a cluster, or ClickHouse, answers."""

from __future__ import annotations

import pytest


def storage_class(make_role, name, **changes):
    """One of the role's classes as the API server gives it back, with changes."""
    [wanted] = [entry for entry in make_role("storage").value("__storage_classes") if entry["metadata"]["name"] == name]
    wanted["metadata"] |= {"uid": "1", "resourceVersion": "7"}
    return wanted | changes


@pytest.fixture
def judge(make_role):
    """A list that role storage derives from the classes it found."""
    return lambda variable, *found: make_role("storage", __storage_found={"resources": list(found)}).value(variable)


def test_classes_of_the_role_are_left_alone(make_role, judge):
    found = [storage_class(make_role, "gp3"), storage_class(make_role, "gp2")]
    assert judge("__storage_outdated", *found) == []
    assert judge("__storage_foreign", *found) == []


def test_the_class_that_eks_makes_is_replaced(judge):
    # A class without labels and annotations, as EKS makes it.
    in_tree = {
        "metadata": {"name": "gp2"},
        "provisioner": "kubernetes.io/aws-ebs",
        "parameters": {"type": "gp2", "fsType": "ext4"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    assert judge("__storage_outdated", in_tree) == ["gp2"]
    assert judge("__storage_foreign", in_tree) == []
    assert judge("__storage_default_classes", in_tree) == []


def test_an_own_class_with_old_settings_is_replaced(make_role, judge):
    slower = storage_class(make_role, "gp3")
    slower["parameters"]["iops"] = "4000"
    assert judge("__storage_outdated", slower) == ["gp3"]


def test_a_class_of_somebody_else_is_named(make_role, judge):
    other = storage_class(make_role, "gp3", reclaimPolicy="Retain")
    del other["metadata"]["labels"]
    assert judge("__storage_outdated", other) == []
    assert judge("__storage_foreign", other) == ["gp3"]


def test_a_class_of_somebody_else_with_the_same_settings_is_taken_over(make_role, judge):
    same = storage_class(make_role, "gp3")
    same["metadata"] = {"name": "gp3"}
    assert judge("__storage_foreign", same) == []


def test_default_classes(make_role, judge):
    other = {
        "metadata": {"name": "x", "annotations": {"storageclass.kubernetes.io/is-default-class": "true", "a": "b"}}
    }
    plain = {"metadata": {"name": "y"}}
    found = [storage_class(make_role, "gp3"), storage_class(make_role, "gp2"), other, plain]
    assert judge("__storage_default_classes", *found) == ["gp3", "x"]


def node(group, ready="True"):
    """A node of a node group."""
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "Ready", "status": ready}]
    return {"metadata": {"labels": {"eks.amazonaws.com/nodegroup": group}}, "status": {"conditions": conditions}}


@pytest.mark.parametrize(
    ("nodes", "short"),
    [
        ([], "langfuse-nodes: 0 of at least 2\nlangfuse-clickhouse: 0 of at least 1\n"),
        ([node("langfuse-nodes")] * 3, "langfuse-clickhouse: 0 of at least 1\n"),
        (
            [node("langfuse-nodes"), node("langfuse-nodes", "Unknown"), node("langfuse-clickhouse")],
            "langfuse-nodes: 1 of at least 2\n",
        ),
        ([node("langfuse-nodes"), node("langfuse-nodes"), node("langfuse-clickhouse")], None),
    ],
)
def test_groups_that_lack_nodes(make_role, nodes, short):
    assert make_role("cluster", __cluster_nodes={"resources": nodes}).value("__cluster_short_groups") == short


@pytest.mark.parametrize(
    ("endpoints", "silent"),
    [
        (None, "kube-system/webhook\n"),
        ([], "kube-system/webhook\n"),
        ([{"conditions": {"ready": False}}], "kube-system/webhook\n"),
        ([{"conditions": {"ready": False}}, {"conditions": {"ready": True}}], None),
    ],
)
def test_services_that_nobody_answers_for(make_role, endpoints, silent):
    metadata = {"namespace": "kube-system", "labels": {"kubernetes.io/service-name": "webhook"}}
    slices = {"resources": [{"metadata": metadata, "endpoints": endpoints}]}
    assert make_role("addons", __addons_slices=slices).value("__addons_silent_services") == silent


@pytest.mark.parametrize(("major", "releases"), [(1, 1), ("1", 1), (2, 3), ("2", 3)])
def test_releases_of_a_chart_major(make_role, major, releases):
    assert len(make_role("addons", platform_chart_major=major).value("__addons_releases")) == releases


def system_log(name, ttl, database="system"):
    """A table as the module clickhouse_disk_info gives it."""
    return {"database": database, "name": name, "ttl": ttl}


def test_logs_that_are_kept_too_long_are_named(make_role):
    tables = [
        system_log("query_log", "event_date + toIntervalDay(10)"),
        system_log("part_log", "event_date + toIntervalDay(11)"),
        system_log("trace_log", ""),
        system_log("text_log", "event_date + toIntervalMonth(1)"),
        system_log("trace_log_0", ""),
        system_log("blob_storage_file_log", "", database="default"),
    ]
    role = make_role("clickhouse_retention", __clickhouse_retention_disk={"tables": tables})
    assert role.value("__clickhouse_retention_bad_logs") == [
        "part_log (event_date + toIntervalDay(11))",
        "trace_log (for ever)",
        "text_log (event_date + toIntervalMonth(1))",
    ]
    strict = make_role(
        "clickhouse_retention", __clickhouse_retention_disk={"tables": tables[:1]}, langfuse_clickhouse_log_days=3
    )
    assert strict.value("__clickhouse_retention_bad_logs") == ["query_log (event_date + toIntervalDay(10))"]


@pytest.mark.parametrize(
    ("status", "endpoint"),
    [
        ("CREATE_COMPLETE", "new"),
        ("UPDATE_ROLLBACK_COMPLETE", "new"),
        ("DELETE_FAILED", "old"),
        ("ROLLBACK_COMPLETE", "old"),
    ],
)
def test_outputs_of_a_stack_count_unless_it_has_to_be_made_anew(make_role, status, endpoint):
    found = {"stack_description": {"stack_status": status}, "stack_outputs": {"Endpoint": "new"}}
    role = make_role(
        "platform",
        platform_name="langfuse",
        platform_stack={"name": "cluster"},
        platform_outputs={"Endpoint": "old", "VpcId": "vpc-1"},
        __platform_stacks={"cloudformation": {}},
        __platform_stacks_since={"langfuse-cluster": found},
    )
    assert role.value("__platform_stack_outputs") == {"Endpoint": endpoint, "VpcId": "vpc-1"}


WANTED = {"name": "storage", "body": "Resources: {}\n", "parameters": {"Size": "1"}, "termination_protection": True}
STANDING = {
    "stack_description": {"stack_status": "CREATE_COMPLETE", "enable_termination_protection": True},
    "stack_template": "Resources: {}",
    "stack_parameters": {"Size": "1"},
    "stack_tags": {"app": "langfuse", "environment": "production", "platform": "langfuse", "role": "storage"},
}


def status(word):
    return {"stack_description": STANDING["stack_description"] | {"stack_status": word}}


@pytest.mark.parametrize(
    ("standing", "differs"),
    [
        ({}, False),
        ({"stack_template": "Resources: {Bucket: {}}"}, True),
        ({"stack_parameters": {"Size": "2"}}, True),
        ({"stack_tags": {}}, True),
        ({"stack_tags": {}, "stack_template": None}, True),
        ({"stack_description": {"stack_status": "CREATE_COMPLETE"}}, True),
        (status("UPDATE_COMPLETE"), False),
        (status("UPDATE_IN_PROGRESS"), True),
        (status("DELETE_IN_PROGRESS"), True),
        (status("REVIEW_IN_PROGRESS"), True),
        (status("UPDATE_ROLLBACK_COMPLETE"), True),
        (status("DELETE_FAILED"), True),
        (None, True),
    ],
)
@pytest.mark.parametrize("when", ["as the run began", "since"])
def test_a_stack_differs_unless_it_is_as_wanted_and_at_rest(make_role, standing, differs, when):
    now = {} if standing is None else STANDING | standing
    if now.get("stack_template", "") is None:  # somebody else's stack of that name, whose template is not read
        del now["stack_template"]
    began, since = (now, {}) if when == "as the run began" else (STANDING, {"langfuse-storage": now})
    role = make_role(
        "platform",
        platform_name="langfuse",
        platform_stack=WANTED,
        __platform_stacks={"cloudformation": {"langfuse-storage": began} if began else {}},
        __platform_stacks_since=since,
    )
    assert bool(role.value("platform_stack_differs")) is differs


def test_parameters_alone_may_be_no_reason_for_an_update(make_role):
    role = make_role(
        "platform",
        platform_name="langfuse",
        platform_stack=WANTED | {"parameters": {"Size": "3"}, "parameters_decide": False},
        __platform_stacks={"cloudformation": {"langfuse-storage": STANDING}},
        __platform_stacks_since={},
    )
    assert bool(role.value("platform_stack_differs")) is False


OFFERED = {
    "vpc-cni": {"default": "v1.20.4-eksbuild.1", "versions": ["v1.21.1-eksbuild.1", "v1.20.4-eksbuild.1"]},
    "kube-proxy": {"default": "v1.36.0-eksbuild.2", "versions": ["v1.36.0-eksbuild.2"]},
}
NOT_BUILT = "for Kubernetes 1.36 EKS offers v1.21.1-eksbuild.1, v1.20.4-eksbuild.1."


@pytest.mark.parametrize("variable", ["cluster_addon_versions", "addons_eks_versions"])
@pytest.mark.parametrize(
    ("offered", "wanted", "refusals"),
    [
        ({}, {"vpc-cni": "v1.19.0-eksbuild.1"}, []),
        (OFFERED, {}, []),
        (OFFERED, {"vpc-cni": "v1.21.1-eksbuild.1"}, []),
        (OFFERED, {"vpc-cni": "v1.19.0-eksbuild.1"}, [f"VARIABLE has vpc-cni v1.19.0-eksbuild.1: {NOT_BUILT}"]),
        (
            OFFERED | {"kube-proxy": {"default": None, "versions": []}},
            {"vpc-cni": "v1.19.0-eksbuild.1"},
            [
                f"VARIABLE has vpc-cni v1.19.0-eksbuild.1: {NOT_BUILT}",
                "EKS offers no add-on kube-proxy for Kubernetes 1.36 in ap-south-1.",
            ],
        ),
    ],
)
def test_builds_of_addons_that_eks_does_not_offer(make_role, variable, offered, wanted, refusals):
    addons = {"offered": offered, "variable": variable, "kubernetes": "1.36"}
    found = make_role("cluster", platform_addons=addons, **{variable: wanted}).value("platform_addon_refusals")
    assert found == [refusal.replace("VARIABLE", variable) for refusal in refusals]
