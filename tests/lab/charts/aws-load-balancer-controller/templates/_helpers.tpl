{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later
*/ -}}
{{- define "controller.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "controller.fullname" -}}
{{- $name := include "controller.name" . -}}
{{- $full := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- .Values.fullnameOverride | default $full | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* Prefix of the webhook's Service and Secret. */ -}}
{{- define "controller.prefix" -}}
{{- .Values.nameOverride | default (trimSuffix "-controller" .Chart.Name) -}}
{{- end -}}

{{- define "controller.selector" -}}
app.kubernetes.io/name: {{ include "controller.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "controller.labels" -}}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{ include "controller.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "controller.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (.Values.serviceAccount.create | ternary (include "controller.fullname" .) "default") -}}
{{- end -}}

{{- define "controller.arguments" -}}
- --cluster-name={{ required "clusterName is required" .Values.clusterName }}
- --ingress-class={{ .Values.ingressClass }}
{{- with .Values.region }}
- --aws-region={{ . }}
{{- end }}
{{- with .Values.vpcId }}
- --aws-vpc-id={{ . }}
{{- end }}
{{- with .Values.logLevel }}
- --log-level={{ . }}
{{- end }}
{{- range $flag, $value := dict "shield" .Values.enableShield "waf" .Values.enableWaf "wafv2" .Values.enableWafv2 }}
{{- if kindIs "bool" $value }}
- --enable-{{ $flag }}={{ $value }}
{{- end }}
{{- end }}
{{- with .Values.defaultTags }}
{{- $tags := list }}{{ range $key, $value := . }}{{ $tags = append $tags (printf "%s=%s" $key $value) }}{{ end }}
- --default-tags={{ join "," $tags }}
{{- end }}
{{- end -}}
