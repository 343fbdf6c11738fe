package files

import (
	"strings"
	"testing"
	"time"
)

func TestDates(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	for name, want := range map[string]string{
		"20261120.csv":                     "2026-11-20",
		"smdr-2026-11-20.log.gz":           "2026-11-20",
		"cdr_Cluster_01_202611200900_1234": "2026-11-20",
		"log.20.11.2026":                   "2026-11-20",
		"log_20_11_26.txt":                 "2020-11-26 2026-11-20",
		"smdr_202611.log":                  "2026-11",
		"smdr_2019-06.log":                 "2019-06",
		"06-2019.log":                      "2019-06",
		"26-11":                            "2026-11",
		"CDR-112126.log":                   "2026-11-21",
		"CDR-051126.log":                   "2005-11-26 2026-11-05 2026-05-11",
		"smdr_201112.log":                  "2011-12 2020-11-12 2012-11-20",
		"tickets 20112025.txt":             "2025-11-20",
		"node_01_2026_11_20":               "2026-11-20",
		"20190630-20190731.log":            "2019-06-30 2019-07-31",
		"20271120.csv":                     "", // not yet
		"20190631.csv":                     "",
		"smdr_2019.csv":                    "",
		"SMDR.csv":                         "",
		"TAXABCDE.DAT":                     "",
		"12-11.log":                        "", // the eleventh of December, or the twelfth of November
		"26_13.log":                        "",
		"backup-192.168.1.20.log":          "",
		"cdr_1":                            "",
		"tickets-00123456789.log":          "",
		"":                                 "",
		"99999999999999999999999999999999-99.9.99": "",
	} {
		var got []string
		for _, p := range Dates(name, time.UTC, now) {
			text := p.From.Format("2006-01-02")
			if p.To.Sub(p.From) > 24*time.Hour {
				text = p.From.Format("2006-01")
			}
			got = append(got, text)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", name, got, want)
		}
	}
}
