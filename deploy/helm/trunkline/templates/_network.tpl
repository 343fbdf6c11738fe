{{/* Who may speak with whom. */}}

{{/* The ports of addresses as JSON: (list "nats://a:4222,nats://b" 4222). */}}
{{- define "trunkline.dialled" -}}
{{- $ports := list }}{{ $usual := last . }}
{{- range splitList "," (first .) }}{{ $ports = append $ports (regexFind ":[0-9]+/?$" (trim .) | trimAll ":/" | default (toString $usual) | int) }}{{ end }}
{{- $ports | uniq | toJson }}
{{- end }}

{{/* A rule for a host: (list "10.1.0.9" 21). Port 0 is any. A name may be anywhere. */}}
{{- define "trunkline.to" -}}
{{- $host := first . | trimAll "[]" }}{{ $port := last . | int -}}
{{- $rule := dict }}
{{- if regexMatch `^[0-9.]+$` $host }}{{ $_ := set $rule "to" (list (dict "ipBlock" (dict "cidr" (printf "%s/32" $host)))) }}
{{- else if contains ":" $host }}{{ $_ := set $rule "to" (list (dict "ipBlock" (dict "cidr" (printf "%s/128" $host)))) }}{{ end }}
{{- if $port }}{{ $_ := set $rule "ports" (list (dict "port" $port "protocol" "TCP")) }}{{ end }}
{{- $rule | toJson }}
{{- end }}

{{/* What a link dials: rules as JSON. */}}
{{- define "trunkline.links" -}}
{{- $rules := list }}
{{- range . }}
{{- $addrs := list }}{{ $any := false }}
{{- with dig "tcp" "dial" "" . }}{{ $addrs = append $addrs . }}{{ end }}
{{- with dig "oxe" "dial" "" . }}{{ $addrs = concat $addrs . }}{{ end }}
{{- with dig "ahl" "dial" "" . }}{{ $addrs = append $addrs . }}{{ end }}
{{- with dig "sftp" "addr" "" . }}{{ $addrs = append $addrs . }}{{ end }}
{{- with dig "mysql" "addr" "" . }}{{ $addrs = append $addrs . }}{{ end }}
{{- with dig "ftp" "addr" "" . }}{{ $addrs = append $addrs . }}{{ $any = true }}{{ end }}
{{- range list (dig "http" "url" "" .) (dig "http" "token_url" "" .) }}
{{- with . }}{{ $url := urlParse . }}{{ $addrs = append $addrs (ternary $url.host (printf "%s:%s" $url.host (ternary "443" "80" (eq $url.scheme "https"))) (regexMatch ":[0-9]+$" $url.host)) }}{{ end }}
{{- end }}
{{- range $addrs }}
{{- $port := regexFind "[0-9]+$" . }}
{{- $rules = append $rules (include "trunkline.to" (list (trimSuffix (printf ":%s" $port) .) (ternary "0" $port $any)) | fromJson) }}
{{- end }}
{{- with dig "tftp" "fetch" "" . }}
{{- /* The transfer has a port of its own. */}}
{{- $rule := include "trunkline.to" (list (regexReplaceAll ":[0-9]+$" . "") 0) | fromJson }}
{{- if not $rule.to }}{{ $_ := set $rule "ports" (list (dict "protocol" "UDP")) }}{{ end }}
{{- $rules = append $rules $rule }}
{{- end }}
{{- end }}
{{- $rules | uniq | toJson }}
{{- end }}

{{- define "trunkline.networkpolicy" -}}
{{- $root := first . }}{{ $load := last . }}
{{- $policy := $root.Values.networkPolicy }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
{{ include "trunkline.meta" . }}
spec:
  podSelector:
    matchLabels: {{- include "trunkline.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- if $load.job }}
  ingress: []
  {{- else }}
  ingress:
    - ports: [{port: 9090, protocol: TCP}]
      {{- with $policy.metrics }}
      from: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- range $port := $load.ports }}
    - ports: [{port: {{ .port }}, protocol: {{ .protocol }}}]
      {{- with .allow }}
      from:
        {{- range . }}
        - ipBlock: {cidr: {{ quote . }}}
        {{- end }}
      {{- end }}
    {{- end }}
    {{- range $load.passive }}
    {{- $ends := splitList "-" . }}
    - ports: [{port: {{ first $ends }}, endPort: {{ last $ends }}, protocol: TCP}]
    {{- end }}
  {{- end }}
  egress:
    - ports: [{port: 53, protocol: UDP}, {port: 53, protocol: TCP}]
    - ports:
        {{- range include "trunkline.dialled" (list $root.Values.nats.url 4222) | fromJsonArray }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
      {{- with $policy.nats }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- if $load.clickhouse }}
    - ports:
        {{- range include "trunkline.dialled" (list (join "," $load.clickhouse.addr) 9000) | fromJsonArray }}
        - {port: {{ . }}, protocol: TCP}
        {{- end }}
      {{- with $policy.clickhouse }}
      to: {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- with include "trunkline.links" $load.links | fromJsonArray }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
