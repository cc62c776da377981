# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The PVC monitor's script as its CronJob starts it, with an API server, kubelets and a CloudWatch of a few lines."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import shutil
import ssl
import stat
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

FILES = Path(__file__).resolve().parents[3] / "roles" / "monitoring" / "files"
FIXTURE = json.loads(
    (FILES.parents[2] / "tests" / "unit" / "plugins" / "module_utils" / "fixtures" / "pvc_usage.json").read_text()
)
API, NODE_A, NODE_B, DEAD = "127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.4"
HOSTS = {"10.0.0.1": NODE_A, "10.0.0.2": NODE_B, "10.0.0.3": DEAD}
TOKEN = "the-monitors-token"


def objects(make_role, **given):
    """The monitor's Kubernetes objects, by kind."""
    role = make_role("monitoring", **given)
    text = str(role.value("lookup('ansible.builtin.template', 'pvc_monitor.yml.j2')"))
    return {each["kind"]: each for each in yaml.safe_load_all(text) if each}


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for all servers, which is its own authority, and a folder as a service account has it."""
    folder = tmp_path_factory.mktemp("account")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address(host)) for host in (API, NODE_A, NODE_B)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "ca.crt").write_bytes(pem)
    (folder / "both.pem").write_bytes(pem + private)
    (folder / "token").write_text(TOKEN)
    return folder


class Server:
    """Answers paths with JSON, or with a status; keeps what it was asked."""

    def __init__(self, host, port, answers, authority=None):
        self.asked = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                allowed = self.headers["Authorization"] == f"Bearer {TOKEN}"
                self.answer(answers.get(self.path, 404) if allowed else 401)

            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                server.asked.append(self.headers.get("Content-Type"))
                self.answer(*answers(len(server.asked), self.headers))

            def answer(self, said, body=None, kind="application/json"):
                status = said if isinstance(said, int) else 200
                body = body if body is not None else json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer((host, port), Handler)
        if authority:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(authority / "both.pem")
            self.http.socket = context.wrap_socket(self.http.socket, server_side=True)
        self.port = self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def close(self):
        self.http.shutdown()
        self.http.server_close()


class Cluster:
    """The fixture's cluster behind real sockets. Answers may be changed before the run."""

    def __init__(self, authority, folder, make_role):
        self.authority, self.folder, self.make_role = authority, folder, make_role
        pods = json.loads(json.dumps(FIXTURE["pods"]))
        for pod in pods:
            if "hostIP" in pod["status"]:
                pod["status"]["hostIP"] = HOSTS[pod["status"]["hostIP"]]
        base = "/api/v1/namespaces/langfuse"
        self.api = {f"{base}/pods": {"items": pods}, f"{base}/persistentvolumeclaims": {"items": FIXTURE["claims"]}}
        stats = "/stats/summary"
        self.kubelets = {
            NODE_A: {stats: FIXTURE["summaries"]["node-a"]},
            NODE_B: {stats: FIXTURE["summaries"]["node-b"]},
        }
        self.servers = {}

    def run(self, aws, **env):
        """Run the container's command with its environment; returns the process and the published figures."""
        api = self.servers["api"] = Server(API, 0, self.api, self.authority)
        first = self.servers[NODE_A] = Server(NODE_A, 0, self.kubelets[NODE_A], self.authority)
        if NODE_B in self.kubelets:
            self.servers[NODE_B] = Server(NODE_B, first.port, self.kubelets[NODE_B], self.authority)
        container = objects(self.make_role)["CronJob"]["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][
            0
        ]
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "jq").symlink_to(shutil.which("jq") or shutil.which("gojq"))
        (programs / "aws").write_text(aws)
        (programs / "aws").chmod(stat.S_IRWXU)
        environment = {each["name"]: each["value"] for each in container["env"]} | {
            "PATH": f"{programs}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "KUBERNETES_SERVICE_HOST": API,
            "KUBERNETES_SERVICE_PORT": str(api.port),
            "KUBELET_PORT": str(first.port),
            "SCRIPT_DIR": str(FILES),
            "TOKEN_DIR": str(self.authority),
            "OUT": str(self.folder / "published"),
        }
        [bash, _script] = container["command"]
        command = [bash, str(FILES / "collect.sh")]
        done = subprocess.run(command, env=environment | env, capture_output=True, text=True, check=False, timeout=120)
        assert not list(self.folder.glob("tmp.*")), "temporary files are left"
        assert TOKEN not in done.stdout + done.stderr
        published = self.folder / "published"
        return done, [json.loads(line) for line in published.read_text().splitlines()] if published.exists() else []


