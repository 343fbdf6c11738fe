package pbxsim

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// ask asks a simulated API, whose certificate must be the pinned one.
func ask(t *testing.T, pin, method, url, body string, head map[string]string) (int, string, http.Header) {
	t.Helper()
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{
		InsecureSkipVerify: true, VerifyConnection: func(s tls.ConnectionState) error {
			if sum := sha256.Sum256(s.PeerCertificates[0].Raw); hex.EncodeToString(sum[:]) != pin {
				return fmt.Errorf("certificate %x, want %s", sum, pin)
			}
			return nil
		},
	}}}
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range head {
		req.Header.Set(name, value)
	}
	if user, password, ok := strings.Cut(head["Basic"], ":"); ok {
		req.SetBasicAuth(user, password)
	}
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, string(b), res.Header
	}
	return res.StatusCode, string(b), res.Header
}

func TestWazo(t *testing.T) {
	o := options(250)
	now := time.Now()
	o.Listen, o.TLS, o.Password, o.FailEvery, o.Life = "127.0.0.1:0", true, "sesame", 4, time.Minute
	o.Clock = func() time.Time { return now }
	var log truth
	log.listen(&o)
	s := newSim(t, wazo, o).(*Wazo)
	done, stop := running(t, s)
	base := "https://" + s.Addr()
	token := func(password string) (int, string) {
		status, body, _ := ask(t, s.Pin(), "POST", base+"/api/auth/0.1/token", `{"expiration": 7200}`, map[string]string{"Basic": "cdr:" + password})
		var got struct{ Data struct{ Token string } }
		_ = json.Unmarshal([]byte(body), &got)
		return status, got.Data.Token
	}
	if status, _ := token("wrong"); status != http.StatusUnauthorized {
		t.Errorf("a wrong password: %d", status)
	}
	_, have := token("sesame")
	page := func(query, token, tenant string) (int, []json.RawMessage) {
		for range 2 {
			status, body, _ := ask(t, s.Pin(), "GET", base+"/api/call-logd/1.0/cdr?"+query, "", map[string]string{"X-Auth-Token": token, "Wazo-Tenant": tenant})
			var got struct{ Items []json.RawMessage }
			err := json.Unmarshal([]byte(body), &got)
			if status == http.StatusOK && err == nil || status >= 400 && status < 500 {
				return status, got.Items
			}
		}
		t.Fatal("two failures in a row")
		return 0, nil
	}
	if status, _ := page("", "made-up", ""); status != http.StatusUnauthorized {
		t.Errorf("a token of nobody's: %d", status)
	}
	if status, _ := page("", have, "4eb57648-b914-446b-a69f-58643ae08dd5"); status != http.StatusUnauthorized {
		t.Errorf("another tenant: %d", status)
	}
	if status, _ := page("from_id=x&order=id", have, ""); status != http.StatusBadRequest {
		t.Errorf("a bad parameter: %d", status)
	}
	var got []string
	await(t, func() bool { // all calls are there
		_, items := page("order=id&direction=asc&limit=0&from_id=4250", have, "")
		return len(items) == 1
	})
	for from := int64(0); len(got) < 249; {
		if len(got) == 120 {
			now = now.Add(2 * time.Minute)
			if status, _ := page("", have, ""); status != http.StatusUnauthorized {
				t.Errorf("an old token: %d", status)
			}
			_, have = token("sesame")
		}
		_, items := page(fmt.Sprintf("from_id=%d&order=id&direction=asc&limit=40&recurse=true", from), have, WazoTenant)
		for _, x := range items {
			var log struct{ ID int64 }
			if err := json.Unmarshal(x, &log); err != nil || log.ID < from {
				t.Fatalf("id %d from %d: %v", log.ID, from, err)
			}
			from = log.ID + 1
			got = append(got, string(x))
		}
	}
	stop()
	ended(t, done)
	var want []string
	for _, x := range log.sent {
		want = append(want, string(x.Bytes))
	}
	// The last one was given first, above.
	if want = append(want[1:], want[0]); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d calls came of %d", len(got), len(want))
	}
}

