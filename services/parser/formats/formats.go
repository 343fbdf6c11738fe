// Package formats is the contract between the parser and the formats: pure
// code that turns the bytes of one ticket into one outcome.
package formats

import (
	"time"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Ticket is one ticket as it was cut, with what is known of the place it came
// from. All of it is equal at every re-read of the ticket.
type Ticket struct {
	// Raw is the ticket without terminator. It must not be changed; CDRs may
	// point into it.
	Raw []byte
	// Preamble is the head of the ticket's file.
	Preamble []byte
	// Near is a moment at or shortly after the ticket was written: the file's or
	// row's own time, on TCP the receipt. Zero where nothing tells.
	Near time.Time
}

// Result is what became of a ticket. The zero Result is a CDR.
type Result struct {
	Outcome Outcome
	// Reason is a short stable code in snake_case, for counting. Empty for a CDR.
	Reason string
	// Error says in words what is wrong with a dead ticket, and where.
	Error string
	// Key holds the fields that the PBX never gives twice together, in the
	// catalogue's order; nil where the ticket has none.
	Key []string
}

// Outcome of a ticket.
type Outcome uint8

// The three outcomes.
const (
	CDR Outcome = iota
	Ignored
	Dead
)

// Ignore is the result of a ticket that is understood, and no call.
func Ignore(reason string) Result { return Result{Outcome: Ignored, Reason: reason} }

// Die is the result of a ticket that is not understood.
func Die(reason, err string) Result { return Result{Outcome: Dead, Reason: reason, Error: err} }

// Parser understands the tickets of one link. It is pure: the same ticket gives
// the same result. It may keep what it learned from preambles, and is used by
// one goroutine at a time.
type Parser interface {
	// Parse fills the CDR, which arrives empty, with what the ticket tells.
	// Identity, provenance and raw bytes are the caller's. The CDR is of no
	// interest unless the result is a CDR.
	Parse(t *Ticket, cdr *trunklinev1.Cdr) Result
}
