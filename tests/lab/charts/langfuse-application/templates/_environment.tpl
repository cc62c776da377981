{{- /*
Copyright (c) 2026 llmops.langfuse contributors
GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
SPDX-License-Identifier: GPL-3.0-or-later

The environment of web and worker. REDIS_PASSWORD stands before the connection string that expands it.
*/ -}}

{{- /* Plain variables from a list of (list name value); "optional" leaves the empty ones out. */ -}}
{{- define "langfuse.plain" -}}
{{- range . }}
- name: {{ first . }}
  value: {{ last . | quote }}
{{- end }}
{{- end -}}

{{- define "langfuse.optional" -}}
{{- range . }}
{{- if last . }}
{{- include "langfuse.plain" (list .) }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* One line with the source of a variable, "" when none is given: (dict path from), from = {value, secretKeyRef, fieldRef, resourceFieldRef}. */ -}}
{{- define "langfuse.source" -}}
{{- $from := .from | default dict -}}
{{- $references := dict -}}
{{- if and (($from).secretKeyRef).name (($from).secretKeyRef).key -}}{{- $_ := set $references "secretKeyRef" $from.secretKeyRef -}}{{- end -}}
{{- if (($from).fieldRef).fieldPath -}}{{- $_ := set $references "fieldRef" $from.fieldRef -}}{{- end -}}
{{- if (($from).resourceFieldRef).resource -}}{{- $_ := set $references "resourceFieldRef" $from.resourceFieldRef -}}{{- end -}}
{{- if gt (add (len $references) (empty $from.value | ternary 0 1)) 1 -}}
{{- fail (printf "%s: value, secretKeyRef, fieldRef and resourceFieldRef are mutually exclusive" .path) -}}
{{- end -}}
{{- if $from.value -}}
value: {{ $from.value | quote }}
{{- else if $references -}}
valueFrom: {{ toJson $references }}
{{- end -}}
{{- end -}}

{{- define "langfuse.variable" -}}
{{- with include "langfuse.source" . }}
- name: {{ $.name }}
  {{ . }}
{{- end }}
{{- end -}}

{{- /* A store's password: (dict name store auth key keyPath), from the existing Secret or the plain value. */ -}}
{{- define "langfuse.password" -}}
{{- $from := dict "value" .auth.password -}}
{{- if .auth.existingSecret -}}
{{- $key := required (printf "%s is required with %s.auth.existingSecret" .keyPath .store) .key -}}
{{- $from = dict "secretKeyRef" (dict "name" .auth.existingSecret "key" $key) -}}
{{- end -}}
{{- include "langfuse.variable" (dict "name" .name "path" (printf "%s.auth" .store) "from" $from) -}}
{{- end -}}

{{- define "langfuse.environment" -}}
{{- $langfuse := .Values.langfuse -}}
{{- include "langfuse.plain" (list
  (list "NODE_ENV" $langfuse.nodeEnv)
  (list "LANGFUSE_LOG_LEVEL" $langfuse.logging.level)
  (list "LANGFUSE_LOG_FORMAT" $langfuse.logging.format)
  (list "TELEMETRY_ENABLED" $langfuse.features.telemetryEnabled)
  (list "AUTH_DISABLE_SIGNUP" $langfuse.features.signUpDisabled)
  (list "ENABLE_EXPERIMENTAL_FEATURES" $langfuse.features.experimentalFeaturesEnabled)
  (list "NEXTAUTH_URL" $langfuse.nextauth.url)
) }}
{{- include "langfuse.credential" (dict "root" . "name" "SALT" "path" "langfuse.salt" "from" $langfuse.salt "key" "salt") }}
{{- include "langfuse.credential" (dict "root" . "name" "ENCRYPTION_KEY" "path" "langfuse.encryptionKey" "from" $langfuse.encryptionKey "key" "encryption-key") }}
{{- include "langfuse.credential" (dict "root" . "name" "NEXTAUTH_SECRET" "path" "langfuse.nextauth.secret" "from" $langfuse.nextauth.secret "key" "nextauth-secret") }}
{{- include "langfuse.variable" (dict "name" "LANGFUSE_EE_LICENSE_KEY" "path" "langfuse.licenseKey" "from" $langfuse.licenseKey) }}
{{- include "langfuse.optional" (list (list "LANGFUSE_ALLOWED_ORGANIZATION_CREATORS" (join "," $langfuse.allowedOrganizationCreators))) }}
{{- if $langfuse.smtp.connectionUrl }}
{{- include "langfuse.plain" (list
  (list "SMTP_CONNECTION_URL" $langfuse.smtp.connectionUrl)
  (list "EMAIL_FROM_ADDRESS" (required "langfuse.smtp.fromAddress is required with langfuse.smtp.connectionUrl" $langfuse.smtp.fromAddress))
) }}
{{- end }}
{{- include "langfuse.authEnvironment" . }}
{{- include "langfuse.postgresqlEnvironment" . }}
{{- include "langfuse.redisEnvironment" . }}
{{- include "langfuse.clickhouseEnvironment" . }}
{{- include "langfuse.s3Environment" . }}
{{- end -}}

