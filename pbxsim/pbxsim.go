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
//	alcatel-oxe     TCP, two call servers listen; messages of 772 bytes behind their length, keep-alives, hand-over
//	alcatel-oxe-ahl TCP, listens; frames that want an acknowledgement, with tickets of our own making ([AHLLayout])
//	wazo            HTTP, listens; call-logd's API behind wazo-auth's tokens
//	grandstream-ucm HTTP, listens: cdrapi, old and new; or dials the collector, or posts to it
//	3cx             TCP, dials the collector or listens; files of a call each, or one that grows; 20 to 27 fields in UTC
//	mitel-a400-pc5  TCP, dials the collector or listens; 209 fixed columns, without seconds
//	shoretel        TCP, dials the collector or listens; a log each day; fixed columns of releases 6.1 and 7.5
//	unify-hipath    TCP, dials the collector; files, also pushed by TFTP; bars or 112 columns, the end of the call
//	alcatel-oxo     files of a ticket each, XML
//
// Tickets of alcatel-oxe also come in compressed files, those of asterisk in Master.csv.
// The office is in France ([Country]), dials [OutsidePrefix] for a line, and has extensions of [ExtensionLength]
// digits. Its outside lines are called Line n.1 (avaya-ipoffice), Tnnn (mitel-3300), nn (panasonic-kx), [CUCMGateways],
// [AsteriskTrunks], n (alcatel-oxe, shoretel), [UCMTrunks], 1000n (3cx), 002nn (mitel-a400-pc5), 20n (unify-hipath) and
// Pnn (alcatel-oxo); Wazo tells none. Asterisk's contexts are from-internal, ext-local, ext-queues and from-queue. A
// collector must be told the zone and, of a Panasonic, the order of the date: dmy unless asked for otherwise.
package pbxsim

import (
	"cmp"
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
	// what it opened; one that is asked over HTTP goes on answering. It returns nil in all cases. It runs once.
	Run(ctx context.Context) error
	// Addr is host:port where the PBX listens, from the constructor on; empty where it does not.
	Addr() string
}

