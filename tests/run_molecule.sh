#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# One molecule scenario for each role, in the site's order, on a lab of their own. With arguments: those scenarios.
#
#   tests/run_molecule.sh storage addons
set -euo pipefail
cd "$(dirname "$0")/.."
export LAB_DIR=$PWD/.lab-test-molecule MOLECULE_EPHEMERAL_DIRECTORY=$PWD/.ansible/molecule MOLECULE_GLOB='molecule/*/molecule.yml'
unset LAB_PORT_BASE

roles=("$@")
if [ $# = 0 ]; then
  mapfile -t roles < <(sed -n 's/.*role: llmops\.langfuse\.\([a-z_]*\),.*/\1/p' playbooks/site.yml)
fi
trap 'PYTHONPATH=tests/lab python -m langfuse_lab down' EXIT
PYTHONPATH=tests/lab python -m langfuse_lab down
rm -rf "$MOLECULE_EPHEMERAL_DIRECTORY"
molecule test "${roles[@]/#/--scenario-name=}"
