# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every store of chart major 2 grows while it runs. The last use of the release: Helm is not told of the sizes."""

from __future__ import annotations

import pytest
from volumes import NAMESPACE, apis, module

STORES = {
    "a claim of a Deployment": ({"name": "langfuse-redis"}, "claim", 0),
    "a StatefulSet": ({"statefulset": "langfuse-postgresql", "recreate_statefulset": True}, "claim", 1),
    "ClickHouse's operator": (
        {"name": "clickhouse-storage-volume-langfuse-clickhouse-0-0-0"},
        "ClickHouseCluster",
        0,
    ),
    "Keeper's operator": ({"statefulset": "langfuse-keeper-0"}, "KeeperCluster", 0),
}
SIZE = "210Gi"


def uids(lab):
    """The pods and what they are, without those that come and go."""
    pods = lab.kubernetes().list_namespaced_pod(NAMESPACE).items
    return {pod.metadata.name: pod.metadata.uid for pod in pods if "pvc-monitor" not in pod.metadata.name}


@pytest.mark.parametrize("name", STORES)
def test_store_grows_under_its_pod(site, lab, name):
    which, grown_by, statefulsets = STORES[name]
    before = uids(lab)
    planned = module(site, lab, "pvc_resize", size=SIZE, _ansible_check_mode=True, _ansible_diff=True, **which)
    assert planned["changed"], planned
    done = module(site, lab, "pvc_resize", size=SIZE, wait_timeout=120, _ansible_diff=True, **which)
    assert done["diff"] == planned["diff"]
    [claim] = done["claims"]
    assert (claim["capacity"], claim["grown_by"], claim["changed"]) == (SIZE, grown_by, True)
    assert len(done["statefulsets"]) == statefulsets
    assert uids(lab) == before, "a pod was restarted"
    again = module(site, lab, "pvc_resize", size=SIZE, _ansible_diff=True, **which)
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})


def test_the_new_statefulset_is_the_old_one_with_a_larger_template(lab):
    client, api = apis(lab)
    made = client.AppsV1Api(api).read_namespaced_stateful_set("langfuse-postgresql", NAMESPACE)
    [template] = made.spec.volume_claim_templates
    assert template.spec.resources.requests == {"storage": SIZE}
    assert made.metadata.annotations["meta.helm.sh/release-name"] == "langfuse"
    assert made.status.ready_replicas == 1


def test_the_volumes_grew_in_aws(lab):
    names = {"Name": "tag:kubernetes.io/created-for/pvc/namespace", "Values": [NAMESPACE]}
    volumes = lab.client("ec2").describe_volumes(Filters=[names])["Volumes"]
    assert sorted(volume["Size"] for volume in volumes) == [210] * 4


REFUSED = {
    "smaller": ({"name": "langfuse-redis", "size": "1Gi"}, "asks for 210Gi and a volume never shrinks"),
    "larger than the guard": (
        {"name": "langfuse-redis", "size": "3Ti", "max_size": "500Gi"},
        "size is 3Ti, more than max_size (500Gi)",
    ),
    "a class that does not expand": ({"name": "langfuse-redis", "size": "220Gi"}, "has no allowVolumeExpansion"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(site, lab, name):
    arguments, message = REFUSED[name]
    client, api = apis(lab)
    classes = client.StorageV1Api(api)
    expands = name != "a class that does not expand"
    classes.patch_storage_class("gp3", {"allowVolumeExpansion": expands})
    try:
        answer = module(site, lab, "pvc_resize", **arguments)
    finally:
        classes.patch_storage_class("gp3", {"allowVolumeExpansion": True})
    assert answer["failed"] and message in answer["msg"]
