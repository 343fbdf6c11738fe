package ingestpoll

// ImportProgress is how far an import is.
type ImportProgress struct {
	Files, Of           int
	Tickets, Bytes      int64
	Published, Messages int64 // tickets and messages that are on disk
}

// ImportReport is what became of the files.
type ImportReport struct {
	ImportProgress
	// From counts the files by where their time is from.
	From map[WrittenFrom]int
	// Collected are files, or begins of logs, that the link has collected itself,
	// and Copies files that hold nothing that another one does not.
	Collected, Copies int
	// Twins have the bytes of another file and another name: each counts.
	Twins Names
	// Apart are logs that begin like another one and go on differently.
	Apart Names
	// Open are logs whose last line has no end and was left.
	Open Names
	// PassedOver are files in folders whose names are not those of the link's.
	PassedOver Names
	// Undated are files whose names can be read as several dates, none of which
	// fits the modification time.
	Undated Names
	// Failed are files that could not be read, or not to their end.
	Failed []error
	// FailedCount is how many; Failed holds the first of them.
	FailedCount int
	// OneTime tells that many files were modified at the same time, as after a copy
	// that forgot when.
	OneTime bool
}

// Names are some names and how many there are in all.
type Names struct {
	First []string
	Count int
}

const firstNames = 5

func (n *Names) add(name string) {
	if n.Count++; len(n.First) < firstNames {
		n.First = append(n.First, name)
	}
}

func (r *ImportReport) failed(err error) {
	if r.FailedCount++; len(r.Failed) < 4*firstNames {
		r.Failed = append(r.Failed, err)
	}
}
