#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# pvc_info on 10 to 1,000 claims: its calls and time, a bare client's, and those of an exec per pod.
set -euo pipefail
cd "$(dirname "$0")/../../.."
PYTHONPATH=.build:tests/bench python tests/bench/pvc_info/bench.py "$@"
