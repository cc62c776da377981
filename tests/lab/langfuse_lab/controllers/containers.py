# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a kubelet does before it starts a container: volumes become folders, the environment is put together.

The container has no file system of its own here, so paths under its mounts are rewritten to the folders on this
computer wherever they stand in its command, arguments and environment.
"""

from __future__ import annotations

import base64
import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from langfuse_lab.controllers.aws import ROLE_ANNOTATION
from langfuse_lab.controllers.kube import Kubernetes, Object, annotations

EXPIRATION_ANNOTATION = "eks.amazonaws.com/token-expiration"
IDENTITY_VOLUME = "aws-iam-token"
IDENTITY_MOUNT = "/var/run/secrets/eks.amazonaws.com/serviceaccount"
IDENTITY_SECONDS = 86400
TOKEN_SECONDS = 3600
_END_OF_PATH = r"(?=$|[/\s:;,=\"'`)\]}])"
_VARIABLE = re.compile(r"\$(\$|\((\w+)\))")


class ContainerError(Exception):
    """Why a pod cannot be started; `reason` is the kubelet's word for it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def with_web_identity(pod: Object, account: Object, region: str) -> Object:
    """Return the pod as EKS's webhook admits it: with a token for STS if its service account names a role."""
    role = annotations(account).get(ROLE_ANNOTATION)
    if not role:
        return pod
    pod = copy.deepcopy(pod)
    seconds = int(annotations(account).get(EXPIRATION_ANNOTATION, IDENTITY_SECONDS))
    token = {"audience": "sts.amazonaws.com", "expirationSeconds": seconds, "path": "token"}
    volume = {"name": IDENTITY_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}}
    pod["spec"].setdefault("volumes", []).append(volume)
    variables = {
        "AWS_STS_REGIONAL_ENDPOINTS": "regional",
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ROLE_ARN": role,
        "AWS_WEB_IDENTITY_TOKEN_FILE": f"{IDENTITY_MOUNT}/token",
    }
    for container in pod["spec"]["containers"]:
        env = container.setdefault("env", [])
        present = {each["name"] for each in env}
        env.extend({"name": name, "value": value} for name, value in variables.items() if name not in present)
        container.setdefault("volumeMounts", []).append({"name": IDENTITY_VOLUME, "mountPath": IDENTITY_MOUNT})
    return pod


def rewrite(text: str, mounts: dict[str, Path]) -> str:
    """Return a text with each path at or under a mount replaced by the mount's folder."""
    if not mounts:
        return text
    paths = "|".join(re.escape(path) for path in sorted(mounts, key=len, reverse=True))
    return re.sub(rf"(?<![\w./-])({paths}){_END_OF_PATH}", lambda match: str(mounts[match[1]]), text)


def expand(text: str, env: dict[str, str]) -> str:
    """Return a text with $(NAME) replaced by the variable's value; $$ is a dollar sign, unknown names stay."""

    def replacement(match: re.Match[str]) -> str:
        return "$" if match[1] == "$" else env.get(match[2], match[0])

    return _VARIABLE.sub(replacement, text)


