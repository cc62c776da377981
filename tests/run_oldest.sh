#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The site with the oldest ansible-core, Python packages and Helm that meta/runtime.yml, requirements.txt and the role platform allow, kept in the
# cache. The collections are those of the Ansible release in requirements-dev.txt for this Python, which are the oldest that requirements.yml allows.
set -euo pipefail
cd "$(dirname "$0")/.."
# shellcheck source=tests/venv.sh
source tests/venv.sh

ansible_core="ansible-core==$(sed -n 's/^requires_ansible: ">=\(.*\)"$/\1/p' meta/runtime.yml)"
mapfile -t packages < <(sed -n 's/^\([a-z].*\)>=/\1==/p' requirements.txt)
collections="$(pip list --format freeze | grep '^ansible==')"
OLDEST="$cache/venv-oldest-$(echo "$ansible_core ${packages[*]} $collections" | sha256sum | cut -c1-16)"
if [ ! -e "$OLDEST/.complete" ]; then
  echo "Installing $ansible_core ${packages[*]} into $OLDEST"
  rm -rf "$OLDEST"
  python -m venv "$OLDEST"
  "$OLDEST/bin/pip" install --quiet --disable-pip-version-check "$ansible_core" "${packages[@]}"
  "$OLDEST/bin/pip" install --quiet --disable-pip-version-check --no-deps "$collections"
  touch "$OLDEST/.complete"
fi
HELM_OLDEST="$(cached_helm "v$(sed -n 's/^__platform_helm_minimum: "\(.*\)"$/\1/p' roles/platform/vars/main.yml)")"
export OLDEST HELM_OLDEST
tests/run_site.sh oldest
