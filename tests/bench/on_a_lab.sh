#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# A benchmark on a lab of its own: on_a_lab.sh NAME [ARGUMENT ...], to be called by NAME/run.sh.
set -euo pipefail
cd "$(dirname "$0")/../.."
# shellcheck source=tests/own_lab.sh
source tests/own_lab.sh
own_lab "bench-$1"
PYTHONPATH=tests/lab python -m langfuse_lab up
# shellcheck disable=SC1091 # made by the lab
source "$LAB_DIR/env"
PYTHONPATH=tests/lab:tests/bench python "tests/bench/$1/bench.py" "${@:2}"
