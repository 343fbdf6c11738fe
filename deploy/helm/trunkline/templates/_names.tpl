{{/* Names, labels and images. */}}

{{- define "trunkline.fullname" -}}
{{- if contains "trunkline" .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-trunkline{{ end -}}
{{- end }}

{{/* The name of a part: (list $ "tcp-lyon"). A pod's labels hold it and a hash of ten behind it, 63 in all. */}}
{{- define "trunkline.named" -}}
{{- $name := printf "%s-%s" (include "trunkline.fullname" (first .)) (last .) -}}
{{- if gt (len $name) 52 }}{{ printf "%s-%s" ($name | trunc 43 | trimSuffix "-") ($name | sha256sum | trunc 8) }}{{ else }}{{ $name }}{{ end -}}
{{- end }}

{{/* What finds a part's pods: (list $ $load). */}}
{{- define "trunkline.selector" -}}
{{- $load := last . -}}
app.kubernetes.io/name: trunkline
app.kubernetes.io/instance: {{ (first .).Release.Name }}
app.kubernetes.io/component: {{ $load.component | default $load.kind }}
{{- if $load.group }}
trunkline.internal/group: {{ $load.group }}
{{- end }}
{{- end }}

{{- define "trunkline.labels" -}}
{{ include "trunkline.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ (first .).Release.Service }}
helm.sh/chart: {{ printf "trunkline-%s" (first .).Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "trunkline.image" -}}
{{- $values := (first .).Values.image -}}
{{ $values.registry }}/{{ (last .).service }}:{{ $values.tag | default (first .).Chart.AppVersion }}
{{- end }}

{{/* Go's heap stays a tenth below what the kernel kills at. */}}
{{- define "trunkline.heap" -}}
{{- $mebi := trimSuffix "Mi" . -}}
{{- if hasSuffix "Gi" . }}{{ $mebi = mul 1024 (trimSuffix "Gi" . | int) }}{{ end -}}
{{ div (mul 9 (int $mebi)) 10 }}MiB
{{- end }}
