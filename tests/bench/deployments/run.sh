#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Runs without changes on a lab of its own, alone in account and cluster and beside nine more deployments.
exec "$(dirname "$0")/../on_a_lab.sh" deployments "$@"
