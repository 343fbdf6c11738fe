{{/* Which pods collect which links. */}}

{{/* The kind of pods that a link wants: (list "lyon/front-desk" $link). */}}
{{- define "trunkline.kind" -}}
{{- $link := last . -}}
{{- if dig "tcp" "listen" "" $link }}listen
{{- else if or $link.tcp $link.oxe $link.ahl }}dial
{{- else if or $link.ftp_server $link.sftp_server $link.http_server $link.tftp }}receive
{{- else if or $link.files $link.ftp $link.sftp $link.http $link.mysql }}poll
{{- else }}{{ fail (printf "sites: link %s has no wire: give one, such as tcp: {listen: \":1080\"}" (first .)) }}
{{- end -}}
{{- end }}

{{/* The port that a link's address names; any address of the pod is ours. */}}
{{- define "trunkline.port" -}}
{{- $listen := last . -}}
{{- if not (regexMatch `^(0\.0\.0\.0|\[::\])?:[0-9]+$` $listen) }}
{{- fail (printf "sites: link %s listens on %q: a pod's address is not known before, give the port alone, such as \":1080\"" (first .) $listen) }}
{{- end }}
{{- $port := regexFind "[0-9]+$" $listen -}}
{{- if eq $port "9090" }}{{ fail (printf "sites: link %s listens on 9090, where the pod's metrics are: give another port" (first .)) }}{{ end -}}
{{ $port }}
{{- end }}

{{/* What a link needs in Kubernetes and nowhere else: (list $ "lyon/cucm" $link $group). */}}
{{- define "trunkline.fits" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $link := index . 2 }}{{ $group := index . 3 -}}
{{- with $link.ftp_server }}
{{- if and (not $group.hostNetwork) (not (and .passive .public)) }}
{{- fail (printf "sites: link %s: ftp_server: give passive, a range of ports such as 50000-50019, and public, the Service's address: transfers come through it, too" $name) }}
{{- end }}
{{- end }}
{{- if and (dig "tftp" "listen" "" $link) (not $group.hostNetwork) }}
{{- fail (printf "sites: link %s: TFTP gives each transfer a port of its own, which no Service passes on: put the site into a group with hostNetwork: true and a nodeSelector" $name) }}
{{- end }}
{{- if dig "ftp" "active" false $link }}
{{- fail (printf "sites: link %s: ftp.active: the server would connect back to a pod, which it cannot reach: leave it out, transfers are passive then" $name) }}
{{- end }}
{{- with $link.files }}
{{- $dirs := list .dir }}
{{- if kindIs "map" .after }}{{ with .after.move }}{{ $dirs = append $dirs . }}{{ end }}{{ end }}
{{- range $dir := $dirs }}
{{- $found := false }}
{{- range $root.Values.folders }}{{ if hasPrefix (printf "%s/" .path) (printf "%s/" $dir) }}{{ $found = true }}{{ end }}{{ end }}
{{- if not $found }}{{ fail (printf "sites: link %s: %s is on no volume: name it under folders, such as {path: %s, volume: {persistentVolumeClaim: {claimName: cdr}}}" $name $dir $dir) }}{{ end }}
{{- end }}
{{- end }}
{{- with dig "parse" "layout" "" $link }}
{{- if not (hasKey $root.Values.layouts .) }}{{ fail (printf "sites: link %s: there is no layout %q: put its text under layouts" $name .) }}{{ end }}
{{- end }}
{{- end }}

