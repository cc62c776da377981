// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package network

import (
	"fmt"
	"net"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"localkube/internal/cluster"
)

const (
	kubeletPort          = "10250"
	clickhouseHTTPPort   = 8123
	clickhouseNativePort = 9000
	langfuseWebPort      = 3000
	langfuseWorkerPort   = 3030
)

// apiServerNames are the names of the Service "kubernetes", as the cluster's DNS would resolve them.
var apiServerNames = []string{
	"kubernetes.default",
	"kubernetes.default.svc",
	"kubernetes.default.svc.cluster.local",
}

// routes turns addresses of the cluster into addresses of this computer.
type routes struct {
	view             *cluster.View
	apiServer        string // host:port
	serviceIP        string // of the Service "kubernetes"
	clickhouseHTTP   string // host:port
	clickhouseNative string // host:port
	langfuseHTTP     string // host:port
}

// target is where an address leads: to the kubelet of a node, or else to a listener of this computer.
type target struct {
	node     *corev1.Node
	listener string // host:port
}

// resolve finds the target of host:port as a machine inside the cluster would reach it.
func (r *routes) resolve(address string) (target, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return target{}, err
	}
	if port == "443" && (host == r.serviceIP || slices.Contains(apiServerNames, strings.TrimSuffix(host, "."))) {
		return target{listener: r.apiServer}, nil
	}
	if node := r.view.NodeAt(host); node != nil && port == kubeletPort {
		return target{node: node}, nil
	}
	if pod := r.view.PodAt(host); pod != nil {
		listener, err := r.podListener(pod, port)
		return target{listener: listener}, err
	}
	return target{}, fmt.Errorf("no route to %s: neither a node's kubelet, a running pod nor the API server", address)
}

// podListener returns the host:port of this computer that serves a port of a pod. ClickHouse runs for real: the pods that
// declare its HTTP port serve HTTP and the native protocol. For Langfuse's web and worker the lab's controllers answer.
func (r *routes) podListener(pod *corev1.Pod, port string) (string, error) {
	listeners := map[string]string{}
	if declaresPort(pod, clickhouseHTTPPort) {
		listeners[fmt.Sprint(clickhouseHTTPPort)] = r.clickhouseHTTP
		listeners[fmt.Sprint(clickhouseNativePort)] = r.clickhouseNative
	}
	for _, own := range []int32{langfuseWebPort, langfuseWorkerPort} {
		if declaresPort(pod, own) {
			listeners[fmt.Sprint(own)] = r.langfuseHTTP
		}
	}
	if listener, found := listeners[port]; found {
		return listener, nil
	}
	return "", fmt.Errorf("nothing listens on port %s of pod %s/%s", port, pod.Namespace, pod.Name)
}

func declaresPort(pod *corev1.Pod, port int32) bool {
	for _, container := range pod.Spec.Containers {
		for _, declared := range container.Ports {
			if declared.ContainerPort == port {
				return true
			}
		}
	}
	return false
}
