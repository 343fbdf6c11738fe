package fault

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const page = "../../docs/delivery.md"

// linkedTest is a test that the page names, and the file it links.
var linkedTest = regexp.MustCompile("\\[`(Test\\w+)`\\]\\(([^)]+)\\)")

// Each line of the table in docs/delivery.md names tests, and each is where the
// page says.
func TestDeliveryIsShown(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "| where it can break | what holds | shown by |\n|---|---|---|\n")
	if !found {
		t.Fatal("the page has no table")
	}
	table, _, _ = strings.Cut(table, "\n\n")
	lines := strings.Split(table, "\n")
	if len(lines) < 12 {
		t.Errorf("%d lines in the table", len(lines))
	}
	for _, line := range lines {
		where := strings.TrimSpace(strings.Split(line, "|")[1])
		tests := linkedTest.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("%s: no test shows it", where)
		}
		for _, m := range tests {
			code, err := os.ReadFile(filepath.Join(filepath.Dir(page), m[2]))
			if err != nil {
				t.Errorf("%s: %v", where, err)
			} else if !strings.Contains(string(code), "\nfunc "+m[1]+"(t *testing.T) {") {
				t.Errorf("%s: no %s in %s", where, m[1], m[2])
			}
		}
	}
	if bound := fmt.Sprintf("%d,%03d bytes", lossBound/1000, lossBound%1000); !strings.Contains(string(text), bound) {
		t.Errorf("the page does not tell the bound of %s", bound)
	}
}
