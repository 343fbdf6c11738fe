package helm_test

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	yamlv3 "go.yaml.in/yaml/v3"

	"trunkline.internal/platform/config"
	"trunkline.internal/proto/wire"
)

type quantity = resource.Quantity

func scalar(text string) *yamlv3.Node { return &yamlv3.Node{Kind: yamlv3.ScalarNode, Value: text} }

// around proves what stands around a workload's pods.
func (e *examined) around(w workload) {
	if w.ends() {
		e.job(w)
		return
	}
	budgets := 0
	for _, b := range e.budgets {
		if finds(b.Spec.Selector.MatchLabels, w.pod.Labels) {
			budgets++
			if b.Spec.MaxUnavailable == nil || b.Spec.MaxUnavailable.IntValue() != 1 {
				e.add("%s: its budget lets a node not be emptied, or all pods go at once", w.Name)
			}
		}
	}
	if budgets != 1 {
		e.add("%s: has %d PodDisruptionBudgets", w.Name, budgets)
	}
	if w.kind == "StatefulSet" && !slices.ContainsFunc(e.services, func(s *corev1.Service) bool {
		return s.Name == w.governed && s.Spec.ClusterIP == corev1.ClusterIPNone && finds(s.Spec.Selector, w.pod.Labels)
	}) {
		e.add("%s: its Service %q is none of its pods'", w.Name, w.governed)
	}
}

// job proves that the schema is there before an upgrade, and that in and out are
// compared each day, by one who only asks.
func (e *examined) job(w workload) {
	c := w.pod.Spec.Containers[0]
	if len(c.Ports) > 0 {
		e.add("%s: Prometheus would look for it when it has ended", w.Name)
	}
	if w.kind == "Job" {
		if w.pod.Spec.RestartPolicy != corev1.RestartPolicyOnFailure || w.Annotations["helm.sh/hook"] != "pre-install,pre-upgrade" ||
			!slices.Contains(c.Args, "-migrate") {
			e.add("%s: does not migrate before an upgrade", w.Name)
		}
		return
	}
	at := slices.IndexFunc(e.crons, func(c *batchv1.CronJob) bool { return c.Name == w.Name })
	switch s := e.crons[at].Spec; {
	case s.ConcurrencyPolicy != batchv1.ForbidConcurrent || s.TimeZone == nil || *s.TimeZone != "Etc/UTC" || s.Suspend != nil:
		e.add("%s: runs twice at once, or by another clock than UTC", w.Name)
	case s.StartingDeadlineSeconds == nil || s.JobTemplate.Spec.ActiveDeadlineSeconds == nil || s.JobTemplate.Spec.BackoffLimit == nil:
		e.add("%s: is forgotten when it is late, or never ends", w.Name)
	case s.FailedJobsHistoryLimit == nil || *s.FailedJobsHistoryLimit < 1 || s.SuccessfulJobsHistoryLimit == nil:
		e.add("%s: keeps no log of what failed", w.Name)
	}
	// The pod that failed stays, and its log with it.
	if w.pod.Spec.RestartPolicy != corev1.RestartPolicyNever || !slices.Equal(c.Args[:2], []string{"status", "--reconcile"}) {
		e.add("%s: does not compare in and out", w.Name)
	}
}

// portsOf are those that links listen on, such as `1080/TCP`, and those of
// passive FTP beside them.
func portsOf(cfg *config.Config) (listens, passive []string) {
	for _, l := range cfg.Links() {
		if listen := listensOn(l); listen != "" {
			_, port, _ := net.SplitHostPort(listen)
			protocol := "/TCP"
			if l.TFTP != nil {
				protocol = "/UDP"
			}
			listens = append(listens, port+protocol)
		}
		if f := l.FTPServer; f != nil && f.Passive != "" {
			from, to, _ := config.PortRange(f.Passive)
			for p := int(from); p <= int(to); p++ {
				passive = append(passive, fmt.Sprintf("%d/TCP", p))
			}
		}
	}
	unique := func(p []string) []string { slices.Sort(p); return slices.Compact(p) }
	return unique(listens), unique(passive)
}

