package pbx

import (
	"bytes"

	"trunkline.internal/pbx/cut"
)

var ciscoCUCM = &Model{
	ID: "cisco-cucm", Vendor: "Cisco", Product: "Unified Communications Manager",
	ComTraficLabel: "Cisco_CallManager", ComTraficFile: "Cisco_CallManager.pbx",
	Parses: true, Split: cut.Lines, Unterminated: true, Charset: "utf-8", Clock: Clock{UTC: true},
	Key: []string{"pkid"},
	Offers: withServers([]Offer{
		{Wire: Files, Sure: Verified, Note: "a folder that the CDR Repository Manager's FTP or SFTP server fills"},
		{Wire: FTPServer, Port: 21, Sure: Documented, Note: "we are the billing application server"},
		{Wire: SFTPServer, Port: 22, Sure: Documented, Note: "the same over SSH"},
	}),
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
}
