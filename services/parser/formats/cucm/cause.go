package cucm

import (
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// Termination causes that are Cisco's own.
const (
	splitBefore5 = 126
	split        = 0x60000
	// noService is SIP 503 as the answer to a call that logical partitioning
	// does not allow.
	noService = 0xA700003F
)

// OnBehalfOf codes: the feature that ended, redirected or joined a call.
const (
	byPark         = 3
	byConference   = 4
	byForward      = 5
	byMeetMe       = 6
	byMeetMeAccess = 7
	byTransfer     = 10
	byDivert       = 14
	byBarge        = 15
	byPickup       = 16
	byRefer        = 17
	byReplaces     = 18
	byRedirection  = 19
	byMobility     = 24
	byDirectedPark = 26
	byRecording    = 27
	byMonitoring   = 28
	byGreeting     = 33
)

// Redirect reasons.
const (
	reasonTransfer      = 4
	reasonBlindTransfer = 34
	reasonRefer         = 130
	reasonReplaces      = 146
	reasonRecording     = 354
	reasonMonitoring    = 370
	reasonGreeting      = 752
	// reasonQueued: the last thing that was done with the call was to queue it.
	reasonQueued = 786
)

// Usages of the pattern that the called number matched.
const (
	usageHuntPilot     = 7
	usageVoiceMailPort = 8
)

// q850 is the Q.850 cause in a termination cause; 0: none. A SIP answer is its
// own code in the first byte and the Q.850 cause in the last.
func q850(cause uint32) uint32 {
	if cause > 127 && cause>>24 != 0 && cause&0xffff80 == 0 {
		cause &= 0x7f
	}
	switch {
	case cause > 127, cause == 122, cause == 123, cause == 125, cause == splitBefore5: // Cisco's own
		return 0
	}
	return cause
}

func isSplit(cause uint32) bool { return cause == split || cause == splitBefore5 }

// copies tells whether a feature's leg only repeats another call: recorder,
// supervisor, agent's greeting.
func copies(by, reason int64) bool {
	switch by {
	case byRecording, byMonitoring, byGreeting:
		return true
	}
	switch reason {
	case reasonRecording, reasonMonitoring, reasonGreeting:
		return true
	}
	return false
}

// partial tells whether a feature makes several records of one call.
func partial(by int64) bool {
	switch by {
	case byPark, byConference, byMeetMe, byMeetMeAccess, byTransfer, byBarge, byPickup, byRefer, byReplaces, byMobility, byDirectedPark:
		return true
	}
	return false
}

// splices tells whether a feature puts a record's two parties together.
func splices(by int64) bool {
	return partial(by) && by != byMeetMe && by != byMeetMeAccess && by != byPickup
}

// transferred tells whether the last redirection was a transfer.
func transferred(by, reason, joinedBy int64) bool {
	switch by {
	case byTransfer, byRefer, byReplaces:
		return true
	}
	switch reason {
	case reasonTransfer, reasonBlindTransfer, reasonRefer, reasonReplaces:
		return true
	}
	return joinedBy == byTransfer
}

// noNumber tells the causes of a called number that does not exist.
func noNumber(causes ...uint32) bool {
	for _, c := range causes {
		switch q850(c) {
		case 1, 2, 3, 28:
			return true
		}
	}
	return false
}

// unanswered is the disposition of a call that never connected.
func unanswered(cause uint32) trunklinev1.Disposition {
	switch {
	case cause == noService:
		return trunklinev1.Disposition_DISPOSITION_REJECTED
	case cause == 0:
		return trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	}
	switch q850(cause) {
	case 16, 18, 19, 20, 31, 102:
		return trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	case 17:
		return trunklinev1.Disposition_DISPOSITION_BUSY
	case 21, 53, 54, 55, 57, 87:
		return trunklinev1.Disposition_DISPOSITION_REJECTED
	case 26:
		return trunklinev1.Disposition_DISPOSITION_ELSEWHERE
	}
	return trunklinev1.Disposition_DISPOSITION_FAILED
}