# Keeps the figures, a line a call.
KEEPING_AWS = """#!/bin/sh
while [ "$1" != --metric-data ]; do shift; done
tr -d '\\n' <"${2#file://}" >>"$OUT"; echo >>"$OUT"
"""


@pytest.fixture
def cluster(authority, tmp_path, make_role):
    cluster = Cluster(authority, tmp_path, make_role)
    yield cluster
    for server in cluster.servers.values():
        server.close()


def figures(calls):
    """(metric, claim) to value."""
    found = {}
    for call in calls:
        for metric in call:
            dimensions = {d["Name"]: d["Value"] for d in metric["Dimensions"]}
            found[metric["MetricName"], dimensions.get("PVCName", "")] = metric["Value"]
    return found


def percents(calls):
    return {claim: value for (metric, claim), value in figures(calls).items() if metric == "UsagePercent" and claim}


EXPECTED = {name: known["percent"] for name, known in FIXTURE["expected"]["known"].items()}


def test_a_dead_node_hides_only_its_claims_and_the_run_fails(cluster):
    done, calls = cluster.run(KEEPING_AWS)
    assert percents(calls) == EXPECTED
    assert len(calls) == 1, "one call a run"
    assert figures(calls)["ClaimsUnknown", ""] == len(FIXTURE["expected"]["unknown"])
    assert done.returncode == 1
    assert f"No figures from the kubelet of: {DEAD}" in done.stderr
    assert "data-clickhouse-0 92.5 %" in done.stdout


def alive(cluster):
    """Take the dead node's pod away."""
    pods = cluster.api["/api/v1/namespaces/langfuse/pods"]
    pods["items"] = [pod for pod in pods["items"] if pod["status"].get("hostIP") != DEAD]
    return cluster


def test_a_good_run(cluster):
    done, calls = alive(cluster).run(KEEPING_AWS)
    assert (done.returncode, done.stderr) == (0, "")
    assert percents(calls) == EXPECTED
    assert [len(server.asked) for server in cluster.servers.values()] == [2, 1, 1], "two lists and one request a node"


def test_a_kubelet_that_refuses_the_token(cluster):
    alive(cluster).kubelets[NODE_B] = {"/stats/summary": 401}
    done, calls = cluster.run(KEEPING_AWS)
    assert done.returncode == 1
    assert "401" in done.stderr and f"No figures from the kubelet of: {NODE_B}" in done.stderr
    assert percents(calls).keys() == {"data-clickhouse-0", "xfs-0", "web-scratch"}
    assert figures(calls)["ClaimsUnknown", ""] == 9


def test_a_kubelet_that_says_nonsense(cluster):
    alive(cluster).kubelets[NODE_B] = {"/stats/summary": "nonsense"}
    done, calls = cluster.run(KEEPING_AWS)
    assert done.returncode == 1
    assert percents(calls).keys() == {"data-clickhouse-0", "xfs-0", "web-scratch"}


def test_no_kubelet_answers(cluster):
    alive(cluster).kubelets = {NODE_A: {}}
    done, calls = cluster.run(KEEPING_AWS)
    assert done.returncode == 1
    assert figures(calls) == {("ClaimsUnknown", ""): 12}


@pytest.mark.parametrize("resource", ["pods", "persistentvolumeclaims"])
def test_the_api_server_refuses(cluster, resource):
    cluster.api[f"/api/v1/namespaces/langfuse/{resource}"] = 403
    done, calls = cluster.run(KEEPING_AWS)
    assert done.returncode != 0
    assert calls == [], "nothing is published that was not read"


def test_kubelets_with_certificates_of_their_own(cluster):
    """Only with the option, and only for the kubelets."""
    alive(cluster)
    done, calls = cluster.run(KEEPING_AWS, KUBELET_INSECURE_TLS="true")
    assert (done.returncode, percents(calls)) == (0, EXPECTED)
    assert "--insecure" not in (FILES / "collect.sh").read_text().split("KUBELET_INSECURE_TLS")[0]


def test_a_namespace_without_claims(cluster):
    cluster.api = {path: {"items": []} for path in cluster.api}
    done, calls = cluster.run(KEEPING_AWS)
    assert (done.returncode, figures(calls)) == (0, {("ClaimsUnknown", ""): 0})


