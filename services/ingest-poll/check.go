package ingestpoll

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/platform/probe"
	"trunkline.internal/proto/wire"
	"trunkline.internal/services/ingest-poll/internal/api"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/ftp"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/sftp"
	"trunkline.internal/services/ingest-poll/internal/table"
	"trunkline.internal/services/ingest-poll/internal/web"
)

// What an examination tells.
type (
	// Step is one thing that was tried or looked at.
	Step = examine.Step
	// StepResult is how a step went.
	StepResult = examine.Result
	// Newest is the newest ticket that was found, as the PBX gave it.
	Newest = examine.Newest
)

// Results of a step. A note is neither good nor bad.
const (
	StepNote    = examine.Note
	StepOK      = examine.OK
	StepWarning = examine.Warning
	StepFailed  = examine.Failed
)

// WholeHours is how far a difference of two clocks is from zero where that is
// whole or half hours, give or take three minutes, as time zones are; 0: it is
// not.
func WholeHours(d time.Duration) time.Duration { return examine.WholeHours(d) }

// ExamineDeps is what an examination works with.
type ExamineDeps struct {
	// Data is the folder of everything that the service keeps.
	Data string
	// Now is our clock; nil: the system's.
	Now func() time.Time
}

// ErrConsumes tells of a wire on which looking would take: the running service is
// asked instead.
var ErrConsumes = errors.New("whoever reads this wire takes what comes: it is examined by asking the running service")

// Examines tells whether a link's wire can be looked at without taking anything.
func Examines(of config.LinkOf) bool {
	return of.Files != nil || of.MySQL != nil || of.FTP != nil || of.SFTP != nil || of.HTTP != nil || of.FTPServer != nil || of.SFTPServer != nil
}

// Examine looks at a link step by step. It has neither NATS nor the positions, so
// it can collect nothing and advance nothing, and on the PBX it changes nothing.
// The newest ticket is nil where there is none to show. The error says that the
// link cannot be examined at all; what is wrong with it is told as steps.
func Examine(ctx context.Context, of config.LinkOf, deps ExamineDeps, say func(Step)) (*Newest, error) {
	if !Examines(of) {
		return nil, fmt.Errorf("site %s, link %s: %w", of.Site.ID, of.ID, ErrConsumes)
	}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	meters, err := link.NewMeters(nil)
	if err != nil {
		return nil, err
	}
	l, err := link.New(link.Options{
		Address: wire.Address{Model: of.Model, Site: of.Site.ID, Link: of.ID}, Layout: of.Layout,
		Publisher: nobody{}, Positions: func() *bus.Positions { return nil },
		Log: slog.New(slog.DiscardHandler), Now: deps.Now, Metrics: meters.Of(of.Site.ID, of.ID),
	})
	if err != nil {
		return nil, err
	}
	r := examine.NewReport(say, deps.Now)
	var newest *Newest
	switch {
	case of.Files != nil:
		newest = files.Examine(ctx, r, l, of.Files)
	case of.MySQL != nil:
		zone := of.Parse.Timezone
		if zone == "" {
			zone = of.Site.Timezone
		}
		newest = table.Examine(ctx, r, l, of.MySQL, zone)
	case of.FTP != nil:
		newest = ftp.Examine(ctx, r, l, of.FTP, "")
	case of.SFTP != nil:
		newest = sftp.Examine(ctx, r, l, of.SFTP, "")
	case of.HTTP != nil && config.HTTPAPI(of.Model):
		newest = api.Examine(ctx, r, l, of.HTTP)
	case of.HTTP != nil:
		newest = web.Examine(ctx, r, l, of.HTTP)
	case of.FTPServer != nil:
		newest = examineReceiver(ctx, r, l, &of.FTPServer.Receiver, pbx.FTPServer, deps.Data)
		if p := of.FTPServer.Passive; p != "" {
			r.Note("passive ports", p, "let these in through the firewall, too")
		}
	case of.SFTPServer != nil:
		newest = examineReceiver(ctx, r, l, &of.SFTPServer.Receiver, pbx.SFTPServer, deps.Data)
	}
	return newest, ctx.Err()
}

// nobody publishes nothing.
type nobody struct{}

func (nobody) Publish(context.Context, ...*nats.Msg) error {
	return errors.New("a link that is examined publishes nothing")
}

// examineReceiver looks at the port that the PBX comes to, and at the folder of
// what it brought.
func examineReceiver(ctx context.Context, r *examine.Report, l *link.Link, c *config.Receiver, w pbx.Wire, data string) *Newest {
	if _, ok := r.Password(c.User, c.Secret); !ok {
		return nil
	}
	examineListening(r, "tcp", c.Listen)
	dir := filepath.Join(data, "inbox", l.Site, l.Link)
	if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
		r.Warn("folder "+dir, "it is not there yet: the service that receives has not started, or keeps its data elsewhere",
			fmt.Sprintf("start trunkline, then let the PBX log in to the %s as %s. %s", w, c.User, strings.Join(l.PBX.Setup, " ")))
		return nil
	}
	return files.Examine(ctx, r, l, &config.Files{Dir: dir, Pattern: c.Pattern, Grows: c.Grows})
}

// ourPrograms are those whose listening is as it should be.
var ourPrograms = []string{"trunkline", "ingest-poll", "ingest-tcp"}

// examineListening tells who holds a port of ours, and how it gets through the
// firewall.
func examineListening(r *examine.Report, network, listen string) {
	_, text, _ := net.SplitHostPort(listen)
	port, err := strconv.Atoi(text)
	if err != nil || port == 0 {
		return
	}
	what := "port " + text + " of this machine"
	holders, err := probe.Holders(network, port)
	var names []string
	ours := false
	for _, h := range holders {
		names = append(names, h.String())
		for _, p := range ourPrograms {
			ours = ours || h.Name == p || h.PID == os.Getpid()
		}
	}
	switch {
	case err != nil:
		r.Note(what, err.Error(), "")
	case len(holders) == 0:
		r.Warn(what, "nobody listens", "does trunkline run on this machine? In a container, publish the port")
	case ours:
		r.OK(what, strings.Join(names, "; "))
	case holders[0].PID == 0:
		r.Note(what, "somebody listens who is not to be seen by this user", "run the check as root to see whom")
	default:
		r.Fail(what, "it is held by "+strings.Join(names, "; "), "stop that program, or give another port: then the PBX needs it too")
	}
	if command := probe.Firewall(network, port); command != "" {
		r.Note("firewall", "if nothing comes in", command)
	}
}
