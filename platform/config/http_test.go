package config

import (
	"strings"
	"testing"

	"trunkline.internal/pbx"
)

func TestHTTP(t *testing.T) {
	yes, uuid := true, "4eb57648-b914-446b-a69f-58643ae08dd4"
	good := func(change func(*HTTP)) *HTTP {
		h := &HTTP{URL: "https://10.1.0.8", User: "cdr", Secret: Secret{PasswordEnv: "PW"}}
		change(h)
		return h
	}
	for _, tc := range []struct {
		model string
		http  *HTTP
		says  string
	}{
		{"wazo", good(func(h *HTTP) { h.Tenant, h.Recurse, h.Settle, h.Epoch = uuid, &yes, 1, 1 }), ""},
		{"wazo", good(func(h *HTTP) { h.TokenURL, h.Pin = "https://auth.example/token", strings.Repeat("0f", 32) }), ""},
		{"grandstream-ucm", good(func(h *HTTP) { h.Lookback, h.Epoch = 1, 1 }), ""},
		{"mitel-a5000-v2", good(func(h *HTTP) { h.Pattern, h.Grows, h.Settle, h.Secret, h.User = "*", &yes, 1, Secret{}, "" }), ""},
		{"wazo", good(func(h *HTTP) { h.User, h.Secret = "", Secret{} }), "give user, and password_env"},
		{"grandstream-ucm", good(func(h *HTTP) { h.Secret = Secret{} }), "give user, and password_env"},
		{"wazo", good(func(h *HTTP) { h.URL = "wazo.example" }), "give a URL such as"},
		{"wazo", good(func(h *HTTP) { h.TokenURL = "/token" }), "token_url"},
		{"wazo", good(func(h *HTTP) { h.Tenant = "sales" }), "the tenant's UUID"},
		{"wazo", good(func(h *HTTP) { h.Epoch = -1 }), "epoch"},
		{"wazo", good(func(h *HTTP) { h.Pin = "0f" }), "64 hex digits"},
		{"wazo", good(func(h *HTTP) { h.Lookback = 1 }), "the HTTP wire of wazo has no such key"},
		{"wazo", good(func(h *HTTP) { h.Pattern = "*" }), "pattern: the HTTP wire of wazo"},
		{"grandstream-ucm", good(func(h *HTTP) { h.Tenant = uuid }), "tenant: the HTTP wire of grandstream-ucm"},
		{"grandstream-ucm", good(func(h *HTTP) { h.Settle = 1 }), "settle: the HTTP wire"},
		{"mitel-a5000-v2", good(func(h *HTTP) { h.Recurse = &yes }), "recurse: the HTTP wire of mitel-a5000-v2"},
	} {
		in := &reading{places: map[string]place{"": {}}}
		u := uses{in: in, folders: map[string]string{}}
		u.http(tc.http, &pbx.Model{ID: tc.model}, "at", "lyon/pbx")
		var told strings.Builder
		for _, p := range in.problems {
			told.WriteString(p.Error())
		}
		if !strings.Contains(told.String(), tc.says) || tc.says == "" && told.Len() > 0 {
			t.Errorf("%s, %q: %s", tc.model, tc.says, told.String())
		}
	}
}
