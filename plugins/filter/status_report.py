# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook status found, judged, and written for a terminal and a browser."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible_collections.llmops.langfuse.plugins.module_utils._status import assess
from ansible_collections.llmops.langfuse.plugins.module_utils._status_page import page, table

DOCUMENTATION = r"""
name: status_report
author: llmops.langfuse contributors
version_added: 1.0.0
short_description: Judge what the playbook status found
description:
  - Says of each part whether it is well, and of the whole whether it is healthy, degraded or broken.
  - What could not be read makes it degraded, and broken if nothing could.
  - Reads nothing itself. Values come from a cluster and an account, and are escaped in the page.
positional: _input
options:
  _input:
    description:
      - What was read, by part. Known are C(release), C(health), C(workloads), C(autoscalers), C(claims), C(tables),
        C(ingresses), C(alarms) (the names that are C(wanted), the alarms that were C(found)), C(certificates),
        C(emergency) and C(nodes), each as its module returns it.
      - A part that is neither here nor in O(unknown) is unknown without a reason.
    type: dict
    required: true
  unknown:
    description: Why parts could not be read, by part; V(platform) for all of them.
    type: dict
    default: {}
  name:
    description: Name of the platform.
    type: str
    required: true
  region:
    description: AWS region.
    type: str
    required: true
  prices:
    description:
      - Prices in US dollars with their date. Without them the cost is not known, and what is billed is listed.
      - C(date), C(hours) (of instance types, C(control_plane), C(nat_gateway), C(load_balancer)) and C(gib_month).
    type: dict
    default: {}
  now:
    description: The time of the look, in UTC as in V(2026-11-26T19:00:00Z).
    type: str
    required: true
"""

EXAMPLES = r"""
- name: Judge what was found
  ansible.builtin.debug:
    msg: "{{ found | llmops.langfuse.status_report(name='langfuse', region='ap-south-1', now='2026-11-26T19:00:00Z') }}"
"""

RETURN = r"""
_value:
  description:
    - C(verdict), which is V(healthy), V(degraded) or V(broken), and the C(reasons) for it.
    - C(lines) for a terminal and the C(page), HTML that needs no network.
  type: dict
"""


def status_report(
    found: dict[str, t.Any],
    name: str,
    region: str,
    now: str,
    unknown: dict[str, str] | None = None,
    prices: dict[str, t.Any] | None = None,
) -> dict[str, t.Any]:
    """See DOCUMENTATION."""
    if not isinstance(found, dict):
        raise AnsibleFilterError(f"status_report takes a dictionary of what was found, not {type(found).__name__}")
    status = assess(found, unknown or {}, prices or {}, now)
    title = f"{name} in {region}, {now}"
    return {
        "verdict": status.verdict,
        "reasons": status.reasons,
        "lines": table(status, title),
        "page": page(status, title),
    }


class FilterModule:
    """The collection's filters."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """By their names."""
        return {"status_report": status_report}
