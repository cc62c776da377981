// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestReadFigures(t *testing.T) {
	path := filepath.Join(t.TempDir(), "volumes.json")
	got, err := readFigures(path)
	if err != nil || len(got) != 0 {
		t.Errorf("no file: got %v and error %v, want neither", got, err)
	}
	write(t, path, `{"langfuse/a": {"capacityBytes": 100, "usedBytes": 10, "inodes": 7, "inodesUsed": 1}}`)
	got, err = readFigures(path)
	want := map[string]figures{"langfuse/a": {CapacityBytes: 100, UsedBytes: 10, Inodes: 7, InodesUsed: 1}}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v and error %v, want %v", got, err, want)
	}
	write(t, path, "{")
	if _, err := readFigures(path); err == nil || !strings.Contains(err.Error(), "volumes.json") {
		t.Errorf("broken file: got error %v, want one that names it", err)
	}
}

func TestSummarizeReportsMountedClaimsWithFigures(t *testing.T) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node-1"}}
	pods := []*corev1.Pod{
		pod("b", map[string]string{"data": "claim-b"}),
		pod("a", map[string]string{"data": "claim-a", "tmp": ""}),
	}
	claims := map[string]figures{
		"langfuse/claim-a":   {CapacityBytes: 100, UsedBytes: 120, Inodes: 9, InodesUsed: 2},
		"langfuse/unmounted": {CapacityBytes: 100},
	}
	summary := summarize(node, pods, claims, time.Now())
	if len(summary.Pods) != 2 || summary.Pods[0].PodRef.Name != "a" || summary.Pods[1].PodRef.Name != "b" {
		t.Fatalf("got pods %v, want a and b", summary.Pods)
	}
	if len(summary.Pods[1].VolumeStats) != 0 {
		t.Errorf("claim-b has no figures but is reported: %v", summary.Pods[1].VolumeStats)
	}
	volumes := summary.Pods[0].VolumeStats
	if len(volumes) != 1 || volumes[0].Name != "data" || volumes[0].PVCRef.Name != "claim-a" {
		t.Fatalf("got volumes %v, want data of claim-a", volumes)
	}
	if *volumes[0].AvailableBytes != 0 || *volumes[0].UsedBytes != 120 || *volumes[0].InodesFree != 7 {
		t.Errorf("got %v", volumes[0].FsStats)
	}
}

// pod returns a pod of namespace langfuse with these volumes: name -> claim, or an emptyDir for "".
func pod(name string, volumes map[string]string) *corev1.Pod {
	made := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "langfuse"}}
	for volume, claim := range volumes {
		source := corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}
		if claim != "" {
			source = corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim},
			}
		}
		made.Spec.Volumes = append(made.Spec.Volumes, corev1.Volume{Name: volume, VolumeSource: source})
	}
	return made
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
