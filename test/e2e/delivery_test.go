package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	catalogue "trunkline.internal/pbx"
	"trunkline.internal/pbxsim"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/parser/formats/formatstest"
	"trunkline.internal/test/kit"
)

// delivery is a file of golden tickets on its way over one wire.
type delivery struct {
	file     *formatstest.File
	model    *catalogue.Model
	wire     catalogue.Wire
	settings catalogue.Settings
	// way tells the wire's other ways from the usual one, which has none.
	way string
	// yaml is the wire in the link's configuration.
	yaml string
	// given is what the PBX gives, the file's head in front.
	given []byte
	// path of the file that is written, and how much of a log at first.
	path string
	half int
	// tickets are what a simulated PBX is to give, each with end behind it; sent is
	// what it gave, and done is closed when that is all.
	tickets [][]byte
	end     string
	sent    *sent
	done    chan struct{}
	// post is the URL that tickets are posted to.
	post string
	// push is the address that files are pushed to.
	push string
	// rows of a table.
	rows rows
}

func (d *delivery) String() string { return d.settings.Site + "/" + d.settings.Link }

// golden are the golden tickets. To load them changes the working folder, which is
// for a test that is not parallel yet.
func golden(t *testing.T) (files []*formatstest.File) {
	t.Helper()
	t.Run("golden", func(t *testing.T) { files = kit.Golden(t, "../..") })
	return files
}

// deliveries are all golden tickets over all wires that their models work over;
// over those with a server of files, and in other ways than usual, a file of each
// model.
func deliveries(t *testing.T, golden []*formatstest.File) []*delivery {
	t.Helper()
	var all []*delivery
	for _, f := range byLayout(t, golden) {
		model, ok := catalogue.Lookup(f.Settings.Model)
		if !ok {
			t.Fatalf("%s: no model %q", f.Name, f.Settings.Model)
		}
		for _, w := range model.WorkingWires() {
			d := &delivery{file: f, model: model, wire: w, settings: f.Settings, given: slices.Clone(f.Preamble)}
			d.settings.Site = f.Name
			d.settings.Link = strings.NewReplacer(".", "-", "_", "-").Replace(string(w))
			d.tickets, d.end = f.Tickets, f.End
			switch {
			case w == catalogue.OXEDial:
				d.tickets, d.end = oxeMessages(f), ""
			case d.api():
				d.tickets, d.end = apiRecords(f), "\n"
			}
			for _, raw := range d.tickets {
				d.given = append(append(d.given, raw...), d.end...)
			}
			switch w {
			case catalogue.OXEDial, catalogue.AHLDial:
				if len(f.Preamble) > 0 || len(d.tickets) == 0 || w == catalogue.AHLDial && d.tickets[0][0] != '\x02' {
					continue // no frames
				}
			case catalogue.TCPListen, catalogue.TCPDial, catalogue.HTTPServer:
				if len(f.Preamble) > 0 {
					continue // only files have heads
				}
			case catalogue.Files:
			case catalogue.HTTP:
				if d.api() && len(d.tickets) == 0 || model.ID == catalogue.Custom && !sample(f) {
					continue
				}
			case catalogue.MySQL:
				if d.rows = rowsOf(f, model); len(d.rows.values) == 0 {
					continue
				}
				d.given = d.rows.payload()
			case catalogue.FTP, catalogue.SFTP, catalogue.FTPServer, catalogue.SFTPServer, catalogue.TFTP:
				if !sample(f) {
					continue
				}
			default:
				continue
			}
			all = append(all, d)
			if !sample(f) {
				continue
			}
			for _, way := range otherWays[model.ID][w] {
				e := *d
				e.way = way
				e.settings.Link += "-" + way
				all = append(all, &e)
			}
		}
	}
	return all
}

// byLayout adds the models that nobody has published, with a layout: their own
// golden tickets have none. A hotel link's has the layout of its simulator.
func byLayout(t *testing.T, files []*formatstest.File) []*formatstest.File {
	t.Helper()
	const layout = "nec-sl1100"
	i := slices.IndexFunc(files, func(f *formatstest.File) bool { return f.Name == "layouts-"+layout })
	if i < 0 {
		t.Fatalf("there is no layout %s", layout)
	}
	for _, m := range catalogue.Models() {
		if m.ByLayout && m.ID != catalogue.Custom {
			f := *files[i]
			f.Name = m.ID + "-" + layout
			f.Settings.Model = m.ID
			if m.Works(catalogue.AHLDial) {
				invented(t, &f)
			}
			files = append(files, &f)
		}
	}
	return files
}