// cdrapi, both of it: the same calls, those of a transfer together.
func TestCDRAPI(t *testing.T) {
	o := options(150)
	o.Listen, o.TLS, o.Password = "127.0.0.1:0", true, "sesame"
	var log truth
	log.listen(&o)
	s := newSim(t, grandstream, o).(*UCM)
	running(t, s)
	query := map[string]string{"format": "json", "startTime": "2026-03-08T00:00:00", "endTime": "2026-03-17T00:00:00", "numRecords": "1000", "offset": "0"}
	newAPI := func(fields map[string]string) (status int, response map[string]any, body string) {
		request, err := json.Marshal(map[string]any{"request": fields})
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ = ask(t, s.Pin(), "POST", "https://"+s.Addr()+"/api", string(request), nil)
		var got struct {
			Status   int
			Response map[string]any
		}
		if err := json.Unmarshal([]byte(body), &got); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return got.Status, got.Response, body
	}
	session := func(password string) (int, string) {
		_, response, _ := newAPI(map[string]string{"action": "challenge", "user": "cdr", "version": "1.0"})
		challenge, _ := response["challenge"].(string)
		status, response, _ := newAPI(map[string]string{"action": "login", "user": "cdr", "token": md5Hex(challenge + password)})
		cookie, _ := response["cookie"].(string)
		return status, cookie
	}
	if status, cookie := session("wrong"); status != ucmWrongLogin || cookie != "" {
		t.Errorf("a wrong password: %d", status)
	}
	if status, _, _ := newAPI(map[string]string{"action": "cdrapi", "cookie": "sid0"}); status != ucmNoSession {
		t.Errorf("a cookie of nobody's: %d", status)
	}
	_, cookie := session("sesame")
	calls := func() string {
		fields := map[string]string{"action": "cdrapi", "cookie": cookie}
		for k, v := range query {
			fields[k] = v
		}
		_, _, body := newAPI(fields)
		return body
	}
	elements := func(body, name string) []json.RawMessage {
		var lists map[string][]json.RawMessage
		if err := json.Unmarshal([]byte(body), &lists); err != nil {
			t.Fatalf("%v in %s", err, body)
		}
		return lists[name]
	}
	await(t, func() bool { return len(elements(calls(), "cdr_root")) == 150 })
	fresh := calls()
	grouped := 0
	for _, e := range elements(fresh, "cdr_root") {
		if bytes.Contains(e, []byte(`"main_cdr":{`)) && bytes.Contains(e, []byte(`"sub_cdr_2":{`)) {
			grouped++
		}
	}
	records := 0
	for _, x := range log.sent {
		if records++; !bytes.Contains([]byte(fresh), x.Bytes[bytes.IndexByte(x.Bytes, ',')+1:]) {
			t.Errorf("not in the answer: %s", x.Bytes)
		}
	}
	if grouped < 3 || records != 150+2*grouped {
		t.Errorf("%d calls of several records, %d records", grouped, records)
	}
	// Digest.
	path := "/cdrapi?format=json&startTime=2026-03-08T00:00:00&endTime=2026-03-17T00:00:00&numRecords=1000&offset=0"
	status, _, head := ask(t, s.Pin(), "GET", "https://"+s.Addr()+path, "", nil)
	_, nonce, _ := strings.Cut(head.Get("WWW-Authenticate"), `nonce="`)
	nonce, _, _ = strings.Cut(nonce, `"`)
	if status != http.StatusUnauthorized || nonce == "" {
		t.Fatalf("without a log-in: %d, %v", status, head)
	}
	for password, want := range map[string]int{"sesame": http.StatusOK, "wrong": http.StatusUnauthorized} {
		response := md5Hex(md5Hex("cdr", ucmRealm, password), nonce, "00000001", "c", "auth", md5Hex("GET", path))
		status, body, _ := ask(t, s.Pin(), "GET", "https://"+s.Addr()+path, "", map[string]string{"Authorization": fmt.Sprintf(
			`Digest username="cdr", realm="%s", nonce="%s", uri="%s", response="%s", algorithm=MD5, qop=auth, nc=00000001, cnonce="c"`, ucmRealm, nonce, path, response)})
		if status != want || want == http.StatusOK && len(elements(body, "cdr")) != 150 {
			t.Errorf("password %s: %d, %.100s", password, status, body)
		}
	}
	// What it does not understand gives an empty list.
	query["startTime"] = "yesterday"
	if got := calls(); len(elements(got, "cdr_root")) != 0 {
		t.Errorf("a query that is none: %.100s", got)
	}
}

func TestUCMPosts(t *testing.T) {
	o := options(60)
	var got []string
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if n++; err != nil || n%10 == 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		got = append(got, string(b))
	}))
	defer server.Close()
	o.URL, o.Retry = server.URL, time.Millisecond
	var log truth
	log.listen(&o)
	done, _ := running(t, newSim(t, grandstream, o))
	ended(t, done)
	var want []string
	for _, x := range log.sent {
		want = append(want, string(x.Bytes))
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") || len(got) < 60 {
		t.Errorf("%d records came of %d", len(got), len(want))
	}
}
