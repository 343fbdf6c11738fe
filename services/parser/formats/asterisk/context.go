package asterisk

import (
	"strings"

	"trunkline.internal/services/parser/formats/kit"
)

// Usual contexts of a dial plan, mostly FreePBX's. from-internal-xfer and its like
// are no telling: a transferred outside party goes through them too.
var (
	arriving = []string{
		"from-trunk*", "from-pstn*", "from-did-direct*", "from-dahdi*", "from-zaptel*", "from-gsm*", "from-isdn*",
		"from-external*", "from-sip-external*", "ext-did*", "incoming*", "inbound*",
	}
	ownPhones   = []string{"from-internal", "from-internal-additional*", "from-inside*", "from-phones*", "from-extensions*"}
	leaving     = []string{"outbound*", "outgoing*", "outrt-*", "macro-dialout*", "dialout*"}
	toExtension = []string{"from-did-direct*", "ext-local*", "from-internal", "from-internal-additional*"}
	toGroup     = []string{"ext-group*", "ext-queues*"}
)

// planContext is what the name of a dial plan's context tells.
type planContext struct {
	// caller is the caller's side by the settings, or where calls usually arrive.
	caller side
	// ownPhones: usually the site's phones call from it. leaving: calls leave
	// through it. toExtension, toGroup: its numbers are such.
	ownPhones, leaving, toExtension, toGroup bool
}

// maxContexts bounds what is remembered of one link.
const maxContexts = 256

// context looks a name up. A link has few contexts: they are remembered.
func (m *Mapping) context(name string) *planContext {
	if c, ok := m.contexts[name]; ok {
		return c
	}
	c := &planContext{
		ownPhones: kit.MatchesAny(ownPhones, name), leaving: kit.MatchesAny(leaving, name),
		toExtension: kit.MatchesAny(toExtension, name), toGroup: kit.MatchesAny(toGroup, name),
	}
	switch {
	case name == "":
	case kit.MatchesAny(m.link.Parse.Trunks.Contexts, name):
		c.caller = outside
	case kit.MatchesAny(m.link.Parse.Inside.Contexts, name):
		c.caller = inside
	case kit.MatchesAny(arriving, name):
		c.caller = outside
	}
	if len(m.contexts) < maxContexts {
		m.contexts[strings.Clone(name)] = c
	}
	return c
}
