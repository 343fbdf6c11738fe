package config

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Secret is a password that stands elsewhere: in an environment variable or a
// file. It never prints.
type Secret struct {
	PasswordEnv  string `yaml:"password_env"`
	PasswordFile string `yaml:"password_file"`
}

// Set tells whether a password is configured.
func (s Secret) Set() bool { return s.PasswordEnv != "" || s.PasswordFile != "" }

// Password reads the password anew, so that a changed file counts at the next
// log-in. Empty when none is configured.
func (s Secret) Password() (string, error) {
	switch {
	case s.PasswordEnv != "" && s.PasswordFile != "":
		return "", errors.New("password_env and password_file: give one of them")
	case s.PasswordEnv != "":
		v, ok := os.LookupEnv(s.PasswordEnv)
		if !ok {
			if !variable.MatchString(s.PasswordEnv) {
				// Perhaps somebody wrote the password there.
				return "", errors.New("password_env: the environment has no variable of this name: give the name of the variable that holds the password, such as PBX_PASSWORD")
			}
			return "", fmt.Errorf("password_env: the environment has no variable %s", s.PasswordEnv)
		}
		return v, nil
	case s.PasswordFile != "":
		b, err := os.ReadFile(s.PasswordFile)
		if err != nil {
			return "", fmt.Errorf("password_file: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	return "", nil
}

// variable is how variables are named.
var variable = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)

// Duration is a length of time as people write it: `90s`, `15m`, `12h`, `30d`.
type Duration time.Duration

// Or is the duration, or another where none is configured.
func (d Duration) Or(other time.Duration) time.Duration {
	if d == 0 {
		return other
	}
	return time.Duration(d)
}

// UnmarshalYAML reads `30d` and everything time.ParseDuration reads.
func (d *Duration) UnmarshalYAML(n *yaml.Node) error {
	v, err := parseDuration(n.Value)
	*d = Duration(v)
	return err
}

func parseDuration(s string) (time.Duration, error) {
	var d time.Duration
	var err error
	if days, ok := strings.CutSuffix(s, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			err = errors.New("too long")
		}
	} else {
		d, err = time.ParseDuration(s)
	}
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is no duration: give one such as 90s, 15m, 12h or 30d", s)
	}
	return d, nil
}

// Bytes is a size as people write it: `500MB`, `10GB`, `8GiB`.
type Bytes int64

// UnmarshalYAML reads a size.
func (b *Bytes) UnmarshalYAML(n *yaml.Node) error {
	digits := strings.TrimRight(n.Value, "KMGTiB ")
	unit := strings.TrimSpace(n.Value[len(digits):])
	factor, ok := map[string]int64{
		"": 1, "B": 1,
		"KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
		"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	}[unit]
	v, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !ok || v < 0 || v > 1<<40/max(factor>>20, 1) {
		return fmt.Errorf("%q is no size: give one such as 500MB, 10GB or 8GiB", n.Value)
	}
	*b = Bytes(v * factor)
	return nil
}

// UnmarshalYAML reads `keep`, `rename`, `{delete: 30d}` or `{move: DIR}`.
func (a *After) UnmarshalYAML(n *yaml.Node) error {
	const want = "after: give keep, rename, {delete: 30d} or {move: DIR}"
	if n.Kind == yaml.ScalarNode {
		switch n.Value {
		case "keep":
			*a = After{}
		case "rename":
			*a = After{Rename: true}
		default:
			return errors.New(want)
		}
		return nil
	}
	if n.Kind != yaml.MappingNode || len(n.Content) != 2 {
		return errors.New(want)
	}
	switch value := n.Content[1].Value; n.Content[0].Value {
	case "delete":
		d, err := parseDuration(value)
		if err != nil {
			return err
		}
		*a = After{Delete: &d}
	case "move":
		if value == "" {
			return errors.New(want)
		}
		*a = After{Move: value}
	default:
		return errors.New(want)
	}
	return nil
}
