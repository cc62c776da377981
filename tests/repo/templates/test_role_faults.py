# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles say of variables that cannot be used."""

from __future__ import annotations

import pytest

GROUP = {"name": "one", "instance_type": "m7g.large", "min_size": 1, "desired_size": 1, "max_size": 1}
CASES = [
    (
        "cluster",
        {"cluster_kubernetes_version": "1.29"},
        "cluster_kubernetes_version is '1.29': allowed are 1.34, 1.35, 1.36 (in standard support until",
    ),
    (
        "cluster",
        {"cluster_vpc_cidr": "10.0.0.0"},
        "cluster_vpc_cidr is '10.0.0.0': the first address of an IPv4 network",
    ),
    ("cluster", {"cluster_vpc_cidr": "10.0.0.0/24"}, "of /16 to /22 is allowed"),
    ("cluster", {"cluster_vpc_cidr": "10.42.1.0/16"}, "cluster_vpc_cidr is '10.42.1.0/16': the first address"),
    ("cluster", {"cluster_vpc_cidr": "10.300.0.0/16"}, "cluster_vpc_cidr is '10.300.0.0/16'"),
    ("cluster", {"cluster_zones": ["ap-south-1a"]}, "cluster_zones is ['ap-south-1a']: 2 or 3 different zones"),
    ("cluster", {"cluster_zones": ["ap-south-1a", "ap-south-1a"]}, "2 or 3 different zones"),
    ("cluster", {"cluster_public_access_cidrs": []}, "cluster_public_access_cidrs is empty"),
    ("cluster", {"cluster_public_access_cidrs": ["10.0.0.0/8", "office"]}, "cluster_public_access_cidrs holds office:"),
    (
        "cluster",
        {"cluster_admin_principal_arns": ["arn:aws:sts::123456789012:assumed-role/admins/anne"]},
        "(of a role, not of its session)",
    ),
    (
        "cluster",
        {"cluster_addon_versions": {"coredns": "v1.13.1-eksbuild.1"}},
        "cluster_addon_versions names coredns: allowed are vpc-cni,",
    ),
    (
        "cluster",
        {"cluster_addon_versions": {"vpc-cni": "latest"}},
        "cluster_addon_versions holds latest: builds of EKS",
    ),
    ("cluster", {"cluster_node_groups": [GROUP | {"name": "a b"}]}, "cluster_node_groups holds the names a b:"),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"name": "a-b"}, GROUP | {"name": "AB"}]},
        "differ in nothing but case, '-' and '_': a-b, AB",
    ),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"desired_size": 2}]},
        "one has min_size 1, desired_size 2, max_size 1: each must be at least",
    ),
    (
        "cluster",
        {"cluster_node_groups": [GROUP | {"min_size": 0, "desired_size": 0, "max_size": 0}]},
        "the last at least 1.",
    ),
    ("storage", {"storage_bucket_name": "My_Bucket"}, "storage_bucket_name is 'My_Bucket': 3 to 63"),
    ("storage", {"storage_bucket_name": "a..b"}, "storage_bucket_name is 'a..b'"),
    ("storage", {"storage_events_expiration_days": -1}, "storage_events_expiration_days is -1: 0 (never)"),
    ("storage", {"storage_exports_expiration_days": -7}, "storage_exports_expiration_days is -7: 0 (never)"),
    ("storage", {"storage_gp3_iops": 2999}, "storage_gp3_iops is 2999: 3000 to 80000"),
    ("storage", {"storage_gp3_throughput_mib": 1000}, "at most a quarter of storage_gp3_iops (750)"),
    (
        "addons",
        {"addons_eks_versions": {"kube-proxy": "v1.36.0-eksbuild.1"}},
        "addons_eks_versions names kube-proxy: allowed are coredns,",
    ),
    ("addons", {"addons_eks_versions": {"coredns": "1.13"}}, "addons_eks_versions holds 1.13: builds of EKS"),
    ("addons", {"addons_helm_timeout": "600"}, "addons_helm_timeout is '600': a duration"),
    ("platform", {"platform_region": "Mumbai"}, "platform_region is 'Mumbai': a region's code"),
    ("platform", {"platform_name": "Langfuse"}, "platform_name is 'Langfuse': 1 to 32 lower-case"),
    ("platform", {"platform_environment": "a b"}, "platform_environment is 'a b': letters, digits"),
    ("platform", {"platform_namespace": "a_b"}, "platform_namespace is 'a_b': 1 to 63 lower-case"),
    ("platform", {"platform_cluster_name": "-x"}, "platform_cluster_name is '-x': 1 to 100"),
    ("platform", {"platform_tags": {"team": "a,b"}}, "platform_tags holds a,b: keys of 1 to 128"),
    ("platform", {"platform_tags": {"aws:x": "y"}}, "platform_tags holds aws:x:"),
    ("platform", {"platform_tags": {"team": None, "centre": 4711}}, "platform_tags holds team without a value: "),
    ("ingress", {"ingress_hosted_zone_id": "example.com"}, "hold example.com: a Route 53 zone's id is allowed"),
    ("secrets", {"secrets_prefix": "langfuse/"}, "secrets_prefix is 'langfuse/': a path such as /langfuse/production"),
    ("secrets", {"secrets_kms_key_id": "my key"}, "secrets_kms_key_id is 'my key': a key's id, its ARN or an alias"),
    ("secrets", {"secrets_restart_timeout": 10}, "secrets_restart_timeout is 10: at least 60"),
    (
        "secrets",
        {"secrets_rotate": ["salt"]},
        "secrets_rotate names salt: with another salt no API key of any project is",
    ),
    (
        "secrets",
        {"secrets_rotate": ["encryption-key"]},
        "secrets_rotate names encryption-key: with another key Langfuse",
    ),
    ("secrets", {"secrets_rotate": ["init-user-password"]}, "Change the password in Langfuse."),
    ("secrets", {"secrets_rotate": ["google-client-secret"]}, "you give this one. Write the new value"),
    ("secrets", {"secrets_rotate": ["s3-access-key-id"]}, "the role storage makes it"),
    (
        "secrets",
        {"secrets_rotate": ["redis"]},
        "there is no such secret. Allowed are nextauth-secret, postgresql-password,",
    ),
    (
        "secrets",
        {"secrets_rotate": ["redis-password"], "langfuse_external_redis": {"host": "redis.example.com"}},
        "it belongs to a store of your own",
    ),
    ("langfuse", {"langfuse_chart_version": "2"}, "langfuse_chart_version is '2': with platform_chart_major 2"),
    ("langfuse", {"langfuse_chart_version": ">=2.0.1"}, "a release whose chart is not pinned jumps a major one day"),
    ("langfuse", {"langfuse_smtp_from_address": "x"}, "langfuse_smtp_from_address is 'x': an e-mail address"),
    ("langfuse", {"langfuse_password_login_disabled": True}, "no other way to log in is on"),
    (
        "langfuse",
        {"langfuse_google_enabled": True, "langfuse_google_allowed_domains": ["@x.com"]},
        "langfuse_google_allowed_domains holds @x.com",
    ),
    (
        "langfuse",
        {"langfuse_google_allowed_domains": ["x.com"]},
        "langfuse_google_enabled is false: it would do nothing",
    ),
    ("langfuse", {"langfuse_clickhouse_log_days": 0}, "langfuse_clickhouse_log_days is 0: 1 to 365"),
    ("langfuse", {"langfuse_hpa_cpu_percent": 5}, "langfuse_hpa_memory_percent are 5 and 80: 10 to 100"),
    ("langfuse", {"langfuse_sizing": {"webb": {}}}, "langfuse_sizing names webb: allowed are web, worker,"),
    ("langfuse", {"langfuse_sizing": {"web": {"memory_max": "1Gi"}}}, "langfuse_sizing names web.memory_max:"),
    ("langfuse", {"langfuse_sizing": {"web": None}}, "langfuse_sizing.web is null: a dict is allowed"),
    ("langfuse", {"langfuse_sizing": {"web": "big"}}, 'langfuse_sizing.web is "big": a dict is allowed'),
    ("langfuse", {"langfuse_sizing": {"web": {"memory": "1.5Gi"}}}, "web.memory is 1.5Gi: whole numbers of Mi or Gi"),
    ("langfuse", {"langfuse_sizing": {"web": {"memory_limit": "1G"}}}, "web.memory_limit is 1G: whole numbers of Mi"),
    ("langfuse", {"langfuse_sizing": {"web": {"cpu": "250"}, "redis": {"cpu": "x"}}}, "redis.cpu is x: CPUs or thous"),
    (
        "langfuse",
        {"langfuse_sizing": {"clickhouse": {"storage": 300}}},
        "clickhouse.storage is 300: whole numbers of Gi",
    ),
    ("langfuse", {"langfuse_sizing": {"keeper": {"replicas": "one"}}}, "keeper.replicas is one: a number from 1 on"),
    (
        "langfuse",
        {"langfuse_sizing": {"web": {"min_replicas": 5}}},
        "min_replicas 5 and max_replicas 2: the second must",
    ),
    ("langfuse", {"langfuse_environment": {"A": None, "B": {}}}, "no text, number or switch for A, B."),
    ("langfuse", {"langfuse_hpa_behavior": {"scaleUp": "x"}}, "langfuse_hpa_behavior holds scaleUp: the dicts"),
    ("langfuse", {"langfuse_hpa_behavior": {"up": {}}}, "langfuse_hpa_behavior holds up: the dicts"),
    ("langfuse", {"langfuse_values": {"langfuse": None}}, "langfuse_values sets langfuse to what is no dict."),
    (
        "langfuse",
        {"langfuse_values": {"langfuse": {"image": "x"}}},
        "langfuse_values sets langfuse.image to what is no",
    ),
    ("langfuse", {"langfuse_external_redis": {"host": ""}}, "langfuse_external_redis has no host"),
    ("langfuse", {"langfuse_environment": {"log-level": 1}}, "langfuse_environment names log-level:"),
    (
        "langfuse",
        {"langfuse_values": {"s3": {"mediaUpload": {"maxContentLength": 1}}}},
        "langfuse_values sets s3.mediaUpload.maxContentLength, which the chart hands on under names",
    ),
    ("langfuse", {"langfuse_values": {"nameOverride": "x"}}, "langfuse_values sets nameOverride or fullnameOverride"),
    (
        "langfuse",
        {"langfuse_values": {"langfuse": {"smtp": {"connectionUrl": "smtp://a:b@c"}}}},
        "langfuse_values sets langfuse.smtp.connectionUrl, which holds a password",
    ),
    (
        "langfuse",
        {"platform_chart_major": 1, "langfuse_values": {"langfuse": {"web": {"image": {"tag": "v4.16.0"}}}}},
        "langfuse_values asks for Langfuse v4.16.0, which needs ClickHouse 25.12 or newer",
    ),
    (
        "langfuse",
        {"langfuse_values": {"clickhouse": {"cluster": {"image": {"tag": "25.8"}}}}},
        "langfuse_values asks for ClickHouse 25.8, and Langfuse v4 needs 25.12",
    ),
    (
        "langfuse",
        {"langfuse_external_redis": {"port": 6380}, "langfuse_external_clickhouse": {"user": "x"}},
        "langfuse_external_redis, langfuse_external_clickhouse has no host",
    ),
    ("langfuse", {"langfuse_host": "https://x.com"}, "langfuse_host is 'https://x.com': a DNS name"),
    ("langfuse", {"langfuse_chart_version": "2.0.0"}, "with platform_chart_major 2 a 2.x of at least 2.0.1"),
    ("langfuse", {"langfuse_chart_version": "1.5.41"}, "langfuse_chart_version is '1.5.41'"),
    (
        "langfuse",
        {"platform_chart_major": 1, "langfuse_chart_version": "2.0.1"},
        "with platform_chart_major 1 a 1.x of at least 1.5.41",
    ),
    ("langfuse", {"langfuse_admin_email": ""}, "nobody could log in"),
    ("langfuse", {"langfuse_admin_email": "admin"}, "langfuse_admin_email is 'admin': an e-mail address"),
    ("langfuse", {"langfuse_timeout": "15"}, "langfuse_timeout is '15': a number and s, m or h"),
    ("ingress", {"ingress_host": "x"}, "ingress_host is 'x': a DNS name"),
    (
        "ingress",
        {"ingress_certificate_arn": "arn:aws:acm:us-east-1:123456789012:certificate/a"},
        "an ACM certificate's ARN in platform_region (ap-south-1) is allowed",
    ),
    ("ingress", {"ingress_idle_timeout": 0}, "ingress_idle_timeout is 0: 1 to 4000 seconds"),
    ("ingress", {"ingress_allowed_cidrs": []}, "ingress_allowed_cidrs is []: a list of IPv4 networks"),
    ("ingress", {"ingress_allowed_cidrs": ["office"]}, 'ingress_allowed_cidrs is ["office"]'),
    ("ingress", {"ingress_internal_host": "inside"}, "ingress_internal_host is 'inside': a DNS name"),
    ("ingress", {"ingress_split": True}, "ingress_split is true: both load balancers are needed"),
    (
        "ingress",
        {"ingress_ssl_policy": "ELBSecurityPolicy-2016-08"},
        "ingress_ssl_policy is 'ELBSecurityPolicy-2016-08'",
    ),
    ("ingress", {"ingress_ssl_policy": "ELBSecurityPolicy-TLS13-1-0-2021-06"}, "nothing older than TLS 1.2"),
    (
        "ingress",
        {"ingress_web_acl_arn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/x/1"},
        "a regional web ACL of WAF version 2 in platform_region (ap-south-1)",
    ),
    ("ingress", {"ingress_access_logs_bucket": "My Logs"}, "ingress_access_logs_bucket is 'My Logs'"),
    ("ingress", {"ingress_access_logs_prefix": "/x"}, "ingress_access_logs_prefix is '/x'"),
    ("ingress", {"ingress_internal_hosted_zone_id": "Z1"}, "ingress_internal_host must be then"),
    ("monitoring", {"monitoring_image": "aws-cli"}, "monitoring_image is 'aws-cli': an image with a tag or a digest"),
    ("monitoring", {"monitoring_alarm_emails": ["ops"]}, "monitoring_alarm_emails holds ops: e-mail addresses"),
    ("monitoring", {"monitoring_warning_percent": 95}, "is 95 and monitoring_critical_percent 90: 1 to 99"),
    ("monitoring", {"monitoring_unknown_claims": -1}, "monitoring_unknown_claims is -1: 0 or more"),
    ("monitoring", {"monitoring_schedule": "hourly"}, "monitoring_schedule is 'hourly': five fields of cron"),
    ("monitoring", {"monitoring_run_seconds": 300}, "monitoring_run_seconds is 300: 30 to 290"),
    ("clickhouse_retention", {"clickhouse_retention_days": 0}, "clickhouse_retention_days is 0: 1 to 3650"),
    (
        "clickhouse_retention",
        {"clickhouse_retention_table_days": {"trace": 3}},
        "clickhouse_retention_table_days names trace: tables of this chart major are allowed, events_full,",
    ),
    ("clickhouse_retention", {"clickhouse_retention_table_days": {"traces": 0}}, "holds 0: 1 to 3650 days"),
    (
        "clickhouse_retention",
        {"platform_chart_major": 1, "clickhouse_retention_skipped_tables": ["events_full"]},
        "clickhouse_retention_skipped_tables names events_full",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_target_percent": 95},
        "clickhouse_retention_emergency_target_percent is 95: 10 to 90 are allowed",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_keep_days": 0},
        "clickhouse_retention_emergency_keep_days is 0: 1 to 3650",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_table_keep_days": {"x": 1}},
        "clickhouse_retention_emergency_table_keep_days names x:",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_table_keep_days": {"scores": 0}},
        "clickhouse_retention_emergency_table_keep_days holds 0:",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_interval_minutes": 0},
        "clickhouse_retention_emergency_interval_minutes is 0: 1 to 60",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_grow_limit_gib": -1},
        "clickhouse_retention_emergency_grow_limit_gib is -1: 0 (never)",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_emergency_log_days": 2},
        "clickhouse_retention_emergency_log_days is 2: 1, 3, 5",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_system_log_days": 0},
        "clickhouse_retention_system_log_days is 0: 1 to 3650",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_nodeport": 80},
        "clickhouse_retention_nodeport is 80: 30000 to 32767",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_nodeport_enabled": True},
        "clickhouse_retention_nodeport_networks is empty: name the networks",
    ),
    (
        "clickhouse_retention",
        {
            "clickhouse_retention_nodeport_enabled": True,
            "clickhouse_retention_nodeport_networks": ["10.0.0.0/8"],
            "langfuse_external_clickhouse": {"host": "clickhouse.example.com"},
        },
        "clickhouse_retention_nodeport_enabled is true: only the ClickHouse of the chart",
    ),
    (
        "clickhouse_retention",
        {"clickhouse_retention_nodeport_networks": ["office"]},
        "clickhouse_retention_nodeport_networks holds office:",
    ),
]
ROLES = [
    "platform",
    "cluster",
    "storage",
    "addons",
    "secrets",
    "langfuse",
    "ingress",
    "monitoring",
    "clickhouse_retention",
]


