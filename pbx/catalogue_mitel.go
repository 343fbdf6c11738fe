package pbx

import (
	"trunkline.internal/pbx/cut"
)

// ticketBuffer is where the web server of a MiVoice 5000 keeps the files of its
// integrated ticket buffer. Their names are not documented; they may be packed.
var ticketBuffer = FileSet{Dir: "/trf/backup/pc/tickets/", Pattern: "*", Grows: true}

var mitelA5000V2 = &Model{
	ID: "mitel-a5000-v2", Vendor: "Mitel", Product: "MiVoice 5000 (A5000, NeXspan), tickets V2",
	ComTraficLabel: "Aastra AA_MatraV2", ComTraficFile: "AA_MatraV2.pbx",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: TCPDial, Port: 3200, Sure: Documented},
		{Wire: HTTP, Port: 443, Sure: Documented, Note: "buffered files"},
		{Wire: Files, Sure: Inferred, Note: "buffered files that others have fetched"},
		{Wire: TCPListen, Sure: Inferred, Note: "a serial port through a serial box that connects"},
	},
	Files:    ticketBuffer,
	Variants: []Variant{{"V2", Unknown}},
	Setup: []string{
		"Système, configuration, Tickets, Paramètres des tickets: format 4500 non, fil de l'eau oui over Liaison PAD, format V2, joncteur by Carte/Voie, no truncation of four digits, Entrant et Sortant, tickets sans taxe kept.",
		"Passerelle TCP/IP & X25: TCP port 3200 to the X.25 call of MUFACT; servers KITAXE and MUFACT en service, packets of 256.",
	},
}

var mitelA5000V1 = &Model{
	ID: "mitel-a5000-v1", Vendor: "Mitel", Product: "MiVoice 5000 (A5000, NeXspan), tickets V1",
	ComTraficLabel: "Aastra AA_MatraV1", ComTraficFile: "AA_MatraV1.pbx",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: TCPDial, Port: 3200, Sure: Documented},
		{Wire: HTTP, Port: 443, Sure: Documented, Note: "buffered files"},
		{Wire: Files, Sure: Inferred, Note: "buffered files that others have fetched"},
		{Wire: TCPListen, Sure: Inferred, Note: "a serial port through a serial box that connects"},
	},
	Files:    ticketBuffer,
	Variants: []Variant{{"V1", Unknown}},
	Setup: []string{
		"Système, configuration, Tickets, Paramètres des tickets: format 4500 non, fil de l'eau oui over Liaison PAD, format V1, joncteur by Carte/Voie, no truncation of four digits, Entrant et Sortant, tickets sans taxe kept.",
		"Passerelle TCP/IP & X25: TCP port 3200 to the X.25 call of MUFACT; servers KITAXE and MUFACT en service, packets of 256.",
	},
}

var aastra65xxV1 = &Model{
	ID: "aastra-65xx-v1", Vendor: "Aastra", Product: "65xx (Matra), tickets V1",
	ComTraficLabel: "Aastra AA_MatraV1", ComTraficFile: "AA_MatraV1.pbx",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: TCPDial, Port: 3200, Sure: Documented},
		{Wire: HTTP, Port: 443, Sure: Inferred, Note: "buffered files"},
		{Wire: Files, Sure: Inferred, Note: "buffered files that others have fetched"},
		{Wire: TCPListen, Sure: Inferred, Note: "a serial port through a serial box that connects"},
	},
	Files:    ticketBuffer,
	Variants: []Variant{{"V1", Unknown}},
	Setup: []string{
		"Système, configuration, Tickets, Paramètres des tickets: format 4500 non, fil de l'eau oui over Liaison PAD, format V1, joncteur by Carte/Voie, no truncation of four digits, Entrant et Sortant, tickets sans taxe kept.",
		"Passerelle TCP/IP & X25: TCP port 3200 to the X.25 call of MUFACT; servers KITAXE and MUFACT en service, packets of 256.",
	},
}

var mitelA400 = &Model{
	ID: "mitel-a400-pc5", Vendor: "Mitel", Product: "MiVoice Office 400 (Aastra A400, IntelliGate)",
	ComTraficLabel: "Aastra AA_A400", ComTraficFile: "AA_A400.pbx",
	Parses: true, Split: cut.Lines, Charset: "us-ascii", Clock: Clock{Minutes: true},
	Offers: []Offer{
		{Wire: TCPListen, Port: 1080, Sure: Documented, Note: "the PBX restricts dialling out when it cannot deliver: we must always listen"},
		{Wire: TCPDial, Sure: Inferred, Note: "V.24 output through a serial box"},
		{Wire: Files, Sure: Inferred, Note: "a log that another program writes"},
	},
	Variants: []Variant{{"PC5, 211 bytes", Documented}, {"PC1, PC2, PC4", Documented}},
	Files:    serialLog,
	Setup: []string{
		"Call logging (Taxes): service OCL + ICL, our address, a TCP port such as 1080, format PC5 for OCL and for ICL, title of the outgoing call line empty.",
		"No other output on the same channel: events and receipts are no tickets.",
	},
}

