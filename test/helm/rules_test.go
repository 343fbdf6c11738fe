package helm_test

import (
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"trunkline.internal/platform/config"
)

// names are what an API server takes.
func (e *examined) names() {
	for _, o := range e.everything {
		for _, p := range validation.IsDNS1035Label(o.GetName()) {
			e.add("%s: its name: %s", o.GetName(), p)
		}
		for k, v := range o.GetLabels() {
			for _, p := range slices.Concat(validation.IsQualifiedName(k), validation.IsValidLabelValue(v)) {
				e.add("%s: label %s: %s", o.GetName(), k, p)
			}
		}
	}
	for _, w := range e.all {
		// A pod of a StatefulSet is labelled with this and a hash.
		if len(w.Name) > 52 {
			e.add("%s: its pods' labels would be too long", w.Name)
		}
		if w.selector != nil && !finds(w.selector, w.pod.Labels) {
			e.add("%s: does not find its own pods", w.Name)
		}
		for _, other := range e.all {
			if other.Name != w.Name && finds(w.selector, other.pod.Labels) {
				e.add("%s: finds the pods of %s", w.Name, other.Name)
			}
		}
	}
}

var version = regexp.MustCompile(`:v?\d+\.\d+`)

// security is what the restricted profile of Kubernetes asks for, and more.
func (e *examined) security(w workload) {
	p, c := w.pod.Spec, w.pod.Spec.Containers[0]
	if len(p.Containers) != 1 || len(p.InitContainers) != 0 {
		e.add("%s: has other containers than its service's", w.Name)
	}
	if !version.MatchString(c.Image) || c.Image != "trunkline.internal/"+w.service()+":0.1.0" {
		e.add("%s: image %s has no version of ours", w.Name, c.Image)
	}
	switch s := p.SecurityContext; {
	case s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.RunAsUser == nil || *s.RunAsUser != 65532:
		e.add("%s: may run as root", w.Name)
	case s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault:
		e.add("%s: has no seccomp profile", w.Name)
	case s.FSGroup == nil || *s.FSGroup != 65532:
		e.add("%s: cannot write to its volume", w.Name)
	}
	switch s := c.SecurityContext; {
	case s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem:
		e.add("%s: its root file system can be written", w.Name)
	case s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Privileged != nil:
		e.add("%s: may get privileges", w.Name)
	case s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0:
		e.add("%s: has capabilities", w.Name)
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		e.add("%s: gets a token of the API server", w.Name)
	}
	// A Service named trunkline-nats-spool would set TRUNKLINE_NATS_SPOOL_PORT.
	if p.EnableServiceLinks == nil || *p.EnableServiceLinks {
		e.add("%s: gets variables of Services, which the configuration reads", w.Name)
	}
}

// pod proves what starts, and how it is looked after.
func (e *examined) pod(w workload) {
	p, c := w.pod.Spec, w.pod.Spec.Containers[0]
	for _, arg := range c.Args {
		if strings.HasPrefix(arg, "-") && !slices.Contains(flags[w.service()], arg) {
			e.add("%s: %s has no flag %s", w.Name, w.service(), arg)
		}
	}
	if at := slices.Index(c.Args, "-c"); at < 0 || at+1 == len(c.Args) || c.Args[at+1] != "/etc/trunkline/trunkline.yaml" || len(c.Command) > 0 {
		e.add("%s: starts with %q %q", w.Name, c.Command, c.Args)
	}
	mounts, volumes := map[string]string{}, map[string]bool{}
	for _, m := range c.VolumeMounts {
		mounts[m.Name] = m.MountPath
		if m.SubPath != "" {
			e.add("%s: what changes below %s never reaches the pod", w.Name, m.MountPath)
		}
	}
	for _, v := range p.Volumes {
		volumes[v.Name] = true
	}
	for _, v := range w.claims {
		volumes[v.Name] = true
	}
	for name := range volumes {
		if mounts[name] == "" {
			e.add("%s: volume %s is mounted nowhere", w.Name, name)
		}
	}
	for name, at := range mounts {
		if !volumes[name] {
			e.add("%s: %s is no volume's", w.Name, at)
		}
		for _, p := range validation.IsDNS1123Label(name) {
			e.add("%s: volume %s: %s", w.Name, name, p)
		}
	}
	if mounts["config"] != "/etc/trunkline" || mounts["data"] != e.configs[w.Name].Data {
		e.add("%s: configuration or data have no place: %v", w.Name, mounts)
	}
	if p.TerminationGracePeriodSeconds == nil || *p.TerminationGracePeriodSeconds < 60 {
		e.add("%s: is killed while it drains", w.Name)
	}
	if w.ends() {
		return
	}
	want := "/readyz"
	if strings.HasPrefix(w.service(), "ingest") {
		want = "/readyz?part=nats"
	}
	for name, probe := range map[string]struct {
		*corev1.Probe
		path string
	}{"liveness": {c.LivenessProbe, "/healthz"}, "readiness": {c.ReadinessProbe, want}, "startup": {c.StartupProbe, "/healthz"}} {
		if probe.Probe == nil || probe.HTTPGet == nil || probe.HTTPGet.Path != probe.path || probe.HTTPGet.Port.StrVal != "metrics" {
			e.add("%s: its %s probe asks not for %s", w.Name, name, probe.path)
		}
	}
	spread := map[string]bool{}
	for _, s := range p.TopologySpreadConstraints {
		spread[s.TopologyKey] = finds(s.LabelSelector.MatchLabels, w.pod.Labels)
	}
	if !spread["kubernetes.io/hostname"] || !spread["topology.kubernetes.io/zone"] {
		e.add("%s: its pods may all stand on one node or in one zone", w.Name)
	}
	if len(w.claims) > 0 && e.configs[w.Name].NATS.Spool != nil {
		if size := w.claims[0].Spec.Resources.Requests.Storage().Value(); size < int64(e.configs[w.Name].NATS.Spool.MaxBytes)*11/10 {
			e.add("%s: a volume of %d bytes is too small for the spool", w.Name, size)
		}
	}
	if len(w.claims) == 0 && e.configs[w.Name].NATS.Spool != nil {
		e.add("%s: its spool dies with the pod", w.Name)
	}
}

