package config

import (
	"path/filepath"
	"strings"
	"testing"
)

const canary = "Canary+7/of the=mine"

func TestHide(t *testing.T) {
	for text, want := range map[string]string{
		"530 no: PASS " + canary:                                    "530 no: PASS …",
		"Authorization: Basic cmVhZGVyOkNhbmFyeSs3L29mIHRoZT1taW5l": "Authorization: Basic …",
		"/login?pw=Canary%2B7%2Fof+the%3Dmine":                      "/login?pw=…",
		"/login/Canary+7%2Fof%20the=mine/":                          "/login/…/",
		"nothing":                                                   "nothing",
	} {
		if got := Hide(text, "reader", canary); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := Hide("table cdr", "cdr", "cdr"); got != "table cdr" {
		t.Errorf("a short one: %q", got)
	}
}

func TestHideURL(t *testing.T) {
	for text, want := range map[string]string{
		"nats://hub:4222":                     "nats://hub:4222",
		"nats://u:p@hub:4222":                 "nats://…@hub:4222",
		"tls://token@a:4222,u:p@b,nats://c:1": "tls://…@a:4222,…@b,nats://c:1",
		"http://u:p@ss@h/a?token=x":           "http://…@h/a?…",
	} {
		if got := HideURLs(text); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// What is wrong with a configuration is told without the password that somebody
// put where it does not belong.
func TestProblemsHideSecrets(t *testing.T) {
	link := func(model, wire string) string {
		return "sites:\n  - id: lyon\n    timezone: Europe/Paris\n    country: FR\n    links:\n      - {id: desk, model: " + model + ", " + wire + "}\n"
	}
	for _, text := range []string{
		link("mitel-a5000-v2", `http: {url: "http://reader:hunter2@10.1.0.9/tickets/"}`),
		link("mitel-a5000-v2", `http: {url: "http://reader:hunter2%@10.1.0.9/tickets/"}`),
		link("mitel-a5000-v2", `http: {url: "http://10.1.0.9/tickets/?password=hunter2"}`),
		link("mitel-a5000-v2", `http: "http://reader:hunter2@10.1.0.9/"`),
		link("mitel-a5000-v2", `http: {url: "http://reader:hunter2@10.1.0.9/"}`) +
			`      - {id: door, model: mitel-a5000-v2, http: {url: "http://reader:hunter2@10.1.0.9/"}}` + "\n",
		link("wazo", `http: {url: "https://w", token_url: "root:hunter2@w", user: cdr, password_env: X}`),
		link("panasonic-kx", `tcp: {dial: "10.1.0.9:2300", password: hunter2}`),
		link("panasonic-kx", `tcp: {dial: "10.1.0.9:2300", password_env: {is: hunter2}}`),
		link("panasonic-kx", `tcp: {dial: "root:hunter2@10.1.0.9:2300"}`),
		link("panasonic-kx", `tcp: {dial: 10.1.0.9:2300, password_file: *hunter2}`),
		link("alcatel-oxe", `ftp: {addr: "ftp://root:hunter2@10.1.0.9", user: mtcl, password_env: X}`),
		link("asterisk", `mysql: {addr: "root:hunter2@10.1.0.9:3306", database: d, user: u, password_env: X}`),
		"clickhouse: {addr: [\"default:hunter2@ch:9000:1\"]}\n",
		"clickhouse: \"default:hunter2@ch:9000\"\n",
		"metrics: {listen: \"u:hunter2@x\"}\n",
		"sql: {listen: \"u:hunter2@x\"}\n",
	} {
		_, err := Parse("trunkline.yaml", []byte(text))
		if err == nil {
			t.Errorf("taken: %s", text)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("it tells the password: %v\nof %s", err, text)
		}
	}
	for _, s := range []Secret{{PasswordEnv: "hunter2"}, {PasswordEnv: "Hunter 2hunter2"}} {
		if _, err := s.Password(); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the password in place of the variable's name: %v", err)
		}
	}
	if _, err := (Secret{PasswordEnv: "NO_SUCH_VARIABLE"}).Password(); err == nil || !strings.Contains(err.Error(), "NO_SUCH_VARIABLE") {
		t.Errorf("error: %v", err)
	}
	missing := filepath.Join(t.TempDir(), "password")
	if _, err := (Secret{PasswordFile: missing}).Password(); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("error: %v", err)
	}
}