var aastraMDEvolution = &Model{
	ID: "aastra-md-evolution", Vendor: "Aastra", Product: "MD Evolution, Cal3 and Cal4",
	ComTraficLabel: "Aastra MD Evolution", ComTraficFile: "AA_MDEvol_CAL34.pbx",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "iso-8859-1",
	Offers: []Offer{
		{Wire: TCPListen, Sure: Inferred},
		{Wire: TCPDial, Sure: Inferred},
		{Wire: Files, Sure: Inferred, Note: "a log that another program writes"},
	},
	Variants: []Variant{{"Cal3, Cal4", Unknown}},
	Files:    serialLog,
}

var mitel3300 = &Model{
	ID: "mitel-3300", Vendor: "Mitel", Product: "3300 ICP, MiVoice Business (MCD)",
	ComTraficLabel: "Mitel 3300", ComTraficFile: "MI_3300.pbx",
	Parses: true, Split: cut.Lines, Charset: "us-ascii", Clock: Clock{Minutes: true, NoYear: true},
	Offers: withServers([]Offer{
		{Wire: TCPDial, Port: 1752, Sure: Verified, Note: "the PBX takes what it has sent as collected: one collector only"},
		{Wire: FTPServer, Port: 21, Sure: Inferred, Note: "SMDR File Transfer: the PBX uploads its file"},
		{Wire: Files, Sure: Inferred, Note: "SMDR File Transfer, into a folder"},
		{Wire: TCPListen, Sure: Inferred, Note: "a serial port through a serial box that connects"},
	}),
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
}

var shoretel = &Model{
	ID: "shoretel", Vendor: "Mitel", Product: "ShoreTel, MiVoice Connect",
	ComTraficLabel: "Shoretel", ComTraficFile: "Shoretel.pbx",
	Parses: true, Split: cut.Lines, Charset: "windows-1252",
	Offers: withServers([]Offer{
		{Wire: Files, Sure: Documented, Note: "daily CDR log, CDR-MMDDYY.log"},
		{Wire: MySQL, Port: 4309, Sure: Documented, Note: "database shorewarecdr, calls with their parties in one row"},
		{Wire: TCPListen, Sure: Inferred, Note: "COM port through a serial box that connects"},
		{Wire: TCPDial, Sure: Inferred, Note: "COM port through a serial box that listens"},
	}),
	Variants: []Variant{{"text 6.1", Documented}, {"text 7.5", Documented}, {"rows", Inferred}},
	Files:    FileSet{Pattern: "CDR-*.log", Grows: true},
	Table:    Table{Name: "call", Cursor: "ID", Query: shorewareCalls},
	Setup: []string{
		"Share the folder ShoreTel Data\\Call Records 2 of the headquarters server for reading; the PBX never deletes its logs.",
		"For text on a COM port of the server, switch the output on in Director; it is off from the factory.",
	},
}

// shorewareCalls selects the calls of database shorewarecdr, each with its
// parties. A call is a row from its start and final, Locked, only at its end: the
// cursor stays before the first one that is open, unless that began a day ago and
// was forgotten by the server.
const shorewareCalls = "SELECT c.ID, c.CallID, c.SIPGUID, c.StartTime, c.EndTime, c.CallType, c.Locked, c.Extension, c.DialedNumber, c.CallerID, " +
	"c.BillingCode, c.CallNote, c.WorkGroupCall, c.LongDistance, " +
	"(SELECT COUNT(*) FROM `connect` p WHERE p.CallTableID = c.ID) AS PartyCount, " +
	"(SELECT GROUP_CONCAT(CONCAT_WS('\\t', p.ID, p.PartyType, p.ConnectReason, COALESCE(p.DisconnectReason, ''), " +
	"COALESCE(p.TrunkDirection, ''), COALESCE(p.ConnectTime, ''), COALESCE(p.DisconnectTime, ''), " +
	"COALESCE(p.RingTime, ''), COALESCE(p.TalkTime, ''), COALESCE(p.HoldTime, ''), COALESCE(p.PartyID, ''), " +
	"COALESCE(p.PartyIDName, ''), COALESCE(p.PartyIDLastName, ''), COALESCE(p.PortName, ''), " +
	"COALESCE(p.GroupName, '')) ORDER BY p.ID SEPARATOR '\\n') " +
	"FROM `connect` p WHERE p.CallTableID = c.ID) AS Parties " +
	"FROM `call` c WHERE c.Locked <> 0 AND c.ID > :last_id " +
	"AND c.ID < COALESCE((SELECT MIN(o.ID) FROM `call` o WHERE o.Locked = 0 AND o.StartTime > NOW() - INTERVAL 24 HOUR), 9223372036854775807) " +
	"ORDER BY c.ID LIMIT 1000"
