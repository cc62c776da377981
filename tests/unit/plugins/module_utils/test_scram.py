# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SCRAM-SHA-256 verifiers, against the example of RFC 7677 and PostgreSQL's old form."""

from __future__ import annotations

import base64
import hashlib
import hmac

from ansible_collections.llmops.langfuse.plugins.module_utils._scram import is_of, verifier


def test_the_example_of_the_rfc() -> None:
    """RFC 7677, section 3: the keys made of `pencil` answer for both sides of its conversation."""
    salt = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
    stored, server = verifier("pencil", salt, 4096).split("$")[2].split(":")
    message = (
        b"n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
        b"s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
    )
    proof = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
    signature = hmac.digest(base64.b64decode(stored), message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    assert base64.b64encode(hashlib.sha256(client_key).digest()).decode() == stored
    server_signature = hmac.digest(base64.b64decode(server), message, "sha256")
    assert base64.b64encode(server_signature).decode() == "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def test_a_verifier_is_of_its_password_only() -> None:
    stored = verifier("secret-1")
    assert stored.startswith("SCRAM-SHA-256$4096:")
    assert is_of(stored, "secret-1", "langfuse")
    assert not is_of(stored, "secret-2", "langfuse")
    assert verifier("secret-1") != stored, "each has a salt of its own"


def test_the_old_form() -> None:
    stored = "md5" + hashlib.md5(b"secret-1langfuse").hexdigest()
    assert is_of(stored, "secret-1", "langfuse")
    assert not is_of(stored, "secret-1", "postgres")
    assert not is_of("", "secret-1", "langfuse")
