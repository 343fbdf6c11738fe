package config

import (
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// EnvPrefix begins the names of environment variables that override a value:
// `TRUNKLINE_NATS_URL` is nats.url. Sites are overridden by no variable.
const EnvPrefix = "TRUNKLINE_"

// override sets values from the environment. A list is written with commas.
func (in *reading) override(cfg *Config, env []string) {
	values := make(map[string]string)
	for _, e := range env {
		if name, value, _ := strings.Cut(e, "="); strings.HasPrefix(name, EnvPrefix) {
			values[name] = value
		}
	}
	in.overrideIn(reflect.ValueOf(cfg).Elem(), EnvPrefix, values)
}

func (in *reading) overrideIn(v reflect.Value, prefix string, values map[string]string) {
	for i := range v.NumField() {
		f := v.Type().Field(i)
		key, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		name := prefix + strings.ToUpper(key)
		field := v.Field(i)
		switch {
		case key == "sites":
			continue
		case opts == "inline":
			in.overrideIn(field, prefix, values)
			continue
		case field.Kind() == reflect.Struct:
			in.overrideIn(field, name+"_", values)
			continue
		case field.Kind() == reflect.Pointer && field.Type().Elem().Kind() == reflect.Struct:
			if anyWithPrefix(values, name+"_") {
				if field.IsNil() {
					field.Set(reflect.New(field.Type().Elem()))
				}
				in.overrideIn(field.Elem(), name+"_", values)
			}
			continue
		}
		text, ok := values[name]
		if !ok {
			continue
		}
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: text}
		if field.Kind() == reflect.Slice {
			n = &yaml.Node{Kind: yaml.SequenceNode}
			for _, item := range strings.Split(text, ",") {
				n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Value: strings.TrimSpace(item)})
			}
		}
		if err := n.Decode(field.Addr().Interface()); err != nil {
			in.problem("environment", 0, "%s: %v", name, err)
		}
	}
}

func anyWithPrefix(values map[string]string, prefix string) bool {
	for name := range values {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}
