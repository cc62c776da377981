# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: botocore's descriptions of AWS, read by Ansible once instead of by each module.

A client is made from JSON files: AWS's regions, the names of all services, and one service's operations. Reading them
is most of making one, and each session of botocore begins anew, since each has a loader of its own.
"""

from __future__ import annotations

import functools
import typing as t


@functools.lru_cache
def _one_loader(data_path: str | None = None) -> t.Any:
    """The loader of all sessions that look for descriptions in that path; it keeps what it reads."""
    from botocore.loaders import create_loader

    return create_loader(data_path)


def keep() -> None:
    """Let all sessions of this process and of its forks have one loader, and have it read what every client wants.

    The operations are left to those who want them: what they save is less than their memory costs all other forks.
    """
    import boto3.session
    import botocore.session

    botocore.session.create_loader = _one_loader
    session = boto3.session.Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")
    session.client("sts")  # the smallest
