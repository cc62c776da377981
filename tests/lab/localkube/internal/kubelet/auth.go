// Copyright (c) 2026 llmops.langfuse contributors
// GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package kubelet

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// permitted answers 401, 403 or 500 itself and returns false, or returns true. Unlike a real kubelet it remembers
// nothing between requests, so that a change of RBAC is seen at once.
func (s *Server) permitted(w http.ResponseWriter, r *http.Request, node *corev1.Node) bool {
	user, err := s.authenticate(r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return false
	}
	if user == nil {
		http.Error(w, "Unauthorized", http.StatusUnauthorized)
		return false
	}
	subresources := subresourcesOf(r.URL.Path)
	verb := verbs[r.Method]
	for _, subresource := range subresources {
		allowed, err := s.authorize(r.Context(), user, verb, node.Name, subresource)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return false
		}
		if allowed {
			return true
		}
	}
	message := fmt.Sprintf("Forbidden (user=%s, verb=%s, resource=nodes, subresource(s)=%v)",
		user.Username, verb, subresources)
	http.Error(w, message, http.StatusForbidden)
	return false
}

// authenticate returns the user of a client certificate of the cluster's CA or of a bearer token, else nil.
func (s *Server) authenticate(r *http.Request) (*authenticationv1.UserInfo, error) {
	if len(r.TLS.VerifiedChains) > 0 {
		subject := r.TLS.VerifiedChains[0][0].Subject
		return &authenticationv1.UserInfo{
			Username: subject.CommonName,
			Groups:   append(subject.Organization, "system:authenticated"),
		}, nil
	}
	token, found := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return nil, nil
	}
	review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
	review, err := s.Client.AuthenticationV1().TokenReviews().Create(r.Context(), review, metav1.CreateOptions{})
	if err != nil || !review.Status.Authenticated {
		return nil, err
	}
	return &review.Status.User, nil
}

func (s *Server) authorize(
	ctx context.Context, user *authenticationv1.UserInfo, verb, node, subresource string,
) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User:   user.Username,
		UID:    user.UID,
		Groups: user.Groups,
		Extra:  map[string]authorizationv1.ExtraValue{},
		ResourceAttributes: &authorizationv1.ResourceAttributes{
			Version: "v1", Resource: "nodes", Name: node, Subresource: subresource, Verb: verb,
		},
	}}
	for key, value := range user.Extra {
		review.Spec.Extra[key] = authorizationv1.ExtraValue(value)
	}
	review, err := s.Client.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

var verbs = map[string]string{
	http.MethodPost:   "create",
	http.MethodGet:    "get",
	http.MethodPut:    "update",
	http.MethodPatch:  "patch",
	http.MethodDelete: "delete",
}

// subresourcesOf returns the subresources of nodes of which one is enough for a path, in the order that the kubelet of
// Kubernetes 1.36 asks for them.
func subresourcesOf(path string) []string {
	for _, rule := range []struct {
		path         string
		subresources []string
	}{
		{"/pods", []string{"pods", "proxy"}},
		{"/runningpods", []string{"pods", "proxy"}},
		{"/healthz", []string{"healthz", "proxy"}},
		{"/configz", []string{"configz", "proxy"}},
		{"/stats", []string{"stats"}},
		{"/metrics", []string{"metrics"}},
		{"/logs", []string{"log"}},
		{"/checkpoint", []string{"checkpoint"}},
		{"/statusz", []string{"statusz"}},
		{"/flagz", []string{"configz"}},
	} {
		if path == rule.path || strings.HasPrefix(path, rule.path+"/") {
			return rule.subresources
		}
	}
	return []string{"proxy"}
}