// memory proves that there are limits, and that Go knows them.
func (e *examined) memory(w workload) {
	c := w.pod.Spec.Containers[0]
	for _, of := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if c.Resources.Limits[of] == *new(quantity) || c.Resources.Requests[of] == *new(quantity) {
			e.add("%s: %s has no limit or request", w.Name, of)
		}
	}
	for _, v := range c.Env {
		if v.Name != "GOMEMLIMIT" {
			continue
		}
		var heap config.Bytes
		limit := c.Resources.Limits.Memory().Value()
		if err := heap.UnmarshalYAML(scalar(v.Value)); err != nil || int64(heap) >= limit || int64(heap) < limit*3/4 {
			e.add("%s: GOMEMLIMIT %s does not fit %d", w.Name, v.Value, limit)
		}
		return
	}
	e.add("%s: has no GOMEMLIMIT", w.Name)
}

var (
	secretFile = regexp.MustCompile(`/run/secrets/([^/\s'"]+)/`)
	passwordOf = regexp.MustCompile(`password_env: (\S+)`)
)

// secrets are mounted or given by reference where the configuration names them,
// and nowhere else.
func (e *examined) secrets(w workload) {
	text, c := e.texts[w.Name], w.pod.Spec.Containers[0]
	vital, _, _ := strings.Cut(text, "\nsites:")
	mounted := map[string]bool{}
	for _, v := range w.pod.Spec.Volumes {
		if v.Secret == nil {
			continue
		}
		at := slices.IndexFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.Name == v.Name })
		if at < 0 || c.VolumeMounts[at].MountPath != "/run/secrets/"+v.Secret.SecretName || !c.VolumeMounts[at].ReadOnly {
			e.add("%s: Secret %s is not mounted where it is looked for", w.Name, v.Secret.SecretName)
		}
		if m := v.Secret.DefaultMode; m == nil || *m != 0o440 {
			e.add("%s: Secret %s can be read by others than its group, or not by it", w.Name, v.Secret.SecretName)
		}
		mounted[v.Secret.SecretName] = true
		needed := strings.Contains(vital, "/run/secrets/"+v.Secret.SecretName+"/")
		if v.Secret.Optional == nil || *v.Secret.Optional == needed {
			e.add("%s: Secret %s: a link's may be missing, and only a link's", w.Name, v.Secret.SecretName)
		}
	}
	for _, m := range secretFile.FindAllStringSubmatch(text, -1) {
		if _, ok := mounted[m[1]]; !ok {
			e.add("%s: Secret %s is not mounted", w.Name, m[1])
		}
		mounted[m[1]] = false
	}
	for name, idle := range mounted {
		if idle {
			e.add("%s: Secret %s is none of its", w.Name, name)
		}
	}
	if n := e.configs[w.Name].NATS; strings.HasPrefix(n.URL, "tls://") && (n.CredsFile == "" || n.InboxPrefix == "") {
		e.add("%s: is nobody at its NATS server", w.Name)
	}
	named := map[string]bool{}
	for _, m := range passwordOf.FindAllStringSubmatch(text, -1) {
		named[m[1]] = false
	}
	for _, v := range c.Env {
		switch _, ok := named[v.Name]; {
		case v.Name == "GOMEMLIMIT":
		case !ok:
			e.add("%s: nobody reads %s", w.Name, v.Name)
		case v.Value != "" || v.ValueFrom == nil || v.ValueFrom.SecretKeyRef == nil:
			e.add("%s: %s is no reference to a Secret", w.Name, v.Name)
		default:
			named[v.Name] = true
		}
	}
	for name, given := range named {
		if !given {
			e.add("%s: nobody gives %s", w.Name, name)
		}
	}
}
