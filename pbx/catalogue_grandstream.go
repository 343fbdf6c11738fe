package pbx

import (
	"trunkline.internal/pbx/cut"
)

var grandstreamUCM = &Model{
	ID: "grandstream-ucm", Vendor: "Grandstream", Product: "UCM6xxx",
	ComTraficLabel: "GrandStream_UCM.pbx", ComTraficFile: "GrandStream_UCM.pbx",
	Parses: true, Split: cut.Documents, Unterminated: true, Charset: "utf-8",
	Key: []string{"AcctId", "uniqueid", "start"},
	Offers: []Offer{
		{Wire: TCPListen, Port: 7777, Sure: Inferred, Note: "CDR Real-Time Output; the port is free to choose"},
		{Wire: Files, Sure: Documented, Note: "answers of cdrapi, saved to a folder"},
		{Wire: HTTPServer, Sure: Inferred, Note: "CDR Real-Time Output of newer firmware, delivered over HTTP or HTTPS"},
		{Wire: HTTP, Port: 8089, Sure: Documented, Note: "cdrapi; 8443 on the UCM6100"},
	},
	Variants: []Variant{
		{"real-time CSV, 31 or 32 columns", Inferred},
		{"real-time JSON", Inferred},
		{"real-time XML", Unknown},
		{"cdrapi JSON, with main_cdr and sub_cdr", Documented},
		{"cdrapi CSV, 22 columns", Documented},
		{"cdrapi XML", Inferred},
	},
	Files: FileSet{Pattern: "*"},
	Setup: []string{
		"Value-Added Features (later: Integrations), API Configuration, CDR Real-Time Output Settings: enable, our address, port 7777, delivery method TCP, format JSON where it is offered.",
		"The PBX keeps 10,000 records while we are away, and drops what is more.",
	},
}
