package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/text/encoding/ianaindex"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/layout"
)

func (in *reading) parseSettings(p *pbx.Parse, at string) {
	in.timezone(at+".timezone", p.Timezone, false)
	in.oneOf(at+".time_is", p.TimeIs, "start", "end")
	in.oneOf(at+".date_order", p.DateOrder, "dmy", "mdy", "ymd", "ydm")
	if p.Clock != 0 && p.Clock != 12 && p.Clock != 24 {
		in.problemAt(at+".clock", "%s.clock: %d: give 12 or 24", at, p.Clock)
	}
	if p.Charset != "" {
		if enc, err := ianaindex.IANA.Encoding(p.Charset); err != nil || enc == nil {
			in.problemAt(at+".charset", "%s.charset: %q: give an IANA name such as utf-8, iso-8859-1 or windows-1252", at, p.Charset)
		}
	}
	for flag, direction := range p.AMAFlags {
		in.oneOf(at+".amaflags."+strconv.Itoa(flag), direction, "inbound", "outbound", "internal")
	}
	if c := p.Currency; c != "" && (len(c) != 3 || strings.ToUpper(c) != c) {
		in.problemAt(at+".currency", "%s.currency: %q: give an ISO 4217 code such as EUR", at, c)
	}
	for _, n := range []struct {
		key   string
		value int
	}{{"charge_scale", p.ChargeScale}, {"masked_digits", p.MaskedDigits}} {
		if n.value < 0 {
			in.problemAt(at+"."+n.key, "%s.%s: %d: give a number above 0", at, n.key, n.value)
		}
	}
}

// layout reads the file that says how the link's tickets are read. Its name is
// relative to the file in which the link stands.
func (in *reading) layout(l *Link, model *pbx.Model, at, name string) {
	file := l.Parse.Layout
	switch {
	case file == "" && model.ID == pbx.Custom:
		in.problemAt(at, "%s: link %s needs the file that describes its tickets", at, name)
		return
	case file == "":
		return
	case !model.ByLayout:
		in.problemAt(at, "%s: link %s: the tickets of %s are known and need no layout; for others take the model %s", at, name, l.Model, pbx.Custom)
		return
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(in.places[at].file), file)
	}
	text, err := readLayout(file)
	if err != nil {
		in.problemAt(at, "%s: link %s: %v", at, name, err)
		return
	}
	l.Layout = string(text)
	in.layouts = append(in.layouts, file)
	if _, err := layout.Parse(file, text); err != nil {
		in.problemAt(at, "%s: link %s: %v", at, name, err)
	}
}

// readLayout reads a regular file of a layout's size: never a pipe or a device.
func readLayout(file string) ([]byte, error) {
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", file)
	case info.Size() > pbx.MaxLayout:
		return nil, fmt.Errorf("%s has %d bytes: a layout has at most %d", file, info.Size(), pbx.MaxLayout)
	}
	return os.ReadFile(file)
}
