package examine

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestPattern(t *testing.T) {
	for _, c := range []struct {
		given, name, pattern, model string
	}{
		{"SMDR*.csv", "smdr_1.csv", "smdr*.csv", ""},
		{"TAX*", "cdr_StandAlone_01_202611210900_1", "c[dm]r_*", "cisco-cucm"},
		{"TAX*", "calls-20261121.log", "calls-*.log", ""},
		{"TAX*", "log[1].txt", `log\[*].txt`, ""},
	} {
		if pattern, model := Pattern(c.given, []string{c.name}); pattern != c.pattern || model != c.model {
			t.Errorf("%s: %q %q", c.name, pattern, model)
		}
	}
	if pattern, _ := Pattern("*", nil); pattern != "" {
		t.Errorf("%q", pattern)
	}
}

func TestWholeHours(t *testing.T) {
	for d, want := range map[time.Duration]time.Duration{
		0: 0, 10 * time.Minute: 0, time.Hour + 2*time.Minute: time.Hour, -2*time.Hour - time.Minute: -2 * time.Hour,
		5*time.Hour + 30*time.Minute: 5*time.Hour + 30*time.Minute, 72 * time.Hour: 0, time.Hour + 10*time.Minute: 0,
	} {
		if got := WholeHours(d); got != want {
			t.Errorf("%s: %s", d, got)
		}
	}
}

// What a server says steers no terminal and tells no password.
func TestTell(t *testing.T) {
	var got []Step
	r := NewReport(func(s Step) { got = append(got, s) }, time.Now)
	r.Hide("s3cret")
	r.Warn("log-in", "no s3cret \x1b[2J here\xff", "")
	r.OK("a", "b")
	if text := fmt.Sprint(got); strings.Contains(text, "\x1b") || !utf8.ValidString(text) || strings.Contains(text, "s3cret") || r.Worst() != Warning {
		t.Errorf("%q %s", text, r.Worst())
	}
}
