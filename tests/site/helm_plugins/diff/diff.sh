#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Stands in for the plugin helm-diff 3.9: `helm diff upgrade NAME CHART [OPTION ...]`, as kubernetes.core.helm calls it.
# Like that, it makes the chart without a look into the cluster, unless HELM_DIFF_USE_UPGRADE_DRY_RUN is true. It compares
# text, where helm-diff compares objects, and does not hide the values of Secrets.
set -euo pipefail

release=$2
options=("${@:3}")

after_an_upgrade() {
  if [ "${HELM_DIFF_USE_UPGRADE_DRY_RUN:-}" = true ]; then
    "$HELM_BIN" upgrade "$release" "${options[@]}" --dry-run=server --output json |
      python3 -c 'import json, sys; print(json.load(sys.stdin)["manifest"])'
  else
    "$HELM_BIN" template "$release" "${options[@]/#--reset-values=*/--no-hooks}" --is-upgrade --validate
  fi
}

diff <("$HELM_BIN" get manifest "$release" | sed '/^$/d') <(after_an_upgrade | sed '/^$/d') || [ $? -eq 1 ]
