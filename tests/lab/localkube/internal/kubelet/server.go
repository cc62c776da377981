// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package kubelet serves the kubelet API of every node: volume statistics and port-forwards are its own, the rest is
// KWOK's. Callers are authenticated and authorised by the API server, as a kubelet with webhook authorisation does.
package kubelet

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/cri-streaming/pkg/streaming/portforward"

	"localkube/internal/cluster"
)

const (
	portForwardIdle   = 4 * time.Hour // the kubelet's own default for streaming connections
	portForwardCreate = 30 * time.Second
)

// Config is what a Server works with.
type Config struct {
	Client      kubernetes.Interface
	View        *cluster.View
	Issuer      *Issuer
	VolumesFile string   // figures of the claims' volumes, written by the lab's controllers
	Kwok        *url.URL // KWOK's server
	// PodListener returns the host:port of this computer that serves a port of a pod.
	PodListener func(pod *corev1.Pod, port string) (string, error)
}

// Server is the kubelet of all nodes; the address that a caller dialled decides which one answers.
type Server struct {
	Config
	kwok        *httputil.ReverseProxy
	connections chan net.Conn
}

// New returns a Server that answers the connections given to Serve once Run runs.
func New(config Config) *Server {
	return &Server{
		Config:      config,
		kwok:        httputil.NewSingleHostReverseProxy(config.Kwok),
		connections: make(chan net.Conn),
	}
}

// Run answers connections for ever, over TLS with a certificate of the node that was dialled.
func (s *Server) Run() error {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true) // upgrades (port-forward, exec) do not exist in HTTP/2
	server := &http.Server{
		Handler:     http.HandlerFunc(s.serveHTTP),
		Protocols:   protocols,
		ConnContext: withNode,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			ClientAuth: tls.VerifyClientCertIfGiven,
			ClientCAs:  s.Issuer.Pool(),
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				return s.Issuer.Certificate(hello.Conn.(*nodeConn).node)
			},
		},
	}
	return server.ServeTLS(listener{s.connections}, "", "")
}

// Serve hands over a connection that was dialled to the node's kubelet port.
func (s *Server) Serve(conn net.Conn, node *corev1.Node) {
	s.connections <- &nodeConn{Conn: conn, node: node}
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	node := r.Context().Value(nodeKey{}).(*corev1.Node)
	if !s.permitted(w, r, node) {
		return
	}
	switch {
	case r.URL.Path == "/stats/summary":
		s.serveSummary(w, node)
	case strings.HasPrefix(r.URL.Path, "/portForward/"):
		s.servePortForward(w, r)
	default:
		s.kwok.ServeHTTP(w, r)
	}
}

// servePortForward serves /portForward/NAMESPACE/POD, over SPDY and WebSocket.
func (s *Server) servePortForward(w http.ResponseWriter, r *http.Request) {
	namespace, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/portForward/"), "/")
	pod := s.View.Pod(namespace, name)
	if pod == nil {
		http.Error(w, "no running pod "+namespace+"/"+name, http.StatusNotFound)
		return
	}
	options, err := portforward.NewV4Options(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	forwarder := podForwarder{pod: pod, podListener: s.PodListener}
	portforward.ServePortForward(w, r, forwarder, pod.Name, string(pod.UID), options,
		portForwardIdle, portForwardCreate, portforward.SupportedProtocols)
}

// nodeConn is a connection that remembers the node it was dialled to.
type nodeConn struct {
	net.Conn
	node *corev1.Node
}

type nodeKey struct{}

func withNode(ctx context.Context, conn net.Conn) context.Context {
	return context.WithValue(ctx, nodeKey{}, conn.(*tls.Conn).NetConn().(*nodeConn).node)
}

// listener lets an HTTP server accept connections that somebody else took.
type listener struct{ connections <-chan net.Conn }

func (l listener) Accept() (net.Conn, error) { return <-l.connections, nil }
func (l listener) Close() error              { return nil }
func (l listener) Addr() net.Addr            { return &net.TCPAddr{Port: 10250} }
