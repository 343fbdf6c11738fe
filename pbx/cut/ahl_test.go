package cut

import (
	"slices"
	"strings"
	"testing"

	"trunkline.internal/pbx/ahl"
)

func TestAHL(t *testing.T) {
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"only answers", "\x06\x15\x05\x04\r\n\x00", nil},
		{"no check characters", "\x02A\x03\x02B\x03", []string{"\x02A\x03", "\x02B\x03"}},
		{"one", "\x02A\x03B\x02B\x03A", []string{"\x02A\x03B", "\x02B\x03A"}},
		{"two", "\x02A\x0342\x02B\x0341", []string{"\x02A\x0342", "\x02B\x0341"}},
		{"one that is STX", "\x02\x01\x03\x02\x02B\x03A\x02\x01\x03\x02", []string{"\x02\x01\x03\x02", "\x02B\x03A", "\x02\x01\x03\x02"}},
		{"answers between", "\x06\x02A\x0342\x06\x05\x02B\x0341\r\n", []string{"\x02A\x0342", "\x02B\x0341"}},
		{"noise before and between", "xy\x02A\x0342zz\x06\x02B\x0341", []string{"xy", "\x02A\x0342", "zz", "\x02B\x0341"}},
		{"a frame that lost its end", "\x02AAA\x02B\x0341", []string{"\x02AAA", "\x02B\x0341"}},
		{"one that lost its begin", "AAA\x0342\x02B\x0341", []string{"AAA\x0342", "\x02B\x0341"}},
		{"cut off", "\x02A\x0342\x02BB", []string{"\x02A\x0342", "\x02BB"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := texts(cutWhole(t, AHL, []byte(tc.in))); !slices.Equal(got, tc.want) {
				t.Fatalf("got %q, want %q", got, tc.want)
			}
			for size := 1; size <= 7; size++ {
				if got := cutStream(t, AHL, []byte(tc.in), size); !slices.Equal(got, tc.want) {
					t.Fatalf("chunks of %d: got %q, want %q", size, got, tc.want)
				}
			}
		})
	}
}

// Frames that the link gives out, one after another, are cut at the same places
// whatever its check characters are; and any bytes are cut alike however they
// arrive, joined again, and from any ticket on.
func FuzzAHL(f *testing.F) {
	f.Add([]byte("\x06\x02A\x0342\x02\x01\x03\x02\x02BB"), 3)
	f.Add([]byte("noise\x02AAA\x02B\x0341zz\r\n"), 1)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if len(in) > 2048 {
			return // longer than what the cutter looks at together
		}
		whole := cutWhole(t, AHL, in)
		if got := cutStream(t, AHL, in, size); !slices.Equal(got, texts(whole)) {
			t.Fatalf("stream gives %q, payload %q", got, texts(whole))
		}
		var joined strings.Builder
		for _, p := range whole {
			if joined.WriteString(p.text); p.text[0] != stx {
				joined.WriteByte('\n')
			}
		}
		if again := texts(cutWhole(t, AHL, []byte(joined.String()))); !slices.Equal(again, texts(whole)) {
			t.Fatalf("joined gives %q, payload %q", again, texts(whole))
		}
		for i, p := range whole[:min(len(whole), 20)] {
			if again := texts(cutWhole(t, AHL, in[p.offset:])); !slices.Equal(again, texts(whole[i:])) {
				t.Fatalf("from ticket %d on: %q, want %q", i, again, texts(whole[i:]))
			}
		}
		for _, check := range []ahl.Check{ahl.None, ahl.LRC, ahl.LRCHex} {
			var frames []string
			var payload []byte
			for _, text := range strings.FieldsFunc(string(in), func(r rune) bool { return r == stx || r == etx }) {
				begin := len(payload)
				var err error
				if payload, err = check.Append(payload, []byte(text)); err != nil {
					t.Fatal(err)
				}
				frames = append(frames, string(payload[begin:]))
			}
			if got := texts(cutWhole(t, AHL, payload)); !slices.Equal(got, frames) {
				t.Fatalf("check %s: %q, want %q", check, got, frames)
			}
		}
	})
}