class Materials:
    """Reads what a pod refers to and lays its volumes out under a folder."""

    def __init__(self, kubernetes: Kubernetes, pod: Object, folder: Path) -> None:
        self._kubernetes = kubernetes
        self._pod = pod
        self._namespace = pod["metadata"]["namespace"]
        self._folder = folder

    def mounts(self, container: Object) -> dict[str, Path]:
        """Make the container's volumes; return the folder of each mount path."""
        volumes = {each["name"]: each for each in self._pod["spec"].get("volumes") or []}
        mounts = {}
        for mount in container.get("volumeMounts") or []:
            folder = self._folder / mount["name"]
            if not folder.exists():
                self._make(volumes[mount["name"]], folder)
            mounts[mount["mountPath"].rstrip("/")] = folder / mount.get("subPath", "")
        return mounts

    def environment(self, container: Object) -> dict[str, str]:
        """Return the variables that the container's spec sets."""
        env: dict[str, str] = {}
        for source in container.get("envFrom") or []:
            kind, reference = ("Secret", "secretRef") if "secretRef" in source else ("ConfigMap", "configMapRef")
            data = self._data(kind, source[reference])
            env |= {source.get("prefix", "") + key: value.decode() for key, value in data.items()}
        for variable in container.get("env") or []:
            if "valueFrom" not in variable:
                env[variable["name"]] = expand(variable.get("value", ""), env)
            else:
                value = self._value(variable["valueFrom"])
                if value is not None:
                    env[variable["name"]] = value
        return env

    def _value(self, source: Object) -> str | None:
        if "fieldRef" in source:
            return self._field(source["fieldRef"]["fieldPath"])
        for key, kind in (("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")):
            if key in source:
                reference = source[key]
                data = self._data(kind, reference)
                if reference["key"] in data:
                    return data[reference["key"]].decode()
                if reference.get("optional"):
                    return None
                message = f"couldn't find key {reference['key']} in {kind} {self._namespace}/{reference['name']}"
                raise ContainerError("CreateContainerConfigError", message)
        raise ContainerError("CreateContainerConfigError", f"the lab does not know {next(iter(source))} in env")

    def _field(self, path: str) -> str:
        """Return a field of the pod by its path, e.g. metadata.name or metadata.labels['app']."""
        by_key = re.fullmatch(r"metadata\.(labels|annotations)\['(.+)'\]", path)
        if by_key:
            return (self._pod["metadata"].get(by_key[1]) or {}).get(by_key[2], "")
        value: Any = self._pod
        for name in path.split("."):
            value = value.get(name, "") if isinstance(value, dict) else ""
        if isinstance(value, dict):  # all labels or annotations
            return "".join(f'{key}="{each}"\n' for key, each in sorted(value.items()))
        return str(value)

    def _data(self, kind: str, reference: Object) -> dict[str, bytes]:
        """Return the contents of a Secret or ConfigMap; none when it is missing and optional."""
        name = reference.get("name") or reference["secretName"]
        found = self._kubernetes.get(kind, name, self._namespace)
        if found is None:
            if reference.get("optional"):
                return {}
            raise ContainerError("CreateContainerConfigError", f'{kind.lower()} "{name}" not found')
        decoded = {key: base64.b64decode(each) for key, each in (found.get("binaryData") or {}).items()}
        for key, each in (found.get("data") or {}).items():
            decoded[key] = base64.b64decode(each) if kind == "Secret" else each.encode()
        return decoded

    def _make(self, volume: Object, folder: Path) -> None:
        makers: dict[str, Callable[[Object, Path], None]] = {
            "configMap": lambda source, target: self._files("ConfigMap", source, target),
            "secret": lambda source, target: self._files("Secret", source, target),
            "emptyDir": lambda _source, _target: None,
            "downwardAPI": self._downward,
            "projected": self._projected,
        }
        kind = next(key for key in volume if key != "name")
        if kind not in makers:
            raise ContainerError("FailedMount", f"volume {volume['name']}: the lab's pods have no {kind} volumes")
        folder.mkdir(parents=True)
        makers[kind](volume[kind], folder)

    def _projected(self, volume: Object, folder: Path) -> None:
        for source in volume.get("sources") or []:
            if "serviceAccountToken" in source:
                self._token(source["serviceAccountToken"], folder)
            elif "downwardAPI" in source:
                self._downward(source["downwardAPI"], folder)
            elif "configMap" in source:
                self._files("ConfigMap", source["configMap"], folder)
            else:
                self._files("Secret", source["secret"], folder)

    def _files(self, kind: str, source: Object, folder: Path) -> None:
        data = self._data(kind, source)
        items = source.get("items") or [{"key": key, "path": key} for key in data]
        mode = source.get("defaultMode", 0o644)
        for item in items:
            if item["key"] not in data:
                raise ContainerError("FailedMount", f"references non-existent config key: {item['key']}")
            _write(folder / item["path"], data[item["key"]], item.get("mode", mode))

    def _downward(self, source: Object, folder: Path) -> None:
        for item in source.get("items") or []:
            if "fieldRef" in item:
                _write(folder / item["path"], self._field(item["fieldRef"]["fieldPath"]).encode(), 0o644)

    def _token(self, source: Object, folder: Path) -> None:
        account = self._pod["spec"].get("serviceAccountName", "default")
        seconds = source.get("expirationSeconds", TOKEN_SECONDS)
        audience = source.get("audience", "")
        token = self._kubernetes.service_account_token(self._namespace, account, audience, seconds, self._pod)
        _write(folder / source["path"], token.encode(), 0o600)


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(content)
    path.chmod(mode & 0o700)  # for the user who runs the lab only
