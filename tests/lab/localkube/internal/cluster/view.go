// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package cluster is a live copy of the cluster's nodes and pods, indexed by what the network and the kubelet ask for.
package cluster

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

const (
	byAddress = "address"
	byNode    = "node"
)

// View answers from watches on the API server; it is safe for concurrent use.
type View struct {
	factory     informers.SharedInformerFactory
	nodes, pods cache.SharedIndexInformer
}

// NewView prepares the watches; Start runs them.
func NewView(client kubernetes.Interface) (*View, error) {
	factory := informers.NewSharedInformerFactory(client, 0)
	view := &View{
		factory: factory,
		nodes:   factory.Core().V1().Nodes().Informer(),
		pods:    factory.Core().V1().Pods().Informer(),
	}
	err := errors.Join(
		view.nodes.AddIndexers(cache.Indexers{byAddress: nodeAddresses}),
		view.pods.AddIndexers(cache.Indexers{byAddress: podAddresses, byNode: podNode}),
	)
	return view, err
}

// Start runs the watches until ctx ends and returns once the first lists are in.
func (v *View) Start(ctx context.Context) {
	v.factory.Start(ctx.Done())
	v.factory.WaitForCacheSync(ctx.Done())
}

// NodeAt returns the node with this InternalIP, or nil.
func (v *View) NodeAt(ip string) *corev1.Node {
	for _, object := range v.find(v.nodes, byAddress, ip) {
		return object.(*corev1.Node)
	}
	return nil
}

// PodAt returns the running pod with this IP, or nil. Pods on the host network have their node's address, not their own.
func (v *View) PodAt(ip string) *corev1.Pod {
	for _, object := range v.find(v.pods, byAddress, ip) {
		return object.(*corev1.Pod)
	}
	return nil
}

// Pod returns a running pod by namespace and name, or nil.
func (v *View) Pod(namespace, name string) *corev1.Pod {
	object, found, err := v.pods.GetStore().GetByKey(namespace + "/" + name)
	if err != nil || !found || !running(object.(*corev1.Pod)) {
		return nil
	}
	return object.(*corev1.Pod)
}

// PodsOn returns the running pods of a node.
func (v *View) PodsOn(node string) []*corev1.Pod {
	var pods []*corev1.Pod
	for _, object := range v.find(v.pods, byNode, node) {
		pods = append(pods, object.(*corev1.Pod))
	}
	return pods
}

func (v *View) find(informer cache.SharedIndexInformer, index, value string) []any {
	objects, err := informer.GetIndexer().ByIndex(index, value)
	if err != nil { // only an index nobody registered
		panic(err)
	}
	return objects
}

func nodeAddresses(object any) ([]string, error) {
	var ips []string
	for _, address := range object.(*corev1.Node).Status.Addresses {
		if address.Type == corev1.NodeInternalIP {
			ips = append(ips, address.Address)
		}
	}
	return ips, nil
}

func podAddresses(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	if pod.Spec.HostNetwork || pod.Status.PodIP == "" || !running(pod) {
		return nil, nil
	}
	return []string{pod.Status.PodIP}, nil
}

func podNode(object any) ([]string, error) {
	pod := object.(*corev1.Pod)
	if pod.Spec.NodeName == "" || !running(pod) {
		return nil, nil
	}
	return []string{pod.Spec.NodeName}, nil
}

func running(pod *corev1.Pod) bool {
	return pod.Status.Phase == corev1.PodRunning
}
