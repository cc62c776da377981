#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# To be sourced: where the cache is, and what is kept in it: virtual environments of other Pythons and of tools that clash with our pins, other Helms.
checkout="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="${XDG_CACHE_HOME:-$HOME/.cache}/llmops-langfuse"

find_python() { # find_python VERSION: print a Python of that version that runs (pyenv's shims exist without running)
  local candidate
  for candidate in "$(command -v "python$1" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$1".*/bin/python; do
    if [ -x "$candidate" ] && "$candidate" -c "" 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  echo "No Python $1 found on PATH or under pyenv: install it, or ask for another version." >&2
  return 1
}

cached_venv() { # cached_venv VERSION: print the virtual environment of this version and lock file, made if need be
  local python venv
  python="$(find_python "$1")"
  venv="$cache/venv-$1-$(sha256sum "$checkout/requirements-dev.txt" | cut -c1-16)"
  if [ ! -e "$venv/.complete" ]; then
    echo "Installing Python packages into $venv (usually 1 to 2 minutes)" >&2
    rm -rf "$venv"
    "$python" -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement "$checkout/requirements-dev.txt"
    touch "$venv/.complete"
  fi
  echo "$venv"
}

cached_helm() { # cached_helm VERSION: print the folder of that Helm, built if need be
  local folder="$cache/helm-$1" module="helm.sh/helm/${1%%.*}"
  if [ ! -x "$folder/helm" ]; then
    echo "Building Helm $1 into $folder (2 to 3 minutes)" >&2
    GOBIN="$folder" CGO_ENABLED=0 go install -ldflags "-X $module/internal/version.version=$1" "$module/cmd/helm@$1" >&2
  fi
  echo "$folder"
}

tool_venv() { # tool_venv PACKAGE VERSION: print the virtual environment of that package for the Python on PATH, made if need be
  local venv
  venv="$cache/$1-$2-$(python -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
  if [ ! -e "$venv/.complete" ]; then
    rm -rf "$venv"
    python -m venv "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check "$1==$2"
    touch "$venv/.complete"
  fi
  echo "$venv"
}