// Options of a simulated PBX. A zero value means the default, which stands at the
// end of each line; an option that the model does not take is an error.
type Options struct {
	Addr        string        // 3cx, avaya-ipoffice, grandstream-ucm, mitel-a400-pc5, shoretel, unify-hipath: host:port of the collector, which the PBX dials
	Listen      string        // instead of Addr, and any other on TCP or HTTP: where the PBX listens; port 0 is free choice
	Standby     string        // alcatel-oxe: where its second call server listens; it has none
	URL         string        // grandstream-ucm instead of Addr: where the PBX posts its records to; unify-hipath: tftp://host:port of the collector
	Dir         string        // 3cx, alcatel-oxe, alcatel-oxo, asterisk, cisco-cucm, shoretel, unify-hipath: existing folder that the files are put into
	DSN         string        // asterisk: data source name of go-sql-driver/mysql, with the database
	CreateTable bool          // asterisk: create database and table if they do not exist
	User        string        // wazo, grandstream-ucm: of the API, cdr; with URL for Basic, none
	Password    string        // panasonic-kx: PCCSMDR; wazo, grandstream-ucm: of the User, of an API cdr
	TLS         bool          // wazo, grandstream-ucm: listen for HTTPS, with a certificate that signed itself
	Life        time.Duration // wazo: of a token, at most as long as asked for; grandstream-ucm: of a session, 10 minutes
	FailEvery   int           // wazo, grandstream-ucm: every n-th request for calls fails, each time in another way; none does
	Telnet      bool          // panasonic-kx: negotiate telnet options at connect
	Lock        time.Duration // panasonic-kx: how long nobody is let in after three wrong passwords; a minute
	Retry       time.Duration // of an Addr: dial again after this time also without a new record; otherwise only with one
	HandOver    int           // alcatel-oxe: the call servers change roles behind every n-th ticket; they do not
	KeepAlive   time.Duration // alcatel-oxe: interval of the keep-alives, and how long their answer may take; 30 s
	Check       string        // alcatel-oxe-ahl: check characters of a frame, none, lrc or lrc-hex; lrc
	Resend      time.Duration // alcatel-oxe-ahl: a frame that was not answered comes again; 5 s
	FileEvery   time.Duration // interval of the files: cisco-cucm a minute, unify-hipath ten, alcatel-oxe an hour
	Quality     bool          // cisco-cucm: a cmr_ file beside each cdr_ file
	Slowly      bool          // of a Dir: write in place and slowly, as an FTP server without a temporary name shows it
	Grows       bool          // 3cx: one file for all calls; a file each

	Variant   string // ticket layout, one of Variants(model); the first, and cdrapi of a grandstream-ucm that listens
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
	alcatelOXE    = "alcatel-oxe"
	alcatelAHL    = "alcatel-oxe-ahl"
	wazo          = "wazo"
	grandstream   = "grandstream-ucm"
	threeCX       = "3cx"
	mitelA400     = "mitel-a400-pc5"
	shoretel      = "shoretel"
	unifyHiPath   = "unify-hipath"
	alcatelOXO    = "alcatel-oxo"
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
			[]string{asteriskRows, asteriskCSV, asteriskCSV18},
			[]string{"DSN", "CreateTable", "Dir", "Slowly"},
			newAsterisk, openAsterisk,
		}, true
	case alcatelOXE:
		return kind{
			[]string{oxeMessages, oxeLines},
			[]string{"Listen", "Standby", "HandOver", "KeepAlive", "Faults", "Dir", "FileEvery", "Slowly"},
			newOXE, openOXE,
		}, true
	case alcatelAHL:
		return kind{
			[]string{"invented"},
			[]string{"Listen", "Check", "Resend", "Faults"},
			newAHL, simulator(NewAHL),
		}, true
	case wazo:
		return kind{
			[]string{"26.01", "20.01"},
			[]string{"Listen", "User", "Password", "TLS", "Life", "FailEvery"},
			newWazo, simulator(NewWazo),
		}, true
	case grandstream:
		return kind{
			[]string{"json", "csv", "cdrapi"},
			[]string{"Listen", "Addr", "URL", "User", "Password", "TLS", "Life", "FailEvery", "Retry", "Faults"},
			newUCM, simulator(NewUCM),
		}, true
	case threeCX:
		return kind{
			[]string{cxWhole, cxShort, cxTypesLast, cxUnbilled},
			[]string{"Addr", "Listen", "Dir", "Grows", "Slowly", "Retry", "Faults"},
			newThreeCX, started(threeCX, newThreeCX, cxBuffer, cxFolder),
		}, true
	case mitelA400:
		return kind{
			[]string{"PC5"},
			[]string{"Addr", "Listen", "Retry", "Faults"},
			newA400, started(mitelA400, newA400, a400Buffer, nil),
		}, true
	case shoretel:
		return kind{
			[]string{shore75, shore61},
			[]string{"Addr", "Listen", "Dir", "Slowly", "Retry", "Faults"},
			newShore, started(shoretel, newShore, shoreBuffer, shoreFolder),
		}, true
	case unifyHiPath:
		return kind{
			[]string{hipathDialled, hipathBars, hipathColumns},
			[]string{"Addr", "Dir", "URL", "FileEvery", "Slowly", "Retry", "Faults"},
			newHipath, started(unifyHiPath, newHipath, hipathBuffer, hipathFolder),
		}, true
	case alcatelOXO:
		return kind{
			[]string{"xml"},
			[]string{"Dir", "Slowly"},
			newOXO, started(alcatelOXO, newOXO, 0, oxoFolder),
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

// started makes PBXs without a dialogue; see newPlain.
func started(model string, render func(Options) (encoder, error), buffer int, in func(Options) (*folder, error)) func(Options) (Simulator, error) {
	return simulator(func(o Options) (*plain, error) { return newPlain(model, o, render, buffer, in) })
}

// openOXE makes call servers, or what fills a folder in their place.
func openOXE(o Options) (Simulator, error) {
	if o.Dir == "" {
		return simulator(NewOXE)(o)
	}
	o.Variant = cmp.Or(o.Variant, oxeLines)
	if o.Variant != oxeLines {
		return nil, fmt.Errorf("%s: variant %s is of the link: give Listen", alcatelOXE, o.Variant)
	}
	return started(alcatelOXE, newOXE, 0, oxeFolder)(o)
}

// openAsterisk makes a database's rows, or with Dir Master.csv.
func openAsterisk(o Options) (Simulator, error) {
	if o.Dir == "" {
		return simulator(NewAsterisk)(o)
	}
	o.Variant = cmp.Or(o.Variant, asteriskCSV)
	if o.Variant == asteriskRows {
		return nil, fmt.Errorf("%s: variant %s is of a table: give DSN", asterisk, o.Variant)
	}
	return started(asterisk, newAsterisk, 0, masterFolder)(o)
}

// Models lists the ids of the models that can be simulated.
func Models() []string {
	return []string{
		threeCX, alcatelOXE, alcatelAHL, alcatelOXO, asterisk, avayaIPOffice, ciscoCUCM, grandstream, mitel3300, mitelA400,
		panasonicKX, shoretel, unifyHiPath, wazo,
	}
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
	o.Addr, o.Listen, o.Standby, o.URL, o.Dir, o.DSN = "", "", "", "", "", ""
	o.Grows, o.Slowly = false, false
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
		{"Standby", o.Standby != ""},
		{"URL", o.URL != ""},
		{"Dir", o.Dir != ""},
		{"DSN", o.DSN != ""},
		{"CreateTable", o.CreateTable},
		{"User", o.User != ""},
		{"Password", o.Password != ""},
		{"TLS", o.TLS},
		{"Life", o.Life != 0},
		{"FailEvery", o.FailEvery != 0},
		{"HandOver", o.HandOver != 0},
		{"KeepAlive", o.KeepAlive != 0},
		{"Check", o.Check != ""},
		{"Resend", o.Resend != 0},
		{"Telnet", o.Telnet},
		{"Lock", o.Lock != 0},
		{"Retry", o.Retry != 0},
		{"FileEvery", o.FileEvery != 0},
		{"Quality", o.Quality},
		{"Slowly", o.Slowly},
		{"Grows", o.Grows},
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
	case o.FailEvery == 1:
		errs = append(errs, errors.New("FailEvery 1 would never give a call"))
	case o.FailEvery < 0, o.HandOver < 0, o.Life < 0, o.KeepAlive < 0, o.Resend < 0:
		errs = append(errs, errors.New("counts and times must not be negative"))
	case !o.From.Before(o.To):
		errs = append(errs, fmt.Errorf("the time from %s to %s is empty", o.From.Format(time.RFC3339), o.To.Format(time.RFC3339)))
	}
	errs = append(errs, o.Faults.validate(model))
	return errors.Join(errs...)
}
