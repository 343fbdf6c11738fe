package tftp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"
)

// memory is a file that checks how it is used.
type memory struct {
	t                         testing.TB
	data                      bytes.Buffer
	committed, aborted, heard int
	writeFails, commitFails   error
}

func (m *memory) Write(p []byte) (int, error) {
	if m.committed+m.aborted > 0 {
		m.t.Fatal("written behind the end")
	}
	if m.writeFails != nil {
		return 0, m.writeFails
	}
	return m.data.Write(p)
}

func (m *memory) Commit() error {
	if m.commitFails != nil {
		return m.commitFails
	}
	if m.committed++; m.committed+m.aborted > 1 {
		m.t.Fatal("ended twice")
	}
	return nil
}

func (m *memory) Abort() {
	if m.aborted++; m.committed+m.aborted > 1 {
		m.t.Fatal("ended twice")
	}
}

func (m *memory) Heard() { m.heard++ }

func dataPacket(block int, data string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, opData}, uint16(block)), data...)
}

func TestReceiver(t *testing.T) {
	full := strings.Repeat("x", 8)
	ack := func(n int) string { return string(ackPacket(uint16(n))) }
	type step struct {
		after  time.Duration
		packet []byte
		answer string
	}
	second := time.Second
	for name, c := range map[string]struct {
		file  memory
		ascii bool
		steps []step
		want  string
		fails string
	}{
		"a file":                            {steps: []step{{0, dataPacket(1, full), ack(1)}, {0, dataPacket(2, "ab"), ack(2)}}, want: full + "ab"},
		"a file that ends at a block's end": {steps: []step{{0, dataPacket(1, full), ack(1)}, {0, dataPacket(2, ""), ack(2)}}, want: full},
		"nothing in it":                     {steps: []step{{0, dataPacket(1, ""), ack(1)}}},
		"twice": {steps: []step{
			{0, dataPacket(1, full), ack(1)}, {second, dataPacket(1, full), ack(1)}, {second, dataPacket(2, "ab"), ack(2)}, {second, dataPacket(2, "ab"), ack(2)},
		}, want: full + "ab"},
		"the sorcerer's apprentice": {steps: []step{
			{0, dataPacket(1, full), ack(1)},
			{calm / 2, dataPacket(1, full), ""},
			{0, dataPacket(2, full), ack(2)},
			{calm / 2, dataPacket(2, full), ""},
			{0, dataPacket(1, full), ""},
			{0, dataPacket(3, ""), ack(3)},
		}, want: full + full},
		"out of place": {steps: []step{
			{second, dataPacket(0, full), ""},
			{second, dataPacket(2, full), ""},
			{second, ackPacket(1), ""},
			{second, []byte{0}, ""},
			{second, []byte("GET / HTTP/1.1\r\n"), ""},
			{0, dataPacket(1, "ok"), ack(1)},
		}, want: "ok"},
		"netascii": {ascii: true, steps: []step{
			{0, dataPacket(1, "a\r\nb\r\x00c\r"), ack(1)}, {0, dataPacket(2, "\x00d\r\r\ne"), ack(2)},
		}, want: "a\r\nb\rc\rd\r\r\ne"},
		"the peer breaks off":  {steps: []step{{0, dataPacket(1, full), ack(1)}, {0, errorPacket(refuse(3, "disk full")), ""}}, fails: "the peer broke it off: disk full (TFTP error 3)"},
		"too much":             {steps: []step{{0, dataPacket(1, full), ack(1)}, {0, dataPacket(2, full), ack(2)}, {0, dataPacket(3, "x"), string(errorPacket(refuse(codeFull, "a file has at most 0 MB")))}, {second, dataPacket(3, "x"), string(errorPacket(refuse(codeFull, "a file has at most 0 MB")))}}, fails: "at most"},
		"a block too long":     {steps: []step{{0, dataPacket(1, full+"y"), string(errorPacket(refuse(codeIllegal, "a block has at most 8 bytes")))}}, fails: "at most 8"},
		"options unasked":      {steps: []step{{0, []byte("\x00\x06blksize\x001024\x00"), string(errorPacket(refuse(codeOptions, "no option was asked for")))}}, fails: "no option"},
		"the disk fails":       {file: memory{writeFails: errors.New("/secret/dir: i/o error")}, steps: []step{{0, dataPacket(1, "a"), string(errorPacket(errors.New("")))}}, fails: "i/o error"},
		"the disk fails later": {file: memory{commitFails: errors.New("i/o error")}, steps: []step{{0, dataPacket(1, "a"), string(errorPacket(errors.New("")))}}, want: "a", fails: "i/o error"},
	} {
		t.Run(name, func(t *testing.T) {
			file := &c.file
			file.t = t
			r := receiver{file: file, ascii: c.ascii, block: 8, limit: 16}
			now := time.Now()
			for i, s := range c.steps {
				now = now.Add(s.after)
				if got := r.packet(now, s.packet); string(got) != s.answer {
					t.Fatalf("step %d: answer %q, want %q", i, got, s.answer)
				}
				if s.answer == "" {
					continue
				}
				// Only the end is behind the commit.
				if last := r.done && r.err == nil; last != (file.committed == 1) {
					t.Fatalf("step %d: done %v, %d commits", i, r.done, file.committed)
				}
			}
			if !r.done {
				t.Fatal("not done")
			}
			if c.fails == "" && (r.err != nil || file.data.String() != c.want || file.committed != 1) {
				t.Errorf("%q, %v", file.data.String(), r.err)
			}
			if c.fails != "" && (r.err == nil || !strings.Contains(r.err.Error(), c.fails) || file.aborted != 1) {
				t.Errorf("error %v, want %q", r.err, c.fails)
			}
		})
	}
}

