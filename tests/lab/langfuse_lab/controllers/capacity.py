# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an EC2 instance offers to pods as an EKS node."""

from __future__ import annotations

import dataclasses
from typing import Any

MIB = 2**20
EVICTION_MIB = 100
# What the kubelet keeps of the first core, the second and so on, in 1/10,000 of a core; of each further one the last.
CPU_SHARES = (600, 100, 50, 50, 25)
EPHEMERAL_RESERVE_GIB = 1
EPHEMERAL_EVICTION = 0.1  # share of the disk


@dataclasses.dataclass(frozen=True)
class InstanceType:
    """An EC2 instance type: cores, memory in MiB, network interfaces and the addresses each can have."""

    name: str
    cpus: int
    memory_mib: int
    architecture: str  # as Kubernetes says it: arm64 or amd64
    interfaces: int
    addresses: int

    @classmethod
    def of(cls, described: dict[str, Any]) -> InstanceType:
        """Return the type from an element of describe_instance_types."""
        network = described["NetworkInfo"]
        architectures = described["ProcessorInfo"]["SupportedArchitectures"]
        return cls(
            described["InstanceType"],
            described["VCpuInfo"]["DefaultVCpus"],
            described["MemoryInfo"]["SizeInMiB"],
            "arm64" if "arm64" in architectures else "amd64",
            network["MaximumNetworkInterfaces"],
            network["Ipv4AddressesPerInterface"],
        )

    @property
    def max_pods(self) -> int:
        """Pods that get an address from the VPC CNI; managed node groups allow no more than 110, from 30 cores 250."""
        return min(self.interfaces * (self.addresses - 1) + 2, 110 if self.cpus < 30 else 250)


def capacity(kind: InstanceType, disk_gib: int) -> dict[str, str]:
    """Return a Node's status.capacity."""
    return {
        "cpu": str(kind.cpus),
        "memory": f"{kind.memory_mib}Mi",
        "ephemeral-storage": f"{disk_gib}Gi",
        "pods": str(kind.max_pods),
        "hugepages-2Mi": "0",
    }


def allocatable(kind: InstanceType, disk_gib: int) -> dict[str, str]:
    """Return a Node's status.allocatable: the capacity less what EKS keeps for the kubelet and its eviction margin."""
    memory = kind.memory_mib - (255 + 11 * kind.max_pods) - EVICTION_MIB
    disk = disk_gib * (1 - EPHEMERAL_EVICTION) - EPHEMERAL_RESERVE_GIB
    return capacity(kind, disk_gib) | {
        "cpu": f"{kind.cpus * 1000 - reserved_millis(kind.cpus)}m",
        "memory": f"{memory}Mi",
        "ephemeral-storage": f"{int(disk * 1024)}Mi",
    }


def reserved_millis(cpus: int) -> int:
    """Return the thousandths of a core that the kubelet keeps."""
    return sum(CPU_SHARES[min(core, len(CPU_SHARES) - 1)] for core in range(cpus)) // 10
