package layout

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

func compile(t *testing.T, text, letters string) *Pattern {
	t.Helper()
	r := &reader{name: "x", budget: 100}
	p := r.pattern(&yaml.Node{Kind: yaml.ScalarNode, Value: text}, letters)
	if len(r.errs) > 0 {
		t.Fatal(r.errs)
	}
	return p
}

func TestSeconds(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          uint32
		full, ok      bool
	}{
		{"seconds", "75", 75, false, true},
		{"seconds", "", 0, false, false},
		{"seconds", "1:15", 0, false, false},
		{"minutes", "75", 4500, false, true},
		{"hh:mm:ss", "01:02:03", 3723, false, true},
		{"hh:mm:ss", "1:02:03", 0, false, false},
		{"hh:mm:ss", "01:60:03", 0, false, false},
		{"hh:mm:ss", "99:99:99", 360_000, true, true},
		{"hhhh:mm:ss", "9999:99:99", 36_000_000, true, true},
		{"h:mm:ss", "123:02:03", 442_923, false, true},
		{"m'ss", "9'59", 599, false, true},
		{"m:ss", "120:05", 7205, false, true},
		{"hh:mm'ss", "00:01'05", 65, false, true},
		{"hmmt", "1023", 3738, false, true},
		{"hmmt", "10234", 0, false, false},
		{"h:mm.t", "1:02.5", 3750, false, true},
		{"hhmmss", "010203", 3723, false, true},
		{"ss*", "12.345", 12, false, true},
		{"h:mm:ss", " 1:02:03", 3723, false, true},
	} {
		got, full, ok := compile(t, tc.pattern, durationTokens).Seconds(tc.text)
		if ok != tc.ok || ok && (got != tc.want || full != tc.full) {
			t.Errorf("%s %q: %d %v %v, want %d %v %v", tc.pattern, tc.text, got, full, ok, tc.want, tc.full, tc.ok)
		}
	}
}

func TestMoment(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          Moment
		ok            bool
	}{
		{"DD/MM/YY hh:mm", "20/11/26 10:05", Moment{Year: 2026, Month: 11, Day: 20, Hour: 10, Minute: 5}, true},
		{"DD/MM/YY hh:mm", "20/11/26 10:0", Moment{}, false},
		{"DD/MM/YY hh:mm", "20/11/26 10:055", Moment{}, false},
		{"D.M.YYYY h:mm:ss", "1.2.2026 9:05:07", Moment{Year: 2026, Month: 2, Day: 1, Hour: 9, Minute: 5, Second: 7}, true},
		{"YYYY-MM-DDThh:mm:ss*", "2026-11-20T10:05:07.123Z", Moment{Year: 2026, Month: 11, Day: 20, Hour: 10, Minute: 5, Second: 7}, true},
		{"YYYY-MM-DDThh:mm:ssZ", "2026-11-20T10:05:07Z", Moment{Year: 2026, Month: 11, Day: 20, Hour: 10, Minute: 5, Second: 7, Zoned: true}, true},
		{"YYYY-MM-DDThh:mm:ssZ", "2026-11-20T10:05:07-05:30", Moment{Year: 2026, Month: 11, Day: 20, Hour: 10, Minute: 5, Second: 7, Zoned: true, Offset: -19800}, true},
		{"YYYY-MM-DDThh:mm:ssZ", "2026-11-20T10:05:07", Moment{}, false},
		{"DD MON YYYY hhmm", "20 Nov 2026 1005", Moment{Year: 2026, Month: 11, Day: 20, Hour: 10, Minute: 5}, true},
		{"DD MON YYYY hhmm", "20 Nox 2026 1005", Moment{}, false},
		{"MMDDhhmm", "11201005", Moment{Month: 11, Day: 20, Hour: 10, Minute: 5}, true},
		{"YYDDD hh:mm AM", "26324 10:05 PM", Moment{Year: 2026, DayOfYear: 324, Hour: 10, Minute: 5, Half: 'P'}, true},
		{"YYDDD hh:mm AM", "26324 10:05", Moment{Year: 2026, DayOfYear: 324, Hour: 10, Minute: 5}, true},
		{"YYDDD hh:mmAM", "26367 10:05", Moment{}, false},
		{"epoch", "1795168800", Moment{Epoch: 1795168800000}, true},
		{"epoch*", "1795168800.5", Moment{Epoch: 1795168800000}, true},
		{"epoch_ms", "1795168800123", Moment{Epoch: 1795168800123}, true},
		{"YYYY/MM/DD", "0026/11/20", Moment{}, false},
	} {
		var got Moment
		ok := compile(t, tc.pattern, clockTokens).Moment(tc.text, &got)
		if ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s %q: %+v %v, want %+v %v", tc.pattern, tc.text, got, ok, tc.want, tc.ok)
		}
	}
}
