package helm_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
)

type schema struct {
	Ref                  string            `json:"$ref"`
	Defs                 map[string]schema `json:"$defs"`
	Properties           map[string]schema
	AdditionalProperties any
	Items                *schema
	Enum                 []string
}

// The schema of the values knows every key of the configuration, and no other.
func TestSchemaIsTheConfiguration(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all schema
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	same(t, all, all.Properties["nats"], reflect.TypeFor[config.NATS](), "nats", "listen") // of `trunkline run` alone
	same(t, all, all.Properties["clickhouse"], reflect.TypeFor[config.ClickHouse](), "clickhouse")
	same(t, all, all.Defs["site"], reflect.TypeFor[config.Site](), "sites[]")
	var models []string
	for _, m := range pbx.Models() {
		models = append(models, m.ID)
	}
	slices.Sort(models)
	if got := all.Defs["link"].Properties["model"].Enum; !slices.Equal(got, models) {
		t.Errorf("models: %v, want %v", got, models)
	}
}

// same compares a schema's keys with those of a type, and below.
func same(t *testing.T, all, s schema, of reflect.Type, at string, but ...string) {
	t.Helper()
	if name, ok := strings.CutPrefix(s.Ref, "#/$defs/"); ok {
		s = all.Defs[name]
	}
	for of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	if of.Kind() == reflect.Slice && s.Items != nil {
		same(t, all, *s.Items, of.Elem(), at+"[]")
		return
	}
	if of.Kind() != reflect.Struct || len(s.Properties) == 0 {
		return
	}
	keys := map[string]reflect.Type{}
	keysOf(of, keys)
	for _, key := range but {
		delete(keys, key)
	}
	if want, got := slices.Sorted(maps.Keys(keys)), slices.Sorted(maps.Keys(s.Properties)); !slices.Equal(got, want) {
		t.Errorf("%s has the keys %q, want %q", at, got, want)
	}
	if s.AdditionalProperties != false {
		t.Errorf("%s takes any key", at)
	}
	for key, of := range keys {
		same(t, all, s.Properties[key], of, at+"."+key)
	}
}

func keysOf(of reflect.Type, keys map[string]reflect.Type) {
	for f := range of.Fields() {
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key == "-":
		case options == "inline":
			keysOf(f.Type, keys)
		default:
			keys[key] = f.Type
		}
	}
}
