package deploy_test

import (
	"encoding/json"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// dockerfile is the instructions of each stage.
type dockerfile struct {
	stages []string
	lines  map[string][]instruction
}

type instruction struct{ name, args string }

// parseDockerfile reads the part of the syntax that our file uses: no heredocs,
// no escape directive.
func parseDockerfile(text string) dockerfile {
	d := dockerfile{lines: map[string][]instruction{}}
	stage, whole := "", ""
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if part, ok := strings.CutSuffix(line, `\`); ok {
			whole += part + " "
			continue
		}
		name, args, _ := strings.Cut(whole+line, " ")
		whole = ""
		if name == "FROM" {
			_, stage, _ = strings.Cut(args, " AS ")
			d.stages = append(d.stages, stage)
		}
		d.lines[stage] = append(d.lines[stage], instruction{name, strings.TrimSpace(args)})
	}
	return d
}

// all are the arguments of an instruction in a stage.
func (d dockerfile) all(stage, name string) []string {
	var out []string
	for _, i := range d.lines[stage] {
		if i.name == name {
			out = append(out, i.args)
		}
	}
	return out
}

// last is the one that counts, in the stage or one that it begins with.
func (d dockerfile) last(stage, name string) string {
	all := d.all(stage, name)
	switch {
	case len(all) > 0:
		return all[len(all)-1]
	case slices.Contains(d.stages, d.base(stage)):
		return d.last(d.base(stage), name)
	}
	return ""
}

// base is the image or stage that a stage begins with.
func (d dockerfile) base(stage string) string {
	from := strings.Fields(strings.Join(d.all(stage, "FROM"), " "))
	from = slices.DeleteFunc(from, func(s string) bool { return strings.HasPrefix(s, "--") })
	if len(from) == 0 {
		return ""
	}
	return from[0]
}

var (
	ldflagsValue = regexp.MustCompile(`LDFLAGS="([^"]*)"`)
	goBuild      = regexp.MustCompile(`go build -trimpath( -tags edge)? -ldflags "\$LDFLAGS" -o /out/(\S+) (\S+)`)
	shellFor     = regexp.MustCompile(`for s in ([^;]*);`)
)

// binary is one that a stage builds.
type binary struct {
	name, pkg string
	edge      bool
}

func (d dockerfile) ldflags() string { return submatch(ldflagsValue, d.last("build", "ENV")) }

// binaries are those that a stage builds, each of its loop over $s.
func (d dockerfile) binaries(stage string) (out []binary) {
	run := d.last(stage, "RUN")
	for _, m := range goBuild.FindAllStringSubmatch(run, -1) {
		each := []string{""}
		if strings.Contains(m[2], "$s") {
			each = strings.Fields(submatch(shellFor, run))
		}
		for _, s := range each {
			out = append(out, binary{strings.ReplaceAll(m[2], "$s", s), strings.ReplaceAll(m[3], "$s", s), m[1] != ""})
		}
	}
	return out
}

func submatch(re *regexp.Regexp, s string) string {
	m := re.FindStringSubmatch(s)
	if m == nil {
		return ""
	}
	return m[1]
}

// healthcheck is the command of a stage's health check; nil for none.
func (d dockerfile) healthcheck(stage string) (argv []string) {
	if _, command, ok := strings.Cut(d.last(stage, "HEALTHCHECK"), "CMD "); ok {
		_ = json.Unmarshal([]byte(command), &argv)
	}
	return argv
}

// owns tells whether a stage has a folder for the user of the services: a new
// volume takes its owner from there.
func (d dockerfile) owns(stage, folder string) bool {
	for _, i := range d.lines[stage] {
		switch i.name {
		case "COPY":
			if strings.Contains(i.args, "--chown=65532:65532") && strings.HasSuffix(i.args, " "+folder+"/") {
				return true
			}
		case "RUN":
			if strings.Contains(i.args, "chown 65532:65532 "+folder) {
				return true
			}
		}
	}
	return false
}

// services are the targets that run as a service each.
var services = []string{"ingest-tcp", "ingest-poll", "parser", "sink"}

