package asterisk

import "strings"

// tech is what kind of channel a name is of.
type tech uint8

const (
	techNone  tech = iota
	techPhone      // its peer is an endpoint: a phone, or a trunk to a provider
	techLine       // its peer is a line, span or group of a card
	techGSM        // a line card that has only outside lines
	techLocal      // no device: Asterisk talks to itself
)

var (
	phoneTechs = []string{"PJSIP", "SIP", "IAX2", "SCCP", "IAX", "Skinny", "MGCP", "UNIStim", "USTM", "H323", "OOH323", "Agent"}
	gsmTechs   = []string{"Dongle", "Datacard", "Quectel"}
)

func techOf(name string) tech {
	switch {
	case strings.EqualFold(name, "Local"):
		return techLocal
	case oneOf(name, phoneTechs):
		return techPhone
	case oneOf(name, gsmTechs):
		return techGSM
	}
	return techLine
}

// channel is the name of one: `SIP/201-0000001a`, `DAHDI/i1/0199001122-2f`,
// `Local/201@from-queue-000a;2`.
type channel struct {
	name string
	tech tech
	// prefix is the technology's name.
	prefix string
	// peer is what stands between technology and serial number: the endpoint,
	// the first part of a line's name, the number of a Local channel.
	peer string
}

func newChannel(name string) channel {
	name = strings.TrimSpace(name)
	if name == "" {
		return channel{}
	}
	prefix, rest, _ := strings.Cut(name, "/")
	c := channel{name: name, prefix: prefix, tech: techOf(prefix)}
	if c.tech == techLocal {
		c.peer, _, _ = strings.Cut(rest, "@")
		return c
	}
	if i := strings.LastIndexByte(rest, '-'); i > 0 && serial(rest[i+1:]) {
		rest = rest[:i]
	}
	if c.tech == techLine {
		rest, _, _ = strings.Cut(rest, "/")
	}
	c.peer = rest
	return c
}

// serial tells whether s is the serial number of a channel: hex digits, `u12` of
// mISDN.
func serial(s string) bool {
	s = strings.TrimPrefix(s, "u")
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return s != ""
}

// dialled is what lastdata of Dial says.
type dialled struct {
	// targets that rang in parallel.
	targets int
	// prefix, device and number of the target that the other channel is of, or of
	// the only one. The number is one that was sent to the device.
	prefix, device, number string
	// uri: the number was part of a SIP address, which may be a phone's own.
	uri bool
}

// readDial reads the targets of Dial: `SIP/101&SIP/trunk/0199001122,20,Tt`. Until
// Asterisk 1.4 a bar stood for the comma.
func readDial(data string, b *channel) dialled {
	if i := strings.IndexAny(data, ",|"); i >= 0 {
		data = data[:i]
	}
	if strings.IndexByte(data, '\\') >= 0 {
		data = strings.ReplaceAll(data, `\`, "")
	}
	var d dialled
	for data != "" {
		var target string
		target, data, _ = strings.Cut(data, "&")
		prefix, rest, ok := strings.Cut(target, "/")
		if !ok || rest == "" {
			continue
		}
		d.targets++
		device, number, uri := readTarget(prefix, rest)
		if b.tech == techNone || b.reached(prefix, device) {
			d.prefix, d.device, d.number, d.uri = prefix, device, number, uri
		}
	}
	if b.tech == techNone && d.targets > 1 {
		return dialled{targets: d.targets}
	}
	return d
}

// reached tells whether the channel can be the one that a target became.
func (c *channel) reached(prefix, device string) bool {
	if !strings.EqualFold(c.prefix, prefix) {
		return false
	}
	switch c.tech {
	case techPhone:
		return strings.EqualFold(c.peer, device)
	case techLocal:
		return false
	}
	return true // a group does not say which line it takes
}

// readTarget splits what stands behind the technology of a dial target.
func readTarget(prefix, rest string) (device, number string, uri bool) {
	if strings.EqualFold(prefix, "Local") {
		device, _, _ = strings.Cut(rest, "@")
		return device, "", false
	}
	device, number, _ = strings.Cut(rest, "/")
	number, uri = cutScheme(number)
	number, _, _ = strings.Cut(number, "@")
	if uri && number == device {
		number = ""
	}
	if user, host, ok := strings.Cut(device, "@"); ok {
		device = host
		if number == "" {
			number, _, _ = strings.Cut(user, ":")
		}
	}
	device, _, _ = strings.Cut(device, ":")
	number, isNumber := readNumber(number)
	if !isNumber {
		return device, "", uri
	}
	return device, number, uri
}

func cutScheme(uri string) (rest string, ok bool) {
	for _, s := range [...]string{"sip:", "sips:", "tel:"} {
		if len(uri) > len(s) && strings.EqualFold(uri[:len(s)], s) {
			return uri[len(s):], true
		}
	}
	return uri, false
}

// firstArgument of an application: the queue of Queue, the mailbox of VoiceMail
// without its context.
func firstArgument(data string) string {
	if i := strings.IndexAny(data, ",|&"); i >= 0 {
		data = data[:i]
	}
	return strings.TrimSpace(data)
}

// withoutSecrets is lastdata without the PINs and passwords that some
// applications take.
func withoutSecrets(app, data string) string {
	switch {
	case data == "":
		return ""
	case strings.EqualFold(app, "Authenticate"), strings.EqualFold(app, "DISA"):
		return ""
	case strings.EqualFold(app, "MeetMe"):
		return firstArgument(data)
	}
	if strings.IndexByte(data, '@') < 0 || strings.IndexByte(data, ':') < 0 {
		return data
	}
	return withoutPasswords(data)
}

// withoutPasswords takes the password out of each `user:password@host`.
func withoutPasswords(data string) string {
	var b strings.Builder
	for {
		at := strings.IndexByte(data, '@')
		if at < 0 {
			b.WriteString(data)
			return b.String()
		}
		from := strings.LastIndexAny(data[:at], "/&,|") + 1
		user, _, ok := strings.Cut(data[from:at], ":")
		if _, address := cutScheme(data[from:at]); !ok || address {
			user = data[from:at]
		}
		b.WriteString(data[:from])
		b.WriteString(user)
		b.WriteByte('@')
		data = data[at+1:]
	}
}

// oneOf compares without case.
func oneOf(s string, list []string) bool {
	for _, l := range list {
		if len(l) == len(s) && strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}
