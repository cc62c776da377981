# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS, EKS, Kubernetes and ClickHouse on one computer, without Docker, an account or root."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - here every command and part says so before it meets newer syntax
    sys.exit(f"The lab needs Python 3.11 or newer; {sys.executable} is {sys.version.split()[0]}.")
if sys.platform != "linux":
    sys.exit(f"The lab runs on Linux; this is {sys.platform}.")
