package config

import (
	"strings"
	"testing"
)

func TestServersNeedACertificateAndItsKey(t *testing.T) {
	for _, at := range []string{"nats: {listen_tls: {%}}", "sql: {tls: {%}}", "metrics: {tls: {%}}"} {
		for given, ok := range map[string]bool{"cert: a, key: b": true, "cert: a, key: b, ca: c": true, "cert: a": false, "key: b": false, "ca: c": false} {
			text := strings.Replace(at, "%", given, 1)
			_, err := Parse("trunkline.yaml", []byte(text))
			if (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "trunkline.yaml:1: ") {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

// Services that share a machine and its file have ports of their own, unless it
// names one.
func TestMetricsByDefault(t *testing.T) {
	for text, want := range map[string]Metrics{
		"": {Listen: "127.0.0.1:9090", Default: true}, `metrics: {listen: "127.0.0.1:9090"}`: {Listen: "127.0.0.1:9090"}, "metrics: {listen: off}": {Listen: "off"},
	} {
		if cfg, err := Parse("trunkline.yaml", []byte(text)); err != nil || cfg.Metrics != want {
			t.Errorf("%q: %+v, %v", text, cfg, err)
		}
	}
}
