package cut

import (
	"bufio"
	"bytes"
	"slices"
	"strings"
	"testing"
)

// oxoNative is a record of set 226: outgoing, T2, 21 January 2004, 12:52:24.
func oxoNative(userType byte) string {
	r := append([]byte{userType}, "     226\x00\x03 0 \x15\x01\x04\x18\x34\x0c"...)
	r = append(r, bytes.Repeat([]byte{0}, OXORecord-len(r))...)
	copy(r[57:], "     RECEPTION  ")
	r[73] = 0xff
	copy(r[74:], strings.Repeat(" ", 36))
	return string(r)
}

const (
	oxoXML     = `<Ticket><Date>20/11/26</Date><User><Id>226</Id></User></Ticket>`
	oxoOdd     = `<T:Ticket q="&lt;/Ticket>"><!-- </Ticket> --><N><![CDATA[</Ticket>]]></N></T:Ticket >`
	oxoPrinted = "A101  --> N01 23/10/26 08:31 00:02:40     6 ST        0199001234"
)

func oxoTickets(t testing.TB, payload []byte) (tickets []string, places [][2]int) {
	t.Helper()
	for at := 0; at < len(payload); {
		advance, ticket, err := OXO(payload[at:], true)
		if err != nil || advance <= 0 || at+advance > len(payload) {
			t.Fatalf("advance %d of %d: %v", advance, len(payload)-at, err)
		}
		if ticket != nil {
			if len(ticket) == 0 {
				t.Fatalf("an empty ticket at %d", at)
			}
			begin := cap(payload) - cap(ticket)
			tickets, places = append(tickets, string(ticket)), append(places, [2]int{begin, at + advance})
		}
		at += advance
	}
	return tickets, places
}

func TestOXO(t *testing.T) {
	out, ip := oxoNative(0), oxoNative(6)
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":            {"", nil},
		"only ends":          {"\r\n\f\x00 \t\n\x00", nil},
		"lines":              {"a\r\nb\fc\x00\x00d\re", []string{"a", "b", "c", "d", "e"}},
		"blank lines":        {"  \r\n  a\r\n\t\n", []string{"  a"}},
		"printed":            {oxoPrinted + "\r\n" + oxoPrinted, []string{oxoPrinted, oxoPrinted}},
		"arrow first":        {"<-- A101\r\n--> A102\n", []string{"<-- A101", "--> A102"}},
		"records":            {out + ip + out, []string{out, ip, out}},
		"head, then records": {"PabxRelease=1\n#DataBegin\n" + out + ip, []string{"PabxRelease=1", "#DataBegin", out, ip}},
		"head, CR LF":        {"#DataBegin\r\n" + out, []string{"#DataBegin", out}},
		"head without end":   {"#DataBegin" + ip + "#DataBegin" + out, []string{"#DataBegin", ip, "#DataBegin", out}},
		"padding, record":    {"a\n\x00\x00" + out, []string{"a", out}},
		"half a record":      {out + out[:60], []string{out, out[:60]}},
		"rubbish, records":   {"\x07\x07\x01x\x00\x00yz" + out + ip, []string{"\x07\x07\x01x", "yz", out, ip}},
		"record with the bytes of line ends in it": {
			out[:20] + "\n\r\x0c" + out[23:] + out, []string{out[:20] + "\n\r\x0c" + out[23:], out},
		},

		"one element": {oxoXML, []string{oxoXML}},
		"prolog and wrapper": {
			"\xef\xbb\xbf<?xml version=\"1.0\"?>\r\n<!-- <Ticket> -->\n<!DOCTYPE t [<!ELEMENT t (#PCDATA)>]>\n<TicketCollector a='>'>\n  " + oxoXML + "\r\n  " + oxoXML + "\n</TicketCollector>\n",
			[]string{oxoXML, oxoXML},
		},
		"two files": {oxoXML + "<?xml version=\"1.0\"?>" + oxoXML, []string{oxoXML, oxoXML}},
		"a wrapper in a wrapper": {
			`<s:Envelope xmlns:s="x"><s:Body><a:Tickets>` + oxoXML + oxoXML + `</a:Tickets></s:Body></s:Envelope>`, []string{oxoXML, oxoXML},
		},
		"a name that nobody knows": {
			`<Root><Zeile><Datum>1</Datum><Zeit>2</Zeit></Zeile><Zeile><Datum>1</Datum></Zeile></Root>`,
			[]string{`<Zeile><Datum>1</Datum><Zeit>2</Zeit></Zeile>`, `<Zeile><Datum>1</Datum></Zeile>`},
		},
		"the root is the ticket": {
			"<?xml version='1.0'?><TicketCollector><Date>1</Date><User><Id>2</Id></User></TicketCollector>",
			[]string{`<TicketCollector><Date>1</Date><User><Id>2</Id></User></TicketCollector>`},
		},
		"fields of the file": {
			`<TicketCollector><Version>1</Version><LastTicket>7</LastTicket>` + oxoXML + `</TicketCollector>`,
			[]string{`<Version>1</Version>`, `<LastTicket>7</LastTicket>`, oxoXML},
		},
		"attributes": {
			`<Tickets><Ticket Date="1" Time="2"/><Ticket Date="3"></Ticket></Tickets>`,
			[]string{`<Ticket Date="1" Time="2"/>`, `<Ticket Date="3"></Ticket>`},
		},
		"comments, CDATA and quotes": {
			oxoOdd + oxoXML, []string{oxoOdd, oxoXML},
		},
		"a ticket without end":   {`<Tickets><Ticket><Date>1` + oxoXML + `</Tickets>`, []string{`<Ticket><Date>1`, oxoXML}},
		"a wrapper ends it":      {`<Tickets><Ticket><Date>1</Date></Tickets>` + oxoXML, []string{`<Ticket><Date>1</Date>`, oxoXML}},
		"the next file ends it":  {`<Ticket><Date>1<?xml version="1.0"?>` + oxoXML, []string{`<Ticket><Date>1`, oxoXML}},
		"the end of the file":    {oxoXML + `<Ticket><Date>1</Date>`, []string{oxoXML, `<Ticket><Date>1</Date>`}},
		"half a root":            {`<Root><Date>1</Date><Time>2`, []string{`<Date>1</Date>`, `2`}},
		"half a tag":             {oxoXML + `<Tick`, []string{oxoXML, `<Tick`}},
		"text between":           {oxoXML + "junk" + oxoXML, []string{oxoXML, "junk", oxoXML}},
		"a broken tag":           {`<a b=<` + oxoXML[1:], []string{`<a b=`, oxoXML}},
		"a line before a ticket": {oxoPrinted + oxoXML + "\n" + oxoPrinted, []string{oxoPrinted, oxoXML, oxoPrinted}},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := oxoTickets(t, []byte(c.in)); !slices.Equal(got, c.want) {
				t.Errorf("got %q\nwant %q", got, c.want)
			}
			checkOXO(t, []byte(c.in))
		})
	}
}

