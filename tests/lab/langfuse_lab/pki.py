# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's certificate authority, its certificates, and the key that signs service account tokens."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFETIME = datetime.timedelta(days=3650)
API_SERVER_NAMES = (
    "localhost",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
CLIENTS = {  # file -> (user, group)
    "admin": ("lab-admin", "system:masters"),
    "kubelet-client": ("kube-apiserver-kubelet-client", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", None),
    "scheduler": ("system:kube-scheduler", None),
}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def ensure(directory: Path, addresses: tuple[str, ...]) -> None:
    """Make what is missing in a folder: ca, server (for these IP addresses), one pair per client, sa.key and sa.pub."""
    if (directory / "sa.pub").exists():  # written last
        return
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("llmops-langfuse-lab", None, ca_key, None)
    _write_pair(directory, "ca", ca, ca_key)
    alternatives = [
        *map(x509.DNSName, API_SERVER_NAMES),
        *(x509.IPAddress(ipaddress.ip_address(address)) for address in addresses),
    ]
    for name, (user, group) in {"server": ("kube-apiserver", None), **CLIENTS}.items():
        key = ec.generate_private_key(ec.SECP256R1())
        names = alternatives if name == "server" else None
        _write_pair(directory, name, _certificate(user, group, key, (ca, ca_key), names), key)
    signing_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    _write_private(directory / "sa.key", signing_key)
    public = signing_key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (directory / "sa.pub").write_bytes(public)


def _certificate(
    user: str,
    group: str | None,
    key: PrivateKey,
    issuer: tuple[x509.Certificate, PrivateKey] | None,
    alternatives: list[x509.GeneralName] | None = None,
) -> x509.Certificate:
    """Return a CA (no issuer), a server's certificate (alternative names) or a client's."""
    attributes = [x509.NameAttribute(NameOID.COMMON_NAME, user)]
    if group:
        attributes.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
    subject = x509.Name(attributes)
    parent, parent_key = issuer or (None, key)
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(parent.subject if parent else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + LIFETIME)
        .add_extension(x509.BasicConstraints(ca=parent is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(parent_key.public_key()), critical=False)
        .add_extension(_key_usage(is_ca=parent is None), critical=True)
    )
    if parent:
        usage = ExtendedKeyUsageOID.SERVER_AUTH if alternatives else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    return builder.sign(parent_key, hashes.SHA256())


def _key_usage(*, is_ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_ca,
        crl_sign=is_ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write_pair(directory: Path, name: str, certificate: x509.Certificate, key: PrivateKey) -> None:
    (directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    _write_private(directory / f"{name}.key", key)


def _write_private(path: Path, key: PrivateKey) -> None:
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
