package helm_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

// objects are what a chart makes, by kind.
type objects struct {
	configs    []*corev1.ConfigMap
	services   []*corev1.Service
	sets       []*appsv1.StatefulSet
	deploys    []*appsv1.Deployment
	jobs       []*batchv1.Job
	crons      []*batchv1.CronJob
	budgets    []*policyv1.PodDisruptionBudget
	policies   []*networkingv1.NetworkPolicy
	scalers    []*autoscalingv2.HorizontalPodAutoscaler
	scaled     []*scaledObject
	monitors   []*serviceMonitor
	alerts     []*prometheusRule
	everything []metav1.Object
	// texts are the objects as YAML, by kind and name.
	texts map[string]string
}

// decode reads a stream of objects as an API server with strict validation does:
// a field that the type has not, in another case or twice, is an error.
func decode(text string) (*objects, error) {
	o := &objects{texts: map[string]string{}}
	docs := utilyaml.NewDocumentDecoder(io.NopCloser(strings.NewReader(text)))
	buf := make([]byte, 4<<20)
	for {
		n, err := docs.Read(buf)
		if errors.Is(err, io.EOF) {
			return o, nil
		}
		if err != nil {
			return nil, err
		}
		if err := o.take(string(buf[:n])); err != nil {
			return nil, err
		}
	}
}

func (o *objects) take(text string) error {
	js, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return fmt.Errorf("%w:\n%s", err, text)
	}
	if string(js) == "null" {
		return nil
	}
	var is metav1.TypeMeta
	if err := json.UnmarshalCaseSensitivePreserveInts(js, &is); err != nil {
		return err
	}
	var it metav1.Object
	switch is.APIVersion + " " + is.Kind {
	case "v1 ConfigMap":
		it = fresh(&o.configs)
	case "v1 Service":
		it = fresh(&o.services)
	case "apps/v1 StatefulSet":
		it = fresh(&o.sets)
	case "apps/v1 Deployment":
		it = fresh(&o.deploys)
	case "batch/v1 Job":
		it = fresh(&o.jobs)
	case "batch/v1 CronJob":
		it = fresh(&o.crons)
	case "policy/v1 PodDisruptionBudget":
		it = fresh(&o.budgets)
	case "networking.k8s.io/v1 NetworkPolicy":
		it = fresh(&o.policies)
	case "autoscaling/v2 HorizontalPodAutoscaler":
		it = fresh(&o.scalers)
	case "keda.sh/v1alpha1 ScaledObject":
		it = fresh(&o.scaled)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		it = fresh(&o.monitors)
	case "monitoring.coreos.com/v1 PrometheusRule":
		it = fresh(&o.alerts)
	default:
		return fmt.Errorf("the chart makes no %s %s", is.APIVersion, is.Kind)
	}
	strict, err := json.UnmarshalStrict(js, it)
	if err = errors.Join(append(strict, err)...); err != nil {
		return fmt.Errorf("%s %s: %w", is.Kind, it.GetName(), err)
	}
	key := is.Kind + " " + it.GetName()
	if _, ok := o.texts[key]; ok {
		return fmt.Errorf("%s is there twice", key)
	}
	o.texts[key] = string(js)
	o.everything = append(o.everything, it)
	return nil
}

func fresh[T any](all *[]*T) *T {
	one := new(T)
	*all = append(*all, one)
	return one
}

// workload is what runs pods, whatever its kind.
type workload struct {
	kind string
	metav1.ObjectMeta
	replicas *int32
	selector map[string]string
	pod      corev1.PodTemplateSpec
	claims   []corev1.PersistentVolumeClaim
	governed string
}

func (o *objects) workloads() []workload {
	var out []workload
	for _, s := range o.sets {
		out = append(out, workload{"StatefulSet", s.ObjectMeta, s.Spec.Replicas, s.Spec.Selector.MatchLabels, s.Spec.Template, s.Spec.VolumeClaimTemplates, s.Spec.ServiceName})
	}
	for _, d := range o.deploys {
		out = append(out, workload{"Deployment", d.ObjectMeta, d.Spec.Replicas, d.Spec.Selector.MatchLabels, d.Spec.Template, nil, ""})
	}
	for _, j := range o.jobs {
		out = append(out, workload{"Job", j.ObjectMeta, j.Spec.Parallelism, nil, j.Spec.Template, nil, ""})
	}
	for _, c := range o.crons {
		out = append(out, workload{"CronJob", c.ObjectMeta, nil, nil, c.Spec.JobTemplate.Spec.Template, nil, ""})
	}
	return out
}

// ends tells whether a workload's pods end by themselves: nobody asks these.
func (w workload) ends() bool { return w.kind == "Job" || w.kind == "CronJob" }

// finds tells whether a selector finds pods with these labels.
func finds(selector, labels map[string]string) bool {
	for k, v := range selector {
		if labels[k] != v {
			return false
		}
	}
	return len(selector) > 0
}

// service is the program that a workload runs: its image's name.
func (w workload) service() string {
	image, _, _ := strings.Cut(w.pod.Spec.Containers[0].Image, ":")
	return image[strings.LastIndexByte(image, '/')+1:]
}

func (w workload) config() string {
	for _, v := range w.pod.Spec.Volumes {
		if v.Name == "config" && v.ConfigMap != nil {
			return v.ConfigMap.Name
		}
	}
	return ""
}

// differ names the objects that two renderings do not have in common.
func differ(a, b *objects) []string {
	names := map[string]bool{}
	for _, k := range slices.Concat(slices.Collect(maps.Keys(a.texts)), slices.Collect(maps.Keys(b.texts))) {
		if a.texts[k] != b.texts[k] {
			names[k] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}
