package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Load reads the file, adds the sites of `sites.d/*.yaml` beside it, lets the
// environment override, and validates. The error lists everything that is
// wrong, a Problem each.
func Load(file string) (*Config, error) {
	cfg := &Config{}
	var in reading
	if err := in.read(cfg, file); err != nil {
		return nil, err
	}
	more, err := filepath.Glob(SitesPattern(file))
	if err != nil {
		return nil, err
	}
	slices.Sort(more)
	for _, f := range more {
		part := &Config{}
		if err := in.read(part, f); err != nil {
			return nil, err
		}
		if only := (&Config{Sites: part.Sites}); !equal(part, only) {
			in.problem(f, 1, "a file in sites.d adds sites, and nothing but `sites:` may stand in it")
		}
		cfg.Sites = append(cfg.Sites, part.Sites...)
	}
	if len(in.problems) > 0 {
		return nil, in.err()
	}
	if err := in.finish(cfg, os.Environ()); err != nil {
		return nil, err
	}
	cfg.Files = append(append([]string{file}, more...), in.layouts...)
	return cfg, nil
}

// SitesPattern is where a configuration's further sites stand.
func SitesPattern(file string) string {
	return filepath.Join(filepath.Dir(file), "sites.d", "*.yaml")
}

// Parse reads a configuration that stands in no file of its own; name is said in
// errors. The environment does not count.
func Parse(name string, text []byte) (*Config, error) {
	cfg := &Config{}
	var in reading
	if err := in.parse(cfg, name, text); err != nil {
		return nil, err
	}
	if len(in.problems) > 0 {
		return nil, in.err()
	}
	return cfg, in.finish(cfg, nil)
}

func (in *reading) finish(cfg *Config, env []string) error {
	in.override(cfg, env)
	cfg.setDefaults()
	in.validate(cfg)
	return in.err()
}

func (c *Config) setDefaults() {
	setDefault(&c.Data, DefaultData)
	setDefault(&c.NATS.URL, c.NATS.own())
	setDefault(&c.ClickHouse.Protocol, "native")
	setDefault(&c.ClickHouse.Database, "trunkline")
	setDefault(&c.ClickHouse.User, "default")
	if len(c.ClickHouse.Addr) == 0 {
		c.ClickHouse.Addr = []string{"127.0.0.1:9000"}
		if c.ClickHouse.Protocol == "http" {
			c.ClickHouse.Addr = []string{"127.0.0.1:8123"}
		}
	}
	setDefault(&c.SQL.Listen, "127.0.0.1:8123")
	c.Metrics.Default = c.Metrics.Listen == ""
	setDefault(&c.Metrics.Listen, "127.0.0.1:9090")
}

// own is where the commands reach the server of `trunkline run` on this machine.
func (n *NATS) own() string {
	scheme := "nats"
	if n.ListenTLS != nil {
		scheme = "tls"
	}
	host, port, err := net.SplitHostPort(n.Listen)
	if err != nil || port == "" || port == "0" || port == "-1" {
		port = "4222"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + "://" + net.JoinHostPort(host, port)
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}

// Problem is one thing that is wrong in a configuration.
type Problem struct {
	File string
	// Line counts from 1; 0 where it is about the file as a whole.
	Line int
	// Text says what is wrong and what would be right.
	Text string
}

func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// reading gathers what is known while files are read: where each value stands,
// and what is wrong.
type reading struct {
	places   map[string]place
	sites    int
	layouts  []string // files of them
	problems []*Problem
}

type place struct {
	file string
	line int
}

// userinfo is a user, and often a password, before a host.
var userinfo = regexp.MustCompile(`[^\s"',]+@`)

func (in *reading) problem(file string, line int, format string, args ...any) {
	text := userinfo.ReplaceAllString(fmt.Sprintf(format, args...), "…@")
	in.problems = append(in.problems, &Problem{file, line, text})
}

// problemAt names the place of a path such as `sites[0].links[1].tcp.listen`, or
// of the nearest thing around it.
func (in *reading) problemAt(path, format string, args ...any) {
	at, ok := in.places[path]
	for p := path; !ok; {
		i := strings.LastIndexAny(p, ".[")
		if i < 0 {
			at = in.places[""]
			break
		}
		p = p[:i]
		at, ok = in.places[p]
	}
	in.problem(at.file, at.line, format, args...)
}

func (in *reading) err() error {
	if len(in.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(in.problems, func(a, b *Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return a.Line - b.Line
	})
	errs := make([]error, len(in.problems))
	for i, p := range in.problems {
		errs[i] = p
	}
	return errors.Join(errs...)
}

func (in *reading) read(cfg *Config, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("configuration: %w: -c FILE or $TRUNKLINE_CONFIG names another", err)
	}
	return in.parse(cfg, file, text)
}

func (in *reading) parse(cfg *Config, file string, text []byte) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		return syntaxProblem(file, err)
	}
	if in.places == nil {
		in.places = map[string]place{"": {file, 1}}
	}
	if len(doc.Content) == 0 {
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		in.problem(file, 1, "one document a file: there is a second behind `---`")
	}
	before := len(in.problems)
	in.check(file, doc.Content[0], cfg, in.sites)
	if len(in.problems) > before {
		return nil
	}
	if err := doc.Decode(cfg); err != nil {
		return syntaxProblem(file, err)
	}
	in.sites += len(cfg.Sites)
	return nil
}

// syntaxProblem turns `yaml: line 3: …` into a problem at its place.
func syntaxProblem(file string, err error) error {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var line int
	if n, _ := fmt.Sscanf(text, "line %d:", &line); n == 1 {
		_, text, _ = strings.Cut(text, ": ")
	}
	if strings.HasPrefix(text, "unknown anchor") { // which it would name
		text = "a value that begins with * refers to another one: write it in quotes"
	}
	if strings.Contains(text, "unknown escape character") {
		text += `: in double quotes a \ begins an escape, so write a folder of Windows without quotes, such as dir: D:\cdr`
	}
	return &Problem{file, line, text}
}
