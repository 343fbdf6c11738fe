package pbx

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// Set takes key=value as a link's configuration would. A list is separated by
// commas; one that is given again grows. A layout is read from its file.
func (s *Settings) Set(text string) error {
	key, value, ok := strings.Cut(text, "=")
	if !ok || value == "" {
		return fmt.Errorf("%q: give key=value", text)
	}
	list := strings.Split(value, ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	in, trunks := &s.Parse.Inside, &s.Parse.Trunks
	switch key {
	case "country":
		s.Country = value
	case "outside_prefix":
		s.OutsidePrefix = value
	case "time_is":
		s.Parse.TimeIs = value
		return oneOf(text, value, "start", "end")
	case "date_order":
		s.Parse.DateOrder = value
		return oneOf(text, value, dateOrders...)
	case "clock":
		s.Parse.Clock, _ = strconv.Atoi(value)
		return oneOf(text, value, "12", "24")
	case "layout":
		b, err := os.ReadFile(value)
		if err != nil {
			return fmt.Errorf("layout: %w", err)
		}
		s.Parse.Layout, s.Layout = value, string(b)
	case "timezone":
		s.Parse.Timezone = value
	case "charge_scale":
		return setNumber(&s.Parse.ChargeScale, text, value)
	case "masked_digits":
		return setNumber(&s.Parse.MaskedDigits, text, value)
	case "charset":
		s.Parse.Charset = value
	case "currency":
		s.Parse.Currency = value
	case "fields":
		s.Parse.Fields = append(s.Parse.Fields, list...)
	case "amaflags":
		return applyAMAFlags(&s.Parse, text, list)
	case "inside.lengths":
		for _, v := range list {
			n, err := strconv.Atoi(v)
			if err != nil {
				return fmt.Errorf("%s: %q is no number", text, v)
			}
			in.Lengths = append(in.Lengths, n)
		}
	case "inside.numbers":
		in.Numbers = append(in.Numbers, list...)
	case "inside.contexts":
		in.Contexts = append(in.Contexts, list...)
	case "inside.devices":
		in.Devices = append(in.Devices, list...)
	case "trunks.names":
		trunks.Names = append(trunks.Names, list...)
	case "trunks.contexts":
		trunks.Contexts = append(trunks.Contexts, list...)
	case "trunks.devices":
		trunks.Devices = append(trunks.Devices, list...)
	default:
		return fmt.Errorf("%s: no setting %q: there are country, outside_prefix, timezone, time_is, date_order, clock, charset, currency, charge_scale, masked_digits, "+
			"fields, layout, amaflags, inside.{lengths,numbers,contexts,devices} and trunks.{names,contexts,devices}", text, key)
	}
	return nil
}

var dateOrders = []string{"dmy", "mdy", "ymd", "ydm"}

func oneOf(text, value string, allowed ...string) error {
	if !slices.Contains(allowed, value) {
		return fmt.Errorf("%s: give %s", text, strings.Join(allowed, ", "))
	}
	return nil
}

// applyAMAFlags takes `2:outbound,3:inbound`.
func applyAMAFlags(p *Parse, text string, list []string) error {
	for _, v := range list {
		flag, direction, _ := strings.Cut(v, ":")
		n, err := strconv.Atoi(flag)
		if err != nil {
			return fmt.Errorf("%s: give flag:direction, such as 2:outbound,3:inbound", text)
		}
		if err := oneOf(text, direction, "inbound", "outbound", "internal"); err != nil {
			return err
		}
		if p.AMAFlags == nil {
			p.AMAFlags = make(map[int]string)
		}
		p.AMAFlags[n] = direction
	}
	return nil
}

func setNumber(n *int, text, value string) error {
	var err error
	if *n, err = strconv.Atoi(value); err != nil || *n < 0 {
		return fmt.Errorf("%s: %q is no number", text, value)
	}
	return nil
}
