package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"trunkline.internal/platform/config"
)

// sqlFront is the HTTP front of the engine, to a writer: the one who may read the
// token in the data folder.
type sqlFront struct {
	url, token string
	client     *http.Client
}

const tokenName = "clickhouse.token"

func newFront(url, token string) *sqlFront {
	return &sqlFront{url: url, token: token, client: &http.Client{}}
}

// openFront finds the front of the `trunkline run` that has the data folder.
func openFront(cfg *config.Config) (*sqlFront, error) {
	token, err := os.ReadFile(filepath.Join(cfg.Data, tokenName))
	if err != nil {
		return nil, fmt.Errorf("data folder %s: %w: does trunkline run there, and are you the user that it runs as? A backup of services takes --streams, and ClickHouse's own (docs/backup.md)", cfg.Data, err)
	}
	f := newFront("http://"+cfg.SQL.Listen, string(token))
	if cfg.SQL.TLS != nil {
		f.url = "https://" + cfg.SQL.Listen
		own, err := tls.LoadX509KeyPair(cfg.SQL.TLS.Cert, cfg.SQL.TLS.Key)
		if err != nil {
			return nil, fmt.Errorf("sql.tls: %w", err)
		}
		f.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{
			InsecureSkipVerify: true, // it is called by an address; who answers must have our own certificate
			VerifyConnection: func(s tls.ConnectionState) error {
				if len(s.PeerCertificates) == 0 || !bytes.Equal(s.PeerCertificates[0].Raw, own.Certificate[0]) {
					return errors.New("the certificate is not that of sql.tls: was it changed a moment ago?")
				}
				return nil
			},
		}}
	}
	return f, nil
}

// rows runs a query, and gives each row to one.
func (f *sqlFront) rows(ctx context.Context, query string, one func(d *json.Decoder) error) error {
	params := url.Values{"default_format": {"JSONEachRow"}, "output_format_json_quote_64bit_integers": {"0"}, "wait_end_of_query": {"1"}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url+"/?"+params.Encode(), strings.NewReader(query))
	if err != nil {
		return err
	}
	req.Header.Set("X-ClickHouse-Key", f.token)
	res, err := f.client.Do(req)
	if err != nil {
		return fmt.Errorf("clickhouse: %w: does trunkline run, and is sql.listen right?", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("clickhouse: %s", strings.TrimSpace(string(text)))
	}
	d := json.NewDecoder(res.Body)
	for d.More() {
		if err := one(d); err != nil {
			return fmt.Errorf("clickhouse: %w", err)
		}
	}
	return nil
}

func (f *sqlFront) exec(ctx context.Context, statement string) error {
	return f.rows(ctx, statement, func(d *json.Decoder) error {
		var ignored json.RawMessage
		return d.Decode(&ignored)
	})
}

var sqlEscape = strings.NewReplacer(`\`, `\\`, `'`, `\'`, "`", "\\`")

func sqlText(s string) string { return "'" + sqlEscape.Replace(s) + "'" }

func sqlName(names ...string) string {
	for i, n := range names {
		names[i] = "`" + sqlEscape.Replace(n) + "`"
	}
	return strings.Join(names, ".")
}
