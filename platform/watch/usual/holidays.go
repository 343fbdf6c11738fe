package usual

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// publicHolidays are the days off of a country: those of the whole country, and
// those of regions where at least a quarter of its people live. A rule is a
// date (12-25), days from Easter (e+1; o+1 the Orthodox one), or the first such
// weekday on or after a date (mon@05-25). A > moves a day on a weekend to the
// next working day as well, a ~ Saturday to Friday and Sunday to Monday.
var publicHolidays = map[string]string{
	"AT": "01-01 01-06 e+1 05-01 e+39 e+50 e+60 08-15 10-26 11-01 12-08 12-25 12-26",
	"AU": "01-01> 01-26> mon@03-08 e-2 e+1 04-25 mon@06-08 mon@10-01 12-25> 12-26>",
	"BE": "01-01 e+1 05-01 e+39 e+50 07-21 08-15 11-01 11-11 12-25",
	"BG": "01-01> 03-03> o-2 o+1 05-01> 05-06> 05-24> 09-06> 09-22> 12-24 12-25> 12-26>",
	"CA": "01-01> mon@02-15 e-2 mon@05-18 07-01> mon@08-01 mon@09-01 09-30> mon@10-08 11-11> 12-25> 12-26>",
	"CH": "01-01 01-02 e-2 e+1 05-01 e+39 e+50 e+60 08-01 08-15 11-01 12-08 12-25 12-26",
	"CZ": "01-01 e-2 e+1 05-01 05-08 07-05 07-06 09-28 10-28 11-17 12-24 12-25 12-26",
	"DE": "01-01 01-06 e-2 e+1 05-01 e+39 e+50 e+60 10-03 10-31 11-01 12-25 12-26",
	"DK": "01-01 e-3 e-2 e+1 e+39 e+50 06-05 12-24 12-25 12-26",
	"EE": "01-01 02-24 e-2 05-01 06-23 06-24 08-20 12-24 12-25 12-26",
	"ES": "01-01 01-06 e-3 e-2 e+1 05-01 08-15 10-12 11-01 12-06 12-08 12-25",
	"FI": "01-01 01-06 e-2 e+1 05-01 e+39 fri@06-19 12-06 12-24 12-25 12-26",
	"FR": "01-01 e+1 05-01 05-08 e+39 e+50 07-14 08-15 11-01 11-11 12-25",
	"GB": "01-01> e-2 e+1 mon@05-01 mon@05-25 mon@08-25 12-25> 12-26>",
	"GR": "01-01 01-06 o-48 03-25 o-2 o+1 05-01 o+50 08-15 10-28 12-25 12-26",
	"HR": "01-01 01-06 e+1 05-01 05-30 e+60 06-22 08-05 08-15 11-01 11-18 12-25 12-26",
	"HU": "01-01 03-15 e-2 e+1 05-01 e+50 08-20 10-23 11-01 12-24 12-25 12-26",
	"IE": "01-01> mon@02-01 03-17> e+1 mon@05-01 mon@06-01 mon@08-01 mon@10-25 12-25> 12-26>",
	"IT": "01-01 01-06 e+1 04-25 05-01 06-02 08-15 10-04 11-01 12-08 12-25 12-26",
	"LT": "01-01 02-16 03-11 e+1 05-01 06-24 07-06 08-15 11-01 11-02 12-24 12-25 12-26",
	"LU": "01-01 e+1 05-01 05-09 e+39 e+50 06-23 08-15 11-01 12-25 12-26",
	"LV": "01-01 e-2 e+1 05-01 05-04> 06-23 06-24 11-18> 12-24 12-25 12-26 12-31",
	"MC": "01-01 01-27 e+1 05-01 e+39 e+50 e+60 08-15 11-01 11-19 12-08 12-25",
	"NL": "01-01 e+1 04-27 05-05 e+39 e+50 12-25 12-26",
	"NO": "01-01 e-3 e-2 e+1 05-01 05-17 e+39 e+50 12-25 12-26",
	"PL": "01-01 01-06 e+1 05-01 05-03 e+60 08-15 11-01 11-11 12-24 12-25 12-26",
	"PT": "01-01 e-2 04-25 05-01 e+60 06-10 08-15 10-05 11-01 12-01 12-08 12-25",
	"RO": "01-01 01-02 01-06 01-07 01-24 o-2 o+1 05-01 06-01 o+50 08-15 11-30 12-01 12-25 12-26",
	"SE": "01-01 01-06 e-2 e+1 05-01 e+39 06-06 fri@06-19 12-24 12-25 12-26 12-31",
	"SI": "01-01 01-02 02-08 e+1 04-27 05-01 05-02 06-25 08-15 10-31 11-01 12-25 12-26",
	"SK": "01-01 01-06 e-2 e+1 05-01 05-08 07-05 08-29 09-15 11-01 11-17 12-24 12-25 12-26",
	"US": "01-01~ mon@01-15 mon@02-15 mon@05-25 06-19~ 07-04~ mon@09-01 mon@10-08 11-11~ thu@11-22 fri@11-23 12-25~",

	"GF": "FR 06-10",
	"GP": "FR 05-27",
	"MQ": "FR 05-22",
	"NC": "FR 09-24",
	"RE": "FR 12-20",
	"YT": "FR 04-27",
}

