// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package network makes the addresses of the cluster (nodes, pods, the API server's Service) reachable without root: an
// HTTP CONNECT proxy that the API server and the pods' processes use, with the nodes' kubelets behind it.
package network

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"localkube/internal/cluster"
	"localkube/internal/kubelet"
)

type options struct {
	listen, socket, kubeconfig, volumesFile, caFile, caKeyFile, kwok string

	routes routes
}

// NewCommand returns the command "network".
func NewCommand() *cobra.Command {
	var o options
	command := &cobra.Command{
		Use:          "network",
		Short:        "CONNECT proxy into the cluster's network, with the kubelets of its nodes",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE: func(command *cobra.Command, _ []string) error {
			ctx, stop := signal.NotifyContext(command.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return o.run(ctx)
		},
	}
	for _, flag := range []struct {
		value       *string
		name, usage string
	}{
		{&o.listen, "listen", "host:port of the proxy for pods"},
		{&o.socket, "socket", "Unix socket of the proxy for the API server (@name: abstract)"},
		{&o.kubeconfig, "kubeconfig", "kubeconfig that may watch pods and nodes and create reviews"},
		{&o.volumesFile, "volumes-file", "JSON file with the figures of the claims' volumes"},
		{&o.caFile, "ca-file", "CA that signs the kubelets' certificates and their callers'"},
		{&o.caKeyFile, "ca-key-file", "key of the CA"},
		{&o.kwok, "kwok", "host:port of KWOK's server"},
		{&o.routes.apiServer, "apiserver", "host:port of the API server"},
		{&o.routes.serviceIP, "service-ip", "cluster IP of the API server's Service"},
		{&o.routes.clickhouseHTTP, "clickhouse-http", "host:port of ClickHouse's HTTP interface"},
		{&o.routes.clickhouseNative, "clickhouse-native", "host:port of ClickHouse's native interface"},
		{&o.routes.langfuseHTTP, "langfuse-http", "host:port of what answers for Langfuse's web and worker"},
	} {
		command.Flags().StringVar(flag.value, flag.name, "", flag.usage)
		_ = command.MarkFlagRequired(flag.name) // fails only for an unknown flag
	}
	return command
}

// run serves until ctx ends or a listener fails.
func (o *options) run(ctx context.Context) error {
	config, err := clientcmd.BuildConfigFromFlags("", o.kubeconfig)
	if err != nil {
		return err
	}
	config.QPS = -1 // every kubelet request costs two reviews: no client-side limit
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	issuer, err := kubelet.NewIssuer(o.caFile, o.caKeyFile)
	if err != nil {
		return err
	}
	if o.routes.view, err = cluster.NewView(client); err != nil {
		return err
	}
	o.routes.view.Start(ctx)
	server := kubelet.New(kubelet.Config{
		Client:      client,
		View:        o.routes.view,
		Issuer:      issuer,
		VolumesFile: o.volumesFile,
		Kwok:        &url.URL{Scheme: "http", Host: o.kwok},
		PodListener: o.routes.podListener,
	})
	handler := &proxy{routes: &o.routes, kubelet: server}
	failed := make(chan error, 3)
	go func() { failed <- server.Run() }()
	for network, address := range map[string]string{"tcp": o.listen, "unix": o.socket} {
		listener, err := net.Listen(network, address)
		if err != nil {
			return err
		}
		go func() { failed <- http.Serve(listener, handler) }()
	}
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
