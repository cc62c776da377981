# Copyright (c) 2026 llmops.langfuse contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# In: $pods and $claims (lists of the namespace), $stats (one /stats/summary a node), $cluster, $namespace. Out: CloudWatch's MetricData.
# A claim without figures is counted as unknown and never published as empty. Percentages as df shows them: what is not available is used.
# The module pvc_info gives the same numbers (plugins/module_utils/_pvc_usage.py).

# A pod's own name lasts in a StatefulSet; elsewhere it is random, and its workload's name keeps the series together.
def lasting_name:
  . as $pod
  | (.metadata.ownerReferences[0] // {}) as $owner
  | if $owner.kind == "ReplicaSet" then $owner.name | rtrimstr("-" + ($pod.metadata.labels["pod-template-hash"] // "")) else $pod.metadata.name end;

def round2: . * 100 | round / 100;

def metric($name; $unit; $value; $dimensions):
  {MetricName: $name, Unit: $unit, Value: ($value | round2), Dimensions: [$dimensions | to_entries[] | {Name: .key, Value: .value}]};

($pods[0].items | map({key: .metadata.name, value: lasting_name}) | from_entries) as $names
| {ClusterName: $cluster, Namespace: $namespace} as $all
# A kubelet knows of a block volume its size only, which looks as if it were full; what is read-only does not fill.
| ($claims[0].items | map(select(.spec.volumeMode == "Block" or .spec.accessModes == ["ReadOnlyMany"]) | .metadata.name)) as $unmeasurable
| [$stats[].pods[]? | .podRef.name as $pod | .volume[]?
   | select(.pvcRef.namespace == $namespace and (.capacityBytes // 0) > 0)
   | {claim: .pvcRef.name, pod: ($names[$pod] // $pod), capacity: .capacityBytes, free: .availableBytes, inodes: (.inodes // 0), inodesUsed: (.inodesUsed // 0)}]
  | map(select(.claim | IN($unmeasurable[]) | not)) | unique_by(.claim)
| . as $known
| ($claims[0].items | map(.metadata.name) - ($known | map(.claim)) | length) as $unknown
| [ ($known[]
     | ($all + {PVCName: .claim, PodName: .pod}) as $d
     | metric("UsagePercent"; "Percent"; 100 * (1 - .free / .capacity); $d),
       metric("UsedGB"; "Gigabytes"; (.capacity - .free) / 1073741824; $d),
       metric("TotalGB"; "Gigabytes"; .capacity / 1073741824; $d),
       (select(.inodes > 0) | metric("InodesUsagePercent"; "Percent"; 100 * .inodesUsed / .inodes; $d))),
    ($known | select(length > 0) | metric("UsagePercent"; "Percent"; map(100 * (1 - .free / .capacity)) | max; $all)),
    ($known | map(select(.inodes > 0)) | select(length > 0) | metric("InodesUsagePercent"; "Percent"; map(100 * .inodesUsed / .inodes) | max; $all)),
    metric("ClaimsUnknown"; "Count"; $unknown; $all) ]
