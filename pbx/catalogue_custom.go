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
		{Wire: HTTPServer, Sure: Unknown},
		{Wire: MySQL, Sure: Unknown},
	},
	Variants: []Variant{{"as the layout says", Unknown}},
	Files:    FileSet{Pattern: "*", Grows: true},
	Table:    Table{Name: "cdr", Cursor: "id"},
	Setup:    []string{"A file that describes the tickets, in parse.layout: docs/layouts.md is its reference, docs/layouts/ has examples."},
}
