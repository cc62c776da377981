{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

Names and labels. Each chart defines beside these: langfuse.postgresql.host, langfuse.redis.host, langfuse.clickhouse.host,
langfuse.clickhouse.clusterEnabled, langfuse.credential (the source of salt, encryption key and next-auth secret).
*/ -}}
{{- define "langfuse.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Release name, completed by the given name unless it holds it already: (list root name override). */ -}}
{{- define "langfuse.qualified" -}}
{{- $release := (first .).Release.Name -}}
{{- $name := index . 1 -}}
{{- $full := contains $name $release | ternary $release (printf "%s-%s" $release $name) -}}
{{- last . | default $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "langfuse.fullname" -}}
{{- include "langfuse.qualified" (list . (.Values.nameOverride | default .Chart.Name) .Values.fullnameOverride) -}}
{{- end -}}

{{- define "langfuse.selectorLabels" -}}
app.kubernetes.io/name: {{ include "langfuse.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "langfuse.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version | replace "+" "_" }}
{{ include "langfuse.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "langfuse.serviceAccountName" -}}
{{- $default := .Values.langfuse.serviceAccount.create | ternary (include "langfuse.fullname" .) "default" -}}
{{- .Values.langfuse.serviceAccount.name | default $default -}}
{{- end -}}
