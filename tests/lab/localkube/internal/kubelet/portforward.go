// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"context"
	"io"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// podForwarder connects the streams of a port-forward to what serves the pod's ports.
type podForwarder struct {
	pod         *corev1.Pod
	podListener func(pod *corev1.Pod, port string) (string, error)
}

// PortForward copies between stream and the pod's port until one of them ends.
func (f podForwarder) PortForward(ctx context.Context, _, _ string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	address, err := f.podListener(f.pod, strconv.Itoa(int(port)))
	if err != nil {
		return err
	}
	var dialer net.Dialer
	server, err := dialer.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer server.Close()
	ended := make(chan error, 2)
	go func() { ended <- copyTo(server, stream) }()
	go func() { ended <- copyTo(stream, server) }()
	return <-ended
}

func copyTo(to io.Writer, from io.Reader) error {
	_, err := io.Copy(to, from)
	return err
}