def test_more_than_a_call_holds(cluster):
    volumes = [
        {"pvcRef": {"name": f"c{number}", "namespace": "langfuse"}, "capacityBytes": 100, "availableBytes": 40}
        for number in range(400)
    ]
    alive(cluster).kubelets[NODE_A] = {"/stats/summary": {"pods": [{"podRef": {"name": "p"}, "volume": volumes}]}}
    done, calls = cluster.run(KEEPING_AWS)
    assert done.returncode == 0
    assert [len(call) <= 1000 for call in calls] == [True, True]
    assert len(percents(calls)) == 400 + 3


def failing_aws(code):
    return f"#!/bin/sh\necho 'An error occurred ({code})' >&2\nexit 254\n"


def test_a_cloudwatch_that_does_not_take_it(cluster):
    done, _calls = alive(cluster).run(failing_aws("AccessDenied"))
    assert done.returncode == 254
    assert "AccessDenied" in done.stderr


def cbor_text(text):
    return bytes([0x60 + len(text)]) + text.encode()


def throttle(count, headers):
    """Throttle two calls, then take one, in whichever of CloudWatch's protocols the CLI speaks."""
    kind = headers.get("Content-Type", "")
    if count > 2:
        body = b"\xa0" if "cbor" in kind else b"{}" if "json" in kind else b"<PutMetricDataResponse/>"
        return 200, body, kind if "cbor" in kind or "json" in kind else "text/xml"
    if "cbor" in kind:
        return 400, b"\xa1" + cbor_text("__type") + cbor_text("Throttling"), kind
    if "json" in kind:
        return 400, b'{"__type": "Throttling"}', kind
    return (
        400,
        b"<ErrorResponse><Error><Code>Throttling</Code><Message>Slow</Message></Error></ErrorResponse>",
        "text/xml",
    )


def test_a_throttled_cloudwatch_is_asked_again(cluster):
    """The CLI itself tries again, as the CronJob's environment tells it to."""
    cloudwatch = cluster.servers["cloudwatch"] = Server("127.0.0.1", 0, throttle)
    real = Path(os.environ.get("VIRTUAL_ENV", "")) / "bin" / "aws"
    program = shutil.which("aws") or str(real)
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
    endpoint = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{cloudwatch.port}", "NO_PROXY": "127.0.0.1"}
    done, _calls = alive(cluster).run(f'#!/bin/sh\nexec "{program}" "$@"\n', **keys, **endpoint)
    assert done.returncode == 0, done.stderr
    assert len(cloudwatch.asked) == 3


def test_the_pod_can_do_little(make_role):
    found = objects(make_role)
    job = found["CronJob"]["spec"]["jobTemplate"]["spec"]
    pod = job["template"]["spec"]
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert (found["CronJob"]["spec"]["concurrencyPolicy"], job["activeDeadlineSeconds"]) == ("Forbid", 120)
    assert found["Role"]["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": ["list"]}
    ]
    assert found["ClusterRole"]["rules"] == [{"apiGroups": [""], "resources": ["nodes/stats"], "verbs": ["get"]}]
    assert found["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    ports = {entry["port"] for entry in found["NetworkPolicy"]["spec"]["egress"][0]["ports"]}
    assert ports == {53, 443, 10250}


def test_prometheus_rules(make_role):
    role = make_role("monitoring", monitoring_prometheus_rules=True, monitoring_critical_percent="95")
    text = str(role.value("lookup('ansible.builtin.template', 'prometheus_rules.yml.j2')"))
    rules = {each["metadata"]["name"]: each["spec"]["groups"][0]["rules"] for each in yaml.safe_load_all(text) if each}
    assert rules.keys() == {"langfuse-volumes", "langfuse-volume-inodes"}
    for of_one in rules.values():
        critical, warning = of_one
        assert (critical["labels"], warning["labels"]) == ({"severity": "critical"}, {"severity": "warning"})
        assert " < 5.0\n" in critical["expr"] and "predict_linear" not in critical["expr"]
        assert " < 20.0\n" in warning["expr"] and "[6h], 4 * 24 * 3600) < 0" in warning["expr"]
        for rule in of_one:
            assert '{namespace="langfuse"}' in rule["expr"] and 'access_mode="ReadOnlyMany"' in rule["expr"]
            assert "{{ $labels.persistentvolumeclaim }}" in rule["annotations"]["description"]
