package ftp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// item is a file of a listing.
type item struct {
	files.Entry
	line string
	// unclear tells that only the name is sure.
	unclear bool
}

// parseMLSD reads a line of RFC 3659: `type=file;size=5;modify=20261121090000; A`.
// Times are UTC.
func parseMLSD(line string) (item, bool) {
	facts, name, ok := strings.Cut(line, " ")
	if !ok || !strings.Contains(facts, "=") {
		return item{}, false
	}
	it := item{Entry: files.Entry{Name: name}}
	var sized, timed bool
	for fact := range strings.SplitSeq(facts, ";") {
		key, value, _ := strings.Cut(fact, "=")
		switch strings.ToLower(key) {
		case "type":
			switch kind := strings.ToLower(value); kind {
			case "file":
			case "dir", "cdir", "pdir":
				return item{}, false
			default:
				it.Err = notRegular(name, kind)
			}
		case "size":
			n, err := strconv.ParseInt(value, 10, 64)
			it.Size, sized = n, err == nil && n >= 0
		case "modify":
			at, err := parseTime(value)
			it.Written, timed = at, err == nil
		}
	}
	it.unclear = !sized || !timed
	return it, true
}

// parseTime reads `20261121090000`, with or without a fraction.
func parseTime(s string) (time.Time, error) { return time.Parse("20060102150405", s) }

func notRegular(name, kind string) error {
	return fmt.Errorf("%s is no regular file (%s) and is not fetched: give the folder where the tickets are, or a pattern without it", name, kind)
}

// parseLIST reads a line of LIST, which no standard describes: as `ls -l` prints
// it, or `dir`. Times are taken as UTC, for want of a zone; where a time shows no
// seconds it is the end of the minute, so that what is written later in it is
// newer.
func parseLIST(line string, now time.Time) (item, bool) {
	if it, ok := parseUnix(line, now); ok {
		return it, it.Name != ""
	}
	if it, ok := parseDOS(line); ok {
		return it, it.Name != ""
	}
	f := strings.Fields(line)
	if len(f) < 2 || strings.EqualFold(f[0], "total") && len(f) == 2 {
		return item{}, false
	}
	return item{Entry: files.Entry{Name: f[len(f)-1]}, unclear: true}, true
}

const endOfMinute = 59 * time.Second

var months = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}

// parseUnix reads `-rw-r--r--  1 owner group  526 Nov 21 09:00 NAME`. There may be
// no group or no links, so the date is looked for; what stands before it is the
// size. An empty name with ok: a folder.
func parseUnix(line string, now time.Time) (item, bool) {
	if len(line) < 10 || !strings.ContainsRune("-dlbcps", rune(line[0])) || strings.Trim(line[1:10], "rwxsStT-") != "" {
		return item{}, false
	}
	if line[0] == 'd' {
		return item{}, true
	}
	words, ends := fields(line, 12)
	for i := 2; i < len(words); i++ {
		size, err := strconv.ParseInt(words[i-1], 10, 64)
		if err != nil || size < 0 {
			continue
		}
		at, used, ok := dateAt(words[i:], now)
		if !ok || ends[i+used-1]+1 > len(line) {
			continue
		}
		it := item{Entry: files.Entry{Name: line[min(ends[i+used-1]+1, len(line)):], Size: size, Written: at}}
		switch line[0] {
		case '-':
		case 'l':
			it.Name, _, _ = strings.Cut(it.Name, " -> ")
			it.Err = notRegular(it.Name, "link")
		default:
			it.Err = notRegular(it.Name, "device")
		}
		return it, true
	}
	return item{}, false
}

// fields are the first words of a line and where they end.
func fields(line string, most int) (words []string, ends []int) {
	for at := 0; at < len(line) && len(words) < most; {
		for at < len(line) && line[at] == ' ' {
			at++
		}
		end := at
		for end < len(line) && line[end] != ' ' {
			end++
		}
		if end > at {
			words, ends = append(words, line[at:end]), append(ends, end)
		}
		at = end
	}
	return words, ends
}

// dateAt reads the date that words begin with: `Nov 21 09:00`, `Nov 21 2026`,
// `21 Nov 09:00`, `2026-11-21 09:00`.
func dateAt(words []string, now time.Time) (at time.Time, used int, ok bool) {
	if len(words) >= 2 {
		for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04"} {
			if at, err := time.Parse(layout, words[0]+" "+words[1]); err == nil {
				if len(words[1]) == len("15:04") {
					at = at.Add(endOfMinute)
				}
				return at, 2, true
			}
		}
	}
	if len(words) < 3 {
		return at, 0, false
	}
	name, number := words[0], words[1]
	if _, err := strconv.Atoi(name); err == nil {
		name, number = number, name
	}
	month := slices.Index(months, strings.ToLower(name)) + 1
	day, err := strconv.Atoi(number)
	if month == 0 || err != nil || day < 1 || day > 31 {
		return at, 0, false
	}
	if year, err := strconv.Atoi(words[2]); err == nil {
		at, ok := date(year, month, day, 0, 0)
		return at, 3, ok && year >= 1970 && len(words[2]) == 4
	}
	clock, err := time.Parse("15:04", words[2])
	if err != nil {
		return at, 0, false
	}
	// Without a year: the last one in which it is not ahead of us by more than the
	// zones differ.
	for year := now.UTC().Year() + 1; year > now.UTC().Year()-9; year-- {
		at, ok := date(year, month, day, clock.Hour(), clock.Minute())
		if ok && at.Before(now.Add(26*time.Hour)) {
			return at.Add(endOfMinute), 3, true
		}
	}
	return at, 0, false
}

func date(year, month, day, hour, minute int) (time.Time, bool) {
	at := time.Date(year, time.Month(month), day, hour, minute, 0, 0, time.UTC)
	return at, at.Day() == day && int(at.Month()) == month
}

// parseDOS reads `11-21-26  09:00AM  526 NAME`, with a year of two digits or four,
// and `2026-11-21  09:00  526 NAME`. An empty name with ok: a folder.
func parseDOS(line string) (item, bool) {
	words, ends := fields(line, 5)
	if len(words) < 4 {
		return item{}, false
	}
	// Some write `09:00 AM`.
	clock, rest := words[1], 2
	if half := strings.ToUpper(words[2]); half == "AM" || half == "PM" {
		clock, rest = clock+half, 3
	}
	if len(words) <= rest+1 {
		return item{}, false
	}
	day := strings.ReplaceAll(words[0], "/", "-")
	for _, d := range []string{"01-02-06", "01-02-2006", "2006-01-02"} {
		for _, t := range []string{"03:04PM", "3:04PM", "15:04"} {
			at, err := time.Parse(d+" "+t, day+" "+strings.ToUpper(clock))
			if err != nil {
				continue
			}
			kind := words[rest]
			if strings.EqualFold(kind, "<DIR>") {
				return item{}, true
			}
			name := strings.TrimLeft(line[ends[rest]:], " ")
			it := item{Entry: files.Entry{Name: name, Written: at.Add(endOfMinute)}}
			if strings.HasPrefix(kind, "<") {
				it.Err = notRegular(name, kind)
				return it, true
			}
			if it.Size, err = strconv.ParseInt(strings.ReplaceAll(kind, ",", ""), 10, 64); err != nil || it.Size < 0 {
				return item{}, false
			}
			return it, true
		}
	}
	return item{}, false
}
