// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const certificateLifetime = 365 * 24 * time.Hour

// Issuer signs serving certificates of nodes with the cluster's CA, as EKS does for its kubelets.
type Issuer struct {
	ca    *x509.Certificate
	caKey crypto.PrivateKey
	key   *ecdsa.PrivateKey // of all certificates issued

	mutex  sync.Mutex
	issued map[string]*tls.Certificate // by node UID
}

// NewIssuer reads the CA's certificate and key (PEM files).
func NewIssuer(certFile, keyFile string) (*Issuer, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, err
	}
	return newIssuer(pair.Leaf, pair.PrivateKey)
}

func newIssuer(ca *x509.Certificate, caKey crypto.PrivateKey) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Issuer{ca: ca, caKey: caKey, key: key, issued: map[string]*tls.Certificate{}}, nil
}

// Pool returns the CA alone.
func (i *Issuer) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(i.ca)
	return pool
}

// Certificate returns the serving certificate of a node, valid for its addresses and host names.
func (i *Issuer) Certificate(node *corev1.Node) (*tls.Certificate, error) {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	if certificate, found := i.issued[string(node.UID)]; found {
		return certificate, nil
	}
	certificate, err := i.sign(node)
	if err == nil {
		i.issued[string(node.UID)] = certificate
	}
	return certificate, err
}

func (i *Issuer) sign(node *corev1.Node) (*tls.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{Organization: []string{"system:nodes"}, CommonName: "system:node:" + node.Name},
		NotBefore:    now.Add(-time.Minute),
		NotAfter:     now.Add(certificateLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, address := range node.Status.Addresses {
		if ip := net.ParseIP(address.Address); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, address.Address)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, i.ca, i.key.Public(), i.caKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: i.key}, nil
}
