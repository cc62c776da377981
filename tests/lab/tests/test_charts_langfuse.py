# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The application part of the Langfuse stand-ins, which both majors share."""

from __future__ import annotations

import pytest
import yaml
from charts_rendering import CHARTS, container, environment, ports, refusal, render

VERSIONS = {1: ("1.5.41", "3.224.1"), 2: ("2.0.1", "4.16.0")}
IMAGES = {1: "langfuse/langfuse", 2: "docker.langfuse.com/langfuse/langfuse"}

ENVIRONMENT = {
    "NODE_ENV": "production",
    "LANGFUSE_LOG_LEVEL": "info",
    "LANGFUSE_LOG_FORMAT": "text",
    "SALT": "langfuse-secrets:salt",
    "ENCRYPTION_KEY": "langfuse-secrets:encryption-key",
    "TELEMETRY_ENABLED": "false",
    "AUTH_DISABLE_SIGNUP": "true",
    "ENABLE_EXPERIMENTAL_FEATURES": "false",
    "NEXTAUTH_URL": "https://langfuse.example.com",
    "NEXTAUTH_SECRET": "langfuse-secrets:nextauth-secret",
    "DATABASE_HOST": "langfuse-postgresql",
    "DATABASE_USERNAME": "langfuse",
    "DATABASE_NAME": "langfuse",
    "LANGFUSE_AUTO_POSTGRES_MIGRATION_DISABLED": "false",
    "REDIS_TLS_ENABLED": "false",
    "CLICKHOUSE_MIGRATION_SSL": "false",
    "CLICKHOUSE_DB": "default",
    "CLICKHOUSE_USER": "default",
    "CLICKHOUSE_PASSWORD": "langfuse-secrets:clickhouse-password",
    "LANGFUSE_AUTO_CLICKHOUSE_MIGRATION_DISABLED": "false",
    "LANGFUSE_S3_EVENT_UPLOAD_BUCKET": "my-langfuse-bucket",
    "LANGFUSE_S3_EVENT_UPLOAD_PREFIX": "events/",
    "LANGFUSE_S3_EVENT_UPLOAD_REGION": "eu-central-1",
    "LANGFUSE_S3_EVENT_UPLOAD_FORCE_PATH_STYLE": "false",
    "LANGFUSE_S3_BATCH_EXPORT_ENABLED": "true",
    "LANGFUSE_S3_BATCH_EXPORT_BUCKET": "my-langfuse-bucket",
    "LANGFUSE_S3_BATCH_EXPORT_PREFIX": "exports/",
    "LANGFUSE_S3_BATCH_EXPORT_REGION": "eu-central-1",
    "LANGFUSE_S3_BATCH_EXPORT_FORCE_PATH_STYLE": "false",
    "LANGFUSE_S3_MEDIA_UPLOAD_BUCKET": "my-langfuse-bucket",
    "LANGFUSE_S3_MEDIA_UPLOAD_PREFIX": "media/",
    "LANGFUSE_S3_MEDIA_UPLOAD_REGION": "eu-central-1",
    "LANGFUSE_S3_MEDIA_UPLOAD_FORCE_PATH_STYLE": "false",
    # The real chart renders this integer so.
    "LANGFUSE_S3_MEDIA_UPLOAD_MAX_CONTENT_LENGTH": "1e+09",
    "LANGFUSE_S3_MEDIA_UPLOAD_DOWNLOAD_URL_EXPIRY_SECONDS": "3600",
    "LANGFUSE_S3_CONCURRENT_READS": "50",
    "LANGFUSE_S3_CONCURRENT_WRITES": "50",
    "HOSTNAME": "0.0.0.0",
    "LANGFUSE_S3_MEDIA_MAX_CONTENT_LENGTH": "1000000000",
}
MAJOR_ENVIRONMENT = {
    1: {
        "DATABASE_PASSWORD": "langfuse-secrets:postgresql-password",
        "REDIS_PASSWORD": "langfuse-secrets:redis-password",
        "REDIS_CONNECTION_STRING": "redis://default:$(REDIS_PASSWORD)@langfuse-redis-primary:6379/0",
        "CLICKHOUSE_MIGRATION_URL": "clickhouse://langfuse-clickhouse:9000",
        "CLICKHOUSE_URL": "http://langfuse-clickhouse:8123",
        "CLICKHOUSE_CLUSTER_ENABLED": "false",
    },
    2: {
        "DATABASE_PASSWORD": "langfuse-secrets:USERDB_PASSWORD",
        "REDIS_PASSWORD": "langfuse-redis-users:default",
        "REDIS_CONNECTION_STRING": "redis://default:$(REDIS_PASSWORD)@langfuse-redis:6379/0",
        "CLICKHOUSE_MIGRATION_URL": "clickhouse://langfuse-clickhouse-headless:9000",
        "CLICKHOUSE_URL": "http://langfuse-clickhouse-headless:8123",
        "CLICKHOUSE_CLUSTER_ENABLED": "true",
    },
}
WEB_ENVIRONMENT = {
    "PORT": "3000",
    "LANGFUSE_INIT_ORG_ID": "example",
    "LANGFUSE_INIT_USER_PASSWORD": "langfuse-secrets:init-user-password",
}

