#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Unit tests. The plugins' run as part of the collection, the rest as plain Python; none needs a lab. The lab's own look at nothing but the lab, so
# they are left out when they passed on these very files before.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh

collections=$PWD/.build
programs=$(PYTHONPATH=tests/lab python -m langfuse_lab build) # helm, gojq
export PATH=$programs:$PATH

fingerprint_of_lab() { # of its files, its Python and what that has installed
  {
    python --version
    sha256sum requirements-dev.txt
    find tests/lab -type f -not -path '*/__pycache__/*' -print0 | sort -z | xargs -0 sha256sum
  } | sha256sum | cut -c1-16
}

PYTHONPATH=$collections pytest -n 2 .build/ansible_collections/llmops/langfuse/tests/unit \
  --cov=ansible_collections.llmops.langfuse.plugins --cov-branch --cov-report=term:skip-covered --cov-fail-under=90
PYTHONPATH=tests/lab:$collections pytest -n 2 tests/repo
PYTHONPATH=tests/lab:tests/lab/tests:$collections pytest -n 2 --dist loadfile tests/engine

passed="$cache/lab-tests-$(fingerprint_of_lab)"
if [ -e "$passed" ]; then
  echo "The lab's own tests passed on these files before, and are left out (rm $passed runs them)."
else
  PYTHONPATH=tests/lab:$collections pytest -n 2 --dist loadfile tests/lab/tests
  rm -f "$cache"/lab-tests-*
  touch "$passed"
fi
