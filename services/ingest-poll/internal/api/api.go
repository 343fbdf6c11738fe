// Package api collects tickets from the HTTP API of a PBX: the call logs of Wazo
// and the call records of a Grandstream UCM. What it gives is published as it
// came, a JSON object a line, and a position advances only behind the tickets'
// acknowledgement.
package api

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"trunkline.internal/platform/bus"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Every is how often an API is asked unless told otherwise.
const Every = time.Minute

// Collector collects what the API of one PBX gives. It is used by one goroutine.
type Collector struct {
	link.Collector
	client *client
}

// Close closes the connections.
func (c *Collector) Close() error {
	c.client.http.CloseIdleConnections()
	return nil
}

var vendors = map[string]func(*link.Link, *config.HTTP, *url.URL, *client) link.Collector{
	"wazo":            newWazo,
	"grandstream-ucm": newUCM,
}

// New makes the collector of a link whose model has an API: config.HTTPAPI. It
// connects to nothing. An error says what is wrong with the configuration.
func New(l *link.Link, c *config.HTTP) (*Collector, error) { return newCollector(l, c, usual) }

func newCollector(l *link.Link, c *config.HTTP, t timing) (*Collector, error) {
	vendor, ok := vendors[l.Model]
	if !ok {
		return nil, fmt.Errorf("http: %s has no API that this version knows", l.Model)
	}
	base, err := addressOf("url", c.URL)
	if err != nil {
		return nil, err
	}
	if c.User == "" || !c.Set() {
		return nil, fmt.Errorf("http: give user, and password_env or password_file: those of the API's user on the PBX")
	}
	if c.TokenURL != "" {
		if _, err := addressOf("token_url", c.TokenURL); err != nil {
			return nil, err
		}
	}
	cl, err := newClient(l, c, base, t)
	if err != nil {
		return nil, fmt.Errorf("http: %w", err)
	}
	return &Collector{vendor(l, c, base, cl), cl}, nil
}

func addressOf(key, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("http: %s: give the PBX's address, such as https://10.1.0.8, without a password and without ? and #", key)
	}
	u.Path = strings.TrimSuffix(u.Path, "/")
	return u, nil
}

// cursor keeps how far an API was read.
type cursor struct {
	*link.Link
	key      string
	revision uint64
}

// newCursor names the position by all that says which calls these are, and not by
// the PBX's address, which may change.
func newCursor(l *link.Link, source string) cursor {
	return cursor{Link: l, key: bus.PositionKey(l.Site, l.Link, bus.SourceKey(source))}
}

// load reads the position; found is false where there is none yet.
func (c *cursor) load(ctx context.Context, v any) (found bool, err error) {
	value, revision, err := c.Get(ctx, c.key)
	if err != nil {
		return false, err
	}
	if c.revision = revision; revision == 0 {
		return false, nil
	}
	if err := json.Unmarshal(value, v); err != nil {
		return false, fmt.Errorf("position %s is unreadable: %w", c.key, err)
	}
	return true, nil
}

func (c *cursor) save(ctx context.Context, v any) error {
	value, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("position %s: %w", c.key, err)
	}
	c.revision, err = c.Put(ctx, c.key, value, c.revision)
	return err
}
