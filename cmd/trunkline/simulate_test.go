package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/service"
)

// An invented call in real data is a wrong invoice.
func TestSimulateRefuses(t *testing.T) {
	file := write(t, "trunkline.yaml", `sites:
- id: lyon
  timezone: Europe/Paris
  links: [{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}]
- id: demo-lyon
  timezone: Europe/Paris
  links: [{id: desk, model: avaya-ipoffice, tcp: {listen: "127.0.0.1:0"}}]
`)
	simulate := func(model, site, link string, more ...string) []string {
		return append([]string{"simulate", "-c", file, "--model", model, "--site", site, "--link", link, "--count", "1", "--burst"}, more...)
	}
	wantError(t, "", simulate("avaya-ipoffice", "lyon", "desk"), `"lyon" is no demo site`, "--yes-real")
	wantError(t, "", simulate("mitel-3300", "demo-lyon", "desk"), "demo-lyon/desk", "avaya-ipoffice", "mitel-3300")
	wantError(t, "", simulate("avaya-ipoffice", "demo-lyon", "back"), `"demo-lyon/back"`, "no such link")
	wantError(t, "", simulate("avaya-ipoffice", "demo-paris", "desk"), `"demo-paris/desk"`, "no such link")
	// Said to be meant, a real site is looked up like any other.
	wantError(t, "", simulate("avaya-ipoffice", "lyon", "back", "--yes-real"), `"lyon/back"`, "no such link")
	wantError(t, "", []string{"simulate", "-c", file}, "required", "model", "site", "link")
}

// A simulated PBX is where its link looks for it, and knows its secrets.
func TestSimulateAims(t *testing.T) {
	t.Setenv("SIM_PASSWORD", "sesame")
	layout := filepath.Join(t.TempDir(), "hotel.yaml")
	if err := os.WriteFile(layout, []byte(pbxsim.AHLLayout("lrc-hex")), 0o600); err != nil {
		t.Fatal(err)
	}
	file := write(t, "trunkline.yaml", `sites:
- id: demo-lyon
  timezone: Europe/Paris
  links:
  - {id: oxe, model: alcatel-oxe, oxe: {dial: ["127.0.0.1:2533", "127.0.0.2:2533"]}}
  - {id: bare, model: alcatel-oxe-ahl, ahl: {dial: "127.0.0.1:2561", check: none}}
  - {id: hotel, model: alcatel-oxe-ahl, parse: {layout: "`+layout+`"}, ahl: {dial: "127.0.0.1:2562", check: lrc-hex}}
  - {id: wazo, model: wazo, http: {url: "https://localhost", user: collector, password_env: SIM_PASSWORD}}
  - {id: ucm, model: grandstream-ucm, http: {url: "http://localhost:8088", user: api, password_env: SIM_PASSWORD}}
  - {id: posts, model: grandstream-ucm, http_server: {listen: ":8090", user: pbx, password_env: SIM_PASSWORD}}
  - {id: active, model: 3cx, tcp: {listen: ":5483"}}
  - {id: passive, model: 3cx, tcp: {dial: "127.0.0.1:5484"}}
  - {id: each, model: 3cx, files: {dir: /srv/each}}
  - {id: grows, model: 3cx, files: {dir: /srv/grows, pattern: cdr.log, grows: true}}
  - {id: account, model: alcatel-oxe, files: {dir: /srv/account}}
  - {id: pushed, model: unify-hipath, tftp: {listen: "127.0.0.1:69"}}
  - {id: fetched, model: alcatel-oxe, ftp: {addr: "127.0.0.1:21", user: adfexc, password_env: SIM_PASSWORD}}
`)
	cfg, err := service.LoadConfig(file)
	if err != nil {
		t.Fatal(err)
	}
	aimed := func(link, addr string) (pbxsim.Options, error) {
		l, err := findLink(cfg, "demo-lyon/"+link)
		if err != nil {
			t.Fatal(err)
		}
		o := pbxsim.Options{Retry: time.Second}
		err = aim(&o, l, addr)
		o.Zone = nil
		return o, err
	}
	for _, tc := range []struct {
		link, addr string
		want       pbxsim.Options
	}{
		{"oxe", "", pbxsim.Options{Listen: "127.0.0.1:2533", Standby: "127.0.0.2:2533"}},
		{"oxe", ":2533", pbxsim.Options{Listen: ":2533", Standby: "127.0.0.2:2533"}},
		{"hotel", "", pbxsim.Options{Listen: "127.0.0.1:2562", Check: "lrc-hex"}},
		{"wazo", "", pbxsim.Options{Listen: "localhost:443", TLS: true, User: "collector", Password: "sesame"}},
		{"ucm", "", pbxsim.Options{Listen: "localhost:8088", User: "api", Password: "sesame"}},
		{"posts", "", pbxsim.Options{URL: "http://127.0.0.1:8090/demo-lyon/posts", User: "pbx", Password: "sesame", Retry: time.Second}},
		{"active", "", pbxsim.Options{Addr: "127.0.0.1:5483", Retry: time.Second}},
		{"passive", "", pbxsim.Options{Listen: "127.0.0.1:5484"}},
		{"each", "", pbxsim.Options{Dir: "/srv/each"}},
		{"grows", "", pbxsim.Options{Dir: "/srv/grows", Grows: true}},
		{"pushed", "", pbxsim.Options{URL: "tftp://127.0.0.1:69", FileEvery: 10 * time.Second}},
		{"account", "", pbxsim.Options{Dir: "/srv/account", FileEvery: 10 * time.Second}},
	} {
		got, err := aimed(tc.link, tc.addr)
		if err != nil {
			t.Fatal(err)
		}
		if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", tc.want); g != w {
			t.Errorf("%s: %s, want %s", tc.link, g, w)
		}
	}
	if _, err := aimed("bare", ""); err == nil || !strings.Contains(err.Error(), "nobody has published") || !strings.Contains(err.Error(), "cut: {length: 71}") {
		t.Errorf("a hotel link without a layout: %v", err)
	}
	if _, err := aimed("fetched", ""); err == nil || !strings.Contains(err.Error(), "demo-lyon/fetched: no simulated PBX speaks its wire") {
		t.Errorf("a link that fetches from a server: %v", err)
	}
}