both = pytest.mark.parametrize("major", [1, 2])


def app_labels(major: int) -> dict[str, str]:
    chart, app = VERSIONS[major]
    return {
        "helm.sh/chart": f"langfuse-{chart}",
        "app.kubernetes.io/name": "langfuse",
        "app.kubernetes.io/instance": "langfuse",
        "app.kubernetes.io/version": app,
        "app.kubernetes.io/managed-by": "Helm",
    }


@both
@pytest.mark.parametrize(("component", "port"), [("web", 3000), ("worker", 3030)])
def test_deployment(major: int, component: str, port: int) -> None:
    deployment = render(f"langfuse-{major}")[f"Deployment/langfuse-{component}"]
    matched = {"app.kubernetes.io/name": "langfuse", "app.kubernetes.io/instance": "langfuse", "app": component}
    spec = deployment["spec"]
    assert deployment["metadata"]["labels"] == {**app_labels(major), "app.kubernetes.io/component": component}
    assert spec["selector"]["matchLabels"] == matched
    assert spec["template"]["metadata"] == {"labels": {**matched, "app.kubernetes.io/component": component}}
    assert spec["revisionHistoryLimit"] == 10
    assert "strategy" not in spec
    assert spec.get("replicas") == (1 if component == "web" else None), "the HPA alone counts the worker"
    assert spec["template"]["spec"]["serviceAccountName"] == "langfuse"
    assert [item["name"] for item in spec["template"]["spec"]["containers"]] == [f"langfuse-{component}"]
    assert ports(deployment, f"langfuse-{component}") == {"http": port}
    suffix = "" if component == "web" else "-worker"
    assert container(deployment, f"langfuse-{component}")["image"] == f"{IMAGES[major]}{suffix}:{VERSIONS[major][1]}"
    assert not spec["template"]["spec"].get("volumes")


@both
def test_environment(major: int) -> None:
    objects = render(f"langfuse-{major}")
    worker = environment(objects["Deployment/langfuse-worker"], "langfuse-worker")
    web = environment(objects["Deployment/langfuse-web"], "langfuse-web")
    assert worker == {**ENVIRONMENT, **MAJOR_ENVIRONMENT[major]}
    assert web == {**worker, **WEB_ENVIRONMENT}
    assert list(web).index("REDIS_PASSWORD") < list(web).index("REDIS_CONNECTION_STRING")
    last = ["LANGFUSE_S3_MEDIA_MAX_CONTENT_LENGTH", "LANGFUSE_INIT_ORG_ID", "LANGFUSE_INIT_USER_PASSWORD"]
    assert list(web)[-3:] == last, "the common additionalEnv comes before the component's"


@both
def test_probes(major: int) -> None:
    objects = render(f"langfuse-{major}")
    timing = {"initialDelaySeconds": 20, "periodSeconds": 10, "timeoutSeconds": 5}
    timing |= {"failureThreshold": 3, "successThreshold": 1}
    web = container(objects["Deployment/langfuse-web"], "langfuse-web")
    worker = container(objects["Deployment/langfuse-worker"], "langfuse-worker")
    alive = {"httpGet": {"path": "/api/public/health", "port": "http"}, **timing, "initialDelaySeconds": 120}
    assert web["livenessProbe"] == alive
    assert web["readinessProbe"] == {"httpGet": {"path": "/api/public/ready", "port": "http"}, **timing}
    assert worker["livenessProbe"] == {"httpGet": {"path": "/api/health", "port": "http"}, **timing}
    assert "readinessProbe" not in worker


