# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from langfuse_lab import pki


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pki")
    pki.ensure(directory, ("127.0.0.1", "172.20.0.1"))
    return directory


def certificate(directory: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((directory / f"{name}.crt").read_bytes())


@pytest.mark.parametrize("name", ["server", *pki.CLIENTS])
def test_certificates_are_signed_by_the_ca(directory: Path, name: str) -> None:
    certificate(directory, name).verify_directly_issued_by(certificate(directory, "ca"))


def test_the_servers_names_and_addresses(directory: Path) -> None:
    names = certificate(directory, "server").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("127.0.0.1"),
        ipaddress.ip_address("172.20.0.1"),
    ]
    assert "kubernetes.default.svc" in names.get_values_for_type(x509.DNSName)


def test_the_administrators_group(directory: Path) -> None:
    subject = certificate(directory, "admin").subject
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "system:masters"


def test_private_keys_are_private(directory: Path) -> None:
    for path in directory.glob("*.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_the_service_account_keys_belong_together(directory: Path) -> None:
    private = serialization.load_pem_private_key((directory / "sa.key").read_bytes(), password=None)
    public = serialization.load_pem_public_key((directory / "sa.pub").read_bytes())
    assert private.public_key() == public


def test_a_second_call_changes_nothing(directory: Path) -> None:
    before = {path: path.read_bytes() for path in directory.iterdir()}
    pki.ensure(directory, ("127.0.0.1",))
    assert {path: path.read_bytes() for path in directory.iterdir()} == before
