package pbx

import (
	"bytes"
	"time"

	"trunkline.internal/pbx/cut"
)

var panasonicKX = &Model{
	ID: "panasonic-kx", Vendor: "Panasonic", Product: "KX-TDA, TDE, NCP, NS",
	ComTraficLabel: "Panasonic Type C", ComTraficFile: "Panasonic_TypeC.pbx",
	Parses: true, Split: cut.Lines, Charset: "iso-8859-1", Clock: Clock{End: true, Minutes: true},
	Offers: []Offer{
		{Wire: TCPDial, Port: 2300, Sure: Verified, Note: "2200 on some systems: see SMDR Options"},
		{Wire: TCPListen, Sure: Inferred, Note: "RS-232C through a serial box"},
		{Wire: Files, Sure: Inferred},
	},
	Variants: []Variant{{"type A, 80 columns", Documented}, {"type B, 80 columns with charge", Verified}, {"type C, 120 columns", Documented}},
	// Every log begins with a page head; it is told by its first call.
	Files: FileSet{Pattern: "*", Grows: true, Head: func(line []byte) bool {
		line = bytes.TrimLeft(line, "\f ")
		return bytes.HasPrefix(line, []byte("Date ")) || len(bytes.Trim(line, "- ")) == 0
	}},
	Login: []Step{
		{Expect: "-", Send: "SMDR\r", Timeout: 15 * time.Second},
		{Expect: "assword:", Send: "{password}\r", Timeout: 15 * time.Second},
	},
	DefaultPassword: "PCCSMDR",
	Setup: []string{
		"SMDR Options: port 2300, type C where it can be chosen, outgoing and incoming calls, date order as in `date_order`.",
		"One program at a time may log in.",
	},
}
