package link

import "time"

// Gate holds back log-ins once three were refused: a locked account is worse than
// a late ticket. A changed password may be tried at once.
type Gate struct {
	Password func() (string, error)
	Now      func() time.Time
	// Pause between log-ins then.
	Pause time.Duration

	tried    string // the password that Open gave last
	refusals int
	with     string // the password that was refused
	last     time.Time
	err      error
}

// Open is the password, or why there is no log-in now.
func (g *Gate) Open() (string, error) {
	password, err := g.Password()
	if err != nil {
		return "", err
	}
	if g.refusals >= 3 && password == g.with && g.Now().Sub(g.last) < g.Pause {
		return "", g.err
	}
	g.tried = password
	return password, nil
}

// Refused counts a log-in that failed for its user or password. The error is what
// Open tells while it is closed.
func (g *Gate) Refused(err error) {
	if g.tried != g.with {
		g.refusals = 0
	}
	g.refusals++
	g.err, g.with, g.last = err, g.tried, g.Now()
}

// Accepted tells that a log-in went well.
func (g *Gate) Accepted() { g.refusals = 0 }
