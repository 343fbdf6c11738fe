package window

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx/cut"
	"trunkline.internal/proto/wire"
)

var epoch = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// pass sends a stream through a window in pieces and collects what comes out,
// with payloads of its own. At offset o comes epoch plus o nanoseconds.
func ahead() bool  { return true }
func behind() bool { return false }

func pass(t testing.TB, stream []byte, size func() int) []Message {
	t.Helper()
	w := New(cut.Lines)
	var out []Message
	take := func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		msgs, err := w.Next(ctx)
		for _, m := range msgs {
			m.Payload = bytes.Clone(m.Payload)
			out = append(out, m)
		}
		if err == nil {
			w.Release()
		} else if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	for at := 0; at < len(stream); {
		n := min(max(size(), 1), len(stream)-at)
		w.Write(stream[at:at+n], epoch.Add(time.Duration(at)))
		at += n
		if w.Held() > MaxBytes/2 || size()%2 == 0 {
			take()
		}
	}
	w.Close(false)
	for {
		msgs, err := w.Next(t.Context())
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range msgs {
			m.Payload = bytes.Clone(m.Payload)
			out = append(out, m)
		}
		w.Release()
	}
	if w.Held() != 0 {
		t.Errorf("%d bytes stayed in the window", w.Held())
	}
	return out
}

type ticket struct {
	offset     int64
	incomplete string
	text       string
}

// reference cuts the whole stream at once, without the cutter.
func reference(stream []byte) (out []ticket) {
	isEnd := func(b byte) bool { return strings.IndexByte("\r\n\f\x00", b) >= 0 }
	for at := 0; at < len(stream); {
		if isEnd(stream[at]) {
			at++
			continue
		}
		begin := at
		for at < len(stream) && !isEnd(stream[at]) {
			at++
		}
		why := ""
		if at == len(stream) {
			why = wire.IncompleteCutOff
		}
		if at-begin > wire.MaxTicket {
			why = wire.IncompleteTooLong
		}
		for ; at-begin > wire.MaxTicket; begin += wire.MaxTicket {
			out = append(out, ticket{int64(begin), why, string(stream[begin : begin+wire.MaxTicket])})
		}
		out = append(out, ticket{int64(begin), why, string(stream[begin:at])})
	}
	return out
}

// check compares messages with what the reference cuts from the stream.
func check(t testing.TB, stream []byte, msgs []Message) {
	t.Helper()
	var got []ticket
	for i, m := range msgs {
		end := m.Offset + int64(len(m.Payload))
		if end > int64(len(stream)) || !bytes.Equal(m.Payload, stream[m.Offset:end]) {
			t.Fatalf("message %d at %d is not what the stream holds there", i, m.Offset)
		}
		if len(m.Payload) > wire.MaxMessage || m.Tickets > wire.MaxMessageTickets {
			t.Fatalf("message %d has %d bytes and %d tickets", i, len(m.Payload), m.Tickets)
		}
		if came := int64(m.Received.Sub(epoch)); came > m.Offset {
			t.Fatalf("message %d at %d came with the read at %d", i, m.Offset, came)
		}
		n := 0
		err := cut.Each(cut.Lines, m.Payload, func(at int, text []byte) bool {
			n++
			got = append(got, ticket{m.Offset + int64(at), m.Incomplete, string(text)})
			return true
		})
		if err != nil || n != m.Tickets || m.Incomplete != "" && n != 1 {
			t.Fatalf("message %d (%s) of %d tickets holds %d, %v", i, m.Incomplete, m.Tickets, n, err)
		}
		if m.Payload[0] == '\n' || m.Payload[0] == '\r' {
			t.Fatalf("message %d begins with a line end", i)
		}
	}
	want := reference(stream)
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("ticket %d of %d and %d:\ngot  %.200v\nwant %.200v", i, len(got), len(want), got[min(i, len(got)):], want[min(i, len(want)):])
		}
	}
}

func TestWindowKeepsEveryTicket(t *testing.T) {
	ends := []string{"\n", "\r\n", "\r", "\r\n\x00\x00", "\f", "\r\n\r\n\f", "\x00"}
	for seed := range uint64(6) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var stream []byte
		for i := range 1200 {
			n := rnd.IntN(120)
			switch {
			case rnd.IntN(400) == 0:
				n = 60<<10 + rnd.IntN(100<<10)
			case rnd.IntN(200) == 0:
				n = wire.MaxTicket * (1 + rnd.IntN(2))
			}
			stream = fmt.Appendf(stream, "%d,%s", i, strings.Repeat("x", max(0, n-len(fmt.Sprint(i))-1)))
			stream = append(stream, ends[rnd.IntN(len(ends))]...)
		}
		if seed%2 == 0 {
			stream = append(stream, "the half of a tick"...)
		}
		largest := 256 << rnd.IntN(7)
		check(t, stream, pass(t, stream, func() int { return rnd.IntN(largest) }))
	}
}

