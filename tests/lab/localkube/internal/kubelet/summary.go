// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	stats "k8s.io/kubelet/pkg/apis/stats/v1alpha1"
)

// figures are the size and use of the file system on a claim's volume.
type figures struct {
	CapacityBytes uint64 `json:"capacityBytes"`
	UsedBytes     uint64 `json:"usedBytes"`
	Inodes        uint64 `json:"inodes"`
	InodesUsed    uint64 `json:"inodesUsed"`
}

func (s *Server) serveSummary(w http.ResponseWriter, node *corev1.Node) {
	claims, err := readFigures(s.VolumesFile)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(summarize(node, s.View.PodsOn(node.Name), claims, time.Now())) // client gone
}

// readFigures returns the figures in a file by "namespace/claim"; none when there is no such file yet.
func readFigures(path string) (map[string]figures, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var claims map[string]figures
	if err := json.Unmarshal(data, &claims); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return claims, nil
}

// summarize is the answer of /stats/summary: the claims that the node's pods mount, as far as figures are known.
func summarize(node *corev1.Node, pods []*corev1.Pod, claims map[string]figures, now time.Time) stats.Summary {
	summary := stats.Summary{
		Node: stats.NodeStats{NodeName: node.Name, StartTime: node.CreationTimestamp},
		Pods: []stats.PodStats{},
	}
	for _, pod := range pods {
		entry := stats.PodStats{
			PodRef:     stats.PodReference{Name: pod.Name, Namespace: pod.Namespace, UID: string(pod.UID)},
			Containers: []stats.ContainerStats{},
		}
		if pod.Status.StartTime != nil {
			entry.StartTime = *pod.Status.StartTime
		}
		for _, volume := range pod.Spec.Volumes {
			if volume.PersistentVolumeClaim == nil {
				continue
			}
			claim := volume.PersistentVolumeClaim.ClaimName
			if known, found := claims[pod.Namespace+"/"+claim]; found {
				entry.VolumeStats = append(entry.VolumeStats, volumeStats(volume.Name, pod.Namespace, claim, known, now))
			}
		}
		summary.Pods = append(summary.Pods, entry)
	}
	slices.SortFunc(summary.Pods, func(a, b stats.PodStats) int {
		return strings.Compare(a.PodRef.Namespace+"/"+a.PodRef.Name, b.PodRef.Namespace+"/"+b.PodRef.Name)
	})
	return summary
}

func volumeStats(volume, namespace, claim string, known figures, now time.Time) stats.VolumeStats {
	available := known.CapacityBytes - min(known.UsedBytes, known.CapacityBytes)
	inodesFree := known.Inodes - min(known.InodesUsed, known.Inodes)
	return stats.VolumeStats{
		Name:   volume,
		PVCRef: &stats.PVCReference{Name: claim, Namespace: namespace},
		FsStats: stats.FsStats{
			Time:           metav1.NewTime(now),
			CapacityBytes:  &known.CapacityBytes,
			UsedBytes:      &known.UsedBytes,
			AvailableBytes: &available,
			Inodes:         &known.Inodes,
			InodesUsed:     &known.InodesUsed,
			InodesFree:     &inodesFree,
		},
	}
}