{{/*
Every ingest workload with its sites, as JSON by key: kind, group, service, settings, sites (with its own links only),
links (with names), ports. A link stands in exactly one: a second process with a spool would not see the first one's lease.
*/}}
{{- define "trunkline.loads" -}}
{{- $root := . -}}
{{- $groups := dict }}{{ $of := dict -}}
{{- range $g := .Values.groups }}
{{- if hasKey $groups $g.name }}{{ fail (printf "groups: %s is there twice" $g.name) }}{{ end }}
{{- $_ := set $groups $g.name $g }}
{{- if and $g.credentials (not $root.Values.nats.spool) }}
{{- fail (printf "groups: %s has credentials of its own: a site's user may publish and not use JetStream, so its pods keep their tickets themselves: give nats.spool, such as spool: {max_bytes: 8GiB}" $g.name) }}
{{- end }}
{{- range $g.sites }}
{{- if hasKey $of . }}{{ fail (printf "groups: site %s is in %s and in %s: give it one" . (get $of .) $g.name) }}{{ end }}
{{- $_ := set $of . $g.name }}
{{- end }}
{{- end }}
{{- $ids := dict }}
{{- range .Values.sites }}
{{- if hasKey $ids .id }}{{ fail (printf "sites: site %s is there twice" .id) }}{{ end }}
{{- $_ := set $ids .id true }}
{{- if and (hasKey $groups .id) (ne (get $of .id) .id) }}{{ fail (printf "groups: %s is a site's id, too: give the group another name" .id) }}{{ end }}
{{- end }}
{{- range $id, $g := $of }}
{{- if not (hasKey $ids $id) }}{{ fail (printf "groups: group %s names site %s, which is not there" $g $id) }}{{ end }}
{{- end }}
{{- $loads := dict }}
{{- range $site := .Values.sites }}
{{- $group := get $of $site.id | default $site.id }}
{{- $settings := get $groups $group | default dict }}
{{- $seen := dict }}
{{- range $link := $site.links }}
{{- $name := printf "%s/%s" $site.id $link.id }}
{{- if hasKey $seen $link.id }}{{ fail (printf "sites: link %s is there twice" $name) }}{{ end }}
{{- $_ := set $seen $link.id true }}
{{- $kind := include "trunkline.kind" (list $name $link) }}
{{- include "trunkline.fits" (list $root $name $link $settings) }}
{{- $own := default dict $settings.credentials }}
{{- $key := $kind }}{{ $load := dict "kind" $kind "service" "ingest-tcp" "role" "ingest" "credentials" $own "group" "" "ports" list "passive" list "links" list "sites" list "hostNetwork" false "nodeSelector" dict "annotations" dict }}
{{- if has $kind (list "listen" "receive") }}
{{- $key = printf "%s-%s" $kind $group }}
{{- $_ := set $load "group" $group }}
{{- $_ := set $load "hostNetwork" (default false $settings.hostNetwork) }}
{{- $_ := set $load "nodeSelector" (default dict $settings.nodeSelector) }}
{{- $_ := set $load "annotations" (default dict $settings.annotations) }}
{{- end }}
{{- if and $own (has $kind (list "dial" "poll")) }}
{{- /* A site's user may publish its own tickets and no others: no pool is shared with it. */}}
{{- $key = printf "%s-%s" $kind $group }}
{{- $_ := set $load "group" $group }}
{{- $_ := set $load "component" (printf "site-%s" $kind) }}
{{- $_ := set $load "nodeSelector" (default dict $settings.nodeSelector) }}
{{- end }}
{{- if has $kind (list "receive" "poll") }}{{ $_ := set $load "service" "ingest-poll" }}{{ end }}
{{- if eq $kind "listen" }}{{ $_ := set $load "replicas" (default $root.Values.listen.replicas $settings.replicas) }}
{{- else if eq $kind "receive" }}{{ $_ := set $load "replicas" 1 }}
{{- else }}{{ $_ := set $load "replicas" (ternary 1 (get $root.Values $kind).replicas (or $own $root.Values.spoolPools | not | not)) }}{{ end }}
{{- $_ := set $load "spool" (and $root.Values.nats.spool (or $own $root.Values.spoolPools (has $kind (list "listen" "receive"))) | not | not) }}
{{- $load = get $loads $key | default $load }}
{{- $_ := set $load "key" $key }}
{{- $_ := set $loads $key $load }}
{{- range $wire := list "tcp" "ftp_server" "sftp_server" "http_server" "tftp" }}
{{- with dig $wire "listen" "" $link }}
{{- $port := dict "port" (include "trunkline.port" (list $name .) | int) "protocol" (ternary "UDP" "TCP" (eq $wire "tftp")) "allow" (get (get $link $wire) "allow" | default list) }}
{{- $_ := set $load "ports" (append $load.ports $port) }}
{{- end }}
{{- end }}
{{- with dig "ftp_server" "passive" "" $link }}
{{- $_ := set $load "passive" (append $load.passive . | uniq) }}
{{- end }}
{{- $_ := set $load "links" (append $load.links $link) }}
{{- $mine := last $load.sites | default dict }}
{{- if eq (get $mine "id") $site.id }}
{{- $_ := set $mine "links" (append $mine.links $link) }}
{{- else }}
{{- $mine = omit $site "links" }}
{{- $_ := set $mine "links" (list $link) }}
{{- $_ := set $load "sites" (append $load.sites $mine) }}
{{- end }}
{{- end }}
{{- end }}
{{- $loads | toJson }}
{{- end }}