// examineDockerfile says what is wrong with the text of a Dockerfile.
func examineDockerfile(text string) (problems report) {
	d := parseDockerfile(text)
	for _, stage := range d.stages {
		base := d.base(stage)
		if base != "scratch" && !slices.Contains(d.stages, base) && !pinned(base) {
			problems.add("stage %s: %s names no version", stage, base)
		}
		for _, i := range d.lines[stage] {
			switch {
			case i.name == "ADD", regexp.MustCompile(`https?://|\b(curl|wget)\b`).MatchString(i.args):
				problems.add("stage %s: %s fetches from the internet what nobody checks", stage, i.name)
			case i.name == "COPY" && !strings.Contains(i.args, "--from="):
				problems.add("stage %s: COPY %s: sources are mounted", stage, i.args)
			}
			for _, name := range regexp.MustCompile(`TRUNKLINE_\w+`).FindAllString(i.args, -1) {
				if !knownVariable(name) {
					problems.add("stage %s: nobody reads %s", stage, name)
				}
			}
		}
	}
	for _, stage := range append([]string{"tools", "trunkline", "nats"}, services...) {
		if user := d.last(stage, "USER"); user != "65532:65532" {
			problems.add("stage %s: runs as %q", stage, user)
		}
	}
	if got, want := d.base("nats"), "nats:"+server.VERSION+"-alpine"; got != want {
		problems.add("stage nats: %s, and tests run with %s", got, want)
	}
	for _, stage := range append([]string{"trunkline"}, services...) {
		health, entry := d.healthcheck(stage), d.last(stage, "ENTRYPOINT")
		switch {
		case len(health) != 2 || entry != `["`+health[0]+`"]` || path.Base(health[0]) != stage:
			problems.add("stage %s: health check %q of %s", stage, health, entry)
		case !programs[stage][health[1]]:
			problems.add("stage %s: %s has no %s", stage, stage, health[1])
		}
	}
	return problems
}

func TestDockerfile(t *testing.T) {
	text := read(t, "deploy/Dockerfile")
	for _, p := range examineDockerfile(text) {
		t.Error(p)
	}
	if !strings.Contains(toldVersion, version) {
		t.Errorf("built with the Dockerfile's flags, the program calls itself %q, want %s", toldVersion, version)
	}
	for _, broken := range []struct{ old, new, says string }{
		{"golang:1.26-trixie", "golang:latest", "golang:latest names no version"},
		{"debian:13-slim", "debian", "debian names no version"},
		{"nats:2.15.2-alpine", "nats:2.11.0-alpine", "stage nats: nats:2.11.0-alpine, and tests run with"},
		{`"/parser", "-health"]`, `"/parser", "-healthy"]`, "parser has no -healthy"},
		{`"health"]`, `"healthy"]`, "trunkline has no healthy"},
		{`CMD ["/sink"`, `CMD ["/bin/sink"`, "stage sink: health check"},
		{`["/ingest-tcp"]`, `["/ingest-poll"]`, "stage ingest-tcp: health check"},
		{"/certs/\nUSER 65532:65532\n", "/certs/\n", `stage parser: runs as ""`},
		{"HOME=/\nUSER 65532:65532\n#", "HOME=/\nUSER root\n#", `stage trunkline: runs as "root"`},
		{"COPY --from=engine /out/", "ADD https://example.org/", "fetches from the internet"},
		{"mkdir /data &&", "wget -O /x http://example.org/ &&", "fetches from the internet"},
		{"WORKDIR /src\n", "WORKDIR /src\nCOPY . .\n", "sources are mounted"},
		{"TRUNKLINE_ENGINE_LIB=", "TRUNKLINE_ENGINE=", "nobody reads TRUNKLINE_ENGINE"},
	} {
		t.Run(broken.new, func(t *testing.T) {
			examineDockerfile(replaced(t, text, broken.old, broken.new)).mustSay(t, broken.says)
		})
	}
}

// The context of a build holds no secret, and not the history.
func TestDockerignore(t *testing.T) {
	patterns := strings.Fields(read(t, "deploy/Dockerfile.dockerignore"))
	for _, p := range []string{".git", "deploy", "data", "bin"} {
		if !slices.Contains(patterns, p) {
			t.Errorf("%s is sent to the builder", p)
		}
	}
	for _, p := range patterns {
		if _, err := os.Stat(filepath.Join(root, p, "go.mod")); err == nil && p != "tools" {
			t.Errorf("%s is a module of the workspace: without it nothing builds", p)
		}
	}
}
