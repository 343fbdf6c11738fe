package pbx

import (
	"bufio"
	"fmt"

	"trunkline.internal/pbx/layout"
)

// Settings is what the parser needs to know of a link. Ingest publishes it from
// the configuration of its own place, the parser reads it from the key-value
// bucket.
type Settings struct {
	Site  string `json:"site"`
	Link  string `json:"link"`
	Model string `json:"model"`
	// Timezone is the IANA name of the PBX's clock.
	Timezone string `json:"timezone"`
	// Country is the site's ISO 3166 code, two capitals; empty: unknown.
	Country string `json:"country,omitempty"`
	// OutsidePrefix is what people dial for an outside line.
	OutsidePrefix string            `json:"outside_prefix,omitempty"`
	Labels        map[string]string `json:"labels,omitempty"`
	Parse         Parse             `json:"parse,omitzero"`
	// Layout is the text of the file that Parse.Layout names.
	Layout string `json:"layout,omitempty"`
}

// Parse is the part of a link's configuration that says how to read its tickets.
// Everything in it is optional.
type Parse struct {
	// Timezone of the PBX's clock, over the site's.
	Timezone string `yaml:"timezone" json:"timezone,omitempty"`
	// TimeIs is `start` or `end`, where the model's usual does not hold.
	TimeIs string `yaml:"time_is" json:"time_is,omitempty"`
	// Clock is 12 or 24.
	Clock int `yaml:"clock" json:"clock,omitempty"`
	// Charset is an IANA name.
	Charset string `yaml:"charset" json:"charset,omitempty"`
	// DateOrder is `dmy`, `mdy`, `ymd` or `ydm`.
	DateOrder string `yaml:"date_order" json:"date_order,omitempty"`
	// Fields is the column order, where the PBX lets people choose it.
	Fields []string `yaml:"fields" json:"fields,omitempty"`
	// Layout is the file that describes a layout nobody has published.
	Layout string `yaml:"layout" json:"layout,omitempty"`
	// Inside tells the site's own parties, Trunks the lines to the outside.
	Inside Inside `yaml:"inside" json:"inside,omitzero"`
	Trunks Trunks `yaml:"trunks" json:"trunks,omitzero"`
	// AMAFlags reads a direction from Asterisk's amaflags: `outbound`,
	// `inbound`, `internal`.
	AMAFlags map[int]string `yaml:"amaflags" json:"amaflags,omitempty"`
	// Currency is the ISO 4217 code of amounts that print none.
	Currency string `yaml:"currency" json:"currency,omitempty"`
	// ChargeScale divides printed amounts: 100 for cents.
	ChargeScale int `yaml:"charge_scale" json:"charge_scale,omitempty"`
	// MaskedDigits is how many digits at the end the PBX hides.
	MaskedDigits int `yaml:"masked_digits" json:"masked_digits,omitempty"`
}

// Inside tells the site's own parties.
type Inside struct {
	// Lengths of internal numbers in digits.
	Lengths []int `yaml:"lengths" json:"lengths,omitempty"`
	// Numbers that are internal: exact, or with `*` at the end.
	Numbers []string `yaml:"numbers" json:"numbers,omitempty"`
	// Contexts of a dial plan from which internal parties call.
	Contexts []string `yaml:"contexts" json:"contexts,omitempty"`
	// Devices whose names begin so.
	Devices []string `yaml:"devices" json:"devices,omitempty"`
}

// Trunks tells the lines to the outside.
type Trunks struct {
	// Names of trunks as channels print them: exact, or with `*` at the end.
	Names []string `yaml:"names" json:"names,omitempty"`
	// Contexts of a dial plan in which outside calls arrive.
	Contexts []string `yaml:"contexts" json:"contexts,omitempty"`
	// Devices whose names begin so.
	Devices []string `yaml:"devices" json:"devices,omitempty"`
}

// Custom is the model whose tickets the link's layout describes.
const Custom = "custom"

// MaxLayout bounds a layout's text in bytes.
const MaxLayout = 64 << 10

// Cutting says how bytes are cut into tickets.
type Cutting struct {
	Split bufio.SplitFunc
	// Head tells the lines at the start of a file that describe it; nil: none.
	Head func(line []byte) bool
	// Unterminated tells that a whole ticket may stand without a line end.
	Unterminated bool
}

// Cutting is how the link's tickets are cut: as its layout says, else as its
// model does. The error is the layout's.
func (s Settings) Cutting() (Cutting, error) {
	m, ok := Lookup(s.Model)
	if !ok {
		return Cutting{}, fmt.Errorf("no model %q", s.Model)
	}
	if s.Layout == "" {
		return Cutting{Split: m.Split, Head: m.Files.Head, Unterminated: m.Unterminated}, nil
	}
	l, err := layout.Parse(s.Parse.Layout, []byte(s.Layout))
	if err != nil {
		return Cutting{}, err
	}
	return Cutting{Split: l.Split(), Head: l.Head(), Unterminated: !l.Lines()}, nil
}
