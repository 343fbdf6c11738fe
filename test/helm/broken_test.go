package helm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// copyChart copies the chart into a folder of the test, one file changed.
func copyChart(t *testing.T, file, old, new string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "trunkline")
	if err := os.CopyFS(dir, os.DirFS(chart)); err != nil {
		t.Fatal(err)
	}
	changed(t, filepath.Join(chart, file), filepath.Join(dir, file), old, new)
	return dir
}

// Values that cannot work are refused with what is wrong and what would be
// right.
func TestBrokenValues(t *testing.T) {
	for _, b := range []struct{ values, old, new, says string }{
		{"one-site", "sites:\n", "site: []\nsites:\n", "additional properties 'site' not allowed"},
		{"one-site", "model: avaya-ipoffice", "model: avaya", "at '/sites/0/links/0/model'"},
		{"one-site", "tcp: {listen", "tcpp: {listen", "additional properties 'tcpp' not allowed"},
		{"one-site", ", tcp: {listen: \":1080\", allow: [10.1.0.0/16]}", "", "link lyon/front-desk has no wire"},
		{"one-site", "timezone: Europe/Paris", "zone: Europe/Paris", "at '/sites/0'"},
		{"one-site", "country: FR", "country: NO", "at '/sites/0/country': got boolean, want string"},
		{"one-site", "id: lyon", "id: Lyon", "at '/sites/0/id'"},
		{"one-site", "url: nats://nats", "url: nats", "at '/nats/url'"},
		{"one-site", "password_file: /run/secrets/clickhouse/password", "password: hunter2", "additional properties 'password' not allowed"},
		{"one-site", "/run/secrets/clickhouse/password", "/etc/passwd", "write /run/secrets/NAME/KEY"},
		{"one-site", "addr: [clickhouse.clickhouse.svc.cluster.local:9000]", "addr: []", "clickhouse.addr: the sink writes there"},
		{"one-site", `":1080"`, `"10.1.0.2:1080"`, "give the port alone"},
		{"one-site", `":1080"`, `":9090"`, "where the pod's metrics are"},
		{"one-site", "monitoring: nats.nats", "monitoring: ''\n  account: nats", "keda.monitoring: the cluster has KEDA"},
		{"one-site", "keda:", "image: {tag: latest}\nkeda:", "at '/image/tag'"},
		{"one-site", "keda:", "listen: {resources: {limits: {memory: 1e9}}}\nkeda:", "at '/listen/resources/limits/memory'"},
		{"one-site", "keda:", "groups: [{name: a, sites: [paris]}]\nkeda:", "group a names site paris, which is not there"},
		{"edge", "allow: [10.1.0.0/16]", "allow: [10.1.0.0/16], password_env: NO_SUCH", "is not under env"},
		{"edge", "path: /srv/cdr,", "path: /srv/other,", "link acme-lyon/cucm: /srv/cdr/lyon is on no volume"},
		{"edge", "  spool: {max_bytes: 20GB}", "  spool: null\nspoolPools: true", "spoolPools: give nats.spool"},
		{"edge", "  spool: {max_bytes: 20GB}", "  spool: null", "groups: acme has credentials of its own"},
		{"edge", ", inbox_prefix: _INBOX_acme-lyon", "", "at '/groups/0/credentials'"},
		{"edge", "/run/secrets/hub-acme/site.creds", "/etc/site.creds", "write /run/secrets/NAME/KEY"},
		{"hub", "parser: {creds_file", "parsers: {creds_file", "additional properties 'parsers' not allowed"},
		{"hub", "reconcile:\n", "reconcile:\n  schedule: at six\n", "at '/reconcile/schedule'"},
		{"fifty-sites", "  type-c.yaml: |", "  type-d.yaml: |", `there is no layout "type-c.yaml"`},
		{"fifty-sites", "sites: [colmar], hostNetwork: true", "sites: [colmar]", "TFTP gives each transfer a port of its own"},
		{"fifty-sites", ", passive: 50000-50009", "", "ftp_server: give passive"},
		{"fifty-sites", "user: adfexc, password_file", "user: adfexc, active: true, password_file", "ftp.active"},
		{"fifty-sites", "sites: [brest, dijon, dunkirk]", "sites: [brest, dijon, colmar]", "site colmar is in shared and in colmar-push"},
		{"fifty-sites", "name: shared", "name: amiens", "amiens is a site's id, too"},
		{"fifty-sites", "- id: angers", "- id: amiens", "site amiens is there twice"},
	} {
		file := filepath.Join(t.TempDir(), "values.yaml")
		changed(t, example(b.values), file, b.old, b.new)
		_, err := render(chart, file, keda)
		if err == nil || !strings.Contains(err.Error(), b.says) {
			t.Errorf("%q: nothing says %q: %v", b.new, b.says, err)
		}
		if err != nil && strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: it tells the password: %v", b.new, err)
		}
	}
}