// ports proves that a container and its Service have the links' ports.
func (e *examined) ports(w workload) {
	listens, passive := portsOf(e.configs[w.Name])
	var has []string
	low := false
	for _, p := range w.pod.Spec.Containers[0].Ports {
		for _, m := range validation.IsValidPortName(p.Name) {
			e.add("%s: port %s: %s", w.Name, p.Name, m)
		}
		if p.Name == "metrics" {
			if want := e.configs[w.Name].Metrics.Listen; want != fmt.Sprintf(":%d", p.ContainerPort) {
				e.add("%s: metrics are on %s", w.Name, want)
			}
			continue
		}
		low = low || p.ContainerPort < 1024
		has = append(has, fmt.Sprintf("%d/%s", p.ContainerPort, p.Protocol))
	}
	slices.Sort(has)
	if !slices.Equal(has, listens) {
		e.add("%s: has ports %v, its links %v", w.Name, has, listens)
	}
	s := w.pod.Spec.SecurityContext
	if may := len(s.Sysctls) == 1 && s.Sysctls[0] == (corev1.Sysctl{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}); may != (low && !w.pod.Spec.HostNetwork) {
		e.add("%s: ports below 1024 are %t, and may be bound: %t", w.Name, low, may)
	}
	var doors []*corev1.Service
	for _, s := range e.services {
		if finds(s.Spec.Selector, w.pod.Labels) && s.Spec.ClusterIP != corev1.ClusterIPNone {
			doors = append(doors, s)
		}
	}
	if len(listens) == 0 || w.pod.Spec.HostNetwork {
		if len(doors) > 0 {
			e.add("%s: nobody connects to it, and it has a Service", w.Name)
		}
		return
	}
	if len(doors) != 1 {
		e.add("%s: has %d Services", w.Name, len(doors))
		return
	}
	has = nil
	for _, p := range doors[0].Spec.Ports {
		if p.TargetPort.IntVal != p.Port {
			e.add("%s: port %d of its Service goes elsewhere", w.Name, p.Port)
		}
		has = append(has, fmt.Sprintf("%d/%s", p.Port, p.Protocol))
	}
	want := slices.Concat(listens, passive)
	slices.Sort(has)
	slices.Sort(want)
	if !slices.Equal(has, want) {
		e.add("%s: its Service has ports %v, its links %v", w.Name, has, want)
	}
	if doors[0].Spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal {
		e.add("%s: does not see a PBX's own address", w.Name)
	}
}

// network proves that a workload's policy lets through what its links need, and
// from a PBX that is not allowed nothing.
func (e *examined) network(w workload) {
	at := slices.IndexFunc(e.policies, func(p *networkingv1.NetworkPolicy) bool { return finds(p.Spec.PodSelector.MatchLabels, w.pod.Labels) })
	if at < 0 {
		e.add("%s: has no NetworkPolicy", w.Name)
		return
	}
	p, cfg := e.policies[at].Spec, e.configs[w.Name]
	if len(p.PolicyTypes) != 2 {
		e.add("%s: its policy is about %v", w.Name, p.PolicyTypes)
	}
	if w.ends() != (len(p.Ingress) == 0) {
		e.add("%s: may be asked by %v", w.Name, p.Ingress)
	}
	for _, l := range cfg.Links() {
		name := l.Site.ID + "/" + l.ID
		if listen := listensOn(l); listen != "" {
			allow := reflect.Indirect(reflect.ValueOf(l.Link).Elem().FieldByNameFunc(func(f string) bool {
				v := reflect.ValueOf(l.Link).Elem().FieldByName(f)
				return slices.Contains([]string{"TCP", "FTPServer", "SFTPServer", "HTTPServer", "TFTP"}, f) && !v.IsNil()
			})).FieldByName("Allow").Interface().([]netip.Prefix)
			if len(allow) > 0 && !slices.ContainsFunc(p.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
				return opens(r.Ports, listen) && len(r.From) == len(allow) && r.From[0].IPBlock != nil && r.From[0].IPBlock.CIDR == allow[0].String()
			}) || !slices.ContainsFunc(p.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool { return opens(r.Ports, listen) }) {
				e.add("%s: link %s: nobody may connect to %s, or others may", w.Name, name, listen)
			}
		}
		for _, addr := range dials(l) {
			if !slices.ContainsFunc(p.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return leads(r, addr) }) {
				e.add("%s: link %s: it may not connect to %s", w.Name, name, addr)
			}
		}
	}
	servers := strings.Split(strings.TrimPrefix(strings.TrimPrefix(cfg.NATS.URL, "nats://"), "tls://"), ",")
	if w.service() == "sink" || w.service() == "tools" {
		servers = append(servers, cfg.ClickHouse.Addr...)
	}
	for _, addr := range append(servers, "dns:53") {
		if !slices.ContainsFunc(p.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool { return opens(r.Ports, addr) }) {
			e.add("%s: it may not connect to %s", w.Name, addr)
		}
	}
}

// dials are the addresses that a link connects to.
func dials(l config.LinkOf) []string {
	switch {
	case l.TCP != nil && l.TCP.Dial != "":
		return []string{l.TCP.Dial}
	case l.OXE != nil:
		return l.OXE.Dial
	case l.AHL != nil:
		return []string{l.AHL.Dial}
	case l.FTP != nil:
		// And where the server tells to come for a transfer.
		host, _, _ := net.SplitHostPort(l.FTP.Addr)
		return []string{l.FTP.Addr, net.JoinHostPort(host, "50123")}
	case l.SFTP != nil:
		return []string{l.SFTP.Addr}
	case l.MySQL != nil:
		return []string{l.MySQL.Addr}
	case l.TFTP != nil && l.TFTP.Fetch != "":
		return []string{l.TFTP.Fetch}
	case l.HTTP != nil:
		u, err := url.Parse(l.HTTP.URL)
		if err != nil || u.Port() != "" {
			return []string{u.Host}
		}
		return []string{u.Host + map[string]string{"http": ":80", "https": ":443"}[u.Scheme]}
	}
	return nil
}

