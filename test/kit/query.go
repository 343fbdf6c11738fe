package kit

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Query asks the ClickHouse at an address as a reader, and returns its text.
func Query(addr, query string) (string, error) {
	body, err := ask(addr, url.Values{"default_format": {"TSV"}, "wait_end_of_query": {"1"}}, query)
	if err != nil {
		return "", err
	}
	defer body.Close()
	text, err := io.ReadAll(body)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(string(text), "\n"), nil
}

// Rows is Query that gives the fields of each row, as they are, to each.
func Rows(addr, query string, each func(fields []string)) error {
	body, err := ask(addr, url.Values{"default_format": {"TSVRaw"}}, query)
	if err != nil {
		return err
	}
	defer body.Close()
	in := bufio.NewScanner(body)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		each(strings.Split(in.Text(), "\t"))
	}
	return in.Err()
}

func ask(addr string, how url.Values, query string) (io.ReadCloser, error) {
	how.Set("database", "trunkline")
	client := http.Client{Timeout: time.Minute}
	res, err := client.Post("http://"+addr+"/?"+how.Encode(), "text/plain", strings.NewReader(query))
	if err != nil {
		return nil, err
	}
	if res.StatusCode == http.StatusOK {
		return res.Body, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return nil, fmt.Errorf("%s: %s", res.Status, text)
}
