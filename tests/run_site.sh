#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The site playbook on a lab of its own: what tests/site says, in its order.
set -euo pipefail
cd "$(dirname "$0")/.."
export LAB_DIR=${SITE_LAB_DIR:-$PWD/.lab-test}
unset LAB_PORT_BASE
trap 'PYTHONPATH=tests/lab python -m langfuse_lab down' EXIT
PYTHONPATH=tests/lab python -m langfuse_lab down
PYTHONPATH=tests/lab pytest tests/site --durations=0 -x -p no:cacheprovider
