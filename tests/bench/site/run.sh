#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# The whole site on a lab of its own: the first run, runs without changes, and the same by the commands of a runbook.
exec "$(dirname "$0")/../on_a_lab.sh" site "$@"
