{{/* The template of a workload's pods: (list $ $load). */}}
{{- define "trunkline.pod" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $values := get $root.Values $load.kind }}
{{- $base := include "trunkline.base" . }}
{{- $file := include "trunkline.file" . }}
{{- $low := false }}
{{- range $load.ports }}{{ if lt (int .port) 1024 }}{{ $low = true }}{{ end }}{{ end -}}
metadata:
  # Nothing of the chart's version: it alone is no reason to restart.
  labels: {{- include "trunkline.selector" . | nindent 4 }}
  annotations:
    # Changed sites are taken over by the running process, link by link. What stands beside them is not.
    trunkline.internal/config: {{ $base | sha256sum }}
    {{- with $root.Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  # Nobody asks the API server. And variables of Services begin with their names, as ours with TRUNKLINE_.
  automountServiceAccountToken: false
  enableServiceLinks: false
  # Longer than a service takes to drain.
  terminationGracePeriodSeconds: 60
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $root.Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- if $load.hostNetwork }}
  hostNetwork: true
  dnsPolicy: ClusterFirstWithHostNet
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
    {{- if and $low (not $load.hostNetwork) }}
    # In the pod's own network: FTP, SFTP and others have ports below 1024.
    sysctls: [{name: net.ipv4.ip_unprivileged_port_start, value: "0"}]
    {{- end }}
  {{- if not $load.job }}
  topologySpreadConstraints:
    {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels: {{- include "trunkline.selector" (list $root $load) | nindent 10 }}
    {{- end }}
  {{- end }}
  {{- with merge dict (default dict $load.nodeSelector) $root.Values.nodeSelector }}
  nodeSelector: {{- toYaml . | nindent 4 }}
  {{- end }}
  tolerations:
    # Of five minutes: the lease is another pod's long before, but that one would stand alone.
    - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
    - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: 30}
    {{- with $root.Values.tolerations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $load.job }}
  restartPolicy: {{ . }}
  {{- end }}
  containers:
    - name: {{ $load.service }}
      image: {{ include "trunkline.image" . }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      args: {{ $load.args | default (list "-c" "/etc/trunkline/trunkline.yaml") | toJson }}
      env:
        - name: GOMEMLIMIT
          value: {{ include "trunkline.heap" $values.resources.limits.memory }}
        {{- with include "trunkline.env" (list $root $file) }}
        {{- . | nindent 8 }}
        {{- end }}
      {{- if not $load.job }}
      ports:
        - {name: metrics, containerPort: 9090}
        {{- $seen := dict }}
        {{- range $load.ports }}
        {{- $name := printf "%s-%d" (lower .protocol) (int .port) }}
        {{- if not (hasKey $seen $name) }}
        {{- $_ := set $seen $name true }}
        - {name: {{ $name }}, containerPort: {{ .port }}, protocol: {{ .protocol }}}
        {{- end }}
        {{- end }}
      # It lives while it answers. NATS and ClickHouse may be away: a restart brings neither back.
      livenessProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        {{- if hasPrefix "ingest" $load.service }}
        # One PBX's trouble closes no door to the others, and holds no upgrade up.
        httpGet: {path: "/readyz?part=nats", port: metrics}
        {{- else }}
        httpGet: {path: /readyz, port: metrics}
        {{- end }}
        periodSeconds: 5
        timeoutSeconds: 5
      startupProbe:
        httpGet: {path: /healthz, port: metrics}
        periodSeconds: 2
        failureThreshold: 60
      {{- end }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: {drop: [ALL]}
      resources: {{- toYaml $values.resources | nindent 8 }}
      volumeMounts:
        # The folder, not the file: only so a change reaches a running pod.
        - {name: config, mountPath: /etc/trunkline, readOnly: true}
        - {name: data, mountPath: /var/lib/trunkline}
        {{- range include "trunkline.secrets" $file | fromJsonArray }}
        - {name: {{ printf "secret-%s" . | trunc 63 | replace "." "-" }}, mountPath: /run/secrets/{{ . }}, readOnly: true}
        {{- end }}
        {{- range $i, $folder := include "trunkline.folders" . | fromJsonArray }}
        - {name: folder-{{ $i }}, mountPath: {{ $folder.path }}}
        {{- end }}
  volumes:
    - name: config
      configMap: {name: {{ include "trunkline.named" (list $root $load.key) }}}
    {{- if not $load.claim }}
    - name: data
      emptyDir: {}
    {{- end }}
    {{- $needed := include "trunkline.secrets" $base | fromJsonArray }}
    {{- range include "trunkline.secrets" $file | fromJsonArray }}
    - name: {{ printf "secret-%s" . | trunc 63 | replace "." "-" }}
      # A link's that is missing stops this link, which says so, and no other.
      secret: {secretName: {{ . }}, defaultMode: 0440, optional: {{ not (has . $needed) }}}
    {{- end }}
    {{- range $i, $folder := include "trunkline.folders" . | fromJsonArray }}
    - name: folder-{{ $i }}
      {{- toYaml $folder.volume | nindent 6 }}
    {{- end }}
{{- end }}

{{/* The folders that a workload's links read, as JSON. */}}
{{- define "trunkline.folders" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $found := list }}
{{- range $folder := $root.Values.folders }}
{{- $used := false }}
{{- range $load.links }}{{ if hasPrefix (printf "%s/" $folder.path) (printf "%s/" (dig "files" "dir" "" .)) }}{{ $used = true }}{{ end }}
{{- $after := dig "files" "after" "" . }}
{{- if kindIs "map" $after }}{{ if hasPrefix (printf "%s/" $folder.path) (printf "%s/" (get $after "move")) }}{{ $used = true }}{{ end }}{{ end }}
{{- end }}
{{- if $used }}{{ $found = append $found $folder }}{{ end }}
{{- end }}
{{- $found | toJson }}
{{- end }}
