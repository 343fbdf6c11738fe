package cut

import (
	"bufio"
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// message of the given type that holds a text.
func message(kind byte, text string) string {
	m := make([]byte, oxeMessage)
	copy(m, []byte{1, 0, kind, 0})
	copy(m[oxeHeader:], text)
	return string(m)
}

// cutWhole cuts a payload, and checks that each offset points at its ticket.
func cutWhole(t testing.TB, split bufio.SplitFunc, payload []byte) []piece {
	t.Helper()
	var out []piece
	if err := Each(split, payload, func(offset int, ticket []byte) bool {
		if !bytes.HasPrefix(payload[offset:], ticket) || len(ticket) == 0 {
			t.Fatalf("ticket %q at %d of %q", ticket, offset, payload)
		}
		out = append(out, piece{offset, string(ticket)})
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// cutStream cuts what arrives in chunks of the given size.
func cutStream(t testing.TB, split bufio.SplitFunc, data []byte, size int) []string {
	t.Helper()
	sc := bufio.NewScanner(&dribble{data: data, size: size})
	sc.Buffer(make([]byte, 0, 16), len(data)+64)
	sc.Split(split)
	var out []string
	for sc.Scan() {
		out = append(out, sc.Text())
	}
	if err := sc.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

func texts(pieces []piece) []string {
	out := make([]string, len(pieces))
	for i, p := range pieces {
		out[i] = p.text
	}
	return out
}

func TestOXE(t *testing.T) {
	const mark = "\x03\x04"
	call := message(2, "ED5.2 one\n")
	other := message(2, "ED5.2 two\n")
	empty, mao, voip := message(1, ""), message(6, "a=b;\n"), message(7, "\x01\x00\x05\x00")
	for _, tc := range []struct {
		name, in string
		want     []string
	}{
		{"nothing", "", nil},
		{"only ends", "\n\x00\r\n", nil},
		{"lines", "#TicketVersion,1,5,5\nED5.2 one\r\nED5.2 two", []string{"#TicketVersion,1,5,5", "ED5.2 one", "ED5.2 two"}},
		{"messages one after another", empty + call + mao + voip + other, []string{empty, call, mao, voip, other}},
		{"with their lengths", mark + empty + mark + call + mark + voip + mark + other, []string{empty, call, voip, other}},
		{
			"a whole conversation", "\x00\x01P" + mark + empty + "\x00\x08TEST_REQ" + mark + call + "\x00\x08TEST_RSP\x00\x08TEST_REQ" + mark + other,
			[]string{"\x01P", empty, "TEST_REQ", call, "TEST_RSP", "TEST_REQ", other},
		},
		{"keep-alives without their lengths", "TEST_REQTEST_REQ" + call, []string{"TEST_REQ", "TEST_REQ", call}},
		{"a message that lost its end", mark + call[:300] + mark + other, []string{call[:300], other}},
		{"one that lost its end, without lengths", call[:300] + other, []string{call[:300], other}},
		{"one that lost its begin", call[100:] + mark + other, []string{other}},
		{"text before a message", "noise" + mark + call, []string{"noise", call}},
		{"text before a message without length", "noise" + call, []string{"noise", call}},
		{"a message at the end of the data", call + other[:500], []string{call, other[:500]}},
		{"an unknown type", message(9, "x"), []string{message(9, "x")}},
		{"a length without message", mark + "x\n", []string{mark + "x"}},
		{"lines behind a message", call + "ED5.2 two\n", []string{call, "ED5.2 two"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := texts(cutWhole(t, OXE, []byte(tc.in))); !slices.Equal(got, tc.want) {
				t.Fatalf("got %q, want %q", short(got), short(tc.want))
			}
			for size := 1; size <= 7; size++ {
				if got := cutStream(t, OXE, []byte(tc.in), size); !slices.Equal(got, tc.want) {
					t.Fatalf("chunks of %d: got %q, want %q", size, short(got), short(tc.want))
				}
			}
		})
	}
}

func short(tickets []string) []string {
	out := slices.Clone(tickets)
	for i, s := range out {
		if len(s) > 24 {
			out[i] = fmt.Sprintf("%s… (%d)", s[:24], len(s))
		}
	}
	return out
}

// A ticket is out as soon as its last byte is there.
func TestOXEDoesNotWait(t *testing.T) {
	for _, in := range []string{message(2, "ED5.2 one\n"), "\x03\x04" + message(2, "ED5.2 one\n"), "\x00\x08TEST_REQ", "ED5.2 one\n"} {
		if advance, ticket, _ := OXE([]byte(in), false); ticket == nil || advance != len(in) {
			t.Errorf("%q: advance %d, ticket %q", in[:8], advance, ticket)
		}
		if _, ticket, _ := OXE([]byte(in[:len(in)-1]), false); ticket != nil {
			t.Errorf("%q: a ticket before its end", in[:8])
		}
	}
}

// Whatever way the bytes arrive the tickets are the same; cut again, from any
// ticket on and joined again, they are too.
func FuzzOXE(f *testing.F) {
	call := message(2, "ED5.2 one\n")
	f.Add([]byte("\x00\x01P\x03\x04"+call+"\x00\x08TEST_REQ\x03\x04"+call), 3)
	f.Add([]byte(call[:90]+call+"\x03\x04"+call[:10]+"noise\x01\x00\x02\x00x\n"), 5)
	f.Add([]byte("#a,1,5,5\nED5.2\r\n\x03\x04\x08TEST_RETEST_REQ"), 1)
	f.Fuzz(func(t *testing.T, in []byte, size int) {
		if len(in) > 4*oxeMessage {
			return // longer than what the cutter looks at together
		}
		whole := cutWhole(t, OXE, in)
		if got := cutStream(t, OXE, in, size); !slices.Equal(got, texts(whole)) {
			t.Fatalf("stream gives %q, payload %q", got, texts(whole))
		}
		var joined strings.Builder
		for _, p := range whole {
			switch {
			case strings.HasPrefix(p.text, "\x01\x00"):
				joined.WriteString("\x03\x04" + p.text)
			case p.text == oxeControls[0] || p.text == oxeControls[1]:
				joined.WriteString("\x00\x08" + p.text)
			default:
				joined.WriteString(p.text + "\n")
			}
		}
		if again := texts(cutWhole(t, OXE, []byte(joined.String()))); !slices.Equal(again, texts(whole)) {
			t.Fatalf("joined gives %q, payload %q", again, texts(whole))
		}
		for i, p := range whole[:min(len(whole), 20)] {
			if again := texts(cutWhole(t, OXE, in[p.offset:])); !slices.Equal(again, texts(whole[i:])) {
				t.Fatalf("from ticket %d on: %q, want %q", i, again, texts(whole[i:]))
			}
		}
	})
}