func FuzzWindow(f *testing.F) {
	f.Add([]byte("a,b\r\nc,d\re\n\n\x00\x00f\fg"), uint64(1), uint16(3))
	f.Add(append(bytes.Repeat([]byte("x"), wire.MaxTicket), "\r\nz"...), uint64(2), uint16(5000))
	f.Add(append(bytes.Repeat([]byte("x"), wire.MaxTicket+1), "\r\nz\r"...), uint64(3), uint16(5000))
	f.Fuzz(func(t *testing.T, stream []byte, seed uint64, largest uint16) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		check(t, stream, pass(t, stream, func() int { return rnd.IntN(int(largest)+2) + len(stream)/500 }))
	})
}

func TestWindowTellsWhenTheFirstByteCame(t *testing.T) {
	w := New(cut.Lines)
	for i, piece := range []string{"\r\n", "first", " ticket\r\nsec", "ond\r\n", "third"} {
		w.Write([]byte(piece), epoch.Add(time.Duration(i)*time.Second))
	}
	first, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(first) != 1 || first[0].Offset != 2 || first[0].Received != epoch.Add(time.Second) || first[0].Tickets != 2 {
		t.Errorf("first message %+v", first)
	}
	w.Release()
	w.Write([]byte(" ticket\n"), epoch.Add(10*time.Second))
	second, err := w.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(second) != 1 || second[0].Offset != 24 || second[0].Received != epoch.Add(4*time.Second) {
		t.Errorf("second message %+v", second)
	}
}

func TestWindowIsBounded(t *testing.T) {
	w := New(cut.Lines)
	full, cancel := context.WithCancel(t.Context())
	cancel()
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	w.Write(line, epoch)
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Room(full, behind); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on without the acknowledgement: %v", err)
	}
	n := len(line)
	for w.Room(full, ahead) == nil {
		w.Write(line, epoch)
		n += len(line)
	}
	if n < MaxBytes || n >= MaxBytes+len(line) {
		t.Errorf("%d bytes in a window of %d", n, MaxBytes)
	}
	w.Release()
	if err := w.Room(full, ahead); err != nil {
		t.Errorf("no room after the release: %v", err)
	}
	if err := w.Room(full, behind); !errors.Is(err, context.Canceled) {
		t.Errorf("reading on before what came was given out: %v", err)
	}
}

func TestWindowBoundsTheTimesOfReads(t *testing.T) {
	w := New(cut.Lines)
	full, cancel := context.WithCancel(t.Context())
	cancel()
	w.Write([]byte("a\n"), epoch)
	if _, err := w.Next(t.Context()); err != nil {
		t.Fatal(err)
	}
	n := 0
	for ; w.Room(full, ahead) == nil; n++ {
		w.Write([]byte("b"), epoch)
	}
	if n != maxMarks {
		t.Errorf("%d reads while one message was under way, want %d", n, maxMarks)
	}
	w.Release()
	if _, err := w.Next(full); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := w.Room(full, ahead); err != nil {
		t.Errorf("the begin of a ticket still takes the room: %v", err)
	}
}

func TestWindowEndsAnEndlessLine(t *testing.T) {
	w := New(cut.Lines)
	piece := bytes.Repeat([]byte("x"), 16<<10)
	written, given := 0, 0
	for {
		if err := w.Room(t.Context(), ahead); err != nil {
			if !errors.Is(err, ErrEndless) {
				t.Fatal(err)
			}
			break
		}
		w.Write(piece, epoch)
		written += len(piece)
		now, cancel := context.WithCancel(t.Context())
		cancel()
		msgs, err := w.Next(now)
		if err != nil {
			continue
		}
		for _, m := range msgs {
			given += len(m.Payload)
			if m.Incomplete != wire.IncompleteTooLong {
				t.Fatalf("a piece is marked %q", m.Incomplete)
			}
		}
		w.Release()
	}
	if written < MaxLine || written > MaxLine+wire.MaxTicket {
		t.Errorf("closed after %d bytes", written)
	}
	w.Close(false)
	msgs, err := w.Next(t.Context())
	if err != nil || len(msgs) != 1 || msgs[0].Incomplete != wire.IncompleteTooLong {
		t.Fatalf("the rest: %v, %v", msgs, err)
	}
	if given += len(msgs[0].Payload); given != written {
		t.Errorf("%d of %d bytes were given out", given, written)
	}
}

func TestWindowBoundsTerminators(t *testing.T) {
	w := New(cut.Lines)
	w.Write([]byte("a"), epoch)
	w.Write(make([]byte, wire.MaxMessage+100), epoch)
	w.Write([]byte("b\n"), epoch)
	msgs, err := w.Next(t.Context())
	if err != nil || len(msgs) != 2 {
		t.Fatalf("%d messages, %v", len(msgs), err)
	}
	if len(msgs[0].Payload) != wire.MaxMessage || msgs[1].Offset != wire.MaxMessage+101 {
		t.Errorf("%d bytes, then a message at %d", len(msgs[0].Payload), msgs[1].Offset)
	}
}

func BenchmarkWindow(b *testing.B) {
	ticket := []byte(strings.Repeat("x", 138) + "\r\n")
	block := bytes.Repeat(ticket, 100)
	w := New(cut.Lines)
	b.ReportAllocs()
	b.SetBytes(int64(len(block)))
	for b.Loop() {
		w.Write(block, epoch)
		if _, err := w.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
		w.Release()
	}
}
