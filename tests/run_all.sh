#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything but what is nightly, in two lanes side by side that take about as long: the site with chart major 2, then the collection as Galaxy sees
# it; and what else needs no lab, then the site with chart major 1, in VPCs and clusters that stand, and each role alone by molecule.
# What each part prints goes to a file of its own, and to its lane's as it comes. A failed part does not keep the next from running, and is told
# again at the end.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
out=tests/output
mkdir -p "$out"

log_of() { # log_of COMMAND: print where what it prints is kept
  echo "$out/part-${1// /-}.log"
}

lane() { # lane NAME COMMAND...: run them one after another; their results go to NAME.results
  local name=$1 command from result
  shift
  : >"$out/$name.results"
  for command in "$@"; do
    from=$SECONDS
    result=passed
    echo "== $command"
    # shellcheck disable=SC2086 # a script and its argument
    tests/$command 2>&1 | tee "$(log_of "$command")" || result=FAILED
    echo "$result $((SECONDS - from)) s $command" >>"$out/$name.results"
  done >"$out/$name.log"
}

started=$SECONDS
trap 'kill 0' INT TERM
rm -f "$out"/part-*.log
echo "Logs of the two lanes: $out/site.log and $out/checks.log"
lane site "run_site.sh chart_2" run_importer.sh run_docs.sh & site=$!
lane checks run_lint.sh run_unit.sh run_sanity.sh "run_site.sh chart_1" "run_site.sh adopted" run_molecule.sh & checks=$!
wait "$checks"
cat "$out/checks.log"
wait "$site"
cat "$out/site.log"

failed=0
while read -r result _ _ command; do
  if [ "$result" = FAILED ]; then
    failed=1
    echo "== The end of what $command printed, which failed:"
    tail -n 60 "$(log_of "$command")"
  fi
done < <(cat "$out"/{checks,site}.results)
echo "make test took $((SECONDS - started)) s:"
cat "$out"/{checks,site}.results
exit "$failed"
