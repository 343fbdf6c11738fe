package joined

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"testing"
	"time"

	"trunkline.internal/pbx/row"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats"
	"trunkline.internal/services/parser/formats/formatstest"
)

func TestTickets(t *testing.T) { formatstest.Run(t, New) }

func FuzzParse(f *testing.F) { formatstest.Fuzz(f, New, nil) }

const outgoing = `{"id_cdr":"1001","calldate":"2026-03-04 09:12:00","clid":"\"Zoé\" <201>","src":"201","dst":"0199001234","dcontext":"from-internal",` +
	`"channel":"SIP/201-0000001a","dstchannel":"SIP/trunk-0000001b","lastapp":"Dial","lastdata":"SIP/trunk/0199001234,60","duration":"75","billsec":"60",` +
	`"disposition":"ANSWERED","amaflags":"3","accountcode":"","uniqueid":"1772611920.42","userfield":"","id_user":"12","id_user_group":"3","id_subsidiary":"1",`

func TestUser(t *testing.T) {
	for _, tc := range []struct {
		name, user                         string
		extension, who, department, branch string
	}{
		{"told", `"firstname":"Zoé","lastname":"Müller","number":"201","usergroup":"Ventes","subsidiary":"Siège"}`, "201", "Zoé Müller", "Ventes", "Siège"},
		{"another number than the channel's", `"firstname":"Zoé","lastname":"Müller","number":"4201","usergroup":"Ventes","subsidiary":"Siège"}`, "4201", "Zoé Müller", "Ventes", "Siège"},
		{"no user", `"firstname":null,"lastname":null,"number":null,"usergroup":null,"subsidiary":null}`, "201", "Zoé", "", ""},
		{"without the table subsidiary", `"firstname":"Zoé","lastname":"","number":"201","usergroup":"Ventes"}`, "201", "Zoé", "Ventes", ""},
		{"capitals", `"FirstName":"Zoé","LASTNAME":"Müller","Number":"201","UserGroup":"Ventes","Subsidiary":"Siège"}`, "201", "Zoé Müller", "Ventes", "Siège"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, r := formatstest.Check(t, formatstest.New(t, "fonisk", New), &formats.Ticket{Raw: []byte(outgoing + tc.user)})
			if r.Outcome != formats.CDR {
				t.Fatal(r)
			}
			if c.Extension != tc.extension || c.ExtensionName != tc.who || c.Department != tc.department || c.Subsidiary != tc.branch {
				t.Errorf("%s %s of %s, %s", c.Extension, c.ExtensionName, c.Department, c.Subsidiary)
			}
			if c.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND || c.TalkSeconds != 60 || c.RingSeconds != 15 || c.ExternalE164 != "+33199001234" || c.CallKey != "1772611920.42" {
				t.Errorf("%v", c)
			}
		})
	}
}

func TestSamples(t *testing.T) {
	file, err := os.Open(filepath.Join(formatstest.Samples(t, "fonisk"), "query-result-constructed.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	records, err := csv.NewReader(file).ReadAll()
	if err != nil || len(records) != 2 {
		t.Fatalf("%d records: %v", len(records), err)
	}
	values := make([][]byte, len(records[1]))
	for i, v := range records[1] {
		values[i] = []byte(v)
	}
	c, r := formatstest.Check(t, formatstest.New(t, "fonisk", New), &formats.Ticket{Raw: row.Append(nil, records[0], values)})
	if r.Outcome != formats.CDR {
		t.Fatal(r)
	}
	if c.Extension != "201" || c.ExtensionName != "Élodie Müller" || c.Department != "Commercial" || c.Subsidiary != "Siège" || c.TalkSeconds != 60 ||
		c.Direction != trunklinev1.Direction_DIRECTION_OUTBOUND || !c.StartTime.AsTime().Equal(time.Date(2024, 3, 4, 8, 12, 0, 0, time.UTC)) {
		t.Errorf("%v", c)
	}
}
