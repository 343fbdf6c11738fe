package pbxsim

import (
	"slices"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	for name, x := range map[string]struct {
		model string
		o     Options
		want  string
	}{
		"model":     {"alcatel-4200", Options{}, "panasonic-kx"},
		"foreign":   {mitel3300, Options{Listen: "127.0.0.1:0", Dir: "/tmp", Password: "x"}, "option Dir does not apply to mitel-3300"},
		"variant":   {panasonicKX, Options{Listen: "127.0.0.1:0", Variant: "d"}, "there are b, a, c"},
		"place":     {mitel3300, Options{}, "needs Listen"},
		"either":    {avayaIPOffice, Options{Addr: "a:1", Listen: ":0"}, "either Addr or Listen"},
		"address":   {avayaIPOffice, Options{Addr: "nowhere"}, "missing port"},
		"folder":    {ciscoCUCM, Options{Dir: "/does/not/exist"}, "no such file"},
		"no folder": {ciscoCUCM, Options{}, "needs Dir"},
		"dsn":       {asterisk, Options{DSN: "u:p@tcp(127.0.0.1:1)/"}, "lacks the database"},
		"order":     {panasonicKX, Options{Listen: "127.0.0.1:0", DateOrder: "ydm"}, "dmy, mdy, ymd"},
		"burst":     {mitel3300, Options{Listen: "127.0.0.1:0", Burst: true}, "needs a count"},
		"odd":       {mitel3300, Options{Listen: "127.0.0.1:0", Odd: 2}, "0 to 1"},
		"rate":      {mitel3300, Options{Listen: "127.0.0.1:0", Rate: -1}, "above 0"},
		"period":    {mitel3300, Options{Listen: "127.0.0.1:0", From: at, To: at}, "is empty"},
		"drop":      {mitel3300, Options{Listen: "127.0.0.1:0", Faults: Faults{DropEvery: 1}}, "never send"},
		"end":       {mitel3300, Options{Listen: "127.0.0.1:0", Faults: Faults{Terminator: ";"}}, "only CR, LF and NUL"},
		"pause":     {mitel3300, Options{Listen: "127.0.0.1:0", Faults: Faults{Pause: 1}}, "go together"},
		"taken":     {mitel3300, Options{Listen: "256.0.0.1:0"}, "simulated pbx"},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := New(x.model, x.o)
			if err == nil || !strings.Contains(err.Error(), x.want) || s != nil {
				t.Errorf("error %v, want %q", err, x.want)
			}
			if err != nil && strings.Contains(err.Error(), "u:p@") {
				t.Errorf("a secret in %v", err)
			}
		})
	}
	if !slices.IsSorted(Models()) || Variants("nothing") != nil {
		t.Error("catalogue")
	}
	for _, m := range Models() {
		if _, ok := kinds(m); !ok || len(Variants(m)) == 0 {
			t.Errorf("%s is no model", m)
		}
	}
}
