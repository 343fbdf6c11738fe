package telnet

import (
	"bytes"
	"io"
	"net"
	"testing"
)

// Most lines need little room; a PBX that empties its buffer gets more.
func TestReaderGrows(t *testing.T) {
	ours, theirs := net.Pipe()
	defer ours.Close()
	sent := bytes.Repeat([]byte("0123456789\r\n"), 4096)
	go func() {
		defer theirs.Close()
		theirs.Write(sent)
	}()
	r := NewReader(ours, false)
	var got []byte
	largest := 0
	for {
		data, err := r.Next()
		if got = append(got, data...); len(data) > largest {
			largest = len(data)
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(got, sent) || largest != manyBytes {
		t.Errorf("%d of %d bytes, the largest read %d", len(got), len(sent), largest)
	}
}
