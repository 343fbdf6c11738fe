package login

import (
	"bytes"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/services/ingest-tcp/internal/telnet"
)

var dialogue = Dialogue{
	Steps: []pbx.Step{
		{Expect: "-", Send: "SMDR\r", Timeout: time.Minute},
		{Expect: "assword:", Send: "{password}\r", Timeout: time.Minute},
	},
	Password: "hunter2", Settle: time.Minute,
}

func TestAsks(t *testing.T) {
	for heard, want := range map[string]bool{
		"*******\rNo such command.\r-":  true,
		"*******\r\nEnter Password:":    true,
		"Password: Enter PASSWORD: ":    true,
		"*******\r\n- ":                 true,
		"*******\r\n----":               false,
		"*******\r\nDate     Time  Ext": false,
		"04/03/26 10:05 201 01 -":       false,
		"*******\r\n-\r\n":              false,
		"":                              false,
	} {
		if got := dialogue.asks([]byte(heard)); got != want {
			t.Errorf("%q asks: %t", heard, got)
		}
	}
}

// talk lets a PBX print a text, then hang up.
func talk(t testing.TB, d Dialogue, printed []byte) (rest []byte, took string, err error) {
	t.Helper()
	ours, theirs := net.Pipe()
	heard := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(theirs)
		heard <- string(b)
	}()
	go func() {
		for b := printed; len(b) > 0; b = b[min(5, len(b)):] {
			if _, err := theirs.Write(b[:min(5, len(b))]); err != nil {
				break
			}
		}
		theirs.Close()
	}()
	rest, _, err = d.Run(t.Context(), ours, telnet.NewReader(ours, false))
	ours.Close()
	return rest, <-heard, err
}

func TestErrorsDoNotTellThePassword(t *testing.T) {
	d := dialogue
	d.Steps = append(d.Steps[:2:2], pbx.Step{Expect: "welcome", Timeout: time.Minute})
	_, _, err := talk(t, d, []byte("\r-SMDR\rPassword:hunter2\r\nWrong\r\n"))
	if err == nil || !strings.Contains(err.Error(), "step 3") || !strings.Contains(err.Error(), `"welcome"`) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: %v", err)
	}
}

func TestErrorsDoNotTellWhatWasTypedBefore(t *testing.T) {
	_, _, err := talk(t, dialogue, []byte("last time: hunter2\r\n"))
	if err == nil || !strings.Contains(err.Error(), "last time: *******") {
		t.Errorf("error: %v", err)
	}
}

// Who prints without end asks for no log-in, and what he printed is kept.
func TestAFloodIsNoDialogue(t *testing.T) {
	flood := bytes.Repeat([]byte("no prompt\r\n"), 10_000)
	rest, _, err := talk(t, dialogue, flood)
	if err != nil || len(rest) <= maxPrinted || !bytes.HasPrefix(flood, rest) {
		t.Errorf("%d bytes, error: %v", len(rest), err)
	}
}

// What comes in place of a dialogue is given back; a dialogue is not.
func TestTicketsInPlaceOfADialogue(t *testing.T) {
	const tickets = "2026/11/20 10:00:00,00:00:10,5,2001\r\n2026/11/20 10:01"
	for text, want := range map[string]string{
		tickets:                      tickets,
		"\r-SMDR\r" + tickets:        "\r-SMDR\r" + tickets,
		"220 mail.example ESMTP\r\n": "220 mail.example ESMTP\r\n",
		"SSH-2.0-OpenSSH_9.9\r\nno such line\r\n": "SSH-2.0-OpenSSH_9.9\r\nno such line\r\n",
		"\r\n-":                 "",
		"\r\n-SMDR\r\n":         "",
		"\r\n- smdr \r\n":       "",
		"\r-SMDR\rEnter Passw":  "",
		"half a line":           "",
		"hunter2 was wrong\r\n": "******* was wrong\r\n",
		"":                      "",
	} {
		rest, _, err := talk(t, dialogue, []byte(text))
		if err == nil || string(rest) != want {
			t.Errorf("%q gives %q, error: %v", text, rest, err)
		}
	}
	d := dialogue
	d.Steps = append(d.Steps[:2:2], pbx.Step{Expect: "welcome", Timeout: time.Minute})
	if rest, _, err := talk(t, d, []byte("\r-SMDR\rPassword:hunter2\r\nWrong\r\n")); err == nil || len(rest) > 0 {
		t.Errorf("behind the password: %q, error: %v", rest, err)
	}
}

func TestRejected(t *testing.T) {
	ours, theirs := net.Pipe()
	defer theirs.Close()
	defer ours.Close()
	go io.Copy(io.Discard, theirs)
	go io.WriteString(theirs, "-Password:****\rno\r-")
	d := dialogue
	d.Settle = 20 * time.Millisecond
	if _, _, err := d.Run(t.Context(), ours, telnet.NewReader(ours, true)); !errors.Is(err, ErrRejected) {
		t.Errorf("error: %v", err)
	}
}

// caseless finds bytes, also between those that are no UTF-8.
var caseless = regexp.MustCompile(`[aA][sS][sS][wW][oO][rR][dD]:`)

func FuzzDialogue(f *testing.F) {
	f.Add([]byte("\r-SMDR\rEnter Password:*******\r\n04/03/26 10:05AM 201 01\r\n"))
	f.Add([]byte("\xff\xfb\x01\r-\xff\xf1Enter Pass\xff\xfd\x03WORD:\xff"))
	f.Add([]byte("- -assword:"))
	f.Add([]byte("assword:"))
	f.Fuzz(func(t *testing.T, printed []byte) {
		if len(printed) > maxHeld {
			return
		}
		rest, _, err := talk(t, dialogue, printed)
		var filter telnet.Filter
		data := filter.Flush(filter.Append(nil, printed))
		_, after, prompted := bytes.Cut(data, []byte("-"))
		at := caseless.FindIndex(after)
		switch {
		case prompted && at != nil && err == nil:
			if want := after[at[1]:]; !bytes.Equal(rest, want) {
				t.Errorf("rest %q, want %q", rest, want)
			}
		case err == nil:
			t.Errorf("logged in without prompts: %q", printed)
		case strings.Contains(err.Error(), "hunter2") && !strings.Contains(string(printed), "hunter2"):
			t.Errorf("error: %v", err)
		}
	})
}
