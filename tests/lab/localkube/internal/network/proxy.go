// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package network

import (
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"time"

	"localkube/internal/kubelet"
)

const dialTimeout = 5 * time.Second

// proxy is an HTTP CONNECT proxy into the cluster's network.
type proxy struct {
	routes  *routes
	kubelet *kubelet.Server
}

// ServeHTTP answers CONNECT, and GET /healthz about itself.
func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == http.MethodConnect:
		p.connect(w, r.Host)
	case r.URL.Path == "/healthz":
		fmt.Fprint(w, "ok")
	default:
		http.Error(w, "this proxy serves CONNECT only", http.StatusMethodNotAllowed)
	}
}

func (p *proxy) connect(w http.ResponseWriter, address string) {
	to, err := p.routes.resolve(address)
	if err != nil {
		refuse(w, err)
		return
	}
	if to.node != nil {
		if client := accept(w); client != nil {
			p.kubelet.Serve(client, to.node)
		}
		return
	}
	server, err := net.DialTimeout("tcp", to.listener, dialTimeout)
	if err != nil {
		refuse(w, fmt.Errorf("%s is served by %s: %w", address, to.listener, err))
		return
	}
	if client := accept(w); client != nil {
		splice(client, server)
	}
}

// accept takes the connection over and tells the client that the tunnel stands; nil when the client is gone.
func accept(w http.ResponseWriter) net.Conn {
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		log.Print(err)
		return nil
	}
	client := &bufferedConn{Conn: conn, reader: buffered}
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		client.Close()
		return nil
	}
	return client
}

func refuse(w http.ResponseWriter, err error) {
	log.Print(err)
	http.Error(w, err.Error(), http.StatusBadGateway)
}

// bufferedConn reads first what the HTTP server had read ahead.
type bufferedConn struct {
	net.Conn
	reader io.Reader
}

func (c *bufferedConn) Read(p []byte) (int, error) { return c.reader.Read(p) }

// splice copies both ways until one side ends, then closes both.
func splice(a, b net.Conn) {
	defer a.Close()
	go func() {
		defer b.Close()
		_, _ = io.Copy(b, a) // ends when either side closes: nothing to report
	}()
	_, _ = io.Copy(a, b)
}
