{{/* What stands around a workload's pods: (list $ $load). */}}

{{- define "trunkline.meta" -}}
{{- $root := first . }}{{ $load := last . -}}
metadata:
  name: {{ include "trunkline.named" (list $root $load.key) }}
  labels: {{- include "trunkline.labels" . | nindent 4 }}
  {{- with $load.hook }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* One pod at a time, also where there is only one: a node can always be emptied. */}}
{{- define "trunkline.pdb" -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
{{ include "trunkline.meta" . }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "trunkline.selector" . | nindent 6 }}
{{- end }}

{{/* Only addresses of the pod's node answer, so that the PBX's own address is seen. */}}
{{- define "trunkline.service" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $values := (get $root.Values $load.kind).service }}
---
apiVersion: v1
kind: Service
{{ include "trunkline.meta" . }}
  {{- with merge dict (default dict $load.annotations) $values.annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ $values.type }}
  {{- if ne $values.type "ClusterIP" }}
  externalTrafficPolicy: Local
  {{- end }}
  selector: {{- include "trunkline.selector" . | nindent 4 }}
  ports:
    {{- $seen := dict }}
    {{- range $load.ports }}
    {{- if not (hasKey $seen (toString .port)) }}
    {{- $_ := set $seen (toString .port) true }}
    - {name: {{ lower .protocol }}-{{ .port }}, port: {{ .port }}, targetPort: {{ .port }}, protocol: {{ .protocol }}}
    {{- end }}
    {{- end }}
    {{- range $load.passive }}
    {{- $ends := splitList "-" . }}
    {{- range untilStep (int (first $ends)) (add1 (int (last $ends)) | int) 1 }}
    - {name: tcp-{{ . }}, port: {{ . }}, targetPort: {{ . }}, protocol: TCP}
    {{- end }}
    {{- end }}
{{- end }}

{{- define "trunkline.deployment" -}}
{{- $root := first . }}{{ $load := last . }}
---
apiVersion: apps/v1
kind: Deployment
{{ include "trunkline.meta" . }}
spec:
  {{- with $load.replicas }}
  replicas: {{ . }}
  {{- end }}
  selector:
    matchLabels: {{- include "trunkline.selector" . | nindent 6 }}
  strategy:
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  template: {{- include "trunkline.pod" . | nindent 4 }}
{{- end }}

{{- define "trunkline.statefulset" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $values := get $root.Values (ternary $load.kind "listen" (has $load.kind (list "listen" "receive"))) }}
---
apiVersion: apps/v1
kind: StatefulSet
{{ include "trunkline.meta" . }}
spec:
  replicas: {{ $load.replicas }}
  serviceName: {{ include "trunkline.named" (list $root "pods") }}
  podManagementPolicy: Parallel
  # What is on a volume was taken from a PBX, and is perhaps nowhere else.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Retain, whenScaled: Retain}
  selector:
    matchLabels: {{- include "trunkline.selector" . | nindent 6 }}
  template: {{- include "trunkline.pod" (list $root (merge (dict "claim" true) $load)) | nindent 4 }}
  volumeClaimTemplates:
    - metadata:
        name: data
        labels: {{- include "trunkline.selector" . | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with $values.volume.storageClass }}
        storageClassName: {{ . }}
        {{- end }}
        resources: {requests: {storage: {{ $values.volume.size }}}}
{{- end }}

{{/* By the consumer's lag where KEDA is; by CPU, which every cluster has, elsewhere. */}}
{{- define "trunkline.autoscaler" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $scale := (get $root.Values $load.kind).autoscaling }}
---
{{- if $root.Capabilities.APIVersions.Has "keda.sh/v1alpha1" }}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
{{ include "trunkline.meta" . }}
spec:
  scaleTargetRef: {name: {{ include "trunkline.named" (list $root $load.key) }}}
  minReplicaCount: {{ $scale.min }}
  maxReplicaCount: {{ $scale.max }}
  pollingInterval: 10
  fallback: {failureThreshold: 6, replicas: {{ $scale.min }}}
  triggers:
    - type: nats-jetstream
      metadata:
        natsServerMonitoringEndpoint: {{ required "keda.monitoring: the cluster has KEDA: give the address where NATS tells of itself, such as nats.nats.svc.cluster.local:8222" $root.Values.keda.monitoring | quote }}
        account: {{ $root.Values.keda.account | quote }}
        stream: {{ $load.stream }}
        consumer: {{ $load.key }}
        lagThreshold: {{ $scale.lag | toString | quote }}
        useHttps: {{ $root.Values.keda.https | quote }}
{{- else }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
{{ include "trunkline.meta" . }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ include "trunkline.named" (list $root $load.key) }}}
  minReplicas: {{ $scale.min }}
  maxReplicas: {{ $scale.max }}
  metrics:
    - type: Resource
      resource: {name: cpu, target: {type: Utilization, averageUtilization: {{ $scale.cpu }}}}
{{- end }}
{{- end }}
