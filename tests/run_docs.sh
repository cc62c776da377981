#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The documentation of plugins and roles as Ansible's documentation site would build it: schema, markup, references.
# The linter's packages are many, so it has a virtual environment of its own, kept in the cache.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh
venv="$(tool_venv antsibull-docs 2.28.0)"

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
collection="$work/ansible_collections/llmops/langfuse"
mkdir -p "$collection"
ansible-galaxy collection build --force --output-path "$work" >/dev/null
tar --extract --gzip --file "$work"/llmops-langfuse-*.tar.gz --directory "$collection"
# Of a collection inside a git checkout it reads what git knows, which is nothing of the virtual environment: git looks no higher than it.
export GIT_CEILING_DIRECTORIES="$PWD"
cd "$collection"
ANSIBLE_COLLECTIONS_PATH="$work" "$venv/bin/antsibull-docs" lint-collection-docs --plugin-docs --validate-collection-refs dependent .
echo "The documentation can be built."
