// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"slices"
	"testing"
)

func TestSubresourcesOf(t *testing.T) {
	for path, want := range map[string][]string{
		"/stats/summary":             {"stats"},
		"/stats":                     {"stats"},
		"/statsx":                    {"proxy"},
		"/metrics/cadvisor":          {"metrics"},
		"/logs/messages":             {"log"},
		"/pods":                      {"pods", "proxy"},
		"/runningpods/":              {"pods", "proxy"},
		"/healthz":                   {"healthz", "proxy"},
		"/configz":                   {"configz", "proxy"},
		"/flagz":                     {"configz"},
		"/checkpoint/a/b/c":          {"checkpoint"},
		"/exec/langfuse/web-0/web":   {"proxy"},
		"/portForward/langfuse/ch-0": {"proxy"},
		"/":                          {"proxy"},
	} {
		if got := subresourcesOf(path); !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
}
