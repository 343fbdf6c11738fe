package config

import (
	"strings"
	"testing"
	"time"
)

const hours = `
sites:
  - id: lyon
    timezone: Europe/Paris
    country: FR
    hours: {mon-fri: "08:00-12:00 14:00-18:00", sat: "09:00-12:00"}
    holidays: [2026-12-28, 2026-08-03..2026-08-21]
    silence: {after: 2h}
    links:
      - {id: a, model: avaya-ipoffice, tcp: {listen: ":1080"}}
      - {id: b, model: avaya-ipoffice, tcp: {listen: ":1081"}, silence: {after: off}}
      - {id: c, model: avaya-ipoffice, tcp: {listen: ":1082"}, silence: {reconnect: true}}
`

func TestSilence(t *testing.T) {
	c, err := Parse("hours.yaml", []byte(hours))
	if err != nil {
		t.Fatal(err)
	}
	links := c.Links()
	for i, want := range []Silence{{After: "2h"}, {After: "off"}, {Reconnect: true}} {
		if got := links[i].Quiet(); got != want {
			t.Errorf("link %s: %+v, want %+v", links[i].ID, got, want)
		}
	}
	if links[0].SameQuiet(links[1]) || !links[0].SameQuiet(links[0]) {
		t.Error("what is silent alike is not told")
	}
	calendar, err := links[0].Site.Calendar()
	if err != nil {
		t.Fatal(err)
	}
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{
		"2026-11-23 11:59": true, "2026-11-23 12:00": false, "2026-11-28 10:00": true, "2026-11-29 10:00": false,
		"2026-12-28 10:00": false, "2026-08-10 10:00": false, "2026-12-25 10:00": false,
	} {
		when, err := time.ParseInLocation("2006-01-02 15:04", at, paris)
		if err != nil {
			t.Fatal(err)
		}
		if got := calendar.Open(when); got != want {
			t.Errorf("open at %s: %v", at, got)
		}
	}
}

func TestSilenceMistakes(t *testing.T) {
	for _, c := range []struct {
		old, new, place string
		says            []string
	}{
		{"after: 2h", "after: soon", "hours.yaml:8", []string{`"soon"`, "auto", "off"}},
		{"after: off}", "after: 3s}", "hours.yaml:11", []string{`"3s"`, "minute"}},
		{"mon-fri", "mon-friday", "hours.yaml:3", []string{"mon-friday", "site lyon"}},
		{"14:00-18:00", "14:00-25:00", "hours.yaml:3", []string{"25:00"}},
		{"2026-12-28", "28.12.2026", "hours.yaml:3", []string{"28.12.2026"}},
	} {
		_, err := Parse("hours.yaml", []byte(strings.Replace(hours, c.old, c.new, 1)))
		if err == nil {
			t.Errorf("%s is taken", c.new)
			continue
		}
		for _, want := range append(c.says, c.place) {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v says nothing of %s", c.new, err, want)
			}
		}
	}
}
