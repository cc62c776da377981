#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The site with the newer Ansible line, on Python 3.13, and with Helm 4; both are kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh
helm_version=v4.2.4

venv="$(cached_venv 3.13)"
export HELM_4="$cache/helm-$helm_version"
if [ ! -x "$HELM_4/helm" ]; then
  echo "Building Helm $helm_version into $HELM_4 (2 to 3 minutes)"
  GOBIN="$HELM_4" CGO_ENABLED=0 go install -ldflags "-X helm.sh/helm/v4/internal/version.version=$helm_version" \
    "helm.sh/helm/v4/cmd/helm@$helm_version"
fi
PATH="$venv/bin:$PATH" tests/run_site.sh newer
