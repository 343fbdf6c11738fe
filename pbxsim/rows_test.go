package pbxsim

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// cucmRow reads a record back by column name.
func cucmRow(t *testing.T, head, line string) map[string]string {
	t.Helper()
	r := csv.NewReader(strings.NewReader(head + "\n" + line))
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 3 || len(rows[0]) != 133 || len(rows[1]) != 133 {
		t.Fatalf("%d lines, %d names", len(rows), len(rows[0]))
	}
	m := map[string]string{}
	for i, name := range rows[0] {
		m[name] = rows[2][i]
		if quoted := rows[1][i] != "INTEGER"; quoted && strings.Count(line, `"`) == 0 {
			t.Errorf("%s is not quoted", name)
		}
	}
	return m
}

func TestCUCMRecords(t *testing.T) {
	enc := encoderOf(t, ciscoCUCM, Options{}).(*cisco)
	head := enc.cdr.head()
	check := func(line []byte, want map[string]string) {
		t.Helper()
		row := cucmRow(t, head, string(line))
		for k, v := range want {
			if row[k] != v {
				t.Errorf("%s: %q, want %q", k, row[k], v)
			}
		}
	}
	check(enc.encode(answered)[0].Bytes, map[string]string{
		"cdrRecordType": "1", "globalCallID_callId": "25001", "dateTimeOrigination": "1773389742", "dateTimeConnect": "1773389754",
		"dateTimeDisconnect": "1773389939", "duration": "185", "callingPartyNumber": "0261913456", "originalCalledPartyNumber": "2005",
		"finalCalledPartyNumber": "2005", "origDeviceName": "S0/SU1/DS1-0@gw-lyon", "destDeviceName": "SEP0018B9002005",
		"origIpAddr": "152348864", "origIpv4v6Addr": "192.168.20.9", "globalCallId_ClusterID": "StandAloneCluster", "origSpan": "3",
	})
	check(enc.encode(abroad1)[0].Bytes, map[string]string{
		"callingPartyNumber": "2005", "finalCalledPartyNumber": "000441632960123", "outpulsedCalledPartyNumber": "00441632960123",
		"clientMatterCode": "4210", "destDeviceName": "SIP-TRUNK-LYON", "destSpan": "4",
	})
	check(enc.encode(missed)[0].Bytes, map[string]string{"dateTimeConnect": "0", "duration": "0", "origCause_value": "16"})
	legs := enc.encode(handedOn)
	if len(legs) != 3 {
		t.Fatalf("%d records of a transferred call", len(legs))
	}
	check(legs[0].Bytes, map[string]string{"globalCallID_callId": "25004", "destCause_value": "393216", "duration": "60", "destCallTerminationOnBehalfOf": "10"})
	check(legs[1].Bytes, map[string]string{"globalCallID_callId": "25005", "callingPartyNumber": "2005", "finalCalledPartyNumber": "2020", "duration": "13"})
	check(legs[2].Bytes, map[string]string{"globalCallID_callId": "25004", "finalCalledPartyNumber": "2020", "lastRedirectDn": "2005", "duration": "40", "joinOnBehalfOf": "10"})
	if got := address("192.168.18.188"); got != "-1139627840" {
		t.Errorf("192.168.18.188 is %s", got)
	}
	if !strings.HasPrefix(string(legs[0].Bytes), "1,1,25004,478740") || strings.Contains(head, "\r") {
		t.Errorf("record %.60q", legs[0].Bytes)
	}
}

