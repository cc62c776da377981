// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestCertificateIsValidForTheNodesAddresses(t *testing.T) {
	issuer := testIssuer(t)
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node-1", UID: "1"},
		Status: corev1.NodeStatus{Addresses: []corev1.NodeAddress{
			{Type: corev1.NodeInternalIP, Address: "10.42.64.10"},
			{Type: corev1.NodeInternalDNS, Address: "ip-10-42-64-10.internal"},
		}},
	}
	certificate, err := issuer.Certificate(node)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(certificate.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, valid := range map[string]bool{
		"10.42.64.10": true, "ip-10-42-64-10.internal": true, "10.42.64.11": false,
	} {
		_, err := leaf.Verify(x509.VerifyOptions{Roots: issuer.Pool(), DNSName: name})
		if (err == nil) != valid {
			t.Errorf("%s: valid should be %t, error %v", name, valid, err)
		}
	}
	if again, _ := issuer.Certificate(node); again != certificate {
		t.Error("a second certificate was signed for the same node")
	}
}

func testIssuer(t *testing.T) *Issuer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := newIssuer(ca, key)
	if err != nil {
		t.Fatal(err)
	}
	return issuer
}
