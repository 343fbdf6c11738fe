package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// tokenLife is how long a token is asked for. It is renewed a fifth before its
// end.
const tokenLife = 2 * time.Hour

// logIn makes sure that there is a token; fresh tells that it was made now.
func (w *wazo) logIn(ctx context.Context) (fresh bool, err error) {
	if w.token != "" && w.Now().Before(w.renew) {
		return false, nil
	}
	password, err := w.client.gate.Open()
	if err != nil {
		return false, w.client.wrap(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.tokens, strings.NewReader(fmt.Sprintf(`{"expiration": %d}`, int(tokenLife.Seconds()))))
	if err != nil {
		return false, err
	}
	req.SetBasicAuth(w.cfg.User, password)
	req.Header.Set("Content-Type", "application/json")
	asked := w.Now()
	a, err := w.client.do(req)
	if err != nil {
		return false, err
	}
	if a.StatusCode == http.StatusUnauthorized {
		return false, w.client.refused(fmt.Errorf("wazo-auth does not take user %s with this password", w.cfg.User))
	}
	if err := w.client.check(a); err != nil {
		return false, err
	}
	var made struct {
		Data struct {
			Token   string `json:"token"`
			Issued  string `json:"utc_issued_at"`
			Expires string `json:"utc_expires_at"`
		} `json:"data"`
	}
	if err := json.Unmarshal(a.body, &made); err != nil || made.Data.Token == "" {
		return false, w.client.wrap(errors.New("wazo-auth answers no token: is token_url the address of its API 0.1?"))
	}
	w.token, w.client.session = made.Data.Token, made.Data.Token
	w.renew = asked.Add(lifeOf(made.Data.Issued, made.Data.Expires) * 4 / 5)
	return true, nil
}

// lifeOf is how long a token lives: by the server's clock, so that ours may differ.
func lifeOf(issued, expires string) time.Duration {
	const form = "2006-01-02T15:04:05.999999"
	from, err1 := time.Parse(form, issued)
	to, err2 := time.Parse(form, expires)
	if life := to.Sub(from); err1 == nil && err2 == nil && life > 0 {
		return min(life, tokenLife)
	}
	return tokenLife
}
