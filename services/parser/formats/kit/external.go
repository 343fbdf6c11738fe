package kit

import (
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

// SetExternal sets the outside party and its +country form. dialed tells a
// number that was dialled here, outside prefix included, from one that the
// network presented. A number on the private network has no +country form, so
// the network must be set before.
func (l *Link) SetExternal(cdr *trunklinev1.Cdr, number string, dialed bool) {
	if cdr.Network == trunklinev1.Network_NETWORK_PRIVATE {
		cdr.ExternalNumber = number
		return
	}
	if dialed {
		number = l.Numbers.Dialed(number)
	} else if l.Numbers.E164(number) == "" {
		// Some PBXs put the outside prefix before a caller's number, so that it
		// can be called back. What is no number without it is left as it is.
		if rest := l.Numbers.Dialed(number); l.Numbers.E164(rest) != "" {
			number = rest
		}
	}
	cdr.ExternalNumber, cdr.ExternalE164 = number, l.Numbers.E164(number)
}