@pytest.mark.parametrize(("name", "given", "expected"), CASES)
def test_fault(make_role, name, given, expected):
    [fault] = make_role(name, **given).value(f"__{name}_faults")
    assert expected in fault


IMAGE = "public.ecr.aws/aws-cli/aws-cli"


@pytest.mark.parametrize("image", [f"{IMAGE}:2.36.7", f"{IMAGE}@sha256:{'0a' * 32}", f"registry:5000/{IMAGE}:1"])
def test_images_by_tag_and_digest(make_role, image):
    assert make_role("monitoring", monitoring_image=image).value("__monitoring_faults") == []


@pytest.mark.parametrize("policy", ["TLS13-1-3-2021-06", "TLS13-1-2-Res-PQ-2025-09", "TLS13-1-2-FIPS-2023-04"])
def test_newer_tls_policies(make_role, policy):
    assert make_role("ingress", ingress_ssl_policy=f"ELBSecurityPolicy-{policy}").value("__ingress_faults") == []


@pytest.mark.parametrize("major", [1, 2])
@pytest.mark.parametrize("name", ROLES)
def test_defaults_have_no_fault(make_role, name, major):
    assert make_role(name, platform_chart_major=major).value(f"__{name}_faults") == []


def test_values_of_the_command_line_are_text(make_role):
    role = make_role(
        "storage", storage_gp3_iops="6000", storage_gp3_throughput_mib="1500", storage_events_expiration_days="0"
    )
    assert role.value("__storage_faults") == []
    assert (
        make_role("cluster", cluster_public_access="false", cluster_public_access_cidrs=[]).value("__cluster_faults")
        == []
    )