// opens tells whether ports hold that of an address; none are all.
func opens(ports []networkingv1.NetworkPolicyPort, addr string) bool {
	_, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text)
	return len(ports) == 0 || slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		return p.Port == nil || p.Port.IntValue() == port || p.EndPort != nil && p.Port.IntValue() <= port && port <= int(*p.EndPort)
	})
}

// leads tells whether a rule lets through to an address.
func leads(r networkingv1.NetworkPolicyEgressRule, addr string) bool {
	if !opens(r.Ports, addr) {
		return false
	}
	host, _, _ := net.SplitHostPort(addr)
	ip, err := netip.ParseAddr(host)
	return len(r.To) == 0 || slices.ContainsFunc(r.To, func(p networkingv1.NetworkPolicyPeer) bool {
		if p.IPBlock == nil || err != nil {
			return false
		}
		block, wrong := netip.ParsePrefix(p.IPBlock.CIDR)
		return wrong == nil && block.Contains(ip)
	})
}

// scaling proves that parser and sink grow, by lag or CPU, and nothing else does.
func (e *examined) scaling() {
	grows := map[string]int32{}
	for _, s := range e.scaled {
		grows[s.Spec.ScaleTargetRef.Name] = *s.Spec.MinReplicaCount
		service := s.Labels["app.kubernetes.io/component"]
		want := map[string][2]string{"parser": {wire.StreamTickets, wire.ConsumerParser}, "sink": {wire.StreamCdrs, wire.ConsumerSink}}[service]
		if len(s.Spec.Triggers) != 1 || s.Spec.Triggers[0].Type != "nats-jetstream" {
			e.add("%s: is not scaled by lag", s.Name)
			continue
		}
		m := s.Spec.Triggers[0].Metadata
		if is := [2]string{m["stream"], m["consumer"]}; is != want || m["natsServerMonitoringEndpoint"] == "" || m["account"] == "" {
			e.add("%s: is scaled by the lag of %v, want %v", s.Name, is, want)
		}
		for _, key := range slices.Sorted(maps.Keys(m)) {
			if !slices.Contains(natsMetadata, key) {
				e.add("%s: the trigger has no %s", s.Name, key)
			}
		}
	}
	for _, s := range e.scalers {
		grows[s.Spec.ScaleTargetRef.Name] = *s.Spec.MinReplicas
		if len(s.Spec.Metrics) != 1 || s.Spec.Metrics[0].Resource == nil || s.Spec.Metrics[0].Resource.Name != corev1.ResourceCPU {
			e.add("%s: is not scaled by CPU", s.Name)
		}
	}
	for _, w := range e.all {
		least, ok := grows[w.Name]
		if worker := w.kind == "Deployment" && (w.service() == "parser" || w.service() == "sink"); ok != worker {
			e.add("%s: is scaled: %t", w.Name, ok)
		} else if ok && (least < 1 || w.replicas != nil) {
			e.add("%s: may stand still, or each upgrade sets its replicas back", w.Name)
		}
		delete(grows, w.Name)
	}
	for name := range grows {
		e.add("%s: is scaled, and is not there", name)
	}
}

// monitoring proves that Prometheus finds the pods, and the rules of this
// repository.
func (e *examined) monitoring() {
	for _, m := range e.monitors {
		found := 0
		for _, s := range e.services {
			if finds(m.Spec.Selector.MatchLabels, s.Labels) {
				found++
				for _, w := range e.all {
					if !finds(s.Spec.Selector, w.pod.Labels) {
						e.add("%s: does not find %s", m.Name, w.Name)
					}
				}
				if len(s.Spec.Ports) != 1 || s.Spec.Ports[0].Name != m.Spec.Endpoints[0].Port || s.Spec.Ports[0].TargetPort.StrVal != "metrics" {
					e.add("%s: the port of the Service is %v", m.Name, s.Spec.Ports)
				}
			}
		}
		if found != 1 {
			e.add("%s: finds %d Services", m.Name, found)
		}
	}
	for _, r := range e.alerts {
		var want ruleGroups
		text, err := os.ReadFile(filepath.Join(root, "deploy/prometheus/rules.yaml"))
		if err == nil {
			err = yaml.UnmarshalStrict(text, &want)
		}
		if err != nil || len(want.Groups) == 0 || !reflect.DeepEqual(r.Spec, want) {
			e.add("%s: its rules are not those of deploy/prometheus (%v): copy them to deploy/helm/trunkline/files/rules.yaml", r.Name, err)
		}
	}
}
