package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// LastID is how a query names the key of the last row that was collected:
// `:last_id`, or ComTrafic's `@IDLAST`.
var LastID = regexp.MustCompile(`(?i)(:last_id|@IDLAST)\b`)

var (
	tail    = regexp.MustCompile(`(?is)\s+(LIMIT\s+\d+)\s*$`)
	orderBy = regexp.MustCompile(`(?is)\s+ORDER\s+BY\s+[^()]*$`)
	where   = regexp.MustCompile(`(?i)\bWHERE\b`)
)

// CheckQuery makes sure that a query can be followed: it reads behind the last
// row's key, in the order of the keys. The error has the corrected text.
func CheckQuery(query, cursor string) error {
	q := strings.TrimSpace(query)
	switch {
	case cursor == "":
		return errors.New("a query needs cursor: the column of a key that grows with each row")
	case strings.Contains(q, ";"):
		return errors.New("give one SELECT, without a semicolon")
	case !strings.HasPrefix(strings.ToUpper(q), "SELECT"):
		return errors.New("give a SELECT")
	}
	ordered := regexp.MustCompile("(?is)\\bORDER\\s+BY\\s+(`?\\w+`?\\.)?`?" + regexp.QuoteMeta(cursor) + "`?(\\s+ASC)?(\\s+LIMIT\\s+\\d+)?\\s*$").MatchString(q)
	follows := LastID.MatchString(q)
	if ordered && follows {
		return nil
	}
	limit := " LIMIT 1000"
	if m := tail.FindStringSubmatch(q); m != nil {
		limit, q = " "+m[1], tail.ReplaceAllString(q, "")
	}
	if !ordered {
		q = orderBy.ReplaceAllString(q, "")
	}
	order := orderBy.FindString(q)
	q = strings.TrimSuffix(q, order)
	if !follows {
		word := " WHERE "
		if where.MatchString(q) {
			word = " AND "
		}
		q += word + cursor + " > :last_id"
	}
	if !ordered {
		order = " ORDER BY " + cursor
	}
	what := "in no order: with a LIMIT, rows would be skipped for ever"
	if !follows {
		what = "without `:last_id`: all rows would be read each time"
	}
	return fmt.Errorf("the query reads %s. Write: %s", what, strings.Join(strings.Fields(q+order+limit), " "))
}
