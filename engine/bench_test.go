package engine

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
)

func post(b *testing.B, url, body, key string) {
	b.Helper()
	req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	if key != "" {
		req.Header.Set("X-ClickHouse-Key", key)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		b.Fatalf("%s %s %v", resp.Status, answer, err)
	}
}

func BenchmarkPing(b *testing.B) {
	for b.Loop() {
		resp, err := http.Get("http://" + shared.Addr() + "/ping")
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
}

func BenchmarkQuery(b *testing.B) {
	for name, key := range map[string]string{"reader": "", "writer": shared.Token()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				post(b, "http://"+shared.Addr()+"/", "SELECT 1", key)
			}
		})
	}
}

// BenchmarkResult measures bytes a second of a result in Native.
func BenchmarkResult(b *testing.B) {
	for name, q := range map[string]string{"plain": "", "revision": "client_protocol_version=54460&default_format=Native"} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(10_000_000 * 8)
			for b.Loop() {
				post(b, "http://"+shared.Addr()+"/?"+q, "SELECT number FROM numbers(10000000) FORMAT Native", "")
			}
		})
	}
}

// BenchmarkInsert measures rows a second, in blocks of 50,000, of two columns and of a call's many.
func BenchmarkInsert(b *testing.B) {
	const rows = 50_000
	db := database(b)
	write(b, "CREATE TABLE "+db+".t (id UInt64, name String) ENGINE = MergeTree ORDER BY id")
	block := nativeBlock(b, 0, rows)
	url := "http://" + shared.Addr() + "/?" + values([]string{"query", "INSERT INTO " + db + ".t (id, name) FORMAT Native"}).Encode()
	n := 0
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url, bytes.NewReader(block))
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("X-ClickHouse-Key", shared.Token())
		resp, err := http.DefaultClient.Do(req)
		if err != nil || resp.StatusCode != http.StatusOK {
			b.Fatal(resp, err)
		}
		resp.Body.Close()
		n += rows
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(float64(rss(b)>>20), "MiB")
}
