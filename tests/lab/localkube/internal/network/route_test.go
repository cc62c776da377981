// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package network

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"

	"localkube/internal/cluster"
)

func TestResolve(t *testing.T) {
	routes := testRoutes(t,
		node("node-1", "10.42.64.10"),
		pod("clickhouse-0", "10.244.0.1", corev1.PodRunning, 8123, 9000),
		pod("minio-0", "10.244.0.2", corev1.PodRunning, 9000),
		pod("clickhouse-1", "10.244.0.3", corev1.PodPending, 8123),
		pod("web", "10.244.0.4", corev1.PodRunning, 3000),
		pod("worker", "10.244.0.5", corev1.PodRunning, 3030),
	)
	for address, want := range map[string]string{
		"10.42.64.10:10250":                         "node-1",
		"10.42.64.10:22":                            "",
		"10.42.64.11:10250":                         "",
		"10.244.0.1:8123":                           "clickhouse-http",
		"10.244.0.1:9000":                           "clickhouse-native",
		"10.244.0.1:5432":                           "",
		"10.244.0.2:9000":                           "", // not ClickHouse
		"10.244.0.3:8123":                           "", // not running
		"10.244.0.4:3000":                           "langfuse-http",
		"10.244.0.4:3030":                           "", // the worker's port
		"10.244.0.5:3030":                           "langfuse-http",
		"172.20.0.1:443":                            "apiserver",
		"172.20.0.1:80":                             "",
		"kubernetes.default.svc:443":                "apiserver",
		"kubernetes.default.svc.cluster.local.:443": "apiserver",
		"example.com:443":                           "",
		"no-port":                                   "",
	} {
		got := ""
		if to, err := routes.resolve(address); err == nil {
			got = to.listener
			if to.node != nil {
				got = to.node.Name
			}
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", address, got, want)
		}
	}
}

func testRoutes(t *testing.T, objects ...runtime.Object) *routes {
	t.Helper()
	view, err := cluster.NewView(fake.NewClientset(objects...))
	if err != nil {
		t.Fatal(err)
	}
	view.Start(t.Context())
	return &routes{
		view: view, apiServer: "apiserver", serviceIP: "172.20.0.1",
		clickhouseHTTP: "clickhouse-http", clickhouseNative: "clickhouse-native", langfuseHTTP: "langfuse-http",
	}
}

func node(name, ip string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: ip}, {Type: corev1.NodeHostName, Address: name},
		}},
	}
}

func pod(name, ip string, phase corev1.PodPhase, ports ...int32) *corev1.Pod {
	container := corev1.Container{Name: "main"}
	for _, port := range ports {
		container.Ports = append(container.Ports, corev1.ContainerPort{ContainerPort: port})
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "langfuse"},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
		Status:     corev1.PodStatus{Phase: phase, PodIP: ip},
	}
}
