package pack

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"trunkline.internal/pbx"
	"trunkline.internal/pbx/cut"
	"trunkline.internal/proto/wire"
)

// piece is a ticket, or a part of one that is too long, and where it begins.
type piece struct {
	at         int64
	text       string
	incomplete string
}

// reference cuts by hand: what stands between line ends, in parts of MaxTicket.
func reference(data []byte, end bool) (out []piece) {
	isEnd := func(b byte) bool { return b == '\n' || b == '\r' || b == 0 || b == '\f' }
	for i := 0; i < len(data); {
		if isEnd(data[i]) {
			i++
			continue
		}
		stop := i
		for stop < len(data) && !isEnd(data[stop]) {
			stop++
		}
		long := stop-i > wire.MaxTicket
		for at := i; at < stop; at += wire.MaxTicket {
			to := min(at+wire.MaxTicket, stop)
			if stop == len(data) && !end && to == stop {
				break // its end is not there yet
			}
			p := piece{int64(at), string(data[at:to]), ""}
			if long {
				p.incomplete = wire.IncompleteTooLong
			}
			out = append(out, p)
		}
		i = stop
	}
	return out
}

// run packs data that arrives in the given parts, as a reader with a carry does.
func run(t *testing.T, data []byte, parts []int, end bool) (out []piece) {
	t.Helper()
	var p Packer
	p.Split = cut.Lines
	from, to := 0, 0
	for i := 0; ; i++ {
		if i < len(parts) {
			to = min(to+parts[i], len(data))
		} else {
			to = len(data)
		}
		last := end && to == len(data)
		// A copy with room behind it, as of a buffer.
		window := append(make([]byte, 0, to-from+7), data[from:to]...)
		// A restart knows Inside and the offset only.
		p = Packer{Split: cut.Lines, Inside: p.Inside}
		used, err := p.Pack(window, int64(from), last, func(x Payload) {
			if !bytes.Equal(x.Data, data[x.Offset:x.Offset+int64(len(x.Data))]) {
				t.Fatalf("payload at %d is not the file's bytes", x.Offset)
			}
			if len(x.Data) > wire.MaxMessage || x.Tickets > wire.MaxMessageTickets || x.Tickets < 1 {
				t.Fatalf("payload of %d bytes, %d tickets", len(x.Data), x.Tickets)
			}
			if x.Incomplete != "" {
				out = append(out, piece{x.Offset, string(x.Data), x.Incomplete})
				return
			}
			n := 0
			if err := cut.Each(cut.Lines, x.Data, func(at int, ticket []byte) bool {
				n++
				out = append(out, piece{x.Offset + int64(at), string(ticket), ""})
				return true
			}); err != nil {
				t.Fatal(err)
			}
			if n != x.Tickets {
				t.Fatalf("payload of %d tickets says %d", n, x.Tickets)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if left := len(window) - used; !last && left > wire.MaxTicket || last && left != 0 {
			t.Fatalf("%d bytes are left over", left)
		}
		from += used
		if to == len(data) {
			return out
		}
	}
}

func check(t *testing.T, data []byte, parts []int, end bool) {
	t.Helper()
	got, want := run(t, data, parts, end), reference(data, end)
	if !slices.Equal(got, want) {
		for i := range min(len(got), len(want)) {
			if got[i] != want[i] {
				t.Fatalf("piece %d: %d %d bytes %q %.40q, want %d %d bytes %q %.40q", i, got[i].at, len(got[i].text), got[i].incomplete, got[i].text,
					want[i].at, len(want[i].text), want[i].incomplete, want[i].text)
			}
		}
		t.Fatalf("%d pieces, want %d", len(got), len(want))
	}
}

func TestPackRandom(t *testing.T) {
	ends := []string{"\n", "\r\n", "\r", "\f", "\x00", "\r\n\x00\x00", "\n\n\n"}
	lengths := []int{1, 2, 80, 300, wire.MaxTicket - 1, wire.MaxTicket, wire.MaxTicket + 1, 2 * wire.MaxTicket, 2*wire.MaxTicket + 5}
	for seed := range uint64(150) {
		r := rand.New(rand.NewPCG(seed, 1))
		var data []byte
		for range r.IntN(40) {
			n := lengths[r.IntN(4)]
			if r.IntN(12) == 0 {
				n = lengths[r.IntN(len(lengths))]
			}
			data = append(data, bytes.Repeat([]byte{byte('a' + r.IntN(26))}, n)...)
			data = append(data, ends[r.IntN(len(ends))]...)
			if r.IntN(30) == 0 {
				data = append(data, make([]byte, wire.MaxMessage+r.IntN(1000))...)
			}
		}
		if r.IntN(2) == 0 && len(data) > 0 {
			data = append(data, bytes.Repeat([]byte("z"), lengths[r.IntN(len(lengths))])...)
		}
		parts := make([]int, r.IntN(30))
		for i := range parts {
			parts[i] = 1 + r.IntN(1+len(data)/5)
		}
		check(t, data, parts, r.IntN(2) == 0)
	}
}

func TestPackFillsMessages(t *testing.T) {
	data := bytes.Repeat([]byte("ticket\r\n"), 2000)
	var sizes []int
	p := Packer{Split: cut.Lines}
	if _, err := p.Pack(data, 0, true, func(x Payload) { sizes = append(sizes, x.Tickets) }); err != nil {
		t.Fatal(err)
	}
	if want := []int{512, 512, 512, 464}; !slices.Equal(sizes, want) {
		t.Errorf("%v tickets a message, want %v", sizes, want)
	}
}

func FuzzPack(f *testing.F) {
	f.Add([]byte("one\r\ntwo\n\x00three"), uint16(4), true)
	f.Add([]byte("\f\r\n"), uint16(1), false)
	f.Add([]byte(strings.Repeat("x", wire.MaxTicket+3)+"\ny\n"), uint16(4000), false)
	f.Fuzz(func(t *testing.T, data []byte, each uint16, end bool) {
		var parts []int
		if each > 0 {
			for n := 0; n < len(data) && len(parts) < 30; n += int(each) {
				parts = append(parts, int(each))
			}
		}
		check(t, data, parts, end)
	})
}

func isHead(line []byte) bool { return line[0] == '#' }

func TestHead(t *testing.T) {
	long := "#" + strings.Repeat("x", wire.MaxPreamble)
	for name, c := range map[string]struct {
		data string
		end  bool
		n    int
		ok   bool
		err  error
	}{
		"none":               {"1,2\n", false, 0, true, nil},
		"two lines":          {"#a\r\n#b\r\n1,2\r\n", false, 8, true, nil},
		"only a head":        {"#a\n#b", true, 5, true, nil},
		"not enough":         {"#a\n#b", false, 0, false, nil},
		"nothing yet":        {"", false, 0, false, nil},
		"empty":              {"", true, 0, true, nil},
		"first is not whole": {"#a\n1,2", false, 0, false, nil},
		"first and last":     {"#a\n1,2", true, 3, true, nil},
		"too long a line":    {long, false, 0, false, ErrHeadTooLong},
		"too long, ended":    {long + "\n1,2\n", true, 0, false, ErrHeadTooLong},
		"too many lines":     {strings.Repeat("#abcdefgh\n", 2000) + "1,2\n", false, 0, false, ErrHeadTooLong},
		"just fits":          {"#" + strings.Repeat("x", wire.MaxPreamble-2) + "\n1,2\n", true, wire.MaxPreamble, true, nil},
		"long first ticket":  {"#a\n1" + strings.Repeat("2", wire.MaxPreamble), false, 3, true, nil},
	} {
		n, ok, err := Head(cut.Lines, isHead, []byte(c.data), c.end)
		if n != c.n || ok != c.ok || !errors.Is(err, c.err) {
			t.Errorf("%s: %d %t %v, want %d %t %v", name, n, ok, err, c.n, c.ok, c.err)
		}
	}
}

func TestHeadOfCatalogue(t *testing.T) {
	m, _ := pbx.Lookup("cisco-cucm")
	data := "\xef\xbb\xbf\"cdrRecordType\",\"globalCallID\"\nINTEGER,INTEGER\n1,42\n"
	n, ok, err := Head(m.Split, m.Files.Head, []byte(data), true)
	if err != nil || !ok || data[n:] != "1,42\n" {
		t.Errorf("%q %t %v", data[n:], ok, err)
	}
}

func FuzzHead(f *testing.F) {
	f.Add([]byte("#a\n#b\n1\n"), 3, true)
	f.Add([]byte("1"), 0, false)
	f.Fuzz(func(t *testing.T, data []byte, cutAt int, end bool) {
		n, ok, err := Head(cut.Lines, isHead, data, end)
		if err != nil || !ok {
			return
		}
		if n > wire.MaxPreamble || n > len(data) {
			t.Fatalf("a head of %d bytes", n)
		}
		// Each line of it is one, and the next is not.
		_ = cut.Each(cut.Lines, data[:n], func(_ int, line []byte) bool {
			if !isHead(line) {
				t.Fatalf("%q is no head", line)
			}
			return true
		})
		if _, line, _ := cut.Lines(data[n:], end); line != nil && isHead(line) {
			t.Fatalf("%q is a head too", line)
		}
		// With fewer bytes it is the same, or not told.
		if cutAt > 0 && cutAt < len(data) {
			if n2, ok, err := Head(cut.Lines, isHead, data[:cutAt], false); err == nil && ok && n2 != n {
				t.Fatalf("%d bytes tell %d, all of them %d", cutAt, n2, n)
			}
		}
	})
}

func TestFirst(t *testing.T) {
	long := strings.Repeat("x", wire.MaxTicket+10)
	for i, c := range []struct{ data, want string }{
		{"", ""},
		{"abc", ""},
		{"\r\nabc", ""},
		{"\r\nabc\r\ndef", "abc"},
		{long, long[:wire.MaxTicket]},
		{long + "\n", long[:wire.MaxTicket]},
		{long[:wire.MaxTicket], ""},
	} {
		got, err := First(cut.Lines, []byte(c.data))
		if err != nil || string(got) != c.want || (c.want == "") != (got == nil) {
			t.Errorf("%d: %.20q %v", i, got, err)
		}
	}
}

func BenchmarkPack(b *testing.B) {
	var data []byte
	for i := range 8000 {
		data = fmt.Appendf(data, "%08d,%s\r\n", i, strings.Repeat("x", 120))
	}
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		p := Packer{Split: cut.Lines}
		if _, err := p.Pack(data, 0, true, func(Payload) {}); err != nil {
			b.Fatal(err)
		}
	}
}
