# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stand-ins of what Langfuse needs in the cluster: load balancer controller, cert-manager, ClickHouse operator."""

from __future__ import annotations

import pytest
from charts_rendering import Objects, container, refusal, render

CONTROLLER = "aws-load-balancer-controller"
REQUIRED = {"clusterName": "langfuse", "region": "eu-central-1", "vpcId": "vpc-1"}


def controller(**values: object) -> Objects:
    return render(CONTROLLER, {**REQUIRED, **values}, release=CONTROLLER)


def test_load_balancer_controller() -> None:
    account = {"create": True, "name": "alb", "annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/alb"}}
    objects = controller(serviceAccount=account, replicaCount=1, resources={"requests": {"cpu": "50m"}})
    deployment = objects[f"Deployment/{CONTROLLER}"]
    selector = {"app.kubernetes.io/name": CONTROLLER, "app.kubernetes.io/instance": CONTROLLER}
    assert selector.items() <= deployment["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"] == selector
    assert deployment["spec"]["replicas"] == 1
    pod = container(deployment, CONTROLLER)
    assert pod["args"] == [
        "--cluster-name=langfuse",
        "--ingress-class=alb",
        "--aws-region=eu-central-1",
        "--aws-vpc-id=vpc-1",
    ]
    assert pod["resources"] == {"requests": {"cpu": "50m"}}
    assert objects["ServiceAccount/alb"]["metadata"]["annotations"] == account["annotations"]
    assert deployment["spec"]["template"]["spec"]["serviceAccountName"] == "alb"
    assert objects["IngressClass/alb"]["spec"] == {"controller": "ingress.k8s.aws/alb"}
    assert "IngressClassParams/alb" in objects
    service = objects["Service/aws-load-balancer-webhook-service"]["spec"]
    assert service["selector"] == selector
    assert service["ports"] == [{"name": "webhook-server", "port": 443, "targetPort": "webhook-server"}]


def test_load_balancer_controller_kinds_come_before_the_objects() -> None:
    objects = controller()
    assert objects["CustomResourceDefinition/targetgroupbindings.elbv2.k8s.aws"]["spec"]["scope"] == "Namespaced"
    assert objects["CustomResourceDefinition/ingressclassparams.elbv2.k8s.aws"]["spec"]["scope"] == "Cluster"
    assert not any("WebhookConfiguration" in name for name in objects)


def test_load_balancer_controller_needs_the_cluster_name() -> None:
    assert "clusterName is required" in refusal(CONTROLLER, {})


def test_each_render_makes_a_new_webhook_certificate() -> None:
    first, second = controller(), controller(keepTLSSecret=False)
    name = "Secret/aws-load-balancer-tls"
    assert first[name]["data"].keys() == {"ca.crt", "tls.crt", "tls.key"}
    assert first[name]["data"] != second[name]["data"]
    given = controller(webhookTLS={"caCert": "a", "cert": "b", "key": "c"})
    assert given[name]["data"] == {"ca.crt": "YQ==", "tls.crt": "Yg==", "tls.key": "Yw=="}


def test_cert_manager() -> None:
    objects = render("cert-manager", {"crds": {"enabled": True}}, release="cert-manager")
    components = {
        "cert-manager": "controller",
        "cert-manager-cainjector": "cainjector",
        "cert-manager-webhook": "webhook",
    }
    assert {f"Deployment/{name}" for name in components} == {name for name in objects if name.startswith("Deployment/")}
    for name, component in components.items():
        labels = objects[f"Deployment/{name}"]["metadata"]["labels"]
        assert labels["app.kubernetes.io/component"] == component
        assert labels["app.kubernetes.io/instance"] == "cert-manager"
        assert labels["app.kubernetes.io/name"] == (component if component != "controller" else "cert-manager")
        assert objects[f"Deployment/{name}"]["spec"]["replicas"] == 1
        assert f"Service/{name}" in objects
        assert f"ServiceAccount/{name}" in objects
    kinds = {name.split("/")[1]: item for name, item in objects.items() if item["kind"] == "CustomResourceDefinition"}
    assert kinds.keys() == {
        "certificates.cert-manager.io",
        "certificaterequests.cert-manager.io",
        "issuers.cert-manager.io",
        "clusterissuers.cert-manager.io",
        "orders.acme.cert-manager.io",
        "challenges.acme.cert-manager.io",
    }
    assert all(item["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"} for item in kinds.values())
    without = render("cert-manager", release="cert-manager")
    assert not any(item["kind"] == "CustomResourceDefinition" for item in without.values())


def test_clickhouse_operator() -> None:
    objects = render("clickhouse-operator", release="clickhouse-operator")
    deployment = objects["Deployment/clickhouse-operator-controller-manager"]
    selector = {"app.kubernetes.io/name": "clickhouse-operator", "control-plane": "controller-manager"}
    assert deployment["spec"]["selector"]["matchLabels"] == selector
    assert {**selector, "helm.sh/chart": "clickhouse-operator-helm-0.0.5"}.items() <= deployment["metadata"][
        "labels"
    ].items()
    assert container(deployment, "manager")["image"] == "ghcr.io/clickhouse/clickhouse-operator:v0.0.5"
    # cert-manager's kinds: without them the install fails.
    assert {
        "Issuer/clickhouse-operator-selfsigned-issuer",
        "Certificate/clickhouse-operator-serving-cert",
    } <= objects.keys()


@pytest.mark.parametrize(
    ("plural", "kind"), [("clickhouseclusters", "ClickHouseCluster"), ("keeperclusters", "KeeperCluster")]
)
def test_operator_kinds(plural: str, kind: str) -> None:
    objects = render("clickhouse-operator", release="clickhouse-operator")
    definition = objects[f"CustomResourceDefinition/{plural}.clickhouse.com"]
    (version,) = definition["spec"]["versions"]
    assert definition["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    assert (definition["spec"]["names"]["kind"], definition["spec"]["scope"]) == (kind, "Namespaced")
    assert (version["name"], version["subresources"]) == ("v1alpha1", {"status": {}})
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]
    used = render("langfuse-2")[f"{kind}/langfuse"]["spec"]
    assert used.keys() <= spec["properties"].keys()
    assert used.get("settings", {}).keys() <= spec["properties"]["settings"]["properties"].keys()
