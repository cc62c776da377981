# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the site has to read at the least to know that all is well, by one process: AWS, Kubernetes, ClickHouse."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

NAMESPACE, PREFIX, CLUSTER = "langfuse", "/langfuse/lab", "langfuse"


def in_a_process_of_its_own() -> None:
    """As a run of its own, which imports its libraries anew."""
    subprocess.run([sys.executable, __file__], check=True, capture_output=True)


def aws() -> None:
    import boto3

    boto3.client("sts").get_caller_identity()
    formation = boto3.client("cloudformation")
    for stack in formation.describe_stacks()["Stacks"]:
        formation.describe_stacks(StackName=stack["StackName"])
        formation.get_template(StackName=stack["StackName"])
    eks = boto3.client("eks")
    eks.describe_cluster(name=CLUSTER)
    for group in eks.list_nodegroups(clusterName=CLUSTER)["nodegroups"]:
        eks.describe_nodegroup(clusterName=CLUSTER, nodegroupName=group)
    for addon in eks.list_addons(clusterName=CLUSTER)["addons"]:
        eks.describe_addon(clusterName=CLUSTER, addonName=addon)
        eks.describe_addon_versions(addonName=addon)
    boto3.client("ec2").describe_availability_zones()
    pages = boto3.client("ssm").get_paginator("get_parameters_by_path")
    pages = pages.paginate(Path=PREFIX, Recursive=True, WithDecryption=True)
    assert any(page["Parameters"] for page in pages)
    storage = boto3.client("s3")
    bucket = next(each["Name"] for each in storage.list_buckets()["Buckets"])
    storage.get_bucket_lifecycle_configuration(Bucket=bucket)
    balancing = boto3.client("elbv2")
    for balancer in balancing.describe_load_balancers()["LoadBalancers"]:
        for group in balancing.describe_target_groups(LoadBalancerArn=balancer["LoadBalancerArn"])["TargetGroups"]:
            balancing.describe_target_health(TargetGroupArn=group["TargetGroupArn"])
    certificates = boto3.client("acm")
    for each in certificates.list_certificates()["CertificateSummaryList"]:
        certificates.describe_certificate(CertificateArn=each["CertificateArn"])
    boto3.client("lambda").invoke(FunctionName="langfuse-clickhouse-relief", Payload=b'{"dry_run": true}')


def kubernetes() -> None:
    from kubernetes import client, config

    api = config.new_client_from_config(str(Path(os.environ["LAB_DIR"], "admin.kubeconfig")))
    core, apps = client.CoreV1Api(api), client.AppsV1Api(api)
    for read in (
        core.list_namespaced_pod,
        core.list_namespaced_persistent_volume_claim,
        core.list_namespaced_secret,
        core.list_namespaced_service_account,
        core.list_namespaced_event,
        apps.list_namespaced_deployment,
        apps.list_namespaced_stateful_set,
        client.BatchV1Api(api).list_namespaced_cron_job,
        client.NetworkingV1Api(api).list_namespaced_ingress,
        client.AutoscalingV2Api(api).list_namespaced_horizontal_pod_autoscaler,
        client.PolicyV1Api(api).list_namespaced_pod_disruption_budget,
    ):
        read(NAMESPACE)
    core.list_persistent_volume()
    client.StorageV1Api(api).list_storage_class()
    client.ApiextensionsV1Api(api).list_custom_resource_definition()
    for namespace in ("kube-system", "cert-manager"):
        apps.list_namespaced_deployment(namespace)
    for node in core.list_node().items:
        core.connect_get_node_proxy_with_path(node.metadata.name, "stats/summary")


def clickhouse() -> None:
    import boto3
    from clickhouse_driver import Client

    lab = json.loads(Path(os.environ["LAB_DIR"], "config.json").read_text())
    name = f"{PREFIX}/clickhouse-password"
    password = boto3.client("ssm").get_parameter(Name=name, WithDecryption=True)["Parameter"]["Value"]
    server = Client("127.0.0.1", port=lab["ports"]["clickhouse_native"], password=password)
    for query in ("SELECT * FROM system.tables", "SELECT * FROM system.parts", "SELECT * FROM system.disks"):
        server.execute(query)


if __name__ == "__main__":
    aws()
    kubernetes()
    clickhouse()
