package pbxsim

import (
	"strconv"
	"strings"
)

// Variants of Asterisk: rows of a table, or lines of Master.csv, the later with the columns that newcdrcolumns=yes adds.
const (
	asteriskRows  = "freepbx"
	asteriskCSV   = "Master.csv"
	asteriskCSV18 = "Master.csv-18"
)

// master renders the line of a row, as cdr_csv does: texts in quotes, quotes doubled, seconds without. It lacks
// what FreePBX adds, names and DID, and the line of 18 columns has no linkedid either.
func (e *freepbx) master(r asteriskRow, t Ticket) Ticket {
	const stamp = "2006-01-02 15:04:05"
	start := r.start.In(e.zone)
	answer, end := "", start.Add(r.duration).Format(stamp)
	if r.disposition == "ANSWERED" {
		answer = start.Add(r.duration - r.talk).Format(stamp)
	}
	clid := `"` + r.name + `" <` + r.src + ">"
	var b strings.Builder
	for _, s := range []string{
		r.account, r.src, r.dst, r.context, clid, r.channel, r.peer, r.app, r.data, start.Format(stamp), answer, end,
	} {
		b.WriteString(`"` + strings.ReplaceAll(s, `"`, `""`) + `",`)
	}
	b.WriteString(strconv.Itoa(seconds(r.duration)) + "," + strconv.Itoa(seconds(r.talk)) + `,"` + r.disposition + `","DOCUMENTATION"`)
	b.WriteString(`,"` + r.unique + `",""`)
	told := &t.Call
	if told.CallID = ""; e.variant == asteriskCSV {
		b.WriteString(`,"","` + r.linked + `",` + strconv.Itoa(e.sequence))
		told.CallID = r.linked
	}
	if told.DID = ""; told.Direction != Outbound && (told.Direction != Internal || r.context != "from-internal") {
		told.Extension.Name = ""
	}
	if told.Peer.Name = ""; told.Direction == Inbound {
		told.Dialled = ""
	}
	_, twice := wall(r.start.Add(r.duration), e.zone)
	t.Bytes, t.Ambiguous, t.columns = []byte(b.String()), t.Ambiguous || twice, nil
	return t
}

// masterFolder fills the folder of cdr_csv: one log that grows.
func masterFolder(o Options) (*folder, error) {
	f, err := newFolder(asterisk, o, 50)
	if err != nil {
		return nil, err
	}
	f.put = f.log(func(Ticket) string { return "Master.csv" }, "\n")
	return f, nil
}
