package pbx

import (
	"trunkline.internal/pbx/cut"
)

var custom = &Model{
	ID: Custom, Vendor: "", Product: "any PBX, described by a layout file",
	Parses: true, ByLayout: true, Split: cut.Lines, Charset: "utf-8",
	Offers: []Offer{
		{Wire: TCPListen, Sure: Unknown},
		{Wire: TCPDial, Sure: Unknown},
		{Wire: Files, Sure: Unknown},
		{Wire: FTP, Sure: Unknown},
		{Wire: SFTP, Sure: Unknown},
		{Wire: FTPServer, Sure: Unknown},
		{Wire: SFTPServer, Sure: Unknown},
		{Wire: TFTP, Sure: Unknown},
		{Wire: HTTP, Sure: Unknown, Note: "a folder of files that a web server lists"},
		{Wire: HTTPServer, Sure: Unknown, Note: "a program posts the tickets"},
		{Wire: MySQL, Sure: Unknown},
	},
	Variants: []Variant{{"as the layout says", Unknown}},
	Files:    FileSet{Pattern: "*", Grows: true},
	Table:    Table{Name: "cdr", Cursor: "id"},
	Setup:    []string{"A file that describes the tickets, in parse.layout: docs/layouts.md is its reference, docs/layouts/ has examples."},
}
