{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

What the shared templates ask of a chart. Stores and application follow any release name.
*/ -}}
{{- define "langfuse.postgresql.fullname" -}}
{{- include "langfuse.qualified" (list . (.Values.postgresql.nameOverride | default "postgresql") .Values.postgresql.fullnameOverride) -}}
{{- end -}}

{{- define "langfuse.redis.fullname" -}}
{{- include "langfuse.qualified" (list . (.Values.redis.nameOverride | default "redis") .Values.redis.fullnameOverride) -}}
{{- end -}}

{{- define "langfuse.postgresql.host" -}}
{{- .Values.postgresql.host | default (include "langfuse.postgresql.fullname" .) -}}
{{- end -}}

{{- define "langfuse.redis.host" -}}
{{- .Values.redis.host | default (include "langfuse.redis.fullname" .) -}}
{{- end -}}

{{- define "langfuse.clickhouse.host" -}}
{{- .Values.clickhouse.host | default (printf "%s-clickhouse-headless" (include "langfuse.fullname" .)) -}}
{{- end -}}

{{- define "langfuse.clickhouse.clusterEnabled" -}}
{{- .Values.clickhouse.cluster.enabled -}}
{{- end -}}

{{- /* A credential that is not given comes from the Secret that the chart keeps. */ -}}
{{- define "langfuse.credential" -}}
{{- $kept := dict "secretKeyRef" (dict "name" (printf "%s-app" (include "langfuse.fullname" .root)) "key" .key) -}}
{{- $from := include "langfuse.source" . | empty | ternary $kept .from -}}
{{- include "langfuse.variable" (dict "name" .name "path" .path "from" $from) -}}
{{- end -}}

{{- /* Labels of a sub-chart's objects: (list root name chartVersion appVersion); the first two lines are its selector. */ -}}
{{- define "store.selector" -}}
app.kubernetes.io/name: {{ index . 1 }}
app.kubernetes.io/instance: {{ (first .).Release.Name }}
{{- end -}}

{{- define "store.labels" -}}
helm.sh/chart: {{ index . 1 }}-{{ index . 2 }}
{{ include "store.selector" . }}
app.kubernetes.io/version: {{ last . | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
{{- end -}}

{{- define "store.image" -}}
{{- $registry := coalesce (first .).Values.global.imageRegistry (last .).registry "docker.io" -}}
{{- printf "%s/%s:%s" $registry (last .).repository (last .).tag -}}
{{- end -}}