@both
def test_objects_beside_the_deployments(major: int) -> None:
    objects = render(f"langfuse-{major}")
    service = objects["Service/langfuse-web"]
    assert service["metadata"]["labels"] == app_labels(major)
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["ports"] == [{"name": "http", "port": 3000, "targetPort": "http", "protocol": "TCP"}]
    selected = {"app.kubernetes.io/name": "langfuse", "app.kubernetes.io/instance": "langfuse", "app": "web"}
    assert service["spec"]["selector"] == selected
    assert "Service/langfuse-worker" not in objects
    account = objects["ServiceAccount/langfuse"]
    role = {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/langfuse-s3"}
    assert account["metadata"]["annotations"] == role
    assert account["automountServiceAccountToken"] is True
    for component in ("web", "worker"):
        budget = objects[f"PodDisruptionBudget/langfuse-{component}-pdb"]
        assert budget["metadata"]["labels"] == app_labels(major)
        assert budget["spec"]["maxUnavailable"] == 1
        assert budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"] == component
    assert not any(name.startswith("Ingress/") for name in objects)


@both
def test_autoscaler(major: int) -> None:
    objects = render(f"langfuse-{major}")
    assert "HorizontalPodAutoscaler/langfuse-web" not in objects
    spec = objects["HorizontalPodAutoscaler/langfuse-worker"]["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (1, 4)
    assert spec["scaleTargetRef"]["name"] == "langfuse-worker"
    targets = {item["resource"]["name"]: item["resource"]["target"]["averageUtilization"] for item in spec["metrics"]}
    assert targets == {"cpu": 70, "memory": 80}
    assert "behavior" not in spec, "no value of the real chart sets it"


@both
def test_replicas_follow_the_chart(major: int) -> None:
    """A component's own 0 counts as unset; the common one stops both."""
    values = {"langfuse": {"replicas": 2, "web": {"replicas": 0}, "worker": {"hpa": {"enabled": False}}}}
    objects = render(f"langfuse-{major}", values)
    assert objects["Deployment/langfuse-web"]["spec"]["replicas"] == 2
    assert objects["Deployment/langfuse-worker"]["spec"]["replicas"] == 2


@both
def test_one_ingress_and_own_objects(major: int) -> None:
    ingress = {
        "enabled": True,
        "className": "alb",
        "annotations": {"alb.ingress.kubernetes.io/scheme": "internal"},
        "hosts": [{"host": "langfuse.example.com", "paths": [{"path": "/", "pathType": "Prefix"}]}],
    }
    extra = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "own"}, "data": {"a": "b"}}
    objects = render(f"langfuse-{major}", {"langfuse": {"ingress": ingress}, "extraManifests": [extra]})
    spec = objects["Ingress/langfuse"]["spec"]
    assert spec["ingressClassName"] == "alb"
    backend = {"service": {"name": "langfuse-web", "port": {"name": "http"}}}
    paths = [{"path": "/", "pathType": "Prefix", "backend": backend}]
    assert spec["rules"] == [{"host": "langfuse.example.com", "http": {"paths": paths}}]
    assert objects["ConfigMap/own"] == extra


@both
def test_single_sign_on_mail_and_licence(major: int) -> None:
    google = {"clientId": "id", "clientSecret": {"secretKeyRef": {"name": "sso", "key": "google"}}}
    values = {
        "langfuse": {
            "auth": {"disableUsernamePassword": True, "providers": {"google": google}},
            "smtp": {"connectionUrl": "smtps://mail", "fromAddress": "a@example.com"},
            "licenseKey": {"secretKeyRef": {"name": "ee", "key": "licence"}},
            "allowedOrganizationCreators": ["a@example.com", "b@example.com"],
        }
    }
    expected = {
        "AUTH_DISABLE_USERNAME_PASSWORD": "true",
        "AUTH_GOOGLE_CLIENT_ID": "id",
        "AUTH_GOOGLE_CLIENT_SECRET": "sso:google",
        "SMTP_CONNECTION_URL": "smtps://mail",
        "EMAIL_FROM_ADDRESS": "a@example.com",
        "LANGFUSE_EE_LICENSE_KEY": "ee:licence",
        "LANGFUSE_ALLOWED_ORGANIZATION_CREATORS": "a@example.com,b@example.com",
    }
    web = environment(render(f"langfuse-{major}", values)["Deployment/langfuse-web"], "langfuse-web")
    assert expected.items() <= web.items()


