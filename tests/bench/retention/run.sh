#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What retention costs: a TTL's introduction against the original setup's way, the emergency, and a run without changes.
set -euo pipefail
cd "$(dirname "$0")/../../.."
PYTHONPATH=.build:tests/lab:tests/lab/tests:tests/bench python tests/bench/retention/retention.py "$@"