func TestAsteriskRows(t *testing.T) {
	queue := answered
	queue.Group, queue.DID, queue.Dialled = reception, MainNumber, MainNumber
	queue.Queue = 7 * time.Second
	voicemail := missed
	voicemail.Disposition, voicemail.Talk = Voicemail, 8*time.Second
	hidden := missed
	hidden.External = Outside{}
	same(t, render(t, asterisk, Options{}, abroad1, voicemail, hidden), []string{
		`{"calldate":"2026-03-13 09:15:42","clid":"\"Noël Castagné\" <2005>","src":"2005","dst":"000441632960123","dcontext":"from-internal","channel":"PJSIP/2005-00000001","dstchannel":"PJSIP/lyon-sip1-00000002","lastapp":"Dial","lastdata":"PJSIP/00441632960123@lyon-sip1,300,T","duration":1810,"billsec":1801,"disposition":"ANSWERED","amaflags":3,"accountcode":"4210","uniqueid":"1773389742.1","userfield":"","did":"","recordingfile":"","cnum":"2005","cnam":"Noël Castagné","outbound_cnum":"0199002005","outbound_cnam":"","dst_cnam":"","linkedid":"1773389742.1","peeraccount":"","sequence":1}`,
		`{"calldate":"2026-03-13 09:15:42","clid":"\"\" <00441632960123>","src":"00441632960123","dst":"vmu2005","dcontext":"ext-local","channel":"PJSIP/lyon-sip2-00000003","dstchannel":"","lastapp":"VoiceMail","lastdata":"2005@default,u","duration":39,"billsec":8,"disposition":"ANSWERED","amaflags":3,"accountcode":"","uniqueid":"1773389742.2","userfield":"","did":"0199002005","recordingfile":"","cnum":"00441632960123","cnam":"","outbound_cnum":"","outbound_cnam":"","dst_cnam":"Noël Castagné","linkedid":"1773389742.2","peeraccount":"","sequence":2}`,
		`{"calldate":"2026-03-13 09:15:42","clid":"\"Anonymous\" <anonymous>","src":"anonymous","dst":"2005","dcontext":"ext-local","channel":"PJSIP/lyon-sip2-00000005","dstchannel":"PJSIP/2005-00000006","lastapp":"Dial","lastdata":"PJSIP/2005/sip:2005@192.168.21.05:5060,20,HhtrT","duration":31,"billsec":0,"disposition":"NO ANSWER","amaflags":3,"accountcode":"","uniqueid":"1773389742.3","userfield":"","did":"0199002005","recordingfile":"","cnum":"","cnam":"Anonymous","outbound_cnum":"","outbound_cnam":"","dst_cnam":"Noël Castagné","linkedid":"1773389742.3","peeraccount":"","sequence":3}`,
	})
	rows := encoderOf(t, asterisk, Options{}).encode(queue)
	roles := ""
	for _, r := range rows {
		roles += r.Role + " "
		if r.Call.CallID != "1773389742.1" {
			t.Errorf("a row of another call: %s", r.Bytes)
		}
	}
	if roles != "COPY CALL COPY " {
		t.Errorf("roles of the rows of a queue: %s", roles)
	}
}

// TestSamples compares with tickets of real systems, where there are any.
func TestSamples(t *testing.T) {
	dir := os.Getenv("TRUNKLINE_SAMPLES")
	if dir == "" {
		t.Log("TRUNKLINE_SAMPLES is not set: nothing to compare with")
		return
	}
	enc := encoderOf(t, ciscoCUCM, Options{}).(*cisco)
	for tag, table := range map[string]*cucmTable{"cdr": enc.cdr, "cmr": enc.cmr} {
		names, err := filepath.Glob(filepath.Join(dir, "cisco-cucm", tag+"_*"))
		if err != nil || len(names) != 1 {
			t.Fatalf("%s file: %v %v", tag, names, err)
		}
		b, err := os.ReadFile(names[0])
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(b, []byte(table.head()+"\n")) {
			t.Errorf("the head of %s differs", names[0])
		}
	}
	for variant, file := range map[string]string{"a": "type-a-constructed.txt", "b": "type-b-real.txt"} {
		b, err := os.ReadFile(filepath.Join(dir, "panasonic-kx", file))
		if err != nil {
			t.Fatal(err)
		}
		head := encoderOf(t, panasonicKX, Options{Variant: variant}).(*panasonic).heads()
		if !bytes.Contains(b, head[0].Bytes[1:]) || !bytes.Contains(b, head[1].Bytes) {
			t.Errorf("the page head differs from %s", file)
		}
	}
}
