#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The site with the newer Ansible line, on Python 3.13, and with Helm 4; both are kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh

venv="$(cached_venv 3.13)"
HELM_4="$(cached_helm v4.2.4)"
export HELM_4
PATH="$venv/bin:$PATH" tests/run_site.sh newer
