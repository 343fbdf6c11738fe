package examine

import (
	"path"
	"regexp"
	"strings"

	"trunkline.internal/pbx"
)

var digits = regexp.MustCompile(`[0-9][0-9_.:-]*[0-9]|[0-9]`)

// Pattern is one that matches names which the given pattern does not: in the
// other case, that of another model, or made of the name itself. model is whose
// it is, where it is another model's.
func Pattern(given string, names []string) (pattern, model string) {
	if len(names) == 0 {
		return "", ""
	}
	matches := func(p string) bool {
		for _, n := range names {
			if ok, _ := path.Match(p, n); ok {
				return true
			}
		}
		return false
	}
	for _, n := range names {
		if ok, _ := path.Match(strings.ToLower(given), strings.ToLower(n)); ok {
			for _, p := range []string{strings.ToUpper(given), strings.ToLower(given)} {
				if matches(p) {
					return p, ""
				}
			}
			return general(n), ""
		}
	}
	for _, m := range pbx.Models() {
		if p := m.Files.Pattern; p != "" && strings.Trim(p, "*.") != "" && p != given && specific(p) && matches(p) {
			return p, m.ID
		}
	}
	return general(names[len(names)-1]), ""
}

// specific tells a pattern that says more than an ending.
func specific(p string) bool {
	word := strings.Trim(strings.TrimSuffix(p, path.Ext(p)), "*?")
	return len(word) >= 3
}

// general is a name with a star for each number.
func general(name string) string {
	name = strings.NewReplacer(`\`, `\\`, "[", `\[`, "*", `\*`, "?", `\?`).Replace(name)
	ending := path.Ext(name)
	if digits.MatchString(ending) && strings.Trim(ending, ".0123456789") == "" {
		ending = ""
	}
	return digits.ReplaceAllString(strings.TrimSuffix(name, ending), "*") + ending
}
