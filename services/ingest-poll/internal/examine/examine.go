// Package examine is how a link is looked at without taking anything: step by
// step, each with what was seen and what would help.
package examine

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"trunkline.internal/platform/config"
)

// Result of a step.
type Result string

// Results, the worst last. A note is neither good nor bad.
const (
	Note    Result = "note"
	OK      Result = "ok"
	Warning Result = "warning"
	Failed  Result = "failed"
)

// Worse is the worse of two results.
func (r Result) Worse(other Result) Result {
	rank := map[Result]int{Note: 0, OK: 1, Warning: 2, Failed: 3}
	if rank[other] > rank[r] {
		return other
	}
	return r
}

// Step is one thing that was tried or looked at.
type Step struct {
	// What it was, such as `name pbx.example`, `port 3306`, `log-in as cdr`.
	What   string `json:"what"`
	Result Result `json:"result"`
	// Detail is what was seen, Remedy what to do; empty: nothing.
	Detail string `json:"detail,omitempty"`
	Remedy string `json:"remedy,omitempty"`
}

// MaxNewest bounds what is read of a file, in bytes.
const MaxNewest = 64 << 10

// Newest is the newest ticket that was found, as the PBX gave it.
type Newest struct {
	// Name says where it stands: a file, or a table and key.
	Name string `json:"name"`
	// Written is the file's modification time; zero: none is known.
	Written time.Time `json:"-"`
	// Preamble is the head of the file, Raw the ticket with its terminator.
	Preamble []byte `json:"-"`
	// Begin is how the file begins, at most 16 KiB: another model's head may be in
	// it.
	Begin []byte `json:"-"`
	Raw   []byte `json:"-"`
	// Row is the position of a row of a table or an API; empty: it is no row.
	Row string `json:"-"`
	// Live tells that the file is written as calls end, so that Written is about
	// when the ticket was.
	Live bool `json:"-"`
}

// Report tells the steps of one link.
type Report struct {
	say     func(Step)
	now     func() time.Time
	user    string
	secrets []string
	worst   Result
}

// NewReport makes a report; now is our clock.
func NewReport(say func(Step), now func() time.Time) *Report {
	return &Report{say: say, now: now, worst: Note}
}

// Now is our clock's time.
func (r *Report) Now() time.Time { return r.now() }

// Hide keeps a secret out of every step, should a server repeat it; see
// config.Hide.
func (r *Report) Hide(secret string) { r.secrets = append(r.secrets, secret) }

// Password reads a user's password, and hides it. Where it cannot be read, that is
// told.
func (r *Report) Password(user string, secret config.Secret) (string, bool) {
	password, err := secret.Password()
	if err != nil {
		r.Fail("password", err.Error(), "give the user that runs trunkline the variable, or the right to read the file")
		return "", false
	}
	r.user = user
	r.Hide(password)
	return password, true
}

// Tell tells a step.
func (r *Report) Tell(s Step) {
	for _, field := range []*string{&s.What, &s.Detail, &s.Remedy} {
		for _, secret := range r.secrets {
			*field = config.Hide(*field, r.user, secret)
		}
		*field = printable(*field)
	}
	r.worst = r.worst.Worse(s.Result)
	r.say(s)
}

// printable keeps a server's words from steering a terminal.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\n' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, strings.ToValidUTF8(s, "?"))
}

// OK tells what went well.
func (r *Report) OK(what, detail string) { r.Tell(Step{what, OK, detail, ""}) }

// Note tells what is good to know.
func (r *Report) Note(what, detail, remedy string) { r.Tell(Step{what, Note, detail, remedy}) }

// Warn tells what should be changed.
func (r *Report) Warn(what, detail, remedy string) { r.Tell(Step{what, Warning, detail, remedy}) }

// Fail tells what must be changed.
func (r *Report) Fail(what, detail, remedy string) { r.Tell(Step{what, Failed, detail, remedy}) }

// Worst is the worst result so far.
func (r *Report) Worst() Result { return r.worst }

// Certificate tells about a server's certificate that was accepted.
func (r *Report) Certificate(c *x509.Certificate) {
	detail := Describe(c)
	switch now := r.now(); {
	case now.After(c.NotAfter):
		r.Warn("certificate", detail, "it has expired: renew it on the PBX; with a pin it is taken all the same")
	case now.Before(c.NotBefore):
		r.Warn("certificate", detail, "it is not valid yet: is our clock right, and the PBX's?")
	case c.NotAfter.Sub(now) < 30*24*time.Hour:
		r.Warn("certificate", detail, "it expires soon: renew it on the PBX, and its pin or ca here with it")
	default:
		r.OK("certificate", detail)
	}
}

// Describe says whose a certificate is, until when, and its fingerprint.
func Describe(c *x509.Certificate) string {
	names := append([]string(nil), c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		names = []string{c.Subject.CommonName}
	}
	signed := "signed by " + c.Issuer.CommonName
	if c.Issuer.String() == c.Subject.String() {
		signed = "signed by itself"
	}
	return fmt.Sprintf("for %s, %s, until %s, SHA-256 %s", strings.Join(names, ", "), signed, c.NotAfter.UTC().Format("2006-01-02"), Fingerprint(c))
}

// Fingerprint is the SHA-256 of a certificate, as `pin:` takes it.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// Clock compares the PBX's clock, UTC, with ours; off by seconds is usual.
func (r *Report) Clock(what string, theirs time.Time) {
	off := theirs.Sub(r.now())
	detail := fmt.Sprintf("it is %s UTC there, %s", theirs.UTC().Format(time.DateTime), Off(off))
	if off.Abs() < 30*time.Second {
		r.OK(what, detail)
		return
	}
	if WholeHours(off) != 0 {
		r.Warn(what, detail, "set its time zone, or ours: whole hours off is a zone, not a clock")
		return
	}
	r.Warn(what, detail, "set an NTP server on the PBX; if it has one, look at this machine's clock")
}

// Off says how far a clock is off.
func Off(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d.Abs() < 2*time.Second:
		return "as here"
	case d < 0:
		return fmt.Sprintf("%s behind ours", -d)
	}
	return fmt.Sprintf("%s ahead of ours", d)
}

// WholeHours is how far a difference is from zero where that is whole or half
// hours, give or take three minutes, as zones are; 0: it is not.
func WholeHours(d time.Duration) time.Duration {
	whole := d.Round(30 * time.Minute)
	if whole == 0 || whole.Abs() > 14*time.Hour || (d-whole).Abs() > 3*time.Minute {
		return 0
	}
	return whole
}
