package threecx

import (
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// ended is what reason-terminated says.
type ended uint8

const (
	endUnknown ended = iota
	hungUp           // by either side: says nothing more of a call that was answered
	cancelled
	failed
	busy
	refused
	continued // the call went on in another ticket
)

// endings without case and `_`. Versions 12 to early 20 print the first spelling
// of each, later ones of version 20 the words with `_`.
var endings = map[string]ended{
	"terminatedbysrc": hungUp, "srcparticipantterminated": hungUp,
	"terminatedbydst": hungUp, "dstparticipantterminated": hungUp,
	"connected":       hungUp,
	"failedcancelled": cancelled, "cancelled": cancelled, "noanswer": cancelled, "timeout": cancelled, "polling": cancelled,
	"failed": failed, "failednoroute": failed, "noroute": failed, "norouteexists": failed, "notavailable": failed, "notfound": failed,
	"routebusy": busy, "failedbusy": busy, "busy": busy, "linebusy": busy,
	"rejected": refused, "failedrejected": refused, "declined": refused,
	"redirected": continued, "continuedin": continued,
}

func endedBy(word string) ended {
	var b [32]byte
	return endings[string(fold(b[:0], word))]
}

// unanswered is what became of a call without time-answered. A refusal is the
// called side's, of whatever cause: the ticket does not tell.
func (e ended) unanswered() trunklinev1.Disposition {
	switch e {
	case hungUp, cancelled:
		return trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	case failed:
		return trunklinev1.Disposition_DISPOSITION_FAILED
	case busy:
		return trunklinev1.Disposition_DISPOSITION_BUSY
	}
	return trunklinev1.Disposition_DISPOSITION_UNSPECIFIED
}

// changed is what reason-changed says.
type changed uint8

const (
	changeUnknown changed = iota
	notChanged
	replacedDst // final-number took the place of the called party: a transfer, or a queue's agent
	replacedSrc // final-number took the place of the caller, who transferred
	overflowed  // a queue gave the call to its destination if no answer
	forwarded
	pickedUp
	notMoved // a blind transfer failed
)

var changes = map[string]changed{
	"replaceddst": replacedDst, "replacedsrc": replacedSrc,
	"qfwdtodna":   overflowed,
	"fwdnoanswer": forwarded, "fwdonbusy": forwarded, "fwdbusy": forwarded, "fwdall": forwarded,
	"pickedup":         pickedUp,
	"failedbxferofdst": notMoved, "failedbxferofsrc": notMoved,
}

func changedBy(word string) changed {
	if word == "" {
		return notChanged
	}
	var b [24]byte
	return changes[string(fold(b[:0], word))]
}
