package pbx

import "slices"

// catalogue is the one list of PBX models: configuration, ingest, parser,
// `trunkline models` and the docs index read it.
var catalogue = []*Model{
	threeCX,
	mitelA5000V2,
	mitelA5000V1,
	aastra65xxV1,
	mitelA400,
	aastraMDEvolution,
	mitel3300,
	shoretel,
	alcatelOXO,
	alcatelOXE,
	alcatelOXEAHL,
	alcatel4200,
	asterisk,
	avayaIPOffice,
	avayaAlchemy,
	ciscoCUCM,
	grandstreamUCM,
	panasonicKX,
	unifyHiPath,
	wazo,
	itneo,
	telnowedge,
	fonisk,
	custom,
}

// withServers adds to the wires of a model that writes files those by which its
// files come from another machine: a server there gives them, or a program there
// uploads them.
func withServers(offers []Offer) []Offer {
	for _, o := range []Offer{
		{Wire: FTP, Port: 21, Sure: Inferred, Note: "we fetch the files from a server on the machine that has them"},
		{Wire: SFTP, Port: 22, Sure: Inferred, Note: "the same over SSH"},
		{Wire: FTPServer, Port: 21, Sure: Inferred, Note: "a program on that machine uploads the files to us"},
		{Wire: SFTPServer, Port: 22, Sure: Inferred, Note: "the same over SSH"},
	} {
		if !slices.ContainsFunc(offers, func(x Offer) bool { return x.Wire == o.Wire }) {
			offers = append(offers, o)
		}
	}
	return offers
}

// serialLog is the log of a program that takes the lines of a serial port.
var serialLog = FileSet{Pattern: "*", Grows: true}
