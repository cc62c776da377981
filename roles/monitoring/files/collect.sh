#!/usr/bin/env bash
# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Puts the usage of every claim of a namespace into CloudWatch. Runs in the image of the AWS CLI: bash, curl, jq, aws.
# Reads the kubelets themselves (nodes/stats): neither pods/exec nor nodes/proxy, which are ways into every pod, are needed.
# A kubelet that does not answer hides only its own claims; what is known is published, and the run then fails.
set -euo pipefail
umask 077

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/stats"
printf 'Authorization: Bearer %s' "$(<"$TOKEN_DIR/token")" >"$work/authorization"

get() { # CURL'S OPTIONS AND URL
  curl --fail --silent --show-error --max-time 10 --retry 2 --retry-max-time 20 --header "@$work/authorization" "$@"
}

api=https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$NAMESPACE
verified=(--cacert "$TOKEN_DIR/ca.crt")
get "${verified[@]}" "$api/pods" >"$work/pods.json"
get "${verified[@]}" "$api/persistentvolumeclaims" >"$work/claims.json"

# Nodes whose pods mount claims; a pod that cannot start because its disk is full has one as well.
jq --raw-output '[.items[]
  | select(.status.hostIP and .status.phase != "Succeeded" and .status.phase != "Failed")
  | select(any(.spec.volumes[]?; .persistentVolumeClaim or .ephemeral)) | .status.hostIP] | unique[]' "$work/pods.json" >"$work/hosts"
while read -r host; do
  address=$host
  [[ $host != *:* ]] || address="[$host]"
  printf 'url = "https://%s:%s/stats/summary"\noutput = "%s/stats/%s"\n' "$address" "$KUBELET_PORT" "$work" "$host"
done <"$work/hosts" >"$work/kubelets"

[[ $KUBELET_INSECURE_TLS != true ]] || verified=(--insecure)
if [[ -s $work/kubelets ]]; then # together, so that dead nodes do not use up the run's time
  get "${verified[@]}" --no-progress-meter --parallel --parallel-max 10 --config "$work/kubelets" || true
fi
failed=()
: >"$work/stats.jsonl"
while read -r host; do
  jq --compact-output '.pods | {pods: .}' "$work/stats/$host" >>"$work/stats.jsonl" 2>/dev/null || failed+=("$host")
done <"$work/hosts"

jq --null-input --from-file "$SCRIPT_DIR/metrics.jq" --arg cluster "$CLUSTER_NAME" --arg namespace "$NAMESPACE" \
  --slurpfile pods "$work/pods.json" --slurpfile claims "$work/claims.json" --slurpfile stats "$work/stats.jsonl" >"$work/metrics.json"
# One call for up to 1,000 figures, CloudWatch's limit.
jq --compact-output '. as $all | range(0; length; 1000) as $from | $all[$from:$from + 1000]' "$work/metrics.json" >"$work/calls"
while read -r metrics; do
  printf '%s' "$metrics" >"$work/call.json"
  aws --region "$AWS_REGION" cloudwatch put-metric-data --namespace "$METRIC_NAMESPACE" --metric-data "file://$work/call.json" </dev/null
done <"$work/calls"

jq --raw-output '.[] | select(.MetricName == "UsagePercent" and (.Dimensions | length) == 4) | "\(.Dimensions[2].Value) \(.Value) %"' "$work/metrics.json"
if ((${#failed[@]})); then
  echo "No figures from the kubelet of: ${failed[*]}" >&2
  exit 1
fi
