# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's ClickHouse: the real engine (chdb, in process) behind a native and an HTTP server, with Langfuse's tables.

chdb cannot listen on a port, so this package speaks both protocols itself and hands every statement to the engine.
"""
