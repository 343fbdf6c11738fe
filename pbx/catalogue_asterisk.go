package pbx

import (
	"bytes"

	"trunkline.internal/pbx/cut"
)

var asterisk = &Model{
	ID: "asterisk", Vendor: "Sangoma", Product: "Asterisk, FreePBX, Issabel",
	ComTraficLabel: "Asterisk_MySQLIndex", ComTraficFile: "Asterisk_MySQL.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8",
	Offers: withServers([]Offer{
		{Wire: MySQL, Port: 3306, Sure: Verified, Note: "table cdr with an auto-increment column"},
		{Wire: Files, Sure: Verified, Note: "Master.csv"},
	}),
	Variants: []Variant{{"rows of table cdr", Verified}, {"Master.csv, 16 to 21 columns", Verified}, {"cdr_custom", Documented}},
	Files:    FileSet{Pattern: "Master.csv*", Dir: "/var/log/asterisk/cdr-csv", Grows: true},
	Table:    Table{Name: "cdr", Cursor: "id"},
	Setup: []string{
		"ALTER TABLE cdr ADD COLUMN id INT UNSIGNED NOT NULL AUTO_INCREMENT, ADD UNIQUE KEY (id);",
		"A user that may only SELECT from that table, and only from our address.",
	},
}

var wazo = &Model{
	ID: "wazo", Vendor: "Wazo", Product: "Wazo Platform 20 to 26",
	ComTraficLabel: "WAZO", ComTraficFile: "WAZO.pbx",
	Parses: true, Split: cut.Documents, Unterminated: true, Charset: "utf-8", Clock: Clock{UTC: true},
	Key: []string{"tenant_uuid", "conversation_id"},
	Offers: []Offer{
		{Wire: HTTP, Port: 443, Sure: Documented, Note: "call-logd API 1.0"},
		{Wire: Files, Sure: Documented, Note: "answers of the API, JSON or CSV, saved to a folder"},
	},
	Variants: []Variant{{"JSON", Documented}, {"CSV", Documented}},
	Files: FileSet{Pattern: "*", Head: func(line []byte) bool {
		return bytes.HasPrefix(line, []byte("id,tenant_uuid,"))
	}},
	Setup: []string{
		"A user of type web service with the access call-logd.cdr.read (or call-logd.#).",
		"Keep call logs (cdr_days of the retention) longer than any outage of ours.",
	},
}

var itneo = &Model{
	ID: "itneo", Vendor: "ITNéo", Product: "ITNéo (Asterisk)",
	ComTraficLabel: "ITNéo", ComTraficFile: "ITNéo.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8",
	Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Inferred}},
	Variants: []Variant{{"rows of the joined query", Inferred}},
	Table:    Table{Name: "cdr", Cursor: "id_cdr", Joins: users},
	Setup:    joinedSetup,
}

var telnowedge = &Model{
	ID: "telnowedge", Vendor: "TelNowEdge", Product: "TelNowEdge (Asterisk)",
	ComTraficLabel: "Tel.Now.Edge", ComTraficFile: "TNE_TelNowEdge.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8",
	Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Inferred}},
	Variants: []Variant{{"rows of the joined query", Inferred}},
	Table:    Table{Name: "cdr", Cursor: "id_cdr", Joins: users},
	Setup:    joinedSetup,
}

var fonisk = &Model{
	ID: "fonisk", Vendor: "Kiplink / Wisp-e", Product: "Fonisk (Asterisk)",
	ComTraficLabel: "WISPe FONISK", ComTraficFile: "WI_Fonisk.pbx",
	Parses: true, Split: cut.Lines, Charset: "utf-8",
	Offers:   []Offer{{Wire: MySQL, Port: 3306, Sure: Documented}},
	Variants: []Variant{{"rows of the joined query", Inferred}},
	Table:    Table{Name: "cdr", Cursor: "id_cdr", Joins: users},
	Setup:    joinedSetup,
}

// users are the tables beside cdr that say whose call it was. Their names are
// those of the query that Fonisk's integrators were given.
var users = []Join{
	{Table: "user", Key: "id_user", Columns: []string{"firstname", "lastname", "number"}},
	{Table: "user_group", Key: "id_user_group", Columns: []string{"name AS usergroup"}},
	{Table: "subsidiary", Key: "id_subsidiary", Columns: []string{"name AS subsidiary"}},
}

var joinedSetup = []string{
	"A user that may only SELECT, and only from our address, on cdr, user, user_group and, where it is there, subsidiary.",
}
