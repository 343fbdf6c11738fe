package main

import "testing"

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
	wantError(t, "", simulate("avaya-ipoffice", "demo-lyon", "back"), "no link demo-lyon/back")
	wantError(t, "", simulate("avaya-ipoffice", "demo-paris", "desk"), "no link demo-paris/desk")
	// Said to be meant, a real site is looked up like any other.
	wantError(t, "", simulate("avaya-ipoffice", "lyon", "back", "--yes-real"), "no link lyon/back")
	wantError(t, "", []string{"simulate", "-c", file}, "required", "model", "site", "link")
}