// firstSites are values with the first sites of fifty, which have all wires.
func firstSites(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(example("fifty-sites"))
	if err != nil {
		t.Fatal(err)
	}
	few, _, ok := strings.Cut(string(text), "  - id: lehavre\n")
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(few), 0o600); err != nil || !ok {
		t.Fatal("there is no Le Havre", err)
	}
	return file
}

// Each rule finds the chart that breaks it.
func TestBrokenChart(t *testing.T) {
	const pod, parts, loads, net, rec = "templates/_pod.tpl", "templates/_parts.tpl", "templates/_loads.tpl", "templates/_network.tpl", "templates/reconcile.yaml"
	few := firstSites(t)
	for _, b := range []struct{ file, old, new, says string }{
		{pod, "runAsUser: 65532", "runAsUser: 0", "may run as root"},
		{pod, "runAsNonRoot: true", "", "may run as root"},
		{pod, "readOnlyRootFilesystem: true", "", "root file system can be written"},
		{pod, "{drop: [ALL]}", "{drop: [ALL], add: [NET_RAW]}", "has capabilities"},
		{pod, "allowPrivilegeEscalation: false", "", "may get privileges"},
		{pod, "{type: RuntimeDefault}", "{type: Unconfined}", "no seccomp profile"},
		{pod, "enableServiceLinks: false", "", "variables of Services"},
		{pod, "automountServiceAccountToken: false", "", "token of the API server"},
		{pod, `list "-c"`, `list "-config"`, "has no flag -config"},
		{"templates/migrate.yaml", `"-migrate"`, `"-migrations"`, "has no flag -migrations"},
		{rec, `"--reconcile"`, `"--reconciled"`, "has no flag --reconciled"},
		{rec, `"--reconcile"`, `"--json"`, "does not compare in and out"},
		{rec, "concurrencyPolicy: Forbid", "concurrencyPolicy: Allow", "runs twice at once"},
		{rec, "timeZone: Etc/UTC", "", "another clock than UTC"},
		{rec, "failedJobsHistoryLimit: 7", "failedJobsHistoryLimit: 0", "keeps no log of what failed"},
		{rec, "backoffLimit: 2", "", "never ends"},
		{pod, "{{- if not $load.job }}\n      ports:", "{{- if true }}\n      ports:", "Prometheus would look for it"},
		{net, "{{- if $load.job }}", "{{- if false }}", "may be asked by"},
		{pod, "defaultMode: 0440", "defaultMode: 0400", "can be read by others than its group"},
		{"templates/_config.tpl", `$load.credentials | default (get`, `(get`, "is nobody at its NATS server"},
		{pod, "name: GOMEMLIMIT", "name: GOMEMLIMITS", "has no GOMEMLIMIT"},
		{pod, "name: GOMEMLIMIT", "name: TRUNKLINE_NAT_URL\n          value: x\n        - name: GOMEMLIMIT", "nobody reads TRUNKLINE_NAT_URL"},
		{pod, "resources: {{- toYaml $values.resources | nindent 8 }}", "", "has no limit or request"},
		{pod, "path: /healthz, port: metrics}\n        periodSeconds: 10", "path: /readyz, port: metrics}\n        periodSeconds: 10", "liveness probe"},
		{pod, "/readyz?part=nats", "/readyz", "readiness probe"},
		{pod, "name: net.ipv4.ip_unprivileged_port_start", "name: net.ipv4.ip_local_port_range", "ports below 1024"},
		{pod, "terminationGracePeriodSeconds: 60", "terminationGracePeriodSeconds: 5", "killed while it drains"},
		{pod, "optional: {{ not (has . $needed) }}", "optional: true", "may be missing, and only a link's"},
		{pod, "mountPath: /run/secrets/{{ . }}", "mountPath: /secrets/{{ . }}", "not mounted where it is looked for"},
		{pod, "mountPath: /etc/trunkline, readOnly: true", "mountPath: /etc/trunkline, subPath: x, readOnly: true", "never reaches the pod"},
		{pod, "topologyKey: {{ . }}", "topologyKey: region", "one node or in one zone"},
		{pod, "- name: data\n      emptyDir: {}", "- name: dat\n      emptyDir: {}", "/var/lib/trunkline is no volume's"},
		{"templates/_names.tpl", "{{ $values.tag | default (first .).Chart.AppVersion }}", "latest", "no version of ours"},
		{"templates/_names.tpl", "mul 9 (int $mebi)", "mul 11 (int $mebi)", "does not fit"},
		{"templates/_names.tpl", "app.kubernetes.io/component: {{ $load.component | default $load.kind }}", "", "finds the pods of"},
		{"templates/_config.tpl", "regexReplaceAll `(?m)^( *)\"([0-9]+)\": ` (toYaml .) \"${1}${2}: \"", "toYaml .", "give a whole number"},
		{"templates/_config.tpl", "(omit $nats \"spool\")", "$root.Values.nats", "no use for sites or a spool"},
		{"templates/_config.tpl", "secretKeyRef: {name: {{ $from.name | quote }}, key: {{ $from.key | quote }}, optional: true}", "fieldRef: {fieldPath: metadata.name}", "is no reference to a Secret"},
		{loads, `printf "%s-%s" $kind $group`, `printf "%s-%s" $kind "all"`, "listens on port"},
		{loads, `{{- else if or $link.tcp $link.oxe $link.ahl }}dial`, `{{- else if $link.tcp }}dial{{ else if or $link.oxe $link.ahl }}poll`, "wants ingest-tcp"},
		{loads, `(ternary 1 (get $root.Values $kind).replicas (or $own $root.Values.spoolPools | not | not))`, `2`, "do not see each other's leases"},
		{loads, `ternary "UDP" "TCP"`, `ternary "TCP" "TCP"`, "its links"},
		{loads, `append $load.links $link`, `list $link`, "may not connect"},
		{parts, "maxUnavailable: 1\n  selector", "maxUnavailable: 0\n  selector", "lets a node not be emptied"},
		{parts, "externalTrafficPolicy: Local", "externalTrafficPolicy: Cluster", "does not see a PBX's own address"},
		{parts, "(add1 (int (last $ends)) | int)", "(last $ends | int)", "its Service has ports"},
		{parts, "serviceName: {{ include \"trunkline.named\" (list $root \"pods\") }}", "serviceName: nobody", "is none of its pods'"},
		{parts, "stream: {{ $load.stream }}", "stream: SPOOL", "is scaled by the lag of"},
		{parts, "lagThreshold:", "lagThreshhold:", "the trigger has no lagThreshhold"},
		{parts, "minReplicaCount: {{ $scale.min }}", "minReplicaCount: 0", "may stand still"},
		{parts, "useHttps: {{ $root.Values.keda.https | quote }}", "useHttps: {{ $root.Values.keda.https }}", "cannot unmarshal bool"},
		{parts, "replicas: {{ $load.replicas }}", "replica: {{ $load.replicas }}", `unknown field "spec.replica"`},
		{parts, "podManagementPolicy: Parallel", "podManagementpolicy: Parallel", `unknown field "spec.podManagementpolicy"`},
		{net, "ipBlock: {cidr: {{ quote . }}}", "ipBlock: {cidr: 0.0.0.0/0}", "nobody may connect"},
		{net, `default (toString $usual) | int`, `default (toString $usual) | int | add 1`, "it may not connect to nats"},
		{net, `ternary "0" $port $any`, `ternary $port $port $any`, "it may not connect to 10."},
		{"templates/migrate.yaml", `"pre-install,pre-upgrade"`, `"post-install"`, "does not migrate before an upgrade"},
		{"templates/monitoring.yaml", "component: pods\n    app.kubernetes.io/managed-by", "component: all\n    app.kubernetes.io/managed-by", "finds 0 Services"},
		{"files/rules.yaml", "expr: ", "expr: 1 + ", "its rules are not those"},
	} {
		t.Run(b.says, func(t *testing.T) {
			t.Parallel()
			dir := copyChart(t, b.file, b.old, b.new)
			var found report
			for _, values := range []string{few, example("edge")} {
				text, err := render(dir, values, keda)
				if err != nil {
					found.add("error: %v", err)
					continue
				}
				o, err := decode(text)
				if err != nil {
					found.add("%v", err)
					continue
				}
				found = append(found, examine(t, o, values)...)
			}
			found.mustSay(t, b.says)
		})
	}
}