// invented makes the file one of a hotel link's frames.
func invented(t *testing.T, f *formatstest.File) {
	t.Helper()
	f.Name, f.Tickets, f.End = f.Settings.Model+"-invented", nil, ""
	f.Settings.Layout = pbxsim.AHLLayout("lrc")
	f.Settings.Parse.Layout = filepath.Join(t.TempDir(), "hotel.yaml")
	writeFile(t, f.Settings.Parse.Layout, f.Settings.Layout, 0o600)
	frames, err := pbxsim.Tickets(f.Settings.Model, pbxsim.Options{Count: 50, Odd: .1, To: f.Near, Zone: paris})
	if err != nil {
		t.Fatal(err)
	}
	for x := range frames {
		f.Tickets = append(f.Tickets, x.Bytes)
	}
}

// oxeMessages are the file's tickets as an OXE sends them over TCP.
func oxeMessages(f *formatstest.File) (out [][]byte) {
	const length, head, ticket = 772, 4, 525
	for _, raw := range f.Tickets {
		switch message := make([]byte, length); {
		case len(raw) == length && raw[0] == 1 && raw[1] == 0:
			out = append(out, raw)
		case len(raw) <= ticket && (raw[0] != 1 || raw[1] != 0): // else a message that is damaged
			copy(message, []byte{1, 0, 2, 0})
			copy(message[head:], raw)
			out = append(out, message)
		}
	}
	return out
}

// apiKeys are what the records of an API are known by.
var apiKeys = map[string]string{"wazo": "id", "grandstream-ucm": "AcctId"}

var recordID = regexp.MustCompile(`^\{"id": ?\d+`)

// apiRecords are those tickets of the file that an API can give, each once: a JSON
// object, Wazo's with an id of its own, a UCM's with the begin that it is asked for
// by.
func apiRecords(f *formatstest.File) (out [][]byte) {
	for _, raw := range f.Tickets {
		var r struct{ AcctID, Start string }
		switch {
		case !json.Valid(raw) || bytes.ContainsAny(raw, "\r\n"):
			continue
		case f.Settings.Model == "wazo":
			if !recordID.Match(raw) {
				continue
			}
			raw = recordID.ReplaceAll(raw, fmt.Appendf(nil, `{"id": %d`, len(out)+1))
		default:
			_ = json.Unmarshal(raw, &r) // what is no object has neither
			if _, err := time.Parse(time.DateTime, r.Start); err != nil || r.AcctID == "" {
				continue
			}
		}
		if !slices.ContainsFunc(out, func(x []byte) bool { return bytes.Equal(x, raw) }) {
			out = append(out, raw)
		}
	}
	return out
}

// talks tells a wire on which the PBX asks for a log-in.
func (d *delivery) talks() bool { return d.wire == catalogue.TCPDial && len(d.model.Login) > 0 }

// api tells a PBX that is asked for its calls.
func (d *delivery) api() bool { return d.wire == catalogue.HTTP && config.HTTPAPI(d.model.ID) }

// prepare makes ready what the program looks for when it starts.
func (d *delivery) prepare(t *testing.T, giving *sync.WaitGroup, servers *servers) {
	t.Helper()
	if d.half = len(d.given); d.grows() {
		d.half /= 2
	}
	switch d.wire {
	case catalogue.TCPListen:
		d.yaml = `tcp: {listen: "127.0.0.1:0"}`
	case catalogue.TCPDial:
		if d.talks() {
			d.yaml = d.simulate(t, giving, `tcp: {dial: "{addr}"}`, pbxsim.Options{})
			d.end = "\r\n"
			return
		}
		d.yaml = fmt.Sprintf("tcp: {dial: %q}", d.serve(t, giving))
	case catalogue.OXEDial:
		d.yaml = d.simulate(t, giving, `oxe: {dial: ["{addr}"]}`, pbxsim.Options{})
	case catalogue.AHLDial:
		d.yaml = d.simulate(t, giving, `ahl: {dial: "{addr}"}`, pbxsim.Options{})
	case catalogue.HTTPServer:
		listen := freePort(t)
		d.post = "http://" + listen + "/" + d.String()
		d.yaml = fmt.Sprintf("http_server: {listen: %q}", listen)
	case catalogue.Files:
		more := ""
		if d.way == growing {
			more = ", grows: true"
		}
		d.yaml = fmt.Sprintf("files: {dir: %q, every: 200ms, settle: 200ms%s}", d.folder(t), more)
	case catalogue.HTTP:
		if d.api() {
			d.yaml = d.simulate(t, giving, `http: {url: "https://{addr}", user: cdr, password_env: CDR_PASSWORD, pin: {pin}, every: 200ms}`,
				pbxsim.Options{Password: db.Password(), TLS: true})
			return
		}
		server := httptest.NewServer(http.StripPrefix("/tickets", http.FileServer(http.Dir(d.folder(t)))))
		t.Cleanup(server.Close)
		d.yaml = fmt.Sprintf("http: {url: %q, every: 200ms, settle: 200ms}", server.URL+"/tickets/")
	case catalogue.MySQL:
		database := strings.ReplaceAll("wires_"+d.settings.Site, "-", "_")
		d.rows.create(t, database)
		d.yaml = fmt.Sprintf("mysql: {addr: %q, database: %s, user: %s, password_env: CDR_PASSWORD, every: 500ms}", db.Addr(), database, db.User())
	default:
		d.serveFiles(t, servers)
	}
}

