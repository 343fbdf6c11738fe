package ftp

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/remote/rig"
)

// names are those of the files in the order in which their tickets came.
func names(r *rig.Rig) (out []string) {
	for _, m := range r.NATS.Messages(r) {
		out = append(out, m.Name)
	}
	return slices.Compact(out)
}

func oxeFile(i int) string { return fmt.Sprintf("%-30d ticket\n", i) }

func anyDAT(c *config.FTP) { c.Pattern = "*.DAT" }

// Letters that begin again, nodes of their own, and what is no ticket file.
func TestOXEOrder(t *testing.T) {
	r := rig.New(t, "alcatel-oxe")
	now := r.Clock.Now().Add(-time.Hour)
	for i, name := range []string{
		"TAXZZZZY.DAT", "TAXZZZZZ.DAT", "TAXAAAAA.DAT", "TAXAAAAB.DAT", // as one hour writes them
		"TAXAAAAA_AC199E64.DAT", "TAXAAAAB_AC199E64.DAT",
		"IPAAAAA.DAT", "SIPAAAAA.DAT",
	} {
		r.WriteAt(name, oxeFile(i), now)
	}
	r.WriteAt("TAXAAAAC.DAT", oxeFile(90), now.Add(time.Minute)) // newer than the list
	r.WriteAt("TAXYYYYY.DAT", oxeFile(91), now.Add(-time.Hour))  // older than the list
	r.WriteAt("ACCOUNT.LIS", "TAXZZZZY.DAT 21/11/26\nTAXZZZZZ\n  /usr4/account/TAXAAAAA.DAT;08:00\ntaxaaaab.dat\nTAXGONEX.DAT\n", now)
	r.WriteAt("ACCOUNT_AC199E64.LIS", "TAXAAAAB_AC199E64.DAT\nTAXAAAAA_AC199E64.DAT\n", now)
	r.WriteAt("tax.tmp", "half", now)
	c := collector(r, vsftpd(r), anyDAT)
	r.Collect(c)
	r.Healthy()
	got := names(r)
	in := func(suffix string) (out []string) {
		for _, n := range got {
			if strings.Contains(n, "_AC") == (suffix != "") {
				out = append(out, n)
			}
		}
		return out
	}
	if want := []string{"TAXYYYYY.DAT", "TAXZZZZY.DAT", "TAXZZZZZ.DAT", "TAXAAAAA.DAT", "TAXAAAAB.DAT", "TAXAAAAC.DAT"}; !slices.Equal(in(""), want) {
		t.Errorf("%v, want %v", in(""), want)
	}
	if want := []string{"TAXAAAAB_AC199E64.DAT", "TAXAAAAA_AC199E64.DAT"}; !slices.Equal(in("_AC"), want) {
		t.Errorf("%v, want %v", in("_AC"), want)
	}
	// A list that cannot be read costs no ticket.
	r.WriteAt("TAXAAAAD.DAT", oxeFile(92), now.Add(2*time.Minute))
	if err := os.Chmod(filepath.Join(r.Dir, "ACCOUNT.LIS"), 0); err != nil {
		t.Fatal(err)
	}
	r.WriteAt("ACCOUNT_AC199E64.LIS", strings.Repeat("x", 2<<20), now)
	r.Collect(c)
	r.Healthy()
	if got := names(r); got[len(got)-1] != "TAXAAAAD.DAT" {
		t.Error(got)
	}
}

// The alarm comes before the PBX deletes what was not collected.
func TestOXEAlarms(t *testing.T) {
	day := 24 * time.Hour
	r := rig.New(t, "alcatel-oxe")
	old := r.Clock.Now().Add(-26 * day)
	r.WriteAt("TAXAAAAA.DAT", oxeFile(1), old)
	r.Write("TAXAAAAB.DAT", oxeFile(2))
	addr := vsftpd(r)
	c := collector(r, addr, anyDAT)
	if err := r.Look(c); err != nil {
		t.Fatal(err)
	}
	r.Healthy() // nothing has settled yet, and that is all
	r.Clock.Add(time.Minute)
	r.Collect(c)
	r.Healthy()
	r.Tickets("1                              ticket", "2                              ticket")

	// A file that cannot be read.
	r.WriteAt("TAXAAAAC.DAT", oxeFile(3), r.Clock.Now().Add(-2*day))
	if err := os.Chmod(filepath.Join(r.Dir, "TAXAAAAC.DAT"), 0); err != nil {
		t.Fatal(err)
	}
	r.Write("TAXAAAAD.DAT", oxeFile(4))
	r.Collect(c)
	r.Ill("TAXAAAAC.DAT", "falls behind", "1 files")
	if strings.Contains(r.Health.Text(), "deletes its files") {
		t.Error("too early")
	}
	r.Clock.Add(24 * day)
	r.Collect(c)
	r.Ill("TAXAAAAC.DAT", "after 31 days", "by hand")
	if err := os.Chmod(filepath.Join(r.Dir, "TAXAAAAC.DAT"), 0o644); err != nil {
		t.Fatal(err)
	}
	r.Clock.Add(time.Hour)
	r.Collect(c)
	r.Healthy()

	// A server that is away, told by a process that never reached it, too.
	away := func(c *config.FTP) { c.Pattern, c.Addr = "*.DAT", "127.0.0.1:1" }
	for _, restarted := range []bool{false, true} {
		if restarted {
			r.Restart("alcatel-oxe")
		}
		c := collector(r, addr, away)
		if err := r.Look(c); err == nil {
			t.Fatal("no error")
		}
		if strings.Contains(r.Health.Text(), "deletes its files") {
			t.Error("too early")
		}
		r.Clock.Add(25 * day)
		if err := r.Look(c); err == nil {
			t.Fatal("no error")
		}
		r.Ill("does not answer", "nothing was collected", "after 31 days")
		r.Clock.Add(-25 * day)
	}
}
