# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kubernetes versions and add-ons that EKS offers, as of November 2026.

The dates are EKS's. The builds of the add-ons are placeholders of the right form: which ones EKS really offers is known
only to EKS, so a test must not rest on a particular one.
"""

from __future__ import annotations

import dataclasses
import datetime

from moto.core.utils import utcnow

from langfuse_lab.aws.eks.errors import InvalidParameter

DEFAULT = "1.36"
MAX_MINORS_BEHIND = 3  # a kubelet behind its API server


@dataclasses.dataclass(frozen=True)
class Version:
    """A Kubernetes minor version."""

    name: str
    released: datetime.datetime
    standard_until: datetime.datetime
    extended_until: datetime.datetime

    def support(self, day: datetime.datetime) -> str:
        """Return STANDARD_SUPPORT, EXTENDED_SUPPORT or UNSUPPORTED."""
        if day < self.standard_until:
            return "STANDARD_SUPPORT"
        return "EXTENDED_SUPPORT" if day < self.extended_until else "UNSUPPORTED"


def _version(name: str, released: tuple[int, int, int], standard_until: tuple[int, int, int]) -> Version:
    until = datetime.datetime(*standard_until)
    return Version(name, datetime.datetime(*released), until, until.replace(year=until.year + 1))


VERSIONS = {
    version.name: version
    for version in (
        _version("1.36", (2026, 6, 2), (2027, 8, 2)),
        _version("1.35", (2026, 1, 28), (2027, 3, 27)),
        _version("1.34", (2025, 10, 2), (2026, 12, 2)),
        _version("1.33", (2025, 5, 29), (2026, 7, 29)),
    )
}

ADDONS: dict[str, tuple[str, ...]] = {  # the first is the default
    "vpc-cni": ("v1.21.1-eksbuild.1", "v1.20.4-eksbuild.2"),
    "kube-proxy": ("v1.36.0-eksbuild.2", "v1.35.0-eksbuild.2"),
    "coredns": ("v1.13.2-eksbuild.1", "v1.12.4-eksbuild.1"),
    "aws-ebs-csi-driver": ("v1.57.1-eksbuild.1", "v1.52.1-eksbuild.1"),
    "metrics-server": ("v0.8.1-eksbuild.1", "v0.8.0-eksbuild.2"),
    "eks-pod-identity-agent": ("v1.3.10-eksbuild.1", "v1.3.9-eksbuild.3"),
    "snapshot-controller": ("v8.3.0-eksbuild.1",),
    "aws-efs-csi-driver": ("v2.1.13-eksbuild.1",),
    "amazon-cloudwatch-observability": ("v4.7.0-eksbuild.1",),
}
# Their pods run on the cluster's nodes. Without a node they stay Pending, and EKS calls the add-on degraded.
ADDONS_WITH_DEPLOYMENTS = {
    "coredns",
    "aws-ebs-csi-driver",
    "metrics-server",
    "snapshot-controller",
    "aws-efs-csi-driver",
}


def default_build(addon: str, kubernetes: str) -> str:
    """Return the build that EKS takes when none is named; kube-proxy's are numbered as Kubernetes is."""
    builds = ADDONS[addon]
    return next((build for build in builds if build.startswith(f"v{kubernetes}.")), builds[0])


def check(version: str) -> None:
    """Refuse a Kubernetes version that EKS does not offer."""
    known = VERSIONS.get(version)
    if known is None or known.support(utcnow()) == "UNSUPPORTED":
        raise InvalidParameter(f"unsupported Kubernetes version {version}")


def fits(node: str, control_plane: str) -> bool:
    """Whether nodes of one version may be in a cluster of another."""
    return 0 <= minor(control_plane) - minor(node) <= MAX_MINORS_BEHIND


def minor(version: str) -> int:
    """Return the number behind the dot of a version."""
    return int(version.split(".")[1])
