package receive

import (
	"fmt"
	"testing"
)

// What one connection delivers, a small file at a time: each is on disk before it
// is answered.
func BenchmarkFTPUpload(b *testing.B) {
	x := newRig(b).ftp("cisco-cucm", "cucm")
	p := dialFTP(b, x).login(canary)
	for n := 0; b.Loop(); n++ {
		p.upload(fmt.Sprint("STOR cdr_", n), cdr("a", "b")).want(226)
	}
}

func BenchmarkSFTPUpload(b *testing.B) {
	x := newRig(b).sftp("cisco-cucm", "cucm")
	c := dialSFTP(b, x, canary)
	for n := 0; b.Loop(); n++ {
		f, err := c.Create(fmt.Sprint("cdr_", n))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Write([]byte(cdr("a", "b"))); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
