package files

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

// smdr are tickets of an IP Office, from one number to another.
func smdr(from, to int) string {
	var b strings.Builder
	for i := from; i < to; i++ {
		fmt.Fprintf(&b, "2026/11/21 09:00:00,00:01:00,3,201,I,300,300,,0,%07d,0,E201\r\n", i)
	}
	return b.String()
}

type folderRig struct {
	*kit.Examined
	n     *kit.NATS
	clock *kit.Clock
	dir   string
}

func newFolderRig(t *testing.T) *folderRig {
	t.Helper()
	return &folderRig{&kit.Examined{TB: t}, kit.Start(t), kit.NewClock(), t.TempDir()}
}

func (f *folderRig) put(name, text string) {
	f.Helper()
	p := filepath.Join(f.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		f.Fatal(err)
	}
	if err := os.Chtimes(p, f.clock.Now(), f.clock.Now()); err != nil {
		f.Fatal(err)
	}
	f.clock.Add(time.Second)
}

func (f *folderRig) look(model string, c config.Files) *examine.Newest {
	f.Helper()
	if c.Dir == "" {
		c.Dir = f.dir
	}
	defer kit.Unchanged(f, f.dir)()
	return Examine(f.Context(), f.Report(f.clock.Now, ""), f.n.Link(f, model, f.clock.Now), &c)
}

func TestExamineLog(t *testing.T) {
	f := newFolderRig(t)
	f.look("avaya-ipoffice", config.Files{})
	f.Has("files", examine.Warning, "the folder is empty")
	f.put("smdr.csv", smdr(0, 2))
	f.look("avaya-ipoffice", config.Files{Pattern: "SMDR.csv"})
	f.Has("files SMDR.csv", examine.Failed, "smdr.csv", `pattern: "smdr.csv"`)
	f.put("SMDR.csv", "")
	f.look("avaya-ipoffice", config.Files{Pattern: "SMDR.csv"})
	f.Has("files SMDR.csv", examine.Warning, "without a byte", "make a call")
	f.put("SMDR.csv", smdr(0, 1)[:40])
	f.look("avaya-ipoffice", config.Files{})
	f.Has("newest ticket", examine.Warning, "no whole ticket")
	f.put("SMDR.csv", smdr(0, 100_000)+"2026/11/21 begun")
	n := f.look("avaya-ipoffice", config.Files{})
	if n == nil || string(n.Raw) != strings.TrimSuffix(smdr(99_999, 100_000), "\n") || !n.Live {
		t.Errorf("%+v", n)
	}
	f.Has("files", examine.OK, "SMDR.csv", "09:00:0")
	f.Has("newest ticket", examine.OK, "SMDR.csv")
}

func TestExamineWhole(t *testing.T) {
	f := newFolderRig(t)
	head := "\"cdrRecordType\",\"pkid\"\nINTEGER,UNIQUEIDENTIFIER\n"
	f.put("xdr_1", "x")
	f.look("cisco-cucm", config.Files{})
	f.Has("files c[dm]r_*", examine.Failed, "xdr_1", `pattern: "xdr_*"`)
	f.put("cdr_1", head+"1,\"old\"\n")
	f.put("cdr_2", head+"1,\"a\"\n1,\"b\"\n")
	f.put("cdr_3.tmp", "half")
	n := f.look("cisco-cucm", config.Files{})
	if n == nil || string(n.Raw) != "1,\"b\"\n" || string(n.Preamble) != head || n.Name != "cdr_2" || n.Live {
		t.Errorf("%+v", n)
	}
	// A big file is read up to 64 KiB.
	f.put("cdr_4", head+strings.Repeat("1,\"c\"\n", 1_000_000))
	if n = f.look("cisco-cucm", config.Files{}); n == nil || string(n.Raw) != "1,\"c\"\n" {
		t.Errorf("%+v", n)
	}
	f.Has("newest ticket", examine.OK, "the last of its first 64 KiB")
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write([]byte(head + "1,\"z\"\n")); err != nil {
		t.Fatal(err)
	}
	z.Close()
	f.put("cdr_5", packed.String())
	if n = f.look("cisco-cucm", config.Files{}); n == nil || string(n.Raw) != "1,\"z\"\n" {
		t.Errorf("%+v", n)
	}
	f.put("cdr_6", packed.String()[:packed.Len()-9]+"damage!!!")
	f.look("cisco-cucm", config.Files{})
	f.Has("newest ticket", examine.Failed, "damaged gzip")
}

func TestExamineTrouble(t *testing.T) {
	f := newFolderRig(t)
	f.look("cisco-cucm", config.Files{Dir: filepath.Join(f.dir, "not there")})
	f.Has("folder", examine.Failed, "create it")
	f.put("SMDR_1.csv", smdr(0, 1))
	f.look("cisco-cucm", config.Files{})
	f.Has("files c[dm]r_*", examine.Failed, "SMDR*.csv", "avaya-ipoffice")
	// A clock that is two hours ahead.
	f.clock.Add(2 * time.Hour)
	f.put("cdr_1", "1,\"a\"\n")
	f.clock.Add(-2*time.Hour - time.Second)
	f.look("cisco-cucm", config.Files{})
	f.Has("files", examine.Warning, "in the future", "2h0m0s ahead is a zone")
	if os.Geteuid() != 0 {
		if err := os.Chmod(filepath.Join(f.dir, "cdr_1"), 0); err != nil {
			t.Fatal(err)
		}
		f.look("cisco-cucm", config.Files{})
		f.Has("newest ticket", examine.Failed, "let the user read the files")
	}
}

// The driver of an OXO, whose settings and log stand beside the tickets.
func TestExamineDriver(t *testing.T) {
	f := newFolderRig(t)
	f.look("alcatel-oxo", config.Files{})
	f.Has("driver", examine.Note, "not beside the folder", "METERING_COLLECTOR_MAX_TICKET=1")
	f.put("log.txt", "1\r\n2\r\n12:00 connection to 10.1.0.2 refused\r\n")
	f.put("OHLDriver.conf", "DRIVER_RUNNING_MODE=Hotel\r\nMETERING_COLLECTOR_MAX_TICKET=1\r\n")
	f.look("alcatel-oxo", config.Files{})
	f.Has("driver's settings", examine.Failed, `"Hotel"`, "DRIVER_RUNNING_MODE=Metering")
	f.Has("driver's log", examine.Note, "connection to 10.1.0.2 refused")
	f.put("OHLDriver.conf", "DRIVER_RUNNING_MODE = Metering\nMETERING_COLLECTOR_MAX_TICKET=50\n")
	f.look("alcatel-oxo", config.Files{})
	f.Has("driver's settings", examine.Warning, `"50"`)
	f.put("OHLDriver.conf", "DRIVER_RUNNING_MODE=Metering\nMETERING_COLLECTOR_MAX_TICKET=1\n")
	f.look("alcatel-oxo", config.Files{})
	f.Has("driver's settings", examine.OK)
}