TYPES = [
    (
        "monitoring",
        {"monitoring_alarm_emails": "me@example.com"},
        "monitoring_alarm_emails is a text: a list is allowed, on the command line "
        "-e '{\"monitoring_alarm_emails\": [...]}'.",
    ),
    (
        "langfuse",
        {"langfuse_values": '{"langfuse": {"salt": "hidden"}}'},
        "langfuse_values is a text: a dict is allowed, on the command line -e '{\"langfuse_values\": {...}}'.",
    ),
    (
        "secrets",
        {"secrets_kms_key_id": None},
        'secrets_kms_key_id has no value: leave it out for its default, or write "" for an empty text.',
    ),
    (
        "storage",
        {"storage_default_class": None},
        "storage_default_class has no value: leave it out for its default.",
    ),
    ("platform", {"platform_region": None}, "platform_region has no value: it needs one."),
]


@pytest.mark.parametrize(("name", "given", "expected"), TYPES, ids=[next(iter(case[1])) for case in TYPES])
def test_what_ansible_takes_for_the_type(make_role, name, given, expected):
    """It converts what it checks, and leaves the variable as it is: the values' own faults are not asked for then."""
    role = make_role(name, **given, __platform_roles=[name])
    assert role.value("__platform_type_faults") == [expected]
    assert role.value("__platform_found_faults") == [expected]


@pytest.mark.parametrize("name", ["platform", *ROLES])
def test_defaults_are_of_their_types(make_role, name):
    role = make_role(name, __platform_roles=[name])
    assert role.value("__platform_type_faults") == []


def test_all_faults_at_once(make_role):
    role = make_role(
        "cluster", cluster_kubernetes_version="2", cluster_vpc_cidr="x", cluster_node_groups=[GROUP | {"max_size": 0}]
    )
    assert len(role.value("__cluster_faults")) == 3
