package config

import (
	"net/url"
	"regexp"
	"slices"
	"strings"

	"trunkline.internal/pbx"
)

// HTTP is a server that gives tickets: a folder of files, or the model's API.
type HTTP struct {
	URL  string `yaml:"url"`
	User string `yaml:"user"`
	// Secret is the user's password.
	Secret `yaml:",inline"`
	// TokenURL is where a token is had, if not below URL.
	TokenURL string `yaml:"token_url"`
	// Tenant is the UUID of the tenant whose calls are wanted; empty: the user's.
	Tenant string `yaml:"tenant"`
	// Recurse takes the calls of the tenants below it, too; nil: yes.
	Recurse *bool `yaml:"recurse"`
	// Lookback is how long a call may last whose record is told by its begin: so
	// far back an API is asked again each hour; 0: a day.
	Lookback Duration `yaml:"lookback"`
	// Epoch is raised by an operator after an API's ids began again.
	Epoch int `yaml:"epoch"`
	TLS   TLS `yaml:"tls"`
	// Pin is the SHA-256 of the server's certificate, 64 hex digits: for one that
	// signed itself.
	Pin string `yaml:"pin"`
	// Pattern of base names as of path.Match; empty: the model's.
	Pattern string `yaml:"pattern"`
	// Grows tells logs that are appended to; nil: as the model writes. Packed files
	// are whole.
	Grows *bool `yaml:"grows"`
	// Every is how often the server is asked; 0: 1 minute.
	Every Duration `yaml:"every"`
	// Settle is how long a whole file must not have changed, 0: 5 s; and how long
	// ago a call of Wazo's ended, which may make its record anew, 0: 1 minute.
	Settle Duration `yaml:"settle"`
}

// httpAPI are the models whose HTTP wire is an API, with the keys of HTTP that not
// all have; of the others it is a folder of files.
var httpAPI = map[string][]string{
	"wazo":            {"token_url", "tenant", "recurse", "settle", "epoch"},
	"grandstream-ucm": {"lookback", "epoch"},
}

// HTTPAPI tells whether the HTTP wire of a model is an API, not a folder of files.
func HTTPAPI(model string) bool { return httpAPI[model] != nil }

func (u *uses) http(h *HTTP, model *pbx.Model, at, name string) {
	in := u.in
	in.url(at+".url", h.URL, "https://wazo.example")
	if h.TokenURL != "" {
		in.url(at+".token_url", h.TokenURL, "https://wazo.example/api/auth/0.1/token")
	}
	if h.Pin != "" && (len(h.Pin) != 64 || strings.Trim(strings.ToLower(h.Pin), "0123456789abcdef") != "") {
		in.problemAt(at+".pin", "%s.pin: give the SHA-256 of the server's certificate, 64 hex digits", at)
	}
	if h.Pin != "" && (h.TLS.CA != "" || h.TLS.Insecure) {
		in.problemAt(at+".pin", "%s.pin: give it without tls.ca and tls.insecure: it says by itself which certificate is right", at)
	}
	if (h.TLS.Cert == "") != (h.TLS.Key == "") {
		in.problemAt(at+".tls", "%s.tls: give our certificate (cert) together with its key (key), or none of them", at)
	}
	if h.User == "" && h.Set() {
		in.problemAt(at, "%s: a password without a user: give user too", at)
	}
	in.secret(at, h.Secret)
	u.httpKeys(h, model, at)
	if HTTPAPI(model.ID) {
		if h.User == "" || !h.Set() {
			in.problemAt(at, "%s: give user, and password_env or password_file: those of the API's user on the PBX", at)
		}
		u.source(h.URL+" "+h.Tenant, at, name)
		return
	}
	u.fileSet(h.Pattern, h.Grows, After{}, model, at)
	u.source(h.URL+" "+pattern(h.Pattern, model), at, name)
}

// httpKeys finds keys that the model's HTTP wire does not have.
func (u *uses) httpKeys(h *HTTP, model *pbx.Model, at string) {
	keys, ok := httpAPI[model.ID]
	if !ok {
		keys = []string{"pattern", "grows", "settle"}
	}
	for _, k := range []struct {
		key   string
		given bool
	}{
		{"pattern", h.Pattern != ""},
		{"grows", h.Grows != nil},
		{"settle", h.Settle != 0},
		{"token_url", h.TokenURL != ""},
		{"tenant", h.Tenant != ""},
		{"recurse", h.Recurse != nil},
		{"lookback", h.Lookback != 0},
		{"epoch", h.Epoch != 0},
	} {
		if k.given && !slices.Contains(keys, k.key) {
			u.in.problemAt(at+"."+k.key, "%s.%s: the HTTP wire of %s has no such key: leave it out", at, k.key, model.ID)
		}
	}
	if h.Tenant != "" && !tenantID.MatchString(h.Tenant) {
		u.in.problemAt(at+".tenant", "%s.tenant: %q: give the tenant's UUID, such as 4eb57648-b914-446b-a69f-58643ae08dd4", at, h.Tenant)
	}
	if h.Epoch < 0 {
		u.in.problemAt(at+".epoch", "%s.epoch: %d: give 0 or more", at, h.Epoch)
	}
}

var tenantID = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)

func (in *reading) url(at, text, example string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		in.problemAt(at, "%s: %q: give a URL such as %s", at, HideURL(text), example)
		return
	}
	if u.User != nil {
		in.problemAt(at, "%s: a URL holds no password: give user, and password_env or password_file", at)
	}
	if u.RawQuery != "" || u.Fragment != "" {
		in.problemAt(at, "%s: %q: give a URL without ? and #", at, HideURL(text))
	}
}
