# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How modules of this collection reach ClickHouse."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host of the ClickHouse server.
      - With O(namespace) only the name that the server's certificate must have.
    type: str
    default: localhost
  login_port:
    description: Port of the native protocol. If not set, V(9000), or V(9440) with O(secure=true).
    type: int
  login_user:
    description: ClickHouse user.
    type: str
    default: default
  login_password:
    description: Password of O(login_user). If not set, none is sent.
    type: str
  login_database:
    description: Database of those tables for which none is named.
    type: str
    default: default
  secure:
    description: Whether to use TLS.
    type: bool
    default: false
  verify:
    description: Whether to check the server's certificate and its name.
    type: bool
    default: true
  ca_certs:
    description: File with the certificate authorities to trust. If not set, those of the Python installation.
    type: path
  connect_timeout:
    description: Seconds to wait for the connection, and for the Kubernetes API.
    type: int
    default: 10
  timeout:
    description: Seconds to wait for the answer to one statement.
    type: int
    default: 300
  namespace:
    description:
      - Kubernetes namespace of the ClickHouse pod. The connection then goes through a port-forward to that pod.
      - Needs the rights to list pods, and to get and create pods/portforward, in this namespace.
    type: str
  pod_selector:
    description: Label selector of the pod, such as V(app.kubernetes.io/name=clickhouse). A ready pod is preferred.
    type: str
  kubeconfig:
    description:
      - Kubeconfig file for the port-forward.
      - If not set, the one in E(KUBECONFIG), else C(~/.kube/config), else the service account of the pod this runs in.
    type: path
  context:
    description: Context of the kubeconfig. If not set, its current one.
    type: str
requirements:
  - clickhouse-driver >= 0.2.10
  - kubernetes >= 29.0.0, for O(namespace)
"""
