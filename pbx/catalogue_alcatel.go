package pbx

import (
	"bytes"

	"trunkline.internal/pbx/cut"
)

var alcatelOXO = &Model{
	ID: "alcatel-oxo", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Office, OXO Connect",
	ComTraficLabel: "Alcatel-Lucent (OLD)", ComTraficFile: "AL_OXO_XML.pbx",
	Parses: true, Split: cut.OXO, Unterminated: true, Charset: "utf-8",
	Offers: withServers([]Offer{
		{Wire: Files, Sure: Documented, Note: "the folder of the Office Link Driver; native *.ALZ with a pattern of its own"},
		{Wire: TCPListen, Sure: Inferred, Note: "V24 through a serial box that connects"},
		{Wire: TCPDial, Sure: Inferred, Note: "V24 through a serial box that listens"},
	}),
	Variants: []Variant{{"TicketCollector XML", Inferred}, {"ALZ, 122 bytes", Documented}, {"V24 statement", Documented}},
	// The head of a native file: `PabxRelease=…` to `#DataBegin`.
	Files: FileSet{Pattern: "TicketCollector*.xml", Head: func(line []byte) bool {
		name, _, value := bytes.Cut(line, []byte("="))
		return value && (string(name) == "PabxRelease" || bytes.HasPrefix(name, []byte("#")) && !bytes.ContainsAny(name, " \t\x00")) || string(line) == "#DataBegin"
	}},
	Setup: []string{
		"OMC, Metering: IP output active, unanswered incoming calls and leased lines printed, masking of the last four digits off; licence Call Accounting Over IP.",
		"On a Windows PC: Office Link Driver in Metering mode, METERING_COLLECTOR_MAX_TICKET=1; it writes TicketCollector<date>.xml.",
	},
}

var alcatelOXE = &Model{
	ID: "alcatel-oxe", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Enterprise (OXE, 4400)",
	ComTraficLabel: "Alcatel-Lucent OXE-4400 (FTP)", ComTraficFile: "AL_OXE_FTP.pbx",
	Parses: true, Split: cut.OXE, Unterminated: true, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: FTP, Port: 21, Sure: Documented, Note: "we fetch TAX*.DAT from /usr4/account, an hour or more behind the calls"},
		{Wire: SFTP, Port: 22, Sure: Documented, Note: "the same where SSH security is on"},
		{Wire: OXEDial, Port: 2533, Sure: Verified, Note: "real time over Ethernet; one client only, no V24 output beside it"},
		{Wire: Files, Sure: Documented, Note: "TAX*.DAT that others have fetched"},
	},
	Variants: []Variant{
		{"ED5.2, 525 columns", Documented},
		{"ED5.2 with commas", Verified},
		{"ED5.2 in messages of 772 bytes", Verified},
		{"another version, described by the file's # line", Inferred},
	},
	// Files of voice quality, IP*.DAT and SIP*.DAT, stand in the same folder.
	Files: FileSet{Pattern: "TAX*", Dir: "/usr4/account", Head: func(line []byte) bool {
		return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("#"))
	}},
	Setup: []string{
		"Applications, Accounting: Files for External Accounting Yes; in the filters Public Outgoing 0 Units calls, incoming calls, and PCX PCX calls for internal ones.",
		"Masking of called numbers 0 digits, Max No. Days of Storage 31; for FTP our host among the trusted hosts (netadmin -m).",
		"For port 2533: licences 51 and 83, Real Time Tickets Output Ethernet, with filters of its own.",
	},
}

var alcatelOXEAHL = &Model{
	ID: "alcatel-oxe-ahl", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Enterprise, hotel link",
	Parses: true, ByLayout: true, Split: cut.AHL, Unterminated: true, Charset: "iso-8859-1",
	Offers:   []Offer{{Wire: AHLDial, Sure: Documented, Note: "the PBX listens; the port is set there: 2561 in one description, 5001 in another"}},
	Variants: []Variant{{"AHL", Unknown}},
	Setup: []string{
		"Licence 126; mgr, Applications, Hotel, computer link: all metering tickets; the PBX restarts.",
		"Only one front-office computer may talk to the link.",
	},
}

var alcatel4200 = &Model{
	ID: "alcatel-4200", Vendor: "Alcatel", Product: "4200",
	ComTraficLabel: "Alcatel 4200", ComTraficFile: "AL_4200.pbx",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: TCPListen, Sure: Inferred, Note: "through a serial box that connects"},
		{Wire: TCPDial, Sure: Inferred, Note: "through a serial box that listens"},
		{Wire: Files, Sure: Inferred, Note: "a log that another program writes"},
	},
	Variants: []Variant{{"V24", Unknown}},
	Files:    serialLog,
}
