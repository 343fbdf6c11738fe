package config

import (
	"reflect"
	"slices"
)

// Changes is what a service took over of another configuration, links as
// `site/link`.
type Changes struct {
	Added, Removed []string
	// Restarted links were stopped and started, Retold ones went on, and the parser
	// is told.
	Restarted, Retold []string
}

// Merge adds what another service took over.
func (c *Changes) Merge(o Changes) {
	c.Added = append(c.Added, o.Added...)
	c.Removed = append(c.Removed, o.Removed...)
	c.Restarted = append(c.Restarted, o.Restarted...)
	c.Retold = append(c.Retold, o.Retold...)
	c.Sort()
}

// Sort puts the names into order.
func (c *Changes) Sort() {
	for _, names := range [][]string{c.Added, c.Removed, c.Restarted, c.Retold} {
		slices.Sort(names)
	}
}

// Empty tells that nothing changed.
func (c *Changes) Empty() bool {
	return len(c.Added)+len(c.Removed)+len(c.Restarted)+len(c.Retold) == 0
}

// NeedsRestart names what two configurations differ in beside their sites: a
// running process keeps it.
func (c *Config) NeedsRestart(other *Config) []string {
	var out []string
	for name, same := range map[string]bool{
		"data":       c.Data == other.Data,
		"nats":       reflect.DeepEqual(c.NATS, other.NATS),
		"clickhouse": reflect.DeepEqual(c.ClickHouse, other.ClickHouse),
		"sql":        reflect.DeepEqual(c.SQL, other.SQL),
		"metrics":    reflect.DeepEqual(c.Metrics, other.Metrics),
	} {
		if !same {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
