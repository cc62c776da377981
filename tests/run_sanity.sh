#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# Run ansible-test sanity and units on the collection as it ships: built, and unpacked again in a temporary folder.
#
#   tests/run_sanity.sh          with .venv and its Python
#   tests/run_sanity.sh 3.13     with that Python, in a virtual environment of its own that is kept in the cache
set -euo pipefail

repository="$(cd "$(dirname "$0")/.." && pwd)"
# shellcheck source=tests/venv.sh
source "$repository/tests/venv.sh"

if [ $# -gt 0 ]; then
  venv="$(cached_venv "$1")"
else
  venv="$repository/.venv"
fi
# Not the caller's PATH: ansible-test takes every pythonX.Y on it for one that runs.
export PATH="$venv/bin:/usr/local/bin:/usr/bin:/bin" LC_ALL=C.UTF-8
unset PYTHONPATH ANSIBLE_COLLECTIONS_PATH ANSIBLE_CONFIG
version="$("$venv/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"

# Where ansible-test keeps what it downloads; 24.2 is asked for by ansible-core 2.19, 25.2 by newer ones.
mkdir -p ~/.ansible/test/cache
for pip in 24_2 25_2; do
  cp "$repository/tests/get_pip_shim.py" ~/.ansible/test/cache/get_pip_$pip.py
done

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
collection="$work/ansible_collections/llmops/langfuse"
mkdir -p "$collection"
(cd "$repository" && ansible-galaxy collection build --force --output-path "$work" >/dev/null)
tar --extract --gzip --file "$work"/llmops-langfuse-*.tar.gz --directory "$collection"
# Modules share other collections' options and code, which ansible-test looks for beside the collection only.
for namespace in amazon kubernetes; do
  found="$("$venv/bin/python" -c "import ansible_collections.$namespace as it; print(*it.__path__)")"
  ln -s "$found" "$work/ansible_collections/$namespace"
done

cd "$collection"
failed=0
ansible-test sanity --local --color no --python "$version" || failed=1
ansible-test units --local --color no --python "$version" || failed=1
exit "$failed"