{{- define "langfuse.authEnvironment" -}}
{{- $auth := .Values.langfuse.auth | default dict -}}
{{- if hasKey $auth "disableUsernamePassword" }}
{{- include "langfuse.plain" (list (list "AUTH_DISABLE_USERNAME_PASSWORD" $auth.disableUsernamePassword)) }}
{{- end }}
{{- range $provider, $fields := $auth.providers }}
{{- range $field, $given := $fields }}
{{- $from := kindIs "map" $given | ternary $given (dict "value" $given) }}
{{- $name := printf "AUTH_%s_%s" ($provider | snakecase | upper) ($field | snakecase | upper) }}
{{- include "langfuse.variable" (dict "name" $name "path" (printf "langfuse.auth.providers.%s.%s" $provider $field) "from" $from) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "langfuse.postgresqlEnvironment" -}}
{{- $postgresql := .Values.postgresql -}}
{{- if not (include "langfuse.additional" (list . "DATABASE_URL")) }}
{{- include "langfuse.plain" (list (list "DATABASE_HOST" (include "langfuse.postgresql.host" .))) }}
{{- include "langfuse.optional" (list (list "DATABASE_PORT" $postgresql.port) (list "DATABASE_USERNAME" $postgresql.auth.username)) }}
{{- include "langfuse.password" (dict "name" "DATABASE_PASSWORD" "store" "postgresql" "auth" $postgresql.auth
  "key" $postgresql.auth.secretKeys.userPasswordKey "keyPath" "postgresql.auth.secretKeys.userPasswordKey") }}
{{- end }}
{{- include "langfuse.optional" (list
  (list "DATABASE_NAME" $postgresql.auth.database)
  (list "DATABASE_ARGS" $postgresql.args)
  (list "DIRECT_URL" $postgresql.directUrl)
  (list "SHADOW_DATABASE_URL" $postgresql.shadowDatabaseUrl)
) }}
{{- include "langfuse.plain" (list (list "LANGFUSE_AUTO_POSTGRES_MIGRATION_DISABLED" (not $postgresql.migration.autoMigrate))) }}
{{- end -}}

{{- define "langfuse.redisEnvironment" -}}
{{- $redis := .Values.redis -}}
{{- $password := include "langfuse.password" (dict "name" "REDIS_PASSWORD" "store" "redis" "auth" $redis.auth
  "key" $redis.auth.existingSecretPasswordKey "keyPath" "redis.auth.existingSecretPasswordKey") -}}
{{- $password }}
{{- include "langfuse.plain" (list (list "REDIS_TLS_ENABLED" $redis.tls.enabled)) }}
{{- if or $redis.cluster.enabled $redis.sentinel.enabled }}
{{- if $redis.cluster.enabled }}
{{- include "langfuse.plain" (list (list "REDIS_CLUSTER_ENABLED" true) (list "REDIS_CLUSTER_NODES" (join "," $redis.cluster.nodes))) }}
{{- else }}
{{- include "langfuse.plain" (list
  (list "REDIS_SENTINEL_ENABLED" true)
  (list "REDIS_SENTINEL_NODES" $redis.sentinel.nodes)
  (list "REDIS_SENTINEL_MASTER_NAME" $redis.sentinel.masterName)
) }}
{{- include "langfuse.optional" (list (list "REDIS_SENTINEL_USERNAME" $redis.sentinel.username)) }}
{{- include "langfuse.password" (dict "name" "REDIS_SENTINEL_PASSWORD" "store" "redis.sentinel" "auth" $redis.sentinel
  "key" $redis.sentinel.existingSecretPasswordKey "keyPath" "redis.sentinel.existingSecretPasswordKey") }}
{{- end }}
{{- include "langfuse.optional" (list (list "REDIS_AUTH" ($password | empty | ternary "" "$(REDIS_PASSWORD)"))) }}
{{- else if not (include "langfuse.additional" (list . "REDIS_CONNECTION_STRING")) }}
{{- $login := printf "%s%s" $redis.auth.username ($password | empty | ternary "" ":$(REDIS_PASSWORD)") }}
{{- $authority := printf "%s%s:%v" ($login | empty | ternary "" (printf "%s@" $login)) (include "langfuse.redis.host" .) $redis.port }}
{{- include "langfuse.plain" (list (list "REDIS_CONNECTION_STRING" (printf "%s://%s/%v" ($redis.tls.enabled | ternary "rediss" "redis") $authority $redis.auth.database))) }}
{{- end }}
{{- if $redis.tls.enabled }}
{{- include "langfuse.optional" (list
  (list "REDIS_TLS_CA_PATH" $redis.tls.caPath)
  (list "REDIS_TLS_CERT_PATH" $redis.tls.certPath)
  (list "REDIS_TLS_KEY_PATH" $redis.tls.keyPath)
) }}
{{- end }}
{{- end -}}

