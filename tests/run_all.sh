#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything but what is nightly, in two lanes side by side: the site with chart major 2, then in VPCs and clusters that stand; and what needs
# no lab, then the site with chart major 1, a cluster's changes, and each role alone by molecule.
# Each lane's output goes to a file and is shown when the lane ends.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
out=tests/output
mkdir -p "$out"

lane() { # NAME COMMAND...
  local name=$1 command
  shift
  for command in "$@"; do
    echo "== $command"
    # shellcheck disable=SC2086 # a script and its argument
    tests/$command || { echo "== $command FAILED"; return 1; }
  done >"$out/$name.log" 2>&1
}

started=$SECONDS
trap 'kill 0' INT TERM
echo "Logs of the two lanes: $out/site.log and $out/checks.log"
lane site "run_site.sh chart_2" "run_site.sh adopted" & site=$!
lane checks run_lint.sh run_unit.sh run_sanity.sh run_importer.sh run_docs.sh "run_site.sh chart_1" "run_site.sh cluster" \
  run_molecule.sh & checks=$!

failed=0
for pair in "checks:$checks" "site:$site"; do
  wait "${pair#*:}" || failed=1
  cat "$out/${pair%%:*}.log"
done
echo "make test took $((SECONDS - started)) s"
exit "$failed"
