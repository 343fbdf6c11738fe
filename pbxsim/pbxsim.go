// Package pbxsim simulates office phone systems: each speaks its vendor's wire, with the calls of an invented
// office. It shares no code with the collector, so that it bears witness to the formats on its own.
//
// A simulator tells what it sent, ticket by ticket, with the truth about each call: see [Options.Sent] and [Ticket].
//
//	avaya-ipoffice  TCP, dials the collector (or listens); CSV in UTF-8, 30 to 35 columns
//	mitel-3300      TCP, listens; 90 to 139 fixed columns without a year
//	panasonic-kx    TCP, listens, log-in; layouts A, B and C with page heads, the time is the end of the call
//	cisco-cucm      files cdr_… (and cmr_…) dropped into a folder; 133 columns
//	asterisk        rows of a FreePBX table in MySQL or MariaDB; see package mariadb for a private server
//
// The office is in France ([Country]), dials [OutsidePrefix] for a line, and has extensions of [ExtensionLength]
// digits. Its outside lines are called Line n.1 (avaya-ipoffice), Tnnn (mitel-3300), nn (panasonic-kx), [CUCMGateways]
// and [AsteriskTrunks]; Asterisk's contexts are from-internal, ext-local, ext-queues and from-queue. A collector must be told
// the zone and, of a Panasonic, the order of the date: dmy unless asked for otherwise.
package pbxsim

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Simulator is one simulated PBX.
type Simulator interface {
	// Run emits tickets until ctx is done, or until the last one of a bounded run was handed over; then it closes
	// what it opened. It returns nil in both cases. It runs once.
	Run(ctx context.Context) error
	// Addr is host:port where the PBX listens, from the constructor on; empty where it does not.
	Addr() string
}

// Options of a simulated PBX. A zero value means the default, which stands at the
// end of each line; an option that the model does not take is an error.
type Options struct {
	Addr        string        // avaya-ipoffice: host:port of the collector, which the PBX dials
	Listen      string        // avaya-ipoffice instead of Addr, mitel-3300, panasonic-kx: where the PBX listens; port 0 is free choice
	Dir         string        // cisco-cucm: existing folder that the files are put into
	DSN         string        // asterisk: data source name of go-sql-driver/mysql, with the database
	CreateTable bool          // asterisk: create database and table if they do not exist
	Password    string        // panasonic-kx: PCCSMDR
	Telnet      bool          // panasonic-kx: negotiate telnet options at connect
	Lock        time.Duration // panasonic-kx: how long nobody is let in after three wrong passwords; a minute
	Retry       time.Duration // avaya-ipoffice: dial again after this time also without a new record; otherwise only with one
	FileEvery   time.Duration // cisco-cucm: interval of the files; a minute
	Quality     bool          // cisco-cucm: a cmr_ file beside each cdr_ file
	Slowly      bool          // cisco-cucm: write in place and slowly, as an FTP server without a temporary name shows it

	Variant   string // ticket layout, one of Variants(model); the first
	DateOrder string // panasonic-kx: dmy (default), mdy, ymd
	Clock12   bool   // panasonic-kx, mitel-3300: 12-hour clock

	Seed uint64
	Zone *time.Location // clock of the PBX; UTC
	Odd  float64        // share of odd lines (page heads aside), 0…1

	Count int     // stop after so many calls; 0 is without end
	Rate  float64 // live: mean calls a minute, each just ended; 6
	// Burst emits Count calls of the time From…To as fast as the wire takes them, To being now and From 30 days
	// earlier unless given.
	Burst    bool
	From, To time.Time
	// Feed replaces the invented traffic; as fast as the wire takes them. Run ends only when Feed ends or yields: one
	// that waits for something must also heed the context of Run.
	Feed iter.Seq[Ticket]

	Faults Faults
	Clock  func() time.Time // time.Now

	// Sent is called after a ticket's bytes were handed over: the write returned, the file has its final name, the
	// row is committed. Lost is called for a ticket that the PBX overwrote because nobody fetched it. One call at a time.
	Sent func(Ticket, time.Time)
	Lost func(Ticket)
	Log  *slog.Logger // nil for none
}

type kind struct {
	variants []string
	takes    []string
	encoder  func(Options) (encoder, error)
	start    func(Options) (Simulator, error)
}

const (
	avayaIPOffice = "avaya-ipoffice"
	mitel3300     = "mitel-3300"
	panasonicKX   = "panasonic-kx"
	ciscoCUCM     = "cisco-cucm"
	asterisk      = "asterisk"
)

