# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: what PostgreSQL keeps of a password (SCRAM-SHA-256, RFC 5802): the password itself then reaches no log."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets

ITERATIONS = 4096  # PostgreSQL's own default
_VERIFIER = re.compile(r"^SCRAM-SHA-256\$(\d+):([A-Za-z0-9+/=]+)\$([A-Za-z0-9+/=]+):([A-Za-z0-9+/=]+)$")


def verifier(password: str, salt: bytes | None = None, iterations: int = ITERATIONS) -> str:
    """The verifier of an ASCII password, as pg_authid has it. A salt is made up if none is given."""
    salt = salt or secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode("ascii"), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    server_key = hmac.digest(salted, b"Server Key", "sha256")
    texts = [base64.b64encode(part).decode() for part in (salt, hashlib.sha256(client_key).digest(), server_key)]
    return f"SCRAM-SHA-256${iterations}:{texts[0]}${texts[1]}:{texts[2]}"


def is_of(stored: str, password: str, user: str) -> bool:
    """Whether what PostgreSQL keeps (also in its old md5 form) is of this password."""
    found = _VERIFIER.match(stored)
    if found:
        made = verifier(password, base64.b64decode(found[2]), int(found[1]))
        return hmac.compare_digest(made, stored)
    return hmac.compare_digest(
        stored, "md5" + hashlib.md5((password + user).encode(), usedforsecurity=False).hexdigest()
    )
