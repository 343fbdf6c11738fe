package bus

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/user"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"trunkline.internal/pbx/identity"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// Acts of the table audit.
const (
	ActReload    = "reload"
	ActImport    = "import"
	ActCollected = "collected"
	ActRemoved   = "removed"
	// These are never a site's: they go to the sink as they are.
	ActReplay  = "replay"
	ActPurge   = "purge"
	ActBackup  = "backup"
	ActRestore = "restore"
)

// actOrigin begins the origin of a message that tells of an act.
const actOrigin = "act:"

// NewAct makes the ticket message that tells of an act: it has no tickets and
// takes their way, so that it is as durable as they are, waits with them while the
// hub is away, and needs no permission that they do not. of says what the act was done to, and
// makes one of two: the same act, what and of of a link has the same id.
func NewAct(a wire.Address, of string, act *trunklinev1.Act) *TicketMessage {
	act.Site, act.Link = a.Site, a.Link
	a.Model = wire.ModelAudit
	m := &TicketMessage{Address: a, Received: act.Time.AsTime(), Origin: actOrigin + act.What, Offset: of, Act: act}
	if act.Id == "" {
		act.Id = identity.Message(a.Site, a.Link, m.Origin, of, nil)
	}
	return m
}

// Act makes an act that began at a moment. Before and after are told as JSON; nil
// is told as nothing.
func Act(what, who, object string, at time.Time, before, after any) *trunklinev1.Act {
	return &trunklinev1.Act{
		Time: timestamppb.New(at.Truncate(time.Millisecond)), Who: plain(who), What: what, Object: plain(object),
		Before: ActCounts(before), After: ActCounts(after),
	}
}

// ActCounts is what an act tells of before and after.
func ActCounts(v any) string {
	if v == nil {
		return ""
	}
	b, err := json.Marshal(v)
	if err != nil {
		return "{}"
	}
	return string(b)
}

// plain makes a name fit for a receipt.
func plain(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

var errActWithTickets = errors.New("a message that tells of an act has no tickets")

func encodeAct(a *trunklinev1.Act) string {
	b, err := proto.Marshal(a)
	if err != nil || len(b) > wire.MaxAct {
		// Only its texts can be at fault: what is left tells that there was an act.
		b, _ = proto.Marshal(&trunklinev1.Act{
			Id: a.Id, Time: a.Time, What: a.What, Site: a.Site, Link: a.Link, Object: "not told: it is no text, or more than is kept",
		})
	}
	return base64.StdEncoding.EncodeToString(b)
}

func decodeAct(text string) (*trunklinev1.Act, error) {
	if len(text) > base64.StdEncoding.EncodedLen(wire.MaxAct) {
		return nil, fmt.Errorf("%d bytes are no act", len(text))
	}
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, err
	}
	a := new(trunklinev1.Act)
	if err := proto.Unmarshal(b, a); err != nil {
		return nil, err
	}
	if a.Id == "" || a.What == "" || a.Time == nil {
		return nil, errors.New("the act has no id, no name or no time")
	}
	switch a.What {
	case ActReplay, ActPurge, ActBackup, ActRestore:
		return nil, fmt.Errorf("%s is no act of a site", a.What)
	}
	return a, nil
}

// Who is the user and the host of this process, for the audit.
var Who = sync.OnceValue(func() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name + "@" + hostname()
})

// WhoIs is a service on this host, where it acts by itself.
func WhoIs(service string) string { return service + "@" + hostname() }

func hostname() string {
	h, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return h
}
