package pbx

import (
	"bytes"
	"time"

	"trunkline.internal/pbx/cut"
)

// catalogue is the one list of PBX models: configuration, ingest, parser,
// `trunkline models` and the docs index read it.
var catalogue = []*Model{
	{
		ID: "3cx", Vendor: "3CX", Product: "3CX Phone System",
		ComTraficLabel: "3CX", ComTraficFile: "3CX.pbx",
		Split: cut.Lines, Charset: "utf-8", Clock: Clock{UTC: true},
		Key: []string{"historyid", "callid"},
		Offers: []Offer{
			{Wire: TCPListen, Sure: Verified, Note: "CDR output as active socket"},
			{Wire: TCPDial, Sure: Documented, Note: "CDR output as passive socket"},
			{Wire: Files, Sure: Verified, Note: "one file a call, or one that grows"},
		},
		Variants: []Variant{{"20 fields", Verified}, {"23 fields", Documented}, {"27 fields", Verified}},
		Files:    FileSet{Pattern: "*"},
	},
	{
		ID: "mitel-a5000-v2", Vendor: "Mitel", Product: "MiVoice 5000 (A5000, NeXspan), tickets V2",
		ComTraficLabel: "Aastra AA_MatraV2", ComTraficFile: "AA_MatraV2.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers: []Offer{
			{Wire: TCPDial, Port: 3200, Sure: Documented},
			{Wire: HTTP, Port: 443, Sure: Documented, Note: "buffered files"},
		},
		Variants: []Variant{{"V2", Unknown}},
	},
	{
		ID: "mitel-a5000-v1", Vendor: "Mitel", Product: "MiVoice 5000 (A5000, NeXspan), tickets V1",
		ComTraficLabel: "Aastra AA_MatraV1", ComTraficFile: "AA_MatraV1.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers: []Offer{
			{Wire: TCPDial, Port: 3200, Sure: Documented},
			{Wire: HTTP, Port: 443, Sure: Documented, Note: "buffered files"},
		},
		Variants: []Variant{{"V1", Unknown}},
	},
	{
		ID: "aastra-65xx-v1", Vendor: "Aastra", Product: "65xx (Matra), tickets V1",
		ComTraficLabel: "Aastra AA_MatraV1", ComTraficFile: "AA_MatraV1.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers:   []Offer{{Wire: TCPDial, Port: 3200, Sure: Documented}},
		Variants: []Variant{{"V1", Unknown}},
	},
	{
		ID: "mitel-a400-pc5", Vendor: "Mitel", Product: "MiVoice Office 400 (Aastra A400, IntelliGate)",
		ComTraficLabel: "Aastra AA_A400", ComTraficFile: "AA_A400.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers:   []Offer{{Wire: TCPListen, Port: 1080, Sure: Documented}},
		Variants: []Variant{{"PC5", Documented}, {"PC1, PC2, PC4", Documented}},
	},
	{
		ID: "aastra-md-evolution", Vendor: "Aastra", Product: "MD Evolution, Cal3 and Cal4",
		ComTraficLabel: "Aastra MD Evolution", ComTraficFile: "AA_MDEvol_CAL34.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers:   []Offer{{Wire: TCPListen, Sure: Inferred}, {Wire: TCPDial, Sure: Inferred}},
		Variants: []Variant{{"Cal3, Cal4", Unknown}},
	},
	{
		ID: "mitel-3300", Vendor: "Mitel", Product: "3300 ICP, MiVoice Business (MCD)",
		ComTraficLabel: "Mitel 3300", ComTraficFile: "MI_3300.pbx",
		Parses: true, Split: cut.Lines, Charset: "us-ascii", Clock: Clock{Minutes: true, NoYear: true},
		Offers: []Offer{
			{Wire: TCPDial, Port: 1752, Sure: Verified, Note: "the PBX takes what it has sent as collected: one collector only"},
			{Wire: Files, Sure: Inferred, Note: "SMDR file transfer, into a folder"},
		},
		Variants: []Variant{
			{"standard, 90 columns", Verified},
			{"with ANI/DNIS, 112", Documented},
			{"with network OLI, 131", Verified},
			{"extended digit length, 101, 120, 139", Verified},
			{"extended reporting, up to 207", Inferred},
		},
		Files: FileSet{Pattern: "*", Grows: true},
		Setup: []string{
			"SMDR Options: Network Format yes, Standardized Network OLI yes, Standardized Call ID Format yes, Report Account Codes yes, Report Incoming and Outgoing Calls yes, SMDR Record Transfer yes.",
			"No other program may read port 1752: the PBX forgets what it has sent.",
		},
	},
	{
		ID: "shoretel", Vendor: "Mitel", Product: "ShoreTel, MiVoice Connect",
		ComTraficLabel: "Shoretel", ComTraficFile: "Shoretel.pbx",
		Split: cut.Lines, Charset: "windows-1252",
		Offers: []Offer{
			{Wire: Files, Sure: Documented, Note: "daily CDR log"},
			{Wire: MySQL, Port: 4309, Sure: Documented, Note: "database shorewarecdr"},
			{Wire: TCPListen, Sure: Inferred},
			{Wire: TCPDial, Sure: Inferred},
		},
		Variants: []Variant{{"text 6.1", Documented}, {"text 7.5", Documented}, {"rows", Documented}},
		Files:    FileSet{Pattern: "*", Grows: true},
	},
	{
		ID: "alcatel-oxo", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Office, OXO Connect",
		ComTraficLabel: "Alcatel-Lucent (OLD)", ComTraficFile: "AL_OXO_XML.pbx",
		Split: cut.Lines, Charset: "utf-8", Clock: Clock{Minutes: true},
		Offers: []Offer{
			{Wire: Files, Sure: Documented, Note: "Office Link Driver"},
			{Wire: TCPListen, Sure: Inferred, Note: "V24 through a serial box"},
		},
		Variants: []Variant{{"TicketCollector XML", Inferred}, {"ALZ, 122 bytes", Documented}, {"V24 statement", Documented}},
		Files:    FileSet{Pattern: "*"},
	},
	{
		ID: "alcatel-oxe", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Enterprise",
		ComTraficLabel: "Alcatel-Lucent OXE-4400 (FTP)", ComTraficFile: "AL_OXE_FTP.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers: []Offer{
			{Wire: FTP, Port: 21, Sure: Documented},
			{Wire: OXEDial, Port: 2533, Sure: Verified},
			{Wire: Files, Sure: Documented},
		},
		Variants: []Variant{{"fixed 525", Documented}, {"comma", Verified}, {"772-byte message", Verified}},
		Files:    FileSet{Pattern: "*.DAT"},
	},
	{
		ID: "alcatel-oxe-ahl", Vendor: "Alcatel-Lucent Enterprise", Product: "OmniPCX Enterprise, hotel link",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers:   []Offer{{Wire: AHLDial, Sure: Documented}},
		Variants: []Variant{{"AHL", Unknown}},
	},
	{
		ID: "alcatel-4200", Vendor: "Alcatel", Product: "4200",
		ComTraficLabel: "Alcatel 4200", ComTraficFile: "AL_4200.pbx",
		Split: cut.Lines, Charset: "iso-8859-1",
		Offers:   []Offer{{Wire: TCPListen, Sure: Inferred, Note: "through a serial box"}},
		Variants: []Variant{{"V24", Unknown}},
	},
	{
		ID: "asterisk", Vendor: "Sangoma", Product: "Asterisk, FreePBX, Issabel",
		ComTraficLabel: "Asterisk_MySQLIndex", ComTraficFile: "Asterisk_MySQL.pbx",
		Parses: true, Split: cut.Lines, Charset: "utf-8",
		Offers: []Offer{
			{Wire: MySQL, Port: 3306, Sure: Verified, Note: "table cdr with an auto-increment column"},
			{Wire: Files, Sure: Verified, Note: "Master.csv"},
		},
		Variants: []Variant{{"rows of table cdr", Verified}, {"Master.csv, 16 to 21 columns", Verified}, {"cdr_custom", Documented}},
		Files:    FileSet{Pattern: "Master.csv*", Grows: true},
		Table:    Table{Name: "cdr", Cursor: "id"},
		Setup: []string{
			"ALTER TABLE cdr ADD COLUMN id INT UNSIGNED NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY (id);",
			"A user that may only SELECT from that table, and only from our address.",
		},
	},
	{
		ID: "avaya-ipoffice", Vendor: "Avaya", Product: "IP Office",
		ComTraficLabel: "Avaya IP Office", ComTraficFile: "AV_IPOffice.pbx",
		Parses: true, Split: cut.Lines, Charset: "utf-8",
		Offers: []Offer{
			{Wire: TCPListen, Port: 1080, Sure: Verified, Note: "SMDR output to our address"},
			{Wire: TCPDial, Port: 1080, Sure: Documented, Note: "SMDR output with address 0.0.0.0: the PBX listens"},
			{Wire: Files, Sure: Documented, Note: "SMDR.csv of the SMDR application, renamed at midnight"},
		},
		Variants: []Variant{{"15 to 31 columns", Documented}, {"34 columns", Verified}, {"35 to 37 columns", Inferred}},
		Files:    FileSet{Pattern: "SMDR*.csv", Grows: true},
		Setup: []string{
			"System, SMDR: Output SMDR Only, our address, TCP port 1080, Records to Buffer 3000.",
			"The PBX sends buffered records only when the next call ends.",
		},
	},
	{
		ID: "avaya-alchemy", Vendor: "Avaya", Product: "Network Alchemy, early IP Office",
		ComTraficLabel: "Avaya Alchemy", ComTraficFile: "AV_IPOffice.pbx",
		Split: cut.Lines, Charset: "windows-1252",
		Offers:   []Offer{{Wire: Files, Sure: Inferred, Note: "SMDR.csv"}},
		Variants: []Variant{{"15 to 17 columns", Inferred}},
		Files:    FileSet{Pattern: "SMDR*.csv", Grows: true},
	},
	{
		ID: "cisco-cucm", Vendor: "Cisco", Product: "Unified Communications Manager",
		ComTraficLabel: "Cisco_CallManager", ComTraficFile: "Cisco_CallManager.pbx",
		Parses: true, Split: cut.Lines, Charset: "utf-8", Clock: Clock{UTC: true},
		Key: []string{"pkid"},
		Offers: []Offer{
			{Wire: Files, Sure: Verified, Note: "a folder that the CDR Repository Manager's FTP or SFTP server fills"},
			{Wire: FTPServer, Port: 21, Sure: Documented},
			{Wire: SFTPServer, Port: 22, Sure: Documented},
		},
		Variants: []Variant{{"133 columns (12.5 to 15)", Verified}, {"129 columns (9 to 11)", Documented}, {"any columns with names", Documented}},
		Files: FileSet{Pattern: "c[dm]r_*", Head: func(line []byte) bool {
			line = bytes.TrimPrefix(line, []byte("\xef\xbb\xbf"))
			line = bytes.TrimPrefix(line, []byte(`"`))
			return len(line) > 0 && (line[0] < '0' || line[0] > '9')
		}},
		Setup: []string{
			"Service parameters: CDR Enabled Flag true, CDR Log Calls with Zero Duration Flag true.",
			"CDR Management: our server as billing application server, Resend on Failure ticked.",
		},
	},
	{
		ID: "grandstream-ucm", Vendor: "Grandstream", Product: "UCM6xxx",
		ComTraficLabel: "GrandStream_UCM.pbx", ComTraficFile: "GrandStream_UCM.pbx",
		Split: cut.Lines, Charset: "utf-8",
		Key: []string{"AcctId", "uniqueid", "start"},
		Offers: []Offer{
			{Wire: TCPListen, Port: 7777, Sure: Inferred, Note: "CDR real-time output"},
			{Wire: HTTPServer, Sure: Documented},
			{Wire: HTTP, Port: 8089, Sure: Documented, Note: "cdrapi"},
		},
		Variants: []Variant{{"real-time CSV", Inferred}, {"cdrapi JSON", Documented}, {"XML", Inferred}},
	},
	{
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
	},
	{
		ID: "unify-hipath", Vendor: "Unify", Product: "HiPath 3000, OpenScape Business",
		ComTraficLabel: "Siemens Hipath", ComTraficFile: "SI_HipathComp.pbx",
		Split: cut.Lines, Charset: "iso-8859-1", Clock: Clock{End: true},
		Offers: []Offer{
			{Wire: TCPListen, Port: 6000, Sure: Documented, Note: "LAN TCP client"},
			{Wire: FTP, Sure: Documented},
			{Wire: SFTP, Sure: Inferred},
			{Wire: TFTP, Port: 69, Sure: Documented},
		},
		Variants: []Variant{{"compressed", Documented}, {"fixed 112", Documented}},
	},
	{
		ID: "wazo", Vendor: "Wazo", Product: "Wazo Platform 20 to 26",
		ComTraficLabel: "WAZO", ComTraficFile: "WAZO.pbx",
		Split: cut.Lines, Charset: "utf-8", Clock: Clock{UTC: true},
		Key:      []string{"tenant_uuid", "conversation_id"},
		Offers:   []Offer{{Wire: HTTP, Port: 443, Sure: Documented, Note: "call-logd API 1.0"}},
		Variants: []Variant{{"JSON", Documented}, {"CSV", Documented}},
	},
	{
		ID: "itneo", Vendor: "ITNéo", Product: "ITNéo (Asterisk)",
		ComTraficLabel: "ITNéo", ComTraficFile: "ITNéo.pbx",
		Split: cut.Lines, Charset: "utf-8",
		Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Inferred}},
		Variants: []Variant{{"rows of the joined query", Inferred}},
		Table:    Table{Name: "cdr", Cursor: "id_cdr"},
	},
	{
		ID: "telnowedge", Vendor: "TelNowEdge", Product: "TelNowEdge (Asterisk)",
		ComTraficLabel: "Tel.Now.Edge", ComTraficFile: "TNE_TelNowEdge.pbx",
		Split: cut.Lines, Charset: "utf-8",
		Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Inferred}},
		Variants: []Variant{{"rows of the joined query", Inferred}},
		Table:    Table{Name: "cdr", Cursor: "id_cdr"},
	},
	{
		ID: "fonisk", Vendor: "Kiplink / Wisp-e", Product: "Fonisk (Asterisk)",
		ComTraficLabel: "WISPe FONISK", ComTraficFile: "WI_Fonisk.pbx",
		Split: cut.Lines, Charset: "utf-8",
		Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Documented}},
		Variants: []Variant{{"rows of the joined query", Inferred}},
		Table:    Table{Name: "cdr", Cursor: "id_cdr"},
	},
	{
		ID: "custom", Vendor: "", Product: "any PBX, described by a layout file",
		Split: cut.Lines, Charset: "utf-8",
		Offers: []Offer{
			{Wire: TCPListen, Sure: Unknown},
			{Wire: TCPDial, Sure: Unknown},
			{Wire: Files, Sure: Unknown},
			{Wire: FTP, Sure: Unknown},
			{Wire: SFTP, Sure: Unknown},
			{Wire: HTTPServer, Sure: Unknown},
			{Wire: MySQL, Sure: Unknown},
		},
		Variants: []Variant{{"as the layout says", Unknown}},
		Files:    FileSet{Pattern: "*", Grows: true},
	},
}
