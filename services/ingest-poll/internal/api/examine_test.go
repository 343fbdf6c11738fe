package api

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/kit"
)

func TestExamineWazo(t *testing.T) {
	r, f := wazoRig(t)
	e := &kit.Examined{TB: t}
	look := func() *examine.Newest {
		t.Helper()
		return Examine(t.Context(), e.Report(r.clock.Now, secret), r.link, &r.cfg)
	}
	if n := look(); n != nil {
		t.Errorf("%+v", n)
	}
	e.Has("certificate", examine.OK)
	e.Has("log-in as cdr", examine.OK)
	e.Has("calls", examine.Warning, "call-logd shows none")
	texts := f.some(1, 30)
	n := look()
	if n == nil || strings.TrimSpace(string(n.Raw)) != texts[len(texts)-1] || n.Row != "id=30" && n.Row != "id=29" {
		t.Errorf("%+v", n)
	}
	e.Has("newest ticket", examine.OK, "call ")
	if got := r.texts(); len(got) > 0 {
		t.Errorf("%d tickets were collected", len(got))
	}
	r.server.next(answers(http.StatusForbidden))
	look()
	e.Has("calls", examine.Failed, "403")
	r.password("wrong")
	look()
	e.Has("log-in as cdr", examine.Failed, "does not take user cdr")
	r.cfg.Pin = ""
	look()
	e.Has("certificate", examine.Failed, "pin: "+pinOf(r.server.Server))
}

func TestExamineUCM(t *testing.T) {
	f := newFakeUCM(time.UTC)
	r := ucmRig(t, f)
	e := &kit.Examined{TB: t}
	look := func() *examine.Newest {
		t.Helper()
		return Examine(t.Context(), e.Report(r.clock.Now, secret), r.link, &r.cfg)
	}
	look()
	e.Has("log-in as cdr", examine.OK)
	e.Has("calls", examine.Warning, "cdrapi shows none")
	f.call(r.clock.Now().Add(-200*24*time.Hour), time.Minute, 1)
	if look() == nil {
		t.Error("an old call is not found")
	}
	e.Has("calls", examine.OK, "all times'")
	for i := range 5 {
		f.call(r.clock.Now().Add(time.Duration(i-10)*time.Minute), time.Minute, 1)
	}
	last := f.call(r.clock.Now().Add(-5*time.Minute), time.Minute, 1).lines()
	if n := look(); n == nil || strings.TrimSpace(string(n.Raw)) != last[0] || !strings.HasPrefix(n.Row, "AcctId=") {
		t.Errorf("%+v", n)
	}
	e.Has("calls", examine.OK, "the last day's")
	if got := r.texts(); len(got) > 0 {
		t.Errorf("%d tickets were collected", len(got))
	}
	r.password("wrong")
	look()
	e.Has("log-in as cdr", examine.Failed)
}
