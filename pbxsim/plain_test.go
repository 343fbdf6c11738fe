package pbxsim

import (
	"strings"
	"testing"
)

// As the vendors' tables have them.
func TestPlainTickets(t *testing.T) {
	same(t, render(t, threeCX, Options{}, answered, missed, handedOn), []string{
		"Call 40001,150044e69c010000_40001,00:03:05,2026/03/13 08:15:42,2026/03/13 08:15:54,2026/03/13 08:18:59,TerminatedBySrc,0261913456,Ext.2005,10003,2005,0199002005,,,,,,,,Chain: 0261913456;Ext.2005;,Line,Extension,,Garage du Mistral,Noël Castagné,,",
		"Call 40002,160044e69c010000_40002,,2026/03/13 08:15:42,,2026/03/13 08:16:13,TerminatedBySrc,00441632960123,Ext.2005,10003,2005,0199002005,,,,,,,,Chain: 00441632960123;Ext.2005;,Line,Extension,,,Noël Castagné,,",
		"Call 40003,170044e69c010000_40003,00:01:40,2026/03/13 08:15:42,2026/03/13 08:15:54,2026/03/13 08:17:34,TerminatedBySrc,0261913456,Ext.2005,10003,2005,0199002005,ReplacedDst,Ext.2020,2020,,,,,Chain: 0261913456;Ext.2005;Ext.2020;,Line,Extension,Extension,Garage du Mistral,Noël Castagné,Agnès Pichon,",
	})
	same(t, render(t, threeCX, Options{Variant: cxShort}, abroad1), []string{
		"Call 40001,0000019ce6440015_40001,00:30:01,2026/03/13 08:15:42,2026/03/13 08:15:51,2026/03/13 08:45:52,TerminatedByDst,Ext.2005,00441632960123,2005,10004,000441632960123,,00441632960123,10004,4210,1,17.63,default,Chain: Ext.2005;00441632960123;",
	})
	same(t, render(t, mitelA400, Options{}, inside, abroad1, handedOn), []string{
		"\t        2005      4210 070 260313 09:15 00H30M01       3.69 00041 00204                                      2005                           00441632960123                           00441632960123         9901",
		"\t        2005           321 260313 09:15 00H01M00                  00203           0261913456           0261913456" + strings.Repeat(" ", 72) + "0199002005 012 901 9902",
		"\t        2020           320 260313 09:16 00H00M40                  00203           0261913456           0261913456" + strings.Repeat(" ", 72) + "0199002005 000 901 9903",
	})
	same(t, render(t, shoretel, Options{Variant: shore61}, inside, answered, abroad1, handedOn), []string{
		"     65537 03/13/2026 09:15:42 2005    00:03:17 0                  0261913456          3   2                      ",
		"     65538 03/13/2026 09:15:42 2005    00:30:10 1 00441632960123                       4   2 4210                 ",
		"     65539 03/13/2026 09:15:42 2020    00:01:52 0                  0261913456          3   2                      ",
	})
	same(t, render(t, unifyHiPath, Options{}, inside, answered, missed, abroad1, handedOn, sentOn), []string{
		"13.03.26|09:18:59|203|2005|00:12|00:03:05|0261913456||1||0199002005|||2005|",
		"13.03.26|09:16:13|203|2005|00:31||00441632960123||1||0199002005|||2005|",
		"13.03.26|09:45:52|204|2005||00:30:01|00441632960123|41|2|4210||0||00441632960123|",
		"13.03.26|09:16:54|203|2005|00:12|00:01:00|0261913456||1||0199002005|||2005|",
		"13.03.26|09:17:34|203|2020|00:00|00:00:40|0261913456||5||0199002005|||2005|",
		"13.03.26|09:16:54|203|2005|00:12|00:01:00|0261913456||7||0199002005|||2005|",
		"13.03.26|09:16:54|204|2005||00:01:00|0639982005||9|||0|||",
	})
	same(t, render(t, unifyHiPath, Options{Variant: hipathColumns}, answered, abroad1), []string{
		"13.03.2609:18:59203  200500:1200:03:050261913456                           1            0199002005              ",
		"13.03.2609:45:52204  2005     00:30:0100441632960123                    41 24210                      0         ",
	})
	same(t, render(t, asterisk, Options{Variant: asteriskCSV}, answered), []string{
		`"","0261913456","2005","ext-local","""Garage du Mistral"" <0261913456>","PJSIP/lyon-sip2-00000001","PJSIP/2005-00000002","Dial","PJSIP/2005/sip:2005@192.168.21.05:5060,20,HhtrT",` +
			`"2026-03-13 09:15:42","2026-03-13 09:15:54","2026-03-13 09:18:59",197,185,"ANSWERED","DOCUMENTATION","1773389742.1","","","1773389742.1",1`,
	})
	legs := render(t, alcatelOXO, Options{}, inside, handedOn)
	if len(legs) != 2 || !strings.Contains(legs[0], "<CommunicationType>1<") || !strings.Contains(legs[1], "<CommunicationType>3<") ||
		!strings.Contains(legs[1], "<ChargedUserID>2020<") || !strings.Contains(legs[1], "<Time>09:16:54<") {
		t.Errorf("oxo: %q", legs)
	}
}

// What people dialled stands in tickets as it does in the field, masked where the PBX hides digits.
func TestPlainMasked(t *testing.T) {
	c := abroad1
	c.External.Masked = true
	for model, want := range map[string]string{
		mitelA400: " 0044163296         ", unifyHiPath: "|0044163296????|", alcatelOXO: ">0044163296****<",
	} {
		line := render(t, model, Options{}, c)[0]
		if !strings.Contains(line, want) || strings.Contains(line, "2960123") {
			t.Errorf("%s: %q, want %q in it", model, line, want)
		}
	}
}