// begin delivers where the PBX comes to us.
func (d *delivery) begin(t *testing.T, in *kit.Instance, giving *sync.WaitGroup) {
	t.Helper()
	switch d.wire {
	case catalogue.TCPListen:
	case catalogue.HTTPServer:
		d.send(t)
		return
	case catalogue.FTPServer, catalogue.SFTPServer, catalogue.TFTP:
		if d.way != fetched {
			d.put(t, d.half)
		}
		return
	default:
		return
	}
	conn, err := net.Dial("tcp", in.Listens[d.String()])
	if err != nil {
		t.Fatalf("%s: %v", d, err)
	}
	giving.Go(func() {
		if err := hand(conn.(*net.TCPConn), d.given); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	})
}

// finish makes a log grow, or sends it again with more behind it, and waits for a
// simulated PBX, which may give more than it was to: heads of pages are tickets too.
func (d *delivery) finish(t *testing.T) {
	t.Helper()
	switch {
	case !d.grows():
	case d.pushed():
		d.put(t, len(d.given))
	default:
		d.write(t, len(d.given))
	}
	if d.sent == nil {
		return
	}
	kit.Await(t, d.String()+" took all tickets", d.gave, func() string { return fmt.Sprintf("%d of %d", len(d.sent.all()), len(d.tickets)) })
	d.given = nil
	for _, x := range d.sent.all() {
		d.given = append(append(d.given, x.Bytes...), d.end...)
	}
}

// gave tells that a simulated PBX has given all. One that is asked goes on
// answering.
func (d *delivery) gave() bool {
	select {
	case <-d.done:
		return true
	default:
		return d.api() && len(d.sent.all()) >= len(d.tickets)
	}
}

// send posts the tickets until they are taken, as a PBX does.
func (d *delivery) send(t *testing.T) {
	t.Helper()
	said := ""
	client := http.Client{Timeout: 20 * time.Second}
	kit.Await(t, d.String()+" takes a post", func() bool {
		res, err := client.Post(d.post, "text/plain", bytes.NewReader(d.given))
		if err != nil {
			said = err.Error()
			return false
		}
		defer res.Body.Close()
		said = res.Status
		return res.StatusCode == http.StatusOK
	}, func() string { return said })
}

// hand gives the bytes to the other side and ends the connection in good order.
func hand(conn *net.TCPConn, given []byte) error {
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	if _, err := conn.Write(given); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, conn)
	return err
}

// serve is a PBX that listens, and gives its tickets to the first who dials.
func (d *delivery) serve(t *testing.T, giving *sync.WaitGroup) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	giving.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			return // nobody came: the tickets are missed
		}
		l.Close()
		if err := hand(conn.(*net.TCPConn), d.given); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	})
	return l.Addr().String()
}

// simulate is a PBX that talks with who comes; yaml is the wire, with its place.
func (d *delivery) simulate(t *testing.T, giving *sync.WaitGroup, yaml string, o pbxsim.Options) string {
	t.Helper()
	d.sent, d.done = new(sent), make(chan struct{})
	o.Listen, o.Sent = "127.0.0.1:0", d.sent.add
	o.Feed = func(yield func(pbxsim.Ticket) bool) {
		for _, raw := range d.tickets {
			if !yield(pbxsim.Ticket{Bytes: raw}) {
				return
			}
		}
	}
	sim, err := pbxsim.New(d.settings.Model, o)
	if err != nil {
		t.Fatal(err)
	}
	giving.Go(func() {
		defer close(d.done)
		if err := sim.Run(t.Context()); err != nil {
			t.Errorf("%s: %v", d, err)
		}
	})
	return pointed(yaml, sim)
}
