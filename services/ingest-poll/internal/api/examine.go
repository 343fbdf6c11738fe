package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/pbx/identity"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/web"
)

// Examine looks at a PBX's API and asks for its newest call; nil: there is none to
// show.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.HTTP) *examine.Newest {
	col, err := New(l, c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	defer col.Close()
	if _, ok := r.Password(c.User, c.Secret); !ok {
		return nil
	}
	if !web.ExamineServer(ctx, r, c, col.client.base) {
		return nil
	}
	switch vendor := col.Collector.(type) {
	case *wazo:
		return vendor.examine(ctx, r)
	case *ucm:
		return vendor.examine(ctx, r)
	}
	r.Fail("configuration", l.Model+" has no API that can be examined", "")
	return nil
}

func (w *wazo) examine(ctx context.Context, r *examine.Report) *examine.Newest {
	what := "log-in as " + w.cfg.User
	if _, err := w.logIn(ctx); err != nil {
		r.Fail(what, err.Error(), "")
		return nil
	}
	r.Hide(w.token)
	defer w.logOut(ctx)
	r.OK(what, "let in")
	w.rights(ctx, r)
	q := w.query(0, 1)
	q.Set("direction", "desc")
	p, err := w.get(ctx, q)
	if err != nil {
		r.Fail("calls", err.Error(), "")
		return nil
	}
	r.Clock("clock", p.at)
	if len(p.calls) == 0 {
		r.Warn("calls", "call-logd shows none", fmt.Sprintf("was there a call yet, may user %s see those of the tenant, and is tenant right?", w.cfg.User))
		return nil
	}
	newest := p.calls[0]
	r.OK("newest ticket", fmt.Sprintf("call %d, which began %s", newest.id, newest.start))
	return &examine.Newest{Name: fmt.Sprintf("call %d", newest.id), Raw: append(newest.raw, '\n'), Row: identity.RowPosition("id", strconv.FormatInt(newest.id, 10))}
}

// rights tells of a user that may do more than read calls.
func (w *wazo) rights(ctx context.Context, r *examine.Report) {
	a, err := w.tokenRequest(ctx, http.MethodGet)
	if err != nil || a.StatusCode != http.StatusOK {
		return // it is no step that collecting takes
	}
	var told struct {
		Data struct {
			ACL  []string `json:"acl"`
			ACLs []string `json:"acls"` // before Wazo 21
		} `json:"data"`
	}
	if json.Unmarshal(a.body, &told) != nil {
		return
	}
	more := slices.DeleteFunc(append(told.Data.ACL, told.Data.ACLs...), func(acl string) bool {
		return strings.HasPrefix(acl, "call-logd.cdr") || strings.HasPrefix(acl, "!")
	})
	if len(more) == 0 {
		r.OK("rights", "user "+w.cfg.User+" may only read calls")
		return
	}
	few := more[:min(3, len(more))]
	r.Warn("rights", fmt.Sprintf("user %s may do more than read calls: %d other accesses, such as %s", w.cfg.User, len(more), strings.Join(few, ", ")),
		"give the user a policy that holds nothing but call-logd.cdr.read")
}

// logOut gives the token back that was made for this look.
func (w *wazo) logOut(ctx context.Context) {
	_, _ = w.tokenRequest(context.WithoutCancel(ctx), http.MethodDelete)
}

func (w *wazo) tokenRequest(ctx context.Context, method string) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, usual.dial)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, w.tokens+"/"+url.PathEscape(w.token), nil)
	if err != nil {
		return nil, errors.New("no token") // the error would hold it
	}
	req.Header.Set("X-Auth-Token", w.token)
	return w.client.do(req)
}

// examine asks for the calls of a day, then of a month, then for all: in which
// order cdrapi gives them is not told.
func (u *ucm) examine(ctx context.Context, r *examine.Report) *examine.Newest {
	what := "log-in as " + u.cfg.User
	now := u.Now().UTC()
	for i, back := range []time.Duration{24 * time.Hour, 31 * 24 * time.Hour, now.Sub(ucmFirst)} {
		from := now.Add(-back - ucmZones)
		p, err := u.ask(ctx, from, now.Add(ucmZones), 0)
		switch {
		case errors.Is(err, errRefused):
			r.Fail(what, err.Error(), "")
			return nil
		case err != nil:
			r.Fail("calls", err.Error(), "")
			return nil
		}
		if i == 0 {
			r.OK(what, "let in")
		}
		if err := p.within(from, now.Add(ucmZones)); err != nil {
			r.Fail("calls", err.Error(), "")
			return nil
		}
		if len(p.records) == 0 {
			continue
		}
		newest := p.records[0]
		for _, it := range p.records {
			if it.start.After(newest.start) {
				newest = it
			}
		}
		r.OK("calls", fmt.Sprintf("%d records in answer to %s", len(p.records), spans[i]))
		began := "a record without a time"
		if !newest.start.IsZero() {
			began = "a call that began " + newest.start.Format(time.DateTime) + ", by the PBX's clock"
		}
		r.OK("newest ticket", began)
		out := &examine.Newest{Name: "cdrapi", Raw: append(newest.line, '\n')}
		if newest.id != "" {
			out.Row = identity.RowPosition("AcctId", newest.id)
		}
		return out
	}
	r.Warn("calls", "cdrapi shows none", fmt.Sprintf("was there a call yet? If the CDR page of the PBX shows some, user %s may not see them", u.cfg.User))
	return nil
}

var spans = []string{"the last day's", "the last month's", "all times'"}
