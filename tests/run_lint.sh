#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Every linter, on the whole checkout. Expects the virtual environment's programs on PATH.
set -euo pipefail
cd "$(dirname "$0")/.."

ansible-lint --offline
yamllint --strict .
ruff check .
ruff format --check .
git ls-files -z '*.sh' .ci/run | xargs -0 shellcheck --external-sources
antsibull-changelog lint
