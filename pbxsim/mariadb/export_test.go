package mariadb

import "testing"

// Places replaces where programs are looked for beside the path.
func Places(t *testing.T, dirs []string) {
	old := places
	places = dirs
	t.Cleanup(func() { places = old })
}
