{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

The objects that every Bitnami-based store has, from one record:
  root         the chart's context
  name         k8s name label and name of the sub-chart, component, chartVersion, appVersion, partOf (optional)
  fullname     the sub-chart's full name; workload, account, service, headless: names of the objects
  section      the values with persistence, resources, scheduling
  image        the values with registry, repository, tag, pullPolicy; defaultTag
  ports        list of (list name port); servicePortName (optional, for a store with one port)
  claim, mountPath, container, replicas, parallel (optional), labels (optional: more labels of StatefulSet and pod)
  files        list of {kind: ConfigMap | Secret | EmptyDir, suffix, data, path, checksum (optional)}: the object, its mount, its annotation
  unset        checksums of objects that are not there (the real chart hashes nothing)
  env          YAML text
  livenessProbe, readinessProbe   JSON text of store.probe
  budget, narrowService           booleans: a PodDisruptionBudget; component in the selectors of policy and headless Service
*/ -}}
{{- define "store.selector" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/name: {{ .name }}
{{- end -}}

{{- define "store.matchLabels" -}}
{{ include "store.selector" . }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "store.podLabels" -}}
{{ include "store.matchLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/version: {{ .appVersion }}
helm.sh/chart: {{ .name }}-{{ .chartVersion }}
{{- end -}}

{{- define "store.metadata" -}}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "store.podLabels" . | nindent 2 }}
  {{- with .partOf }}
  app.kubernetes.io/part-of: {{ . }}
  {{- end }}
{{- end -}}

{{- define "store.image" -}}
{{- $registry := coalesce .root.Values.global.imageRegistry .image.registry "docker.io" -}}
{{- printf "%s/%s:%s" $registry .image.repository (.image.tag | default .defaultTag) -}}
{{- end -}}

{{- /* A probe from its action and (list delay period timeout failures). */ -}}
{{- define "store.probe" -}}
{{- $timing := last . -}}
{{- merge (dict "initialDelaySeconds" (index $timing 0) "periodSeconds" (index $timing 1) "timeoutSeconds" (index $timing 2)
  "failureThreshold" (index $timing 3) "successThreshold" 1) (first .) | toJson -}}
{{- end -}}

{{- define "store.secretVariable" -}}
- name: {{ first . }}
  valueFrom: {{ dict "secretKeyRef" (dict "name" (index . 1) "key" (last .)) | toJson }}
{{- end -}}

{{- define "store" -}}
{{- $metadata := include "store.metadata" . }}
{{- $volumes := list }}
{{- $mounts := list (dict "name" .claim "mountPath" .mountPath) }}
{{- $annotations := dict }}
{{- range .unset }}{{ $_ := set $annotations (print "checksum/" .) (sha256sum "") }}{{ end }}
{{- range .files }}
{{- $object := print $.fullname .suffix }}
{{- $source := get (dict
  "ConfigMap" (dict "configMap" (dict "name" $object "defaultMode" 493))
  "Secret" (dict "secret" (dict "secretName" $object "defaultMode" 493))
  "EmptyDir" (dict "emptyDir" dict)
) .kind }}
{{- $volumes = append $volumes (merge (dict "name" (print "files" .suffix)) $source) }}
{{- $mounts = append $mounts (dict "name" (print "files" .suffix) "mountPath" .path) }}
{{- if .checksum }}{{ $_ := set $annotations (print "checksum/" .checksum) (toJson .data | sha256sum) }}{{ end }}
{{- if .data }}
apiVersion: v1
kind: {{ .kind }}
metadata:
  name: {{ $object }}
  {{- $metadata | nindent 2 }}
{{ eq .kind "Secret" | ternary "stringData" "data" }}:
  {{- toYaml .data | nindent 2 }}
---
{{- end }}
{{- end }}
{{- if not .section.persistence.enabled }}{{ $volumes = append $volumes (dict "name" .claim "emptyDir" dict) }}{{ end }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .account }}
  {{- $metadata | nindent 2 }}
automountServiceAccountToken: false
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .fullname }}
  {{- $metadata | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include (.narrowService | ternary "store.matchLabels" "store.selector") . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  egress:
    - {}
  ingress:
    - ports:
        {{- range .ports }}
        - port: {{ last . }}
        {{- end }}
{{- if .budget }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .workload }}
  {{- $metadata | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "store.matchLabels" . | nindent 6 }}
{{- end }}
{{- range $service := list .service .headless }}
{{- $isHeadless := eq $service $.headless }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $service }}
  {{- $metadata | nindent 2 }}
spec:
  type: ClusterIP
  {{- if $isHeadless }}
  clusterIP: None
  publishNotReadyAddresses: true
  {{- end }}
  ports:
    {{- range $.ports }}
    - name: {{ $.servicePortName | default (first .) }}
      port: {{ last . }}
      targetPort: {{ first . }}
    {{- end }}
  selector:
    {{- include (or $.narrowService (not $isHeadless) | ternary "store.matchLabels" "store.selector") $ | nindent 4 }}
{{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .workload }}
  {{- $metadata | nindent 2 }}
    {{- with .labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  replicas: {{ .replicas }}
  {{- if .parallel }}
  podManagementPolicy: Parallel
  {{- end }}
  serviceName: {{ .headless }}
  updateStrategy:
    type: RollingUpdate
  selector:
    matchLabels:
      {{- include "store.matchLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "store.podLabels" . | nindent 8 }}
        {{- with .labels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with .section.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with merge $annotations (.section.podAnnotations | default dict) }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ .account }}
      automountServiceAccountToken: false
      {{- range $field := list "affinity" "nodeSelector" "tolerations" "topologySpreadConstraints" "priorityClassName" "terminationGracePeriodSeconds" }}
      {{- with index $.section $field }}
      {{ $field }}: {{ toJson . }}
      {{- end }}
      {{- end }}
      containers:
        - name: {{ .container }}
          image: {{ include "store.image" . }}
          imagePullPolicy: {{ .image.pullPolicy | default "IfNotPresent" }}
          env:
            {{- .env | trim | nindent 12 }}
            {{- with .section.extraEnvVars }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          ports:
            {{- range .ports }}
            - name: {{ first . }}
              containerPort: {{ last . }}
            {{- end }}
          livenessProbe: {{ .livenessProbe }}
          readinessProbe: {{ .readinessProbe }}
          {{- with .section.resources }}
          resources:
            {{- toYaml . | nindent 12 }}
          {{- end }}
          volumeMounts:
            {{- toYaml $mounts | nindent 12 }}
      {{- with $volumes }}
      volumes:
        {{- toYaml . | nindent 8 }}
      {{- end }}
  {{- if .section.persistence.enabled }}
  volumeClaimTemplates:
    - metadata:
        name: {{ .claim }}
        {{- with .section.persistence.annotations }}
        annotations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
      spec:
        accessModes: {{ .section.persistence.accessModes | toJson }}
        {{- with coalesce .section.persistence.storageClass .root.Values.global.defaultStorageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .section.persistence.size }}
  {{- end }}
{{- end -}}