@both
def test_external_stores(major: int) -> None:
    tls = {"enabled": True, "caPath": "/ca.crt"}
    secure_ports = {"httpPort": 8443, "nativePort": 9440}
    values = {
        "postgresql": {"deploy": False, "host": "pg.example.com", "port": 5433, "args": "sslmode=require"},
        "redis": {"deploy": False, "host": "redis.example.com", "port": 6380, "tls": tls},
        "clickhouse": {"deploy": False, "host": "https://ch.example.com", **secure_ports, "migration": {"ssl": True}},
        "s3": {"accessKeyId": {"secretKeyRef": {"name": "s3", "key": "id"}}},
    }
    expected = {
        "DATABASE_HOST": "pg.example.com",
        "DATABASE_PORT": "5433",
        "DATABASE_ARGS": "sslmode=require",
        "REDIS_CONNECTION_STRING": "rediss://default:$(REDIS_PASSWORD)@redis.example.com:6380/0",
        "REDIS_TLS_CA_PATH": "/ca.crt",
        "CLICKHOUSE_URL": "https://ch.example.com:8443",
        "CLICKHOUSE_MIGRATION_URL": "clickhouse://ch.example.com:9440",
        "CLICKHOUSE_MIGRATION_SSL": "true",
        "LANGFUSE_S3_MEDIA_UPLOAD_ACCESS_KEY_ID": "s3:id",
    }
    objects = render(f"langfuse-{major}", values)
    assert expected.items() <= environment(objects["Deployment/langfuse-web"], "langfuse-web").items()
    assert not any("postgresql" in name or "redis" in name or "clickhouse" in name.lower() for name in objects)


@both
def test_redis_cluster_and_sentinel(major: int) -> None:
    cluster = {"redis": {"deploy": False, "cluster": {"enabled": True, "nodes": ["a:1", "b:2"]}}}
    web = environment(render(f"langfuse-{major}", cluster)["Deployment/langfuse-web"], "langfuse-web")
    assert (web["REDIS_CLUSTER_NODES"], web["REDIS_AUTH"]) == ("a:1,b:2", "$(REDIS_PASSWORD)")
    assert "REDIS_CONNECTION_STRING" not in web
    sentinel = {"redis": {"deploy": False, "sentinel": {"enabled": True, "masterName": "m", "nodes": "a:1,b:2"}}}
    web = environment(render(f"langfuse-{major}", sentinel)["Deployment/langfuse-web"], "langfuse-web")
    assert (web["REDIS_SENTINEL_NODES"], web["REDIS_SENTINEL_MASTER_NAME"]) == ("a:1,b:2", "m")


@both
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"s3": {"deploy": True}}, "s3.deploy: true is not modelled"),
        ({"s3": {"bucket": ""}}, "s3.bucket or s3.eventUpload.bucket must be set"),
        ({"langfuse": {"web": {"keda": {"enabled": True}}}}, "langfuse.web.keda.enabled: true is not modelled"),
        ({"langfuse": {"logging": {"level": "loud"}}}, "langfuse.logging.level must be one of: trace"),
        ({"langfuse": {"auth": {"providers": {"goggle": {}}}}}, "goggle is none that Langfuse knows"),
        ({"langfuse": {"web": {"pdb": {"minAvailable": 1, "maxUnavailable": 1}}}}, "exclude each other"),
        ({"langfuse": {"salt": {"value": "x"}}}, "langfuse.salt: value, secretKeyRef, fieldRef"),
        ({"langfuse": {"additionalEnv": [{"name": "CLICKHOUSE_URL", "value": "x"}]}}, "may set CLICKHOUSE_URL"),
        ({"langfuse": {"additionalEnv": [{"name": "SALT", "value": "x"}]}}, "may set SALT"),
        ({"langfuse": {"smtp": {"connectionUrl": "smtp://x"}}}, "langfuse.smtp.fromAddress is required"),
        ({"postgresql": {"auth": {"existingSecret": ""}}}, "postgresql.auth.existingSecret is empty"),
        ({"redis": {"deploy": False}}, "redis.host must be set"),
        ({"redis": {"sentinel": {"enabled": True}}}, "need an external Redis"),
        ({"clickhouse": {"deploy": False}}, "clickhouse.host must be set"),
    ],
)
def test_refusals_of_both_majors(major: int, values: dict, message: str) -> None:
    assert message in refusal(f"langfuse-{major}", values)


def test_defaults_of_the_application_are_the_same() -> None:
    one, two = (yaml.safe_load((CHARTS / f"langfuse-{major}" / "values.yaml").read_text()) for major in (1, 2))
    assert two["langfuse"].pop("allowV1Upgrade") is False
    for component in ("web", "worker"):
        image = two["langfuse"][component]["image"]
        image["repository"] = image["repository"].removeprefix("docker.langfuse.com/")
    one["s3"]["bucket"] = two["s3"]["bucket"]
    assert (one["langfuse"], one["s3"]) == (two["langfuse"], two["s3"])
