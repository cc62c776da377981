// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

//go:build tools

// Commands that are built from this module beside localkube, to keep their versions in go.mod.
package main

import _ "helm.sh/helm/v3/cmd/helm"
