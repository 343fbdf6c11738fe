package web

import (
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/html"
)

// Servers write their directory index each in its own way, and none of them
// exactly: sizes as 1.2K, times to the minute. What they have in common is a link
// a file and, in its row, what they tell of it. So only the links are read; the
// row is compared with what it was, and HEAD tells the rest.

// item is one file of a directory index.
type item struct {
	name string
	// path is the file's, percent-encoded as the server wrote it.
	path string
	// row is a hash of what stands around the link, and told whether that can be
	// a time.
	row  uint64
	told bool
}

const (
	maxListing = 256 << 20
	maxItems   = 200_000
	maxToken   = 64 << 10
)

var (
	errNoListing = errors.New("the page is no list of files: there is no link on it. Is it the address of the folder, and is its directory index switched on?")
	errForm      = errors.New("the server wants a log-in with a form, which trunkline cannot fill in: is it the address of the folder?")
	errTooMany   = fmt.Errorf("the folder holds more than %d files: clear it up, or give a pattern that fewer match", maxItems)
)

var rowSeed = maphash.MakeSeed()

// readListing reads a directory index. base is the folder's address, which ends
// in a slash; links that lead elsewhere are no files. A file that is named twice,
// by its icon for example, is one.
func readListing(r io.Reader, base *url.URL, wanted func(name string) bool) ([]item, error) {
	limited := &io.LimitedReader{R: r, N: maxListing}
	z := html.NewTokenizer(limited)
	z.SetMaxBuf(maxToken)
	var (
		out    []item
		at     = make(map[string]int)
		links  int
		inside bool // a link
		last   = -1 // the item of the link before
		text   strings.Builder
	)
	// Text between two links belongs to the rows of both: there are servers that
	// write it before the link, and those that write it behind.
	flush := func(next int) {
		row, told := maphash.String(rowSeed, text.String()), strings.ContainsAny(text.String(), "0123456789")
		for _, i := range []int{last, next} {
			if i >= 0 {
				out[i].row = out[i].row*31 + row
				out[i].told = out[i].told || told
			}
		}
		text.Reset()
		last = next
	}
	for {
		switch z.Next() {
		case html.ErrorToken:
			if err := z.Err(); err != io.EOF {
				return nil, fmt.Errorf("the list of files broke off: %w", err)
			}
			flush(-1)
			switch {
			case limited.N <= 0:
				return nil, fmt.Errorf("the list of files has more than %d MiB", maxListing>>20)
			case links == 0:
				return nil, errNoListing
			}
			return out, nil
		case html.TextToken:
			if !inside && text.Len() < maxToken {
				text.Write(z.Text())
			}
		case html.EndTagToken:
			if name, _ := z.TagName(); string(name) == "a" {
				inside = false
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			tag, more := z.TagName()
			switch string(tag) {
			case "input":
				if strings.EqualFold(attribute(z, more, "type"), "password") {
					return nil, errForm
				}
			case "a":
				links++
				name, path, ok := fileOf(attribute(z, more, "href"), base)
				if !ok || !wanted(name) {
					flush(-1)
					inside = true
					continue
				}
				i, known := at[name]
				if !known {
					if len(out) == maxItems {
						return nil, errTooMany
					}
					i = len(out)
					at[name] = i
					out = append(out, item{name: name, path: path})
				}
				flush(i)
				inside = true
			}
		}
	}
}

func attribute(z *html.Tokenizer, more bool, name string) string {
	for more {
		var key, value []byte
		key, value, more = z.TagAttr()
		if string(key) == name {
			return string(value)
		}
	}
	return ""
}

// fileOf is the file in the folder that a link leads to.
func fileOf(href string, base *url.URL) (name, path string, ok bool) {
	u, err := base.Parse(strings.TrimSpace(href))
	if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || u.User != nil || u.RawQuery != "" || u.ForceQuery {
		return "", "", false
	}
	path = u.EscapedPath()
	segment, ok := strings.CutPrefix(path, base.EscapedPath())
	if !ok { // the folder's name may be escaped in another way
		if !strings.HasPrefix(u.Path, base.Path) {
			return "", "", false
		}
		segment = path[strings.LastIndexByte(path, '/')+1:]
		if dir, err := url.PathUnescape(path[:len(path)-len(segment)]); err != nil || dir != base.Path {
			return "", "", false
		}
	}
	if name, err = url.PathUnescape(segment); err != nil || !utf8.ValidString(name) {
		name = segment // still one name a file
	}
	return name, path, validName(name)
}

// validName refuses what is no base name on any system.
func validName(name string) bool {
	return name != "" && name != "." && name != ".." && len(name) <= 255 && !strings.ContainsAny(name, `/\`) && strings.IndexFunc(name, unicode.IsControl) < 0
}
