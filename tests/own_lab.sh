#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# To be sourced in the checkout: a lab for a script alone.

own_lab() { # own_lab NAME: the lab in .lab-NAME from now on; it is down now and when the script ends
  export LAB_DIR=$PWD/.lab-$1
  unset LAB_PORT_BASE
  trap 'PYTHONPATH=tests/lab python -m langfuse_lab down' EXIT
  PYTHONPATH=tests/lab python -m langfuse_lab down
}
