package asterisk

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

const (
	answered  = trunklinev1.Disposition_DISPOSITION_ANSWERED
	noAnswer  = trunklinev1.Disposition_DISPOSITION_NO_ANSWER
	busy      = trunklinev1.Disposition_DISPOSITION_BUSY
	failed    = trunklinev1.Disposition_DISPOSITION_FAILED
	voicemail = trunklinev1.Disposition_DISPOSITION_VOICEMAIL
	abandoned = trunklinev1.Disposition_DISPOSITION_ABANDONED
	announced = trunklinev1.Disposition_DISPOSITION_AUTO
)

// Texts, and the numbers that a column of integers holds since Asterisk 1.4.
// plain ones say all that the vendor's word does.
var dispositions = []struct {
	word  string
	is    trunklinev1.Disposition
	plain bool
}{
	{"ANSWERED", answered, true},
	{"NO ANSWER", noAnswer, true},
	{"BUSY", busy, true},
	{"FAILED", failed, true},
	{"CONGESTION", failed, false},
	{"CANCEL", noAnswer, false},
	{"CHANUNAVAIL", failed, false},
	{"NOANSWER", noAnswer, true},
	{"UNKNOWN", 0, true},
	{"", 0, true},
	{"ANSWER", answered, true},
	{"CANCELED", noAnswer, false},
	{"CANCELLED", noAnswer, false},
	{"0", noAnswer, true},
	{"1", noAnswer, true},
	{"2", failed, true},
	{"4", busy, true},
	{"8", answered, true},
	{"16", failed, false},
	{"32", noAnswer, false},
}

// readDisposition gives what a word or number means, and whether the attribute
// can be spared; known is false for others.
func readDisposition(s string) (d trunklinev1.Disposition, plain, known bool) {
	s = strings.TrimSpace(s)
	for i := range dispositions {
		if e := &dispositions[i]; len(e.word) == len(s) && strings.EqualFold(e.word, s) {
			return e.is, e.plain, true
		}
	}
	return 0, false, false
}

// Applications that tell what answered where no second channel was.
var (
	voicemailApps = []string{"VoiceMail", "MinivmRecord"}
	menuApps      = []string{"Queue", "BackGround", "BackgroundDetect", "WaitExten", "Read", "Directory", "Dial", "FollowMe", "RetryDial"}
	announceApps  = []string{
		"Playback", "ControlPlayback", "Playtones", "MusicOnHold", "Echo", "Milliwatt", "Zapateller", "Congestion", "Busy",
		"SayDigits", "SayNumber", "SayAlpha", "SayUnixTime", "DateTime", "Festival", "VoiceMailMain",
	}
)

// whoAnswered refines ANSWERED, which only says that Asterisk's channel was.
func (r *call) whoAnswered() (d trunklinev1.Disposition, sure bool) {
	switch {
	case oneOf(r.lastapp, voicemailApps), mailbox(r.dst) != "":
		return voicemail, true
	case r.b.tech != techNone, r.noDstchannel:
		return answered, true
	case oneOf(r.lastapp, menuApps):
		return abandoned, true
	case oneOf(r.lastapp, announceApps), r.bSide == outside: // what was dialled outside never was
		return announced, true
	}
	return answered, false // a conference, a parked call, a dial plan's own answer
}

// mailbox is the extension whose voicemail FreePBX's dst names: `vmu201`.
func mailbox(dst string) string {
	if len(dst) < 4 || dst[0] != 'v' || dst[1] != 'm' || !strings.Contains("ubsi", dst[2:3]) || number(dst[3:]) < 0 {
		return ""
	}
	return dst[3:]
}

// knownFlag tells a value of amaflags.
func knownFlag(s string) bool {
	switch s {
	case "OMIT", "BILLING", "1", "2", "UNKNOWN":
		return true
	}
	return defaultFlag(s)
}

// defaultFlag tells whether amaflags say no more than that nobody set them.
func defaultFlag(s string) bool {
	switch s {
	case "", "3", "0", "DOCUMENTATION", "DEFAULT", "Unknown":
		return true
	}
	return false
}
