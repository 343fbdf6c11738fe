// Package access makes what an operator needs so that each of the hub's clients
// may do its own work and nothing else: the keys and the account of a NATS
// server, and the credentials of services and sites.
//
// It is NATS's decentralised authentication. A site's credentials are signed
// offline, and the hub's servers take them without being told: no file to change,
// nothing to reload. What a role may do stands in the account, not in the
// credentials, so that a version with other subjects is one message to the hub
// and not a visit to a thousand sites.
package access

import (
	"slices"
	"time"

	"github.com/nats-io/jwt/v2"

	"trunkline.internal/proto/wire"
)

// Role is what somebody may do at the hub. In subjects {{name()}} is the name in
// the credentials, {{tag(site)}} each of its sites.
type Role struct {
	Name string
	// Who has it, for people.
	Who string
	// Publish and Subscribe are all that is allowed.
	Publish, Subscribe []string
	// Answers says that questions are answered, wherever they come from.
	Answers bool
}

// SiteRole is the role of a site's own machine.
const SiteRole = "site"

const (
	inbox = "_INBOX_{{name()}}.>"
	kv    = "$KV."
	js    = "$JS.API."
)

// Of reading streams and buckets, and of making those that are missing. Nobody
// may delete a stream, or a message in it.
var (
	readStreams = []string{
		js + "INFO", js + "STREAM.INFO.*", js + "STREAM.NAMES", js + "STREAM.LIST", js + "STREAM.MSG.GET.*", js + "DIRECT.GET.>",
		js + "CONSUMER.>", "$JS.ACK.>", "$JS.FC.>",
	}
	makeStreams = []string{js + "STREAM.CREATE.*", js + "STREAM.UPDATE.*"}

	ingestWrites = []string{
		wire.TicketSubjects, "events.v1.>",
		kv + wire.BucketLinks + ".>", kv + wire.BucketPositions + ".>", kv + wire.BucketLeases + ".>", kv + wire.BucketUsual + ".>",
	}
	parserWrites = []string{wire.CdrSubjects, kv + wire.BucketAttempts + ".>"}
	sinkWrites   = []string{
		kv + wire.BucketAttempts + ".>", kv + wire.BucketLeases + ".>",
		js + "STREAM.PURGE." + wire.StreamTickets, js + "STREAM.PURGE." + wire.StreamCdrs,
	}
	ingestHears = []string{wire.AskLinks, wire.AskReload}
)

// Roles of the hub's account.
var Roles = []Role{
	{
		Name: SiteRole, Who: "a site's ingest, with a spool",
		Publish:   []string{"tickets.v1.*.{{tag(site)}}.*", kv + wire.BucketLinks + ".{{tag(site)}}.*", "events.v1.{{tag(site)}}.>"},
		Subscribe: append([]string{inbox}, ingestHears...), Answers: true,
	},
	{
		Name: "ingest", Who: "ingest-tcp and ingest-poll at the hub",
		Publish:   slices.Concat(ingestWrites, readStreams, makeStreams),
		Subscribe: append([]string{inbox}, ingestHears...), Answers: true,
	},
	{
		Name: "parser", Who: "parser",
		Publish: slices.Concat(parserWrites, readStreams, makeStreams), Subscribe: []string{inbox},
	},
	{
		Name: "sink", Who: "sink",
		Publish:   slices.Concat(sinkWrites, readStreams, makeStreams),
		Subscribe: []string{inbox, wire.AskCounts}, Answers: true,
	},
	{
		Name: "services", Who: "trunkline run: all of them in one process",
		Publish:   slices.Concat(ingestWrites, parserWrites, sinkWrites, readStreams, makeStreams),
		Subscribe: append([]string{inbox, wire.AskCounts}, ingestHears...), Answers: true,
	},
	{
		Name: "operator", Who: "people: status, tail, import, replay, reload, backup",
		Publish: slices.Concat([]string{
			wire.TicketSubjects, wire.CdrSubjects, "ask.v1.>", kv + ">",
			js + "STREAM.SNAPSHOT.*", js + "STREAM.RESTORE.*", "$JS.SNAPSHOT.>",
		}, readStreams, makeStreams),
		Subscribe: []string{inbox, "events.v1.>", wire.TicketSubjects, wire.CdrSubjects},
	},
}

// InboxPrefix is what answers to a user of this name begin with: nats.inbox_prefix.
func InboxPrefix(name string) string { return "_INBOX_" + name }

// How many answers a question may have, and for how long.
const (
	maxAnswers    = 100
	answersWithin = time.Minute
)

// permissions are the role's, as an account has them.
func (r Role) permissions() jwt.Permissions {
	p := jwt.Permissions{Pub: jwt.Permission{Allow: r.Publish}, Sub: jwt.Permission{Allow: r.Subscribe}}
	if r.Answers {
		p.Resp = &jwt.ResponsePermission{MaxMsgs: maxAnswers, Expires: answersWithin}
	}
	return p
}