func kinds(model string) (kind, bool) {
	switch model {
	case avayaIPOffice:
		return kind{
			[]string{"35", "34", "31", "30"},
			[]string{"Addr", "Listen", "Retry", "Faults"},
			newAvaya, simulator(NewIPOffice),
		}, true
	case mitel3300:
		return kind{
			[]string{"network", "ani", "standard", "extended", "extended-ani", "extended-network"},
			[]string{"Listen", "Clock12", "Faults"},
			newMitel, simulator(New3300),
		}, true
	case panasonicKX:
		return kind{
			[]string{"b", "a", "c"},
			[]string{"Listen", "Password", "Telnet", "Lock", "DateOrder", "Clock12", "Faults"},
			newPanasonic, simulator(NewKXTDA),
		}, true
	case ciscoCUCM:
		return kind{
			[]string{"133"},
			[]string{"Dir", "FileEvery", "Quality", "Slowly"},
			newCisco, simulator(NewCUCM),
		}, true
	case asterisk:
		return kind{
			[]string{"freepbx"},
			[]string{"DSN", "CreateTable"},
			newAsterisk, simulator(NewAsterisk),
		}, true
	}
	return kind{}, false
}

func simulator[S Simulator](f func(Options) (S, error)) func(Options) (Simulator, error) {
	return func(o Options) (Simulator, error) {
		s, err := f(o)
		if err != nil {
			return nil, err
		}
		return s, nil
	}
}

// Models lists the ids of the models that can be simulated.
func Models() []string {
	return []string{asterisk, avayaIPOffice, ciscoCUCM, mitel3300, panasonicKX}
}

// Variants lists the ticket layouts of a model, the default first; nil for an unknown model.
func Variants(model string) []string {
	k, _ := kinds(model)
	return k.variants
}

// New makes the simulated PBX of a model.
func New(model string, o Options) (Simulator, error) {
	k, ok := kinds(model)
	if !ok {
		return nil, fmt.Errorf("no simulated pbx for model %q: there are %s", model, strings.Join(Models(), ", "))
	}
	return k.start(o)
}

// Tickets yields the tickets of Count calls between From and To, without any wire.
func Tickets(model string, o Options) (iter.Seq[Ticket], error) {
	o.Burst = true
	k, ok := kinds(model)
	if !ok {
		return nil, fmt.Errorf("no simulated pbx for model %q: there are %s", model, strings.Join(Models(), ", "))
	}
	o.Addr, o.Listen, o.Dir, o.DSN = "", "", "", ""
	if err := o.complete(model); err != nil {
		return nil, err
	}
	enc, err := k.encoder(o)
	if err != nil {
		return nil, err
	}
	return o.burst(enc), nil
}

// complete validates o for model and fills in the defaults. Where the wire leads is for the caller to check.
func (o *Options) complete(model string) error {
	k, _ := kinds(model)
	var errs []error
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"Addr", o.Addr != ""},
		{"Listen", o.Listen != ""},
		{"Dir", o.Dir != ""},
		{"DSN", o.DSN != ""},
		{"CreateTable", o.CreateTable},
		{"Password", o.Password != ""},
		{"Telnet", o.Telnet},
		{"Lock", o.Lock != 0},
		{"Retry", o.Retry != 0},
		{"FileEvery", o.FileEvery != 0},
		{"Quality", o.Quality},
		{"Slowly", o.Slowly},
		{"DateOrder", o.DateOrder != ""},
		{"Clock12", o.Clock12},
		{"Faults", o.Faults != Faults{}},
	} {
		if f.set && !slices.Contains(k.takes, f.name) {
			errs = append(errs, fmt.Errorf("option %s does not apply to %s, which takes %s", f.name, model, strings.Join(k.takes, ", ")))
		}
	}
	if o.Variant == "" {
		o.Variant = k.variants[0]
	}
	if !slices.Contains(k.variants, o.Variant) {
		errs = append(errs, fmt.Errorf("%s has no variant %q: there are %s", model, o.Variant, strings.Join(k.variants, ", ")))
	}
	if o.Zone == nil {
		o.Zone = time.UTC
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Sent == nil {
		o.Sent = func(Ticket, time.Time) {}
	}
	if o.Lost == nil {
		o.Lost = func(Ticket) {}
	}
	var one sync.Mutex
	sent, lost := o.Sent, o.Lost
	o.Sent = func(t Ticket, at time.Time) {
		one.Lock()
		defer one.Unlock()
		sent(t, at)
	}
	o.Lost = func(t Ticket) {
		one.Lock()
		defer one.Unlock()
		lost(t)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Rate == 0 {
		o.Rate = 6
	}
	if o.To.IsZero() {
		o.To = o.Clock()
	}
	if o.From.IsZero() {
		o.From = o.To.AddDate(0, 0, -30)
	}
	switch {
	case o.Rate < 0:
		errs = append(errs, fmt.Errorf("rate of %g calls a minute: must be above 0", o.Rate))
	case o.Odd < 0 || o.Odd > 1:
		errs = append(errs, fmt.Errorf("share of odd lines %g: must be 0 to 1", o.Odd))
	case o.Count < 0:
		errs = append(errs, fmt.Errorf("count of %d calls: must not be negative", o.Count))
	case o.Burst && o.Feed == nil && o.Count == 0:
		errs = append(errs, errors.New("a burst needs a count of calls"))
	case !o.From.Before(o.To):
		errs = append(errs, fmt.Errorf("the time from %s to %s is empty", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339)))
	}
	errs = append(errs, o.Faults.validate())
	return errors.Join(errs...)
}
