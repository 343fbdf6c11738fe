package main

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const checkCanary = "canary-of-the-check-7741"

// checkConfig is a site with a link of an IP Office, its folder, and others.
func checkConfig(t *testing.T, more ...string) (file, dir string) {
	t.Helper()
	dir = t.TempDir()
	text := "data: " + t.TempDir() + "\nsites:\n  - id: lyon\n    timezone: Europe/Paris\n    country: FR\n    links:\n" +
		"      - {id: front, model: avaya-ipoffice, files: {dir: " + dir + "}}\n" + strings.Join(more, "")
	return write(t, "trunkline.yaml", text), dir
}

func put(t *testing.T, dir, name, text string, at time.Time) {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(p, at, at); err != nil {
		t.Fatal(err)
	}
}

const (
	ipofficeLine = "2026/11/20 10:00:00,00:01:05,4,0199001234,I,201,0199009876,,0,1000042,0,E201,Claire,T9001,Line 1.1,0,0,,,,,,,,,,,,,,\r\n"
	cucmFile     = "\"cdrRecordType\",\"globalCallID_callManagerId\",\"globalCallID_callId\",\"origLegCallIdentifier\",\"dateTimeOrigination\",\"origNodeId\",\"origSpan\",\"origIpAddr\",\"callingPartyNumber\",\"callingPartyUnicodeLoginUserID\",\"origCause_location\",\"origCause_value\",\"finalCalledPartyNumber\",\"originalCalledPartyNumber\",\"dateTimeConnect\",\"dateTimeDisconnect\",\"duration\",\"pkid\",\"origDeviceName\",\"destDeviceName\"\n" +
		"INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,INTEGER,VARCHAR(50),VARCHAR(128),INTEGER,INTEGER,VARCHAR(50),VARCHAR(50),INTEGER,INTEGER,INTEGER,UNIQUEIDENTIFIER,VARCHAR(129),VARCHAR(129)\n" +
		"1,1,25449,1,1795165200,1,0,1,\"201\",\"\",0,0,\"202\",\"202\",1795165205,1795165270,65,\"6e79670e-aa95-4cb2-81d2-99d3be0cb8b1\",\"SEP1\",\"SEP2\"\n"
)

func TestCheck(t *testing.T) {
	file, dir := checkConfig(t)
	out := mustRun(t, "check", "-c", file)
	if !strings.Contains(out, "the folder is empty") || !strings.Contains(out, "lyon/front: warning") {
		t.Error(out)
	}
	put(t, dir, "SMDR.csv", ipofficeLine, time.Date(2026, 11, 20, 9, 1, 5, 0, time.UTC))
	out = mustRun(t, "check", "-c", file, "front")
	for _, want := range []string{"lyon/front  avaya-ipoffice over files\n", "ok       newest ticket", "0199001234", "201", "talk 1m5s", "began 2026-11-20 10:00:00 at the site", "lyon/front: ok\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if strings.Contains(out, "ticket's clock") {
		t.Error(out)
	}
	// The PBX's clock is of another zone than the site's.
	put(t, dir, "SMDR.csv", ipofficeLine, time.Date(2026, 11, 20, 10, 1, 5, 0, time.UTC))
	if out = mustRun(t, "check", "-c", file); !strings.Contains(out, "-1h0m0s off, as zones are") || !strings.Contains(out, "parse: {timezone: …}") {
		t.Error(out)
	}
	// Somebody else's tickets.
	put(t, dir, "SMDR.csv", cucmFile, time.Now())
	if out, err := execute(t.Context(), "", "check", "-c", file); err == nil || !strings.Contains(out, "it reads as a ticket of cisco-cucm") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestCheckPicks(t *testing.T) {
	file, dir := checkConfig(t, "      - {id: cucm, model: cisco-cucm, files: {dir: /nowhere}}\n", "      - {id: back, model: mitel-3300, tcp: {dial: \"127.0.0.1:1752\"}}\n")
	put(t, dir, "SMDR.csv", ipofficeLine, time.Now())
	out, err := execute(t.Context(), "", "check", "-c", file, "--json", "lyon/cucm", "front")
	if err == nil || err.Error() != "1 of 2 links failed" {
		t.Error(err)
	}
	var got []checked
	for line := range strings.Lines(out) {
		var c checked
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			t.Fatal(err)
		}
		got = append(got, c)
	}
	if len(got) != 2 || got[0].Link != "lyon/cucm" || got[0].Result != "failed" || got[1].Link != "lyon/front" || got[1].Wire != "files" ||
		got[1].Ticket == nil || len(got[1].Ticket.Outcome) != 1 || got[1].Ticket.Outcome[0].Outcome != "cdr" {
		t.Errorf("%s", out)
	}
	wantError(t, "", []string{"check", "-c", file, "lyom"}, `no site or link "lyom"`, `"lyon"`)
	wantError(t, "", []string{"check", "-c", write(t, "bad.yaml", "sites:\n  - id: lyon\n    timezon: X\n")}, "bad.yaml:3")
	wantError(t, "", []string{"check", "-c", write(t, "none.yaml", "data: /tmp\n")}, "no link")
}

// A server that repeats what it was told does not make us tell the password.
func TestCheckTellsNoSecret(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				_, _ = fmt.Fprintf(c, "220 ready\r\n")
				buf := make([]byte, 512)
				for {
					n, err := c.Read(buf)
					if err != nil {
						return
					}
					line := strings.TrimSpace(string(buf[:n]))
					code := 530
					if strings.HasPrefix(line, "USER") {
						code = 331
					}
					_, _ = fmt.Fprintf(c, "%d you said %s\r\n", code, line)
				}
			}()
		}
	}()
	t.Setenv("CHECK_CANARY", checkCanary)
	file, _ := checkConfig(t,
		fmt.Sprintf("      - {id: oxe, model: alcatel-oxe, ftp: {addr: %q, user: adfexc, password_env: CHECK_CANARY}}\n", l.Addr()),
		fmt.Sprintf("      - {id: a5000, model: mitel-a5000-v2, http: {url: \"http://%s\", user: x, password_env: CHECK_CANARY}}\n", l.Addr()),
		fmt.Sprintf("      - {id: db, model: asterisk, mysql: {addr: %q, database: a, user: x, password_env: CHECK_CANARY}}\n", l.Addr()))
	for _, args := range [][]string{{"check", "-c", file}, {"check", "-c", file, "--json"}} {
		out, err := execute(t.Context(), "", args...)
		if err == nil || strings.Contains(out+err.Error(), checkCanary) {
			t.Errorf("%v\n%s", err, out)
		}
		if !strings.Contains(out, "you said") || !strings.Contains(out, "looks like FTP") {
			t.Errorf("the test proves nothing:\n%s", out)
		}
	}
}
