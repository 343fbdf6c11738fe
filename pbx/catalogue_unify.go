package pbx

import (
	"bytes"

	"trunkline.internal/pbx/cut"
)

var unifyHiPath = &Model{
	ID: "unify-hipath", Vendor: "Unify", Product: "HiPath 3000 and 5000, OpenScape Business, OpenScape Office",
	ComTraficLabel: "Siemens Hipath", ComTraficFile: "SI_HipathComp.pbx",
	Parses: true, Split: cut.Lines, Charset: "iso-8859-1", Clock: Clock{End: true},
	Offers: withServers([]Offer{
		{Wire: TCPListen, Port: 6000, Sure: Documented, Note: "LAN TCP client; the port is yours to choose"},
		{Wire: Files, Sure: Inferred, Note: "gez.txt, or what the PBX sent by TFTP"},
		{Wire: TFTP, Port: 69, Sure: Documented, Note: "TFTP client: one file a session, each with a new name; or we fetch gez.txt"},
		{Wire: TCPDial, Sure: Inferred, Note: "V.24 through a serial box that listens"},
	}),
	Variants: []Variant{
		{"separated by bars, 13 or 14 fields", Documented},
		{"separated, 9 fields behind a line of titles", Documented},
		{"separated, 16 or 17 fields, North America", Inferred},
		{"compressed, 112 columns", Documented},
		{"for printers, 79 columns", Documented},
		{"GetAccount, 109 columns", Documented},
		{"Hicom 100, 80 columns", Documented},
	},
	// Titles in the system's language: not one digit, unlike every record.
	Files: FileSet{Pattern: "*", Head: func(line []byte) bool {
		return len(bytes.TrimSpace(line)) > 0 && !bytes.ContainsAny(line, "0123456789")
	}},
	Setup: []string{
		"Expert mode, Telephony Server, Call Charges, Output Format: Compressed Output, Ring Duration, Incoming Calls, MSN (Serveur de téléphonie, Taxes, Format d'édition).",
		"Output: LAN TCP client, our address, TCP port 6000 (Fil de l'eau, Édition).",
		"Leave On Ringing off: each ring would be a line that is no call.",
	},
}