{{- define "langfuse.clickhouseEnvironment" -}}
{{- $clickhouse := .Values.clickhouse -}}
{{- if or $clickhouse.host $clickhouse.deploy }}
{{- $host := include "langfuse.clickhouse.host" . }}
{{- $bare := regexReplaceAll "^https?://" $host "" }}
{{- include "langfuse.plain" (list
  (list "CLICKHOUSE_MIGRATION_URL" ($clickhouse.migration.url | default (printf "clickhouse://%s:%v" $bare $clickhouse.nativePort)))
  (list "CLICKHOUSE_MIGRATION_SSL" $clickhouse.migration.ssl)
  (list "CLICKHOUSE_URL" (printf "%s://%s:%v" (hasPrefix "https://" $host | ternary "https" "http") $bare $clickhouse.httpPort))
  (list "CLICKHOUSE_DB" $clickhouse.database)
  (list "CLICKHOUSE_USER" $clickhouse.auth.username)
) }}
{{- include "langfuse.password" (dict "name" "CLICKHOUSE_PASSWORD" "store" "clickhouse" "auth" $clickhouse.auth
  "key" $clickhouse.auth.existingSecretKey "keyPath" "clickhouse.auth.existingSecretKey") }}
{{- include "langfuse.optional" (list (list "CLICKHOUSE_CLUSTER_ENABLED" (include "langfuse.clickhouse.clusterEnabled" .))) }}
{{- end }}
{{- include "langfuse.plain" (list (list "LANGFUSE_AUTO_CLICKHOUSE_MIGRATION_DISABLED" (not $clickhouse.migration.autoMigrate))) }}
{{- end -}}

{{- /* The chart's defects are kept: the two media variables that the application does not read, and quote, which turns 1000000000 into "1e+09". */ -}}
{{- define "langfuse.s3Environment" -}}
{{- $s3 := .Values.s3 -}}
{{- include "langfuse.optional" (list
  (list "LANGFUSE_USE_AZURE_BLOB" (eq $s3.storageProvider "azure"))
  (list "LANGFUSE_USE_GOOGLE_CLOUD_STORAGE" (eq $s3.storageProvider "gcs"))
) }}
{{- include "langfuse.variable" (dict "name" "LANGFUSE_GOOGLE_CLOUD_STORAGE_CREDENTIALS" "path" "s3.gcs.credentials" "from" $s3.gcs.credentials) }}
{{- include "langfuse.plain" (list (list "LANGFUSE_S3_BATCH_EXPORT_ENABLED" $s3.batchExport.enabled)) }}
{{- range $type, $name := dict "eventUpload" "EVENT_UPLOAD" "batchExport" "BATCH_EXPORT" "mediaUpload" "MEDIA_UPLOAD" }}
{{- $own := index $s3 $type }}
{{- if or (ne $type "batchExport") $own.enabled }}
{{- $variable := printf "LANGFUSE_S3_%s_" $name }}
{{- include "langfuse.plain" (list
  (list (print $variable "BUCKET") ($own.bucket | default $s3.bucket))
  (list (print $variable "FORCE_PATH_STYLE") ($own.forcePathStyle | default $s3.forcePathStyle))
) }}
{{- include "langfuse.optional" (list
  (list (print $variable "PREFIX") ($own.prefix | default (eq $type "eventUpload" | ternary "" $s3.prefix)))
  (list (print $variable "REGION") ($own.region | default $s3.region))
  (list (print $variable "ENDPOINT") ($own.endpoint | default $s3.endpoint))
) }}
{{- range $field, $suffix := dict "accessKeyId" "ACCESS_KEY_ID" "secretAccessKey" "SECRET_ACCESS_KEY" }}
{{- $path := printf "s3.%s.%s" $type $field }}
{{- $from := include "langfuse.source" (dict "path" $path "from" (index $own $field)) | empty | ternary (index $s3 $field) (index $own $field) }}
{{- include "langfuse.variable" (dict "name" (print $variable $suffix) "path" $path "from" $from) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "langfuse.plain" (list
  (list "LANGFUSE_S3_MEDIA_UPLOAD_MAX_CONTENT_LENGTH" $s3.mediaUpload.maxContentLength)
  (list "LANGFUSE_S3_MEDIA_UPLOAD_DOWNLOAD_URL_EXPIRY_SECONDS" $s3.mediaUpload.downloadUrlExpirySeconds)
  (list "LANGFUSE_S3_CONCURRENT_READS" $s3.concurrency.reads)
  (list "LANGFUSE_S3_CONCURRENT_WRITES" $s3.concurrency.writes)
) }}
{{- end -}}

{{- /* "true" when langfuse.additionalEnv names the variable: (list root name). */ -}}
{{- define "langfuse.additional" -}}
{{- $name := last . -}}
{{- range (first .).Values.langfuse.additionalEnv }}{{ if eq .name $name }}true{{ end }}{{ end -}}
{{- end -}}
