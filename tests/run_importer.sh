#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# What Galaxy does with an uploaded collection, as strict as Automation Hub asks for. A warning is a failure.
# Its pins clash with ours, so it has a virtual environment of its own, kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh
venv="$(tool_venv galaxy-importer 0.4.44)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
ansible-galaxy collection build --force --output-path "$work" >/dev/null
# The collections that ours depends on are where Python finds them, and no other package is.
ln -s "$(python -c 'import ansible_collections.amazon as it, pathlib; print(pathlib.Path(*it.__path__).parent)')" "$work/ansible_collections"
cd "$work"
unset ANSIBLE_COLLECTIONS_PATH ANSIBLE_CONFIG
export GALAXY_IMPORTER_CHECK_REQUIRED_TAGS=true GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER=true
PYTHONPATH="$work" PATH="$venv/bin:/usr/bin:/bin" "$venv/bin/python" -m galaxy_importer.main llmops-langfuse-*.tar.gz 2>&1 | tee log
if grep -E '^(ERROR|WARNING)' log; then
  exit 1
fi
echo "Galaxy would take the collection as it is."
