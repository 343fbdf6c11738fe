package kit

import (
	"testing"

	"trunkline.internal/pbx"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
)

func TestSetExternal(t *testing.T) {
	const public, private = trunklinev1.Network_NETWORK_PUBLIC, trunklinev1.Network_NETWORK_PRIVATE
	for _, tc := range []struct {
		name             string
		country, outside string
		network          trunklinev1.Network
		number           string
		dialed           bool
		external, e164   string
	}{
		{"dialled with prefix", "FR", "0", public, "00199001234", true, "0199001234", "+33199001234"},
		{"presented", "FR", "0", public, "0199001234", false, "0199001234", "+33199001234"},
		{"presented from abroad", "FR", "0", public, "00441632960123", false, "00441632960123", "+441632960123"},
		{"presented with prefix", "GB", "9", public, "901632960123", false, "01632960123", "+441632960123"},
		{"presented, begins like a prefix", "US", "9", public, "9195550123", false, "9195550123", "+19195550123"},
		{"presented, country unknown", "", "9", public, "9195550123", false, "9195550123", ""},
		{"presented with prefix, like one from abroad", "FR", "0", public, "00199001234", false, "0199001234", "+33199001234"},
		{"dialled, masked", "FR", "0", public, "019900????", true, "019900????", ""},
		{"dialled with prefix, masked", "FR", "0", public, "0019900????", true, "019900????", ""},
		{"dialled, keys behind", "FR", "0", public, "0199001234#7", true, "0199001234#7", ""},
		{"no area code begins so", "US", "9", public, "0199001234", false, "0199001234", ""},
		{"another node", "FR", "0", private, "0199001234", true, "0199001234", ""},
		{"nobody", "FR", "0", public, "", false, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l, err := NewLink(pbx.Settings{Site: "a", Link: "b", Model: "mitel-3300", Timezone: "UTC", Country: tc.country, OutsidePrefix: tc.outside})
			if err != nil {
				t.Fatal(err)
			}
			cdr := &trunklinev1.Cdr{Network: tc.network}
			l.SetExternal(cdr, tc.number, tc.dialed)
			if cdr.ExternalNumber != tc.external || cdr.ExternalE164 != tc.e164 {
				t.Errorf("%q %q, want %q %q", cdr.ExternalNumber, cdr.ExternalE164, tc.external, tc.e164)
			}
		})
	}
}
