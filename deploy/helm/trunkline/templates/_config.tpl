{{/* The configuration file of a workload, and what it refers to. */}}

{{/* All but the sites: what a running process does not take over. (list $ $load) */}}
{{- define "trunkline.base" -}}
{{- $root := first . }}{{ $load := last . -}}
# Made by Helm from the values.
data: /var/lib/trunkline
metrics: {listen: ":9090"}
nats:
  {{- include "trunkline.nats" . | nindent 2 }}
{{- if $load.clickhouse }}
clickhouse:
  {{- $load.clickhouse | toYaml | nindent 2 }}
{{- end }}
{{- end }}

{{/* NATS, as whom this workload is known there: its group, else its role, else all alike. */}}
{{- define "trunkline.nats" -}}
{{- $root := first . }}{{ $load := last . -}}
{{- $nats := $root.Values.nats }}
{{- with $load.credentials | default (get $root.Values.credentials $load.role) }}
{{- $nats = merge (deepCopy .) (omit $nats "creds_file" "inbox_prefix") }}
{{- end }}
{{- ternary $nats (omit $nats "spool") (default false $load.spool) | toYaml }}
{{- end }}

{{- define "trunkline.file" -}}
{{- $load := last . -}}
{{ include "trunkline.base" . }}
{{- with $load.sites }}
sites:
  {{- /* Values have only text as keys, amaflags are numbers. */}}
  {{- regexReplaceAll `(?m)^( *)"([0-9]+)": ` (toYaml .) "${1}${2}: " | nindent 2 }}
{{- end }}
{{- end }}

{{/* The Secrets that a text names by their files, in order, as JSON. A file that is in none is an error. */}}
{{- define "trunkline.secrets" -}}
{{- range regexFindAll `(?m)^[ -]*((password_file|creds_file|key_file|authorized_keys): .*|(ca|cert|key): .*/.*)$` . -1 }}
{{- if not (regexMatch `: ['"]?/run/secrets/[a-z0-9][a-z0-9.-]*/[A-Za-z0-9._-]+['"]?$` .) }}
{{- fail (printf "%s: no pod has this file: write /run/secrets/NAME/KEY, and the Secret NAME is mounted" (trim . | trimPrefix "- ")) }}
{{- end }}
{{- end }}
{{- $names := list }}
{{- range regexFindAll "/run/secrets/[a-z0-9][a-z0-9.-]*/" . -1 }}{{ $names = append $names (trimPrefix "/run/secrets/" . | trimSuffix "/") }}{{ end }}
{{- $names | uniq | sortAlpha | toJson }}
{{- end }}

{{/* The environment variables that a text names: (list $ $text). */}}
{{- define "trunkline.env" -}}
{{- $root := first . }}
{{- $names := list }}
{{- range regexFindAll `(?m)^[ -]*password_env: .*$` (last .) -1 }}{{ $names = append $names (regexReplaceAll `^.*password_env: ['"]?([^'"]*)['"]?$` . "${1}") }}{{ end }}
{{- range $names | uniq | sortAlpha }}
{{- if not (hasKey $root.Values.env .) }}{{ fail (printf "password_env: a name is not under env: tell which Secret has it, such as env: {KX_PASSWORD: {name: SECRET, key: KEY}}") }}{{ end }}
{{- $from := get $root.Values.env . }}
- name: {{ . }}
  valueFrom: {secretKeyRef: {name: {{ $from.name | quote }}, key: {{ $from.key | quote }}, optional: true}}
{{- end }}
{{- end }}

{{/* The files beside it: layouts that links name. */}}
{{- define "trunkline.files" -}}
{{- $root := first . }}{{ $load := last . -}}
{{- $seen := dict }}
{{- range $load.links }}
{{- with dig "parse" "layout" "" . }}
{{- if not (hasKey $seen .) }}
{{- $_ := set $seen . true }}
{{ dict . (get $root.Values.layouts .) | toYaml }}
{{- end }}
{{- end }}
{{- end }}
trunkline.yaml: |
  {{- include "trunkline.file" (list $root $load) | nindent 2 }}
{{- end }}

{{- define "trunkline.configmap" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $files := include "trunkline.files" . }}
{{- if gt (len $files) 1000000 }}
{{- fail (printf "sites: the configuration of %s has %d bytes, and a ConfigMap holds 1,000,000: install some sites as a release of their own" $load.key (len $files)) }}
{{- end }}
---
apiVersion: v1
kind: ConfigMap
{{ include "trunkline.meta" . }}
data:
  {{- trim $files | nindent 2 }}
{{- end }}
