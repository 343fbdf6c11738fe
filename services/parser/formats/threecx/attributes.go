package threecx

import (
	"strings"

	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/services/parser/formats/kit"
)

// byDefault is what version 20 prints for a call without a billing code, and all
// versions for the rate that nothing more special matched.
const byDefault = "default"

// charges reads the billing columns. bill-cost is printed without a currency.
func (p *parser) charges(cdr *trunklinev1.Cdr) {
	if p.col[billCode] != byDefault {
		cdr.AccountCode = p.col[billCode]
	}
	switch cost := p.col[billCost]; {
	case cost == "":
	case !decimal(cost):
		p.odd(cdr, billCost, "bill_cost")
	default:
		cdr.ChargeAmount, cdr.ChargeCurrency = cost, p.link.Parse.Currency
	}
	kit.Attribute(cdr, "bill_rate", p.col[billRate])
	if p.col[billName] != byDefault {
		kit.Attribute(cdr, "bill_name", p.col[billName])
	}
}

func decimal(s string) bool {
	whole, fraction, dot := strings.Cut(s, ".")
	return kit.Digits(whole) && (!dot || kit.Digits(fraction)) && len(s) <= 30
}

// attributes keeps what has no place of its own.
func (p *parser) attributes(cdr *trunklinev1.Cdr, c *call) {
	col := &p.col
	kit.Attribute(cdr, "reason_terminated", col[reasonTerminated])
	kit.Attribute(cdr, "reason_changed", col[reasonChanged])
	if missed := col[missedQueueCalls]; missed != "" && !strings.ContainsAny(missed, "0123456789") {
		p.odd(cdr, missedQueueCalls, "missed_queue_calls")
	} else {
		kit.Attribute(cdr, "missed_queue_calls", missed)
	}
	more, whole := p.chain(c)
	if more {
		kit.Attribute(cdr, "chain", kit.Trim(strings.TrimPrefix(col[chain], chainHead)))
	}
	if !whole || p.order.at[fromType] > 0 && col[fromType] == "" {
		kit.Warn(cdr, trunklinev1.Warning_WARNING_SHORT_TICKET)
	}
	p.rest(cdr, &c.from, fromNo, "from_no", fromDN, "from_dn", fromType, "from_type")
	p.rest(cdr, &c.to, toNo, "to_no", toDN, "to_dn", toType, "to_type")
	p.rest(cdr, &c.final, finalNumber, "final_number", finalDN, "final_dn", finalType, "final_type")
}

// rest keeps what no field of the CDR has taken of a party: the number where it
// is told nowhere, or where its decoration says what the PBX did.
func (p *parser) rest(cdr *trunklinev1.Cdr, x *party, no field, noName string, dn field, dnName string, word field, wordName string) {
	service := x.number == "" || p.col[no] == makeCall || x.kind == voicemail || x.kind == pickup || x.kind == announcement
	repeats := no == finalNumber && p.col[no] == p.col[toNo]
	if (service || !told(cdr, x.number)) && !repeats {
		kit.Attribute(cdr, noName, p.col[no])
	}
	if s := p.col[dn]; s != x.number && s != cdr.Trunk && s != cdr.TrunkOut && s != p.col[dialNo] && s != endCall {
		kit.Attribute(cdr, dnName, s)
	}
	switch s := p.col[word]; {
	case s != "" && !x.typed, x.typed && x.kind == extension && plain(p.col[no]), x.typed && x.outside() && strings.HasPrefix(p.col[no], "Ext."):
		// A type that nobody knows, or one that the number contradicts.
		p.odd(cdr, word, wordName)
	case x.kind != extension && x.kind != line:
		kit.Attribute(cdr, wordName, s)
	}
}

// plain tells a number without decoration: one outside.
func plain(no string) bool { return kit.Dialable(no) }

// told tells whether a number stands in the CDR.
func told(cdr *trunklinev1.Cdr, number string) bool {
	switch number {
	case "", cdr.CallingNumber, cdr.CalledNumber, cdr.DialedNumber, cdr.Extension, cdr.GroupNumber,
		cdr.TransferredFrom, cdr.TransferredTo, cdr.RedirectedFrom:
		return true
	}
	return false
}

// chain reads the parties that the call went through. more tells that it names one
// that the ends do not; whole, that it comes to the party with which an answered
// call ended: one that does not was cut.
func (p *parser) chain(c *call) (more, whole bool) {
	whole = !c.answered || p.order.at[chain] == 0
	text := strings.TrimPrefix(p.col[chain], chainHead)
	for i, begin := 0, 0; i < len(text); i++ {
		if text[i] != ';' && text[i] != ',' && text[i] != '\'' {
			continue
		}
		one := kit.Trim(text[begin:i])
		begin = i + 1
		number := strings.TrimPrefix(one, "Ext.")
		switch {
		case one == "":
		case one == p.col[toNo] && c.end == &c.to, one == p.col[finalNumber] && c.end == &c.final, number == c.end.number:
			whole = true
		case one == p.col[fromNo], one == p.col[toNo], one == p.col[finalNumber], one == p.col[dialNo],
			number == c.from.number, number == c.to.number, number == c.final.number:
		default:
			more = true
		}
	}
	return more, whole
}
