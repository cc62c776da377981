{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

What the shared templates ask of a chart. The application computes the hosts from its own full name, the stores from the release name:
with a release name without "langfuse" they differ, as in the real chart.
*/ -}}
{{- define "langfuse.postgresql.host" -}}
{{- .Values.postgresql.host | default (printf "%s-postgresql" (include "langfuse.fullname" .)) -}}
{{- end -}}

{{- define "langfuse.redis.host" -}}
{{- .Values.redis.host | default (printf "%s-redis-primary" (include "langfuse.fullname" .)) -}}
{{- end -}}

{{- define "langfuse.clickhouse.host" -}}
{{- .Values.clickhouse.host | default (printf "%s-clickhouse" (include "langfuse.fullname" .)) -}}
{{- end -}}

{{- /* "false", or nothing: the application's own default is true. */ -}}
{{- define "langfuse.clickhouse.clusterEnabled" -}}
{{- $single := and .Values.clickhouse.deploy (eq (int .Values.clickhouse.replicaCount) 1) -}}
{{- if or $single (not .Values.clickhouse.clusterEnabled) -}}false{{- end -}}
{{- end -}}

{{- /* Salt and next-auth secret must be given; without an encryption key the variable is left out. */ -}}
{{- define "langfuse.credential" -}}
{{- $variable := include "langfuse.variable" . -}}
{{- if not (or $variable (eq .name "ENCRYPTION_KEY")) -}}
{{- fail (printf "%s must be given by value, secretKeyRef, fieldRef or resourceFieldRef" .path) -}}
{{- end -}}
{{- $variable -}}
{{- end -}}
