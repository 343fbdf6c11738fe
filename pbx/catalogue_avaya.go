package pbx

import (
	"trunkline.internal/pbx/cut"
)

var avayaIPOffice = &Model{
	ID: "avaya-ipoffice", Vendor: "Avaya", Product: "IP Office",
	ComTraficLabel: "Avaya IP Office", ComTraficFile: "AV_IPOffice.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8",
	Offers: withServers([]Offer{
		{Wire: TCPListen, Port: 1080, Sure: Verified, Note: "SMDR output to our address"},
		{Wire: TCPDial, Port: 1080, Sure: Documented, Note: "SMDR output with address 0.0.0.0: the PBX listens"},
		{Wire: Files, Sure: Documented, Note: "SMDR.csv of the SMDR application, renamed at midnight"},
	}),
	Variants: []Variant{{"15 to 31 columns", Documented}, {"34 columns", Verified}, {"35 to 37 columns", Inferred}},
	Files:    FileSet{Pattern: "SMDR*.csv", Grows: true},
	Setup: []string{
		"System, SMDR: Output SMDR Only, our address, TCP port 1080, Records to Buffer 3000.",
		"The PBX sends buffered records only when the next call ends.",
	},
}

var avayaAlchemy = &Model{
	ID: "avaya-alchemy", Vendor: "Avaya", Product: "Network Alchemy, early IP Office",
	ComTraficLabel: "Avaya Alchemy", ComTraficFile: "AV_IPOffice.pbx",
	Parses: true, Split: cut.Lines, Charset: "windows-1252",
	Offers:   withServers([]Offer{{Wire: Files, Sure: Inferred, Note: "SMDR.csv of the SMDR application, renamed at midnight"}}),
	Variants: []Variant{{"17 columns", Inferred}, {"15 and 16 columns", Inferred}},
	Files:    FileSet{Pattern: "SMDR*.csv", Grows: true},
	Setup: []string{
		"On the PC with Delta Server: run the SMDR application, share its folder SMDR_Output read-only.",
		"Tickets with more than 17 columns are of model avaya-ipoffice.",
	},
}
