#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One molecule scenario for each role, in the site's order, on a lab of their own. With arguments: those scenarios.
#
#   tests/run_molecule.sh storage addons
set -euo pipefail
cd "$(dirname "$0")/.."
export MOLECULE_EPHEMERAL_DIRECTORY=$PWD/.ansible/molecule MOLECULE_GLOB='molecule/*/molecule.yml'
# shellcheck source=tests/own_lab.sh
source tests/own_lab.sh

roles=("$@")
if [ $# = 0 ]; then
  mapfile -t roles < <(sed -n 's/.*role: llmops\.langfuse\.\([a-z_]*\),.*/\1/p' playbooks/site.yml)
fi
own_lab test-molecule
rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"
molecule test "${roles[@]/#/--scenario-name=}"
