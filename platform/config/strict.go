package config

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"trunkline.internal/pbx"
)

// check walks a document along the type that it is meant for: every key must
// exist, every value must fit. It notes where each value stands. base is the
// number of sites read before.
func (in *reading) check(file string, n *yaml.Node, into any, base int) {
	c := checker{reading: in, file: file, base: base}
	c.value(n, reflect.TypeOf(into).Elem(), "")
}

type checker struct {
	*reading
	file string
	base int
}

var (
	yamlUnmarshaler = reflect.TypeFor[yaml.Unmarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func (c *checker) value(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if path != "" {
		c.places[path] = place{c.file, n.Line}
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" && t.Kind() != reflect.Interface {
		return // `tcp:` without a value is like no key
	}
	switch p := reflect.New(t); {
	case p.Type().Implements(yamlUnmarshaler):
		if err := p.Interface().(yaml.Unmarshaler).UnmarshalYAML(n); err != nil {
			c.problem(c.file, n.Line, "%s: %v", path, err)
		}
		return
	case p.Type().Implements(textUnmarshaler):
		if n.Kind != yaml.ScalarNode {
			c.problem(c.file, n.Line, "%s: give one value", path)
		} else if err := p.Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(n.Value)); err != nil {
			c.problem(c.file, n.Line, "%s: %q is no address range: give one such as 10.1.0.0/16 or 10.1.0.5/32", path, n.Value)
		}
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		c.structure(n, t, path)
	case reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			c.problem(c.file, n.Line, "%s: give a list: [a, b]", path)
			return
		}
		for i, item := range n.Content {
			if path == "sites" {
				i += c.base
			}
			c.value(item, t.Elem(), path+"["+strconv.Itoa(i)+"]")
		}
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			c.problem(c.file, n.Line, "%s: give pairs: {key: value}", path)
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			c.value(n.Content[i], t.Key(), path+"."+n.Content[i].Value)
			c.value(n.Content[i+1], t.Elem(), path+"."+n.Content[i].Value)
		}
	case reflect.Interface:
	default:
		p := reflect.New(t)
		if n.Kind != yaml.ScalarNode || n.Decode(p.Interface()) != nil {
			c.problem(c.file, n.Line, "%s: %s, not %s", path, kindName(t.Kind()), describe(n))
		}
	}
}

func (c *checker) structure(n *yaml.Node, t reflect.Type, path string) {
	if n.Kind != yaml.MappingNode {
		c.problem(c.file, n.Line, "%s: give keys and values, not %s", orWord(path, "the file"), describe(n))
		return
	}
	fields := make(map[string]reflect.StructField)
	var names []string
	collect(t, func(name string, f reflect.StructField) {
		fields[name] = f
		names = append(names, name)
	})
	seen := make(map[string]int)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		f, ok := fields[key.Value]
		if !ok {
			c.unknown(key, path, names)
			continue
		}
		if line, twice := seen[key.Value]; twice {
			c.problem(c.file, key.Line, "%s stands here and in line %d", join(path, key.Value), line)
			continue
		}
		seen[key.Value] = key.Line
		c.value(value, f.Type, join(path, key.Value))
	}
}

// unknown says what key would be right. Connection details at the top of a link
// are the usual slip.
func (c *checker) unknown(key *yaml.Node, path string, names []string) {
	if near := pbx.NearestOf(key.Value, names); near != "" {
		c.problem(c.file, key.Line, "unknown key %q: is it %q?", join(path, key.Value), near)
		return
	}
	c.problem(c.file, key.Line, "unknown key %q: %s has %s", join(path, key.Value), orWord(path, "the file"), strings.Join(names, ", "))
}

// collect lists a struct's YAML fields, those of inlined structs as its own.
func collect(t reflect.Type, yield func(name string, f reflect.StructField)) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, opts, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case opts == "inline":
			collect(f.Type, yield)
		case name != "" && name != "-":
			yield(name, f)
		}
	}
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

func kindName(k reflect.Kind) string {
	switch k {
	case reflect.String:
		return "give a text"
	case reflect.Bool:
		return "give true or false"
	}
	return "give a whole number"
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys and values"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}
