package pbx

import (
	"trunkline.internal/pbx/cut"
)

var threeCX = &Model{
	ID: "3cx", Vendor: "3CX", Product: "3CX Phone System",
	ComTraficLabel: "3CX", ComTraficFile: "3CX.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8", Clock: Clock{UTC: true},
	Key: []string{"historyid", "callid"},
	Offers: withServers([]Offer{
		{Wire: TCPListen, Sure: Verified, Note: "3CX CDR service is client / Active Socket: 3CX connects to us"},
		{Wire: Files, Sure: Verified, Note: "separate files for each call; with grows: true the single file cdr.log"},
		{Wire: TCPDial, Sure: Documented, Note: "3CX CDR service is server / Passive Socket: 3CX listens"},
	}),
	Variants: []Variant{
		{"20 fields", Verified},
		{"27 fields", Verified},
		{"27 fields, types last", Inferred},
		{"23 fields, without billing", Inferred},
		{"20 fields, start first", Inferred},
		{"fields of the link's own order", Documented},
	},
	Files: FileSet{Pattern: "cdr*.log", Dir: "/var/lib/3cxpbx/Instance1/Data/Logs/CDRLogs"},
	Setup: []string{
		"Reporting, CDR (version 20: Advanced, CDR): enable CDR, and all output fields, in the order proposed.",
		"3CX CDR service is client / Active Socket, with our address and port. What becomes of tickets while nobody listens 3CX does not say; separate files for each call wait.",
	},
}
