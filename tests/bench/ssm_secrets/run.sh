#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The lookup ssm_secrets for 40 parameters: its requests and time, and those of the stock plugin.
set -euo pipefail
cd "$(dirname "$0")/../../.."
PYTHONPATH=.build:tests/bench python tests/bench/ssm_secrets/bench.py "$@"