// checkOXO holds what must be true of any bytes: they are cut alike whatever way
// they arrive, every run of tickets is cut into the same again, and nothing that
// is skipped holds more than markup and blanks.
func checkOXO(t *testing.T, in []byte) {
	t.Helper()
	whole, places := oxoTickets(t, in)
	for size := 1; size <= 7; size += 2 {
		sc := bufio.NewScanner(&dribble{data: in, size: size})
		sc.Buffer(make([]byte, 0, 16), len(in)+64)
		sc.Split(OXO)
		var got []string
		for sc.Scan() {
			got = append(got, sc.Text())
		}
		if sc.Err() != nil || !slices.Equal(got, whole) {
			t.Fatalf("by %d bytes: %q, want %q, %v", size, got, whole, sc.Err())
		}
	}
	for i := range whole {
		for _, j := range []int{i, min(i+1, len(whole)-1), len(whole) - 1} {
			if j < i {
				continue
			}
			payload := slices.Clone(in[places[i][0]:places[j][1]])
			if again, _ := oxoTickets(t, payload); !slices.Equal(again, whole[i:j+1]) {
				t.Fatalf("tickets %d to %d are cut again into %q, were %q", i, j, again, whole[i:j+1])
			}
		}
	}
}

func FuzzOXO(f *testing.F) {
	out := oxoNative(0)
	for _, s := range []string{
		"a\r\n\f\x00 b\n", "#DataBegin\n" + out + oxoNative(5), out[1:] + out, "\x00" + out[:30],
		"<?xml version='1.0'?><Tickets>" + oxoXML + "<V>1</V>" + oxoXML + "</Tickets>",
		"<R><A>1</A><Row><B/></Row></R>", "<Call><Call/><!-- x --><![CDATA[<]]>", "<-- A1 --> <a b='<'", "<!D [>]><!-", "\xef\xbb\xbf<a><b><c>",
		"<Ticket><X></Y></Ticket></Tickets><Ticket a=''><Ticket/></a>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < 4096 {
			checkOXO(t, in)
		}
	})
}

func TestMarkupName(t *testing.T) {
	for tag, want := range map[string][2]string{
		"<a>": {"a", ""}, "</a>": {"a", ""}, "<a/>": {"a", ""}, "<n:a b='c'/>": {"a", " b='c'"}, "<a\n>": {"a", "\n"}, "</n:a >": {"a", " "}, "<:>": {"", ""},
	} {
		if name, rest := MarkupName(tag); name != want[0] || rest != want[1] {
			t.Errorf("%s: %q %q", tag, name, rest)
		}
	}
}
