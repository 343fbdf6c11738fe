// Package kit is the tool kit of the formats: what several of them share. Each
// file is one tool.
package kit

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"trunkline.internal/pbx"
)

// Link is a link's settings, ready for use. One is made for each link when its
// settings arrive.
type Link struct {
	pbx.Settings
	// Zone of the PBX's clock.
	Zone    *time.Location
	Text    *Charset
	Numbers Numbering
}

// NewLink checks the settings against the model's usual ones.
func NewLink(s pbx.Settings) (*Link, error) {
	model, ok := pbx.Lookup(s.Model)
	if !ok {
		return nil, fmt.Errorf("no model %q", s.Model)
	}
	l := &Link{Settings: s}
	zone := s.Timezone
	if s.Parse.Timezone != "" {
		zone = s.Parse.Timezone
	}
	if zone == "" || zone == "Local" {
		return nil, fmt.Errorf("no time zone: give an IANA name such as Europe/Paris")
	}
	var err error
	if l.Zone, err = pbx.Location(zone); err != nil {
		return nil, fmt.Errorf("time zone %q: give an IANA name such as Europe/Paris", zone)
	}
	charset := model.Charset
	if s.Parse.Charset != "" {
		charset = s.Parse.Charset
	}
	if l.Text, err = NewCharset(charset); err != nil {
		return nil, err
	}
	if l.Numbers, err = NewNumbering(s.Country, s.OutsidePrefix); err != nil {
		return nil, err
	}
	return l, nil
}

// Extension tells whether a number is one of the site's own by `parse.inside`:
// decided is false where the settings say nothing about it.
func (l *Link) Extension(number string) (inside, decided bool) {
	in := &l.Parse.Inside
	if number == "" || len(in.Lengths) == 0 && len(in.Numbers) == 0 {
		return false, false
	}
	if MatchesAny(in.Numbers, number) {
		return true, true
	}
	return Digits(number) && slices.Contains(in.Lengths, len(number)), true
}

// MatchesAny tells whether the text equals one of the patterns; a pattern may
// end in `*`. Case does not matter.
func MatchesAny(patterns []string, text string) bool {
	for _, p := range patterns {
		if head, ok := strings.CutSuffix(p, "*"); ok {
			if len(text) >= len(head) && strings.EqualFold(text[:len(head)], head) {
				return true
			}
		} else if strings.EqualFold(p, text) {
			return true
		}
	}
	return false
}

// BeginsWithAny tells whether the text begins with one of the heads. Case does
// not matter.
func BeginsWithAny(heads []string, text string) bool {
	for _, h := range heads {
		if h != "" && len(text) >= len(h) && strings.EqualFold(text[:len(h)], h) {
			return true
		}
	}
	return false
}
