#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The playbooks on a lab of their own, through one platform's life: what a folder of tests/site says, in the order of its files.
#
#   tests/run_site.sh chart_2
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/own_lab.sh
source tests/own_lab.sh
own_lab "test-$1"
PYTHONPATH=tests/lab pytest "tests/site/$1" --durations=0 -x -p no:cacheprovider