// KnowsCountry tells whether the public holidays of a country (ISO 3166, two
// capitals) are known.
func KnowsCountry(country string) bool {
	_, ok := publicHolidays[country]
	return ok
}

// date is a day of the civil calendar.
type date struct {
	year  int
	month time.Month
	day   int
}

func dateOf(t time.Time) date {
	y, m, d := t.Date()
	return date{y, m, d}
}

func (d date) noon() time.Time { return time.Date(d.year, d.month, d.day, 12, 0, 0, 0, time.UTC) }

type countryYear struct {
	country string
	year    int
}

var holidaysByYear sync.Map // countryYear → map[date]bool

// publicHolidaysOf lists a country's holidays of one year. All who ask share the
// answer.
func publicHolidaysOf(country string, year int) map[date]bool {
	of := countryYear{country, year}
	days, ok := holidaysByYear.Load(of)
	if !ok {
		days, _ = holidaysByYear.LoadOrStore(of, findPublicHolidays(country, year))
	}
	return days.(map[date]bool)
}

func findPublicHolidays(country string, year int) map[date]bool {
	out := make(map[date]bool)
	rules := strings.Fields(publicHolidays[country])
	if len(rules) > 0 && len(rules[0]) == 2 {
		rules = append(strings.Fields(publicHolidays[rules[0]]), rules[1:]...)
	}
	// Days that move go last: they give way to the ones that do not.
	slices.SortStableFunc(rules, func(a, b string) int {
		return strings.Count(a, ">") - strings.Count(b, ">")
	})
	for _, r := range rules {
		at := ruleDay(strings.TrimRight(r, ">~"), year)
		out[dateOf(at)] = true
		weekday := at.Weekday()
		switch {
		case weekday != time.Saturday && weekday != time.Sunday:
		case strings.HasSuffix(r, ">"):
			for at.Weekday() == time.Saturday || at.Weekday() == time.Sunday || out[dateOf(at)] {
				at = at.AddDate(0, 0, 1)
			}
			out[dateOf(at)] = true
		case strings.HasSuffix(r, "~") && weekday == time.Saturday:
			out[dateOf(at.AddDate(0, 0, -1))] = true
		case strings.HasSuffix(r, "~"):
			out[dateOf(at.AddDate(0, 0, 1))] = true
		}
	}
	return out
}

// ruleDay is noon, UTC, of a rule's day.
func ruleDay(rule string, year int) time.Time {
	switch {
	case rule[0] == 'e' || rule[0] == 'o':
		n, _ := strconv.Atoi(rule[1:])
		if rule[0] == 'o' {
			return orthodoxEaster(year).AddDate(0, 0, n)
		}
		return easter(year).AddDate(0, 0, n)
	case strings.Contains(rule, "@"):
		name, day, _ := strings.Cut(rule, "@")
		at := ruleDay(day, year)
		for at.Weekday() != weekdays[name] {
			at = at.AddDate(0, 0, 1)
		}
		return at
	}
	month, _ := strconv.Atoi(rule[:2])
	day, _ := strconv.Atoi(rule[3:])
	return date{year, time.Month(month), day}.noon()
}

// easter by the Gregorian computus (Butcher).
func easter(year int) time.Time {
	golden, century := year%19, year/100
	skipped := century - century/4 - (8*century+13)/25
	epact := (skipped + 19*golden + 15) % 30
	moon := epact - epact/28*(1-29/(epact+1)*((21-golden)/11))
	sunday := (year + year/4 + moon + 2 - century + century/4) % 7
	return date{year, time.March, 28 + moon - sunday}.noon()
}

// orthodoxEaster by the Julian computus (Meeus), as a Gregorian date.
func orthodoxEaster(year int) time.Time {
	d := (19*(year%19) + 15) % 30
	e := (2*(year%4) + 4*(year%7) - d + 34) % 7
	days := d + e + 114
	return date{year, time.Month(days / 31), days%31 + 1 + year/100 - year/400 - 2}.noon()
}
