# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: the Kubernetes API with the options and the client of kubernetes.core."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError
from ansible_collections.llmops.langfuse.plugins.module_utils._server_api import ServerApi, one_line

try:
    from ansible_collections.kubernetes.core.plugins.module_utils.args_common import AUTH_ARG_SPEC
    from ansible_collections.kubernetes.core.plugins.module_utils.k8s.client import get_api_client
except ImportError:  # connect says so
    AUTH_ARG_SPEC = {}
    get_api_client = None


def connect(params: Mapping[str, t.Any], timeout: int = 30) -> ServerApi:
    """Reach the API server by the options of AUTH_ARG_SPEC."""
    if get_api_client is None:
        raise LangfuseError(
            "This module needs the collection kubernetes.core: ansible-galaxy collection install kubernetes.core"
        )
    try:
        return ServerApi(get_api_client(**{name: params[name] for name in AUTH_ARG_SPEC}).client, timeout)
    except Exception as error:  # of the kubernetes package, of urllib3, or of reading the kubeconfig
        raise LangfuseError(f"The Kubernetes API cannot be reached: {one_line(error)}") from error
