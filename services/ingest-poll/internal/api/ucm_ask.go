package api

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/icholy/digest"
)

// query asks for records.
type query struct {
	from, to      string
	limit, offset int
}

// asker asks cdrapi, and logs in where that is needed.
type asker interface {
	ask(ctx context.Context, q query) ([]byte, error)
}

// oldAPI is the API of the UCM6100 and older firmware: a GET with Digest.
type oldAPI struct {
	client  *client
	address url.URL
	login   *digest.Transport
}

func newOldAPI(c *client, address url.URL) *oldAPI {
	login := &digest.Transport{Username: c.cfg.User, Transport: c.http.Transport}
	c.http.Transport = login
	return &oldAPI{client: c, address: address, login: login}
}

func (o *oldAPI) ask(ctx context.Context, q query) ([]byte, error) {
	password, err := o.client.gate.Open()
	if err != nil {
		return nil, o.client.wrap(err)
	}
	o.login.Password = password
	u := o.address
	u.RawQuery = url.Values{
		"format": {"json"}, "startTime": {q.from}, "endTime": {q.to},
		"numRecords": {strconv.Itoa(q.limit)}, "offset": {strconv.Itoa(q.offset)},
	}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	a, err := o.client.do(req)
	if err != nil {
		return nil, err
	}
	if a.StatusCode == http.StatusUnauthorized {
		return nil, o.client.refused(fmt.Errorf("cdrapi does not take user %s with this password: they are those of the API's own page, not of the PBX's", o.client.cfg.User))
	}
	if err := o.client.check(a); err != nil {
		return nil, err
	}
	o.client.gate.Accepted()
	return a.body, nil
}

// newAPI is the API of later firmware: POST, and a session by challenge, which
// lives ten minutes.
type newAPI struct {
	client  *client
	address string
	cookie  string
	renew   time.Time
}

const sessionLife = 540 * time.Second

// status of an answer, as Grandstream's API guide lists them.
type status int

func (s status) noSession() bool { return s == -5 || s == -6 }

func (s status) refused() bool { return s == -37 || s == -68 || s == -70 || s == -71 }

// pause is how long the PBX wants to be left alone.
func (s status) pause() time.Duration {
	switch s {
	case -45, -46:
		return 15 * time.Second
	case -57:
		return time.Minute
	}
	return 0
}

func (s status) String() string {
	text := map[status]string{
		-1: "invalid parameters", -5: "need authentication", -6: "cookie error", -8: "system timeout", -9: "a parameter or the system is wrong",
		-19: "not allowed", -37: "wrong user or password", -45: "asked too often", -46: "asked too often", -47: "no permission", -57: "asked too often",
		-68: "log-in restricted", -70: "log-in forbidden", -71: "no such user",
	}[s]
	if text == "" {
		return fmt.Sprintf("status %d", int(s))
	}
	return fmt.Sprintf("status %d, %s", int(s), text)
}

func (n *newAPI) ask(ctx context.Context, q query) ([]byte, error) {
	for {
		fresh, err := n.logIn(ctx)
		if err != nil {
			return nil, err
		}
		body, s, err := n.post(ctx, map[string]string{
			"action": "cdrapi", "cookie": n.cookie, "format": "json", "startTime": q.from, "endTime": q.to,
			"numRecords": strconv.Itoa(q.limit), "offset": strconv.Itoa(q.offset),
		})
		switch {
		case err != nil:
			return nil, err
		case s.noSession() && !fresh:
			n.cookie = ""
			continue
		case s != 0:
			n.cookie = ""
			return nil, n.failed("cdrapi", s)
		}
		n.client.gate.Accepted()
		return body, nil
	}
}

// logIn makes sure that there is a session; fresh tells that it was made now.
func (n *newAPI) logIn(ctx context.Context) (fresh bool, err error) {
	if n.cookie != "" && n.client.Now().Before(n.renew) {
		return false, nil
	}
	password, err := n.client.gate.Open()
	if err != nil {
		return false, n.client.wrap(err)
	}
	asked := n.client.Now()
	var got struct {
		Response struct{ Challenge, Cookie string }
	}
	step := func(action string, request map[string]string) error {
		request["action"], request["user"] = action, n.client.cfg.User
		body, s, err := n.post(ctx, request)
		if err != nil {
			return err
		}
		if s != 0 {
			return n.failed(action, s)
		}
		if err := json.Unmarshal(body, &got); err != nil {
			return n.client.wrap(fmt.Errorf("%s: it answers what was not asked for: %w", action, err))
		}
		return nil
	}
	if err := step("challenge", map[string]string{"version": "1.0"}); err != nil {
		return false, err
	}
	sum := md5.Sum([]byte(got.Response.Challenge + password))
	if err := step("login", map[string]string{"token": hex.EncodeToString(sum[:])}); err != nil {
		return false, err
	}
	if got.Response.Challenge == "" || got.Response.Cookie == "" {
		return false, n.client.wrap(errors.New("it gives no challenge or no cookie: is url the address of its API, and is HTTPS API Settings (New) enabled?"))
	}
	n.cookie, n.renew = got.Response.Cookie, asked.Add(sessionLife)
	n.client.session = n.cookie
	return true, nil
}

// post sends a request; the status is 0 where the answer has none.
func (n *newAPI) post(ctx context.Context, request map[string]string) ([]byte, status, error) {
	body, err := json.Marshal(map[string]any{"request": request})
	if err != nil {
		return nil, 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, n.address, bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header.Set("Content-Type", "application/json;charset=UTF-8")
	req.Close = true // it wants a connection each
	a, err := n.client.do(req)
	if err != nil {
		return nil, 0, err
	}
	if a.StatusCode == http.StatusUnauthorized {
		return nil, 0, n.client.refused(fmt.Errorf("it answers 401 to user %s", n.client.cfg.User))
	}
	if err := n.client.check(a); err != nil {
		return nil, 0, err
	}
	var told struct {
		Status status `json:"status"`
	}
	if err := json.Unmarshal(a.body, &told); err != nil {
		return nil, 0, n.client.wrap(broken(err))
	}
	return a.body, told.Status, nil
}

// failed says what a status means.
func (n *newAPI) failed(action string, s status) error {
	err := fmt.Errorf("%s: the PBX answers %s", action, s)
	switch {
	case s.refused() || s.noSession():
		return n.client.refused(fmt.Errorf("%w: user %s and its password are those of HTTPS API Settings (New)", err, n.client.cfg.User))
	case s.pause() > 0:
		return n.client.wrap(n.client.leaveAlone(s.pause(), err.Error()))
	case s == -19 || s == -47:
		return n.client.wrap(fmt.Errorf("%w: let user %s use cdrapi, and let our address in", err, n.client.cfg.User))
	}
	return n.client.wrap(err)
}
