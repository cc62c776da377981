# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PRIVATE: requests to the Kubernetes API by path, and what its refusals mean."""

from __future__ import annotations

import json
import typing as t
from collections.abc import Mapping

from ansible_collections.llmops.langfuse.plugins.module_utils._errors import LangfuseError

Object = dict[str, t.Any]
MERGE_PATCH = "application/merge-patch+json"


class ApiError(LangfuseError):
    """What the API server answered instead of doing it."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class Api(t.Protocol):
    """The Kubernetes API. Every method raises ApiError for a refusal, and LangfuseError without an answer."""

    def get(self, path: str, **query: str) -> Object: ...

    def patch(self, path: str, body: Object, **query: str) -> Object: ...

    def create(self, path: str, body: Object) -> Object: ...

    def delete(self, path: str, **query: str) -> Object: ...


class ServerApi:
    """The API behind a dynamic client of the kubernetes package. Its requests may run in several threads."""

    def __init__(self, client: t.Any, timeout: int) -> None:
        self._client = client
        self._timeout = timeout

    def get(self, path: str, **query: str) -> Object:
        """Read an object or a list."""
        return self._request("GET", path, query)

    def patch(self, path: str, body: Object, **query: str) -> Object:
        """Merge fields into an object."""
        return self._request("PATCH", path, query, body, MERGE_PATCH)

    def create(self, path: str, body: Object) -> Object:
        """Create an object in a list."""
        return self._request("POST", path, {}, body)

    def delete(self, path: str, **query: str) -> Object:
        """Delete an object."""
        return self._request("DELETE", path, query)

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        body: Object | None = None,
        content_type: str | None = None,
    ) -> Object:
        try:
            answer = self._client.request(
                method,
                path,
                body,
                query_params=list(query.items()),
                header_params={"Accept": "application/json"},
                content_type=content_type,
                serialize=False,
                _request_timeout=self._timeout,
            )
            return json.loads(answer.data)
        except Exception as error:  # of urllib3, which the kubernetes package promises no class for, or of its own
            status = getattr(error, "status", None)
            if status is None:
                raise LangfuseError(f"The Kubernetes API cannot be reached: {one_line(error)}") from error
            raise ApiError(_reason(error), int(status)) from error


def needs(error: ApiError, verb: str, resource: str, namespace: str | None = None) -> LangfuseError:
    """Tell which right is missing if that is why the API server refused; else what it said."""
    where = f" in namespace {namespace}" if namespace else ""
    if error.status == 401:
        return LangfuseError("The Kubernetes API does not accept these credentials (401): check the kubeconfig.")
    if error.status == 403:
        return LangfuseError(f"Kubernetes forbids it: these credentials need the right to {verb} {resource}{where}.")
    return LangfuseError(f"Kubernetes refuses to {verb} {resource}{where}: {error} ({error.status})")


def one_line(error: object) -> str:
    """An error's text in one line, not too long."""
    return " ".join(str(error).split())[:300]


def _reason(error: t.Any) -> str:
    """The API server's own sentence, without the headers around it."""
    body = getattr(error, "body", None) or ""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        text = body.decode(errors="replace") if isinstance(body, bytes) else str(body)
        message = text or getattr(error, "reason", "")
    return one_line(message)