func TestBlocksGoRound(t *testing.T) {
	file := &memory{t: t}
	r := receiver{file: file, block: 8, limit: maxFile}
	now := time.Now()
	for n := 1; n <= 70000; n++ {
		data := "12345678"
		if n == 70000 {
			data = "end"
		}
		if got := r.packet(now, dataPacket(n, data)); string(got) != string(ackPacket(uint16(n))) {
			t.Fatalf("block %d: %q", n, got)
		}
	}
	if !r.done || file.data.Len() != 69999*8+3 {
		t.Errorf("%v, %d bytes", r.done, file.data.Len())
	}
}

// FuzzReceiver feeds packets, each with a byte of how long it took, against a
// plain model of what counts.
func FuzzReceiver(f *testing.F) {
	join := func(packets ...[]byte) (all []byte) {
		for _, p := range packets {
			all = append(append(all, 9, byte(len(p))), p...)
		}
		return all
	}
	f.Add(join(dataPacket(1, "12345678"), dataPacket(1, "12345678"), dataPacket(2, "a\r")), true)
	f.Add(join(dataPacket(1, "12345678"), errorPacket(errStop)), false)
	f.Add(join(dataPacket(2, "x"), ackPacket(1), []byte{0, 6, 0, 0}), false)
	f.Add(join(dataPacket(1, ""), dataPacket(1, ""), dataPacket(2, "more")), false)
	f.Fuzz(func(t *testing.T, in []byte, ascii bool) {
		file := &memory{t: t}
		r := receiver{file: file, ascii: ascii, block: 8, limit: 64}
		var want []byte
		blocks, now := 0, time.Now()
		for len(in) >= 2 {
			n := min(int(in[1]), len(in)-2)
			now = now.Add(time.Duration(in[0]) * 10 * time.Millisecond)
			p := bytes.Clone(in[2 : 2+n])
			in = in[2+n:]
			over := r.done
			if !over && len(p) >= 4 && len(p) <= 12 && p[0] == 0 && p[1] == opData && int(blockOf(p)) == blocks+1 && blocks*8+len(p)-4 <= 64 {
				blocks++
				want = append(want, p[4:]...)
			}
			answer := r.packet(now, p)
			if answer != nil && kind(answer) != opAck && kind(answer) != opError {
				t.Fatalf("answer %q", answer)
			}
			if answer != nil && kind(answer) == opAck && int(blockOf(answer)) != blocks {
				t.Fatalf("acknowledged %d of %d", blockOf(answer), blocks)
			}
		}
		if ascii {
			want = bytes.ReplaceAll(want, []byte("\r\x00"), []byte("\r"))
		}
		if !bytes.Equal(file.data.Bytes(), want) {
			t.Fatalf("%q, want %q", file.data.Bytes(), want)
		}
		if r.done != (file.committed+file.aborted == 1) || (r.err == nil && r.done) != (file.committed == 1) {
			t.Fatalf("done %v, error %v, %d commits, %d aborts", r.done, r.err, file.committed, file.aborted)
		}
	})
}

var errStop = errors.New("stop")
