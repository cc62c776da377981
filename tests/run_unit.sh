#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests. The plugins' run as part of the collection, the rest as plain Python; the lab's own need no lab.
set -euo pipefail
cd "$(dirname "$0")/.."

collections=$PWD/.build
programs=$(PYTHONPATH=tests/lab python -m langfuse_lab build) # helm, gojq
export PATH=$programs:$PATH

PYTHONPATH=$collections pytest -n 2 .build/ansible_collections/llmops/langfuse/tests/unit \
  --cov=ansible_collections.llmops.langfuse.plugins --cov-branch --cov-report=term:skip-covered --cov-fail-under=90
PYTHONPATH=tests/lab:$collections pytest -n 2 tests/repo
PYTHONPATH=tests/lab:$collections pytest -n 2 --dist loadfile tests/lab/tests
