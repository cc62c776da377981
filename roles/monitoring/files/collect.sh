#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts the usage of every claim of a namespace into CloudWatch. Runs in the image of the AWS CLI: bash, curl, jq, aws.
# Reads the kubelets themselves (nodes/stats): neither pods/exec nor nodes/proxy, which are ways into every pod, are needed.
# A kubelet that does not answer hides only its own claims; what is known is published, and the run then fails.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf 'Authorization: Bearer %s' "$(<"$TOKEN_DIR/token")" >"$work/authorization"

get() { # URL
  curl --fail --silent --show-error --max-time 10 --retry 2 --cacert "$TOKEN_DIR/ca.crt" --header "@$work/authorization" "$1"
}

api=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$NAMESPACE
get "$api/pods" >"$work/pods.json"
get "$api/persistentvolumeclaims" >"$work/claims.json"

failed=()
: >"$work/stats.jsonl"
hosts=$(jq --raw-output '[.items[] | select(.status.phase == "Running" and any(.spec.volumes[]?; .persistentVolumeClaim)) | .status.hostIP] | unique[]' "$work/pods.json")
for host in $hosts; do
  get "https://$host:$KUBELET_PORT/stats/summary" >>"$work/stats.jsonl" || failed+=("$host")
done

jq --null-input --from-file "$SCRIPT_DIR/metrics.jq" --arg cluster "$CLUSTER_NAME" --arg namespace "$NAMESPACE" \
  --slurpfile pods "$work/pods.json" --slurpfile claims "$work/claims.json" --slurpfile stats "$work/stats.jsonl" >"$work/metrics.json"
aws --region "$AWS_REGION" cloudwatch put-metric-data --namespace "$METRIC_NAMESPACE" --metric-data "file://$work/metrics.json"

jq --raw-output '.[] | select(.MetricName == "UsagePercent" and (.Dimensions | length) == 4) | "\(.Dimensions[2].Value) \(.Value) %"' "$work/metrics.json"
if ((${#failed[@]})); then
  echo "No figures from the kubelet of: ${failed[*]}" >&2
  exit 1
fi
