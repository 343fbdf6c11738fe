package pbxsim

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// oxeFolder fills /usr4/account, or where somebody copied it to: a file of tickets, compressed as compress does,
// every FileEvery, and ACCOUNT.LIS with the names of all. Files of voice quality stand beside them.
func oxeFolder(o Options) (*folder, error) {
	f, err := newFolder(alcatelOXE, o, 120)
	if err != nil {
		return nil, err
	}
	if o.FileEvery == 0 {
		f.o.FileEvery = time.Hour
	}
	list, err := os.ReadFile(filepath.Join(o.Dir, "ACCOUNT.LIS"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", alcatelOXE, err)
	}
	n := -1
	f.put = func(ctx context.Context, ts []Ticket) error {
		name := f.next(&n, oxeName)
		at := f.dated(ts[len(ts)-1]).In(o.Zone)
		text := append([]byte(oxeHead), joined(ts, "\n")...)
		if err := f.write(ctx, "IP"+name[3:], os.O_EXCL, []byte{0, 1, 2, 0xff, byte(n)}); err != nil {
			return err
		}
		if err := f.write(ctx, name, os.O_EXCL, compress(text)); err != nil {
			return err
		}
		list = fmt.Appendf(list, "%s %s\n", name, at.Format("02/01/06 15:04"))
		if err := f.replace("ACCOUNT.LIS", list); err != nil {
			return err
		}
		f.sent(name, ts...)
		return nil
	}
	return f, nil
}

// oxeName is the n-th name: five letters that count.
func oxeName(n int) string {
	b := []byte("TAXAAAAA.DAT")
	for i := 7; i >= 3; i-- {
		b[i] = byte('A' + n%26)
		n /= 26
	}
	return string(b)
}

// oxeHead is the line at the begin of a file that describes its columns: name, first and last position, size. The
// names of two differ from those in the manual's table.
var oxeHead = func() string {
	var b bytes.Buffer
	at := 1
	for i, c := range []struct {
		name string
		size int
	}{
		{"TicketVersion", 5},
		{"CalledNumber", 30},
		{"ChargedNumber", 30},
		{"ChargedUserName", 20},
		{"ChargedCostCenter", 10},
		{"ChargedCompany", 16},
		{"ChargedPartyNode", 5},
		{"Subaddress", 20},
		{"CallingNumber", 30},
		{"CallType", 2},
		{"CostType", 1},
		{"EndDateTime", 17},
		{"ChargeUnits", 5},
		{"CostInfo", 10},
		{"Duration", 10},
		{"TrunkIdentity", 5},
		{"TrunkGroupIdentity", 5},
		{"TrunkNode", 5},
		{"PersonalOrBusiness", 1},
		{"AccessCode", 16},
		{"SpecificChargeInfo", 7},
		{"BearerCapability", 1},
		{"HighLevelComp", 2},
		{"DataVolume", 10},
		{"UserToUserVolume", 5},
		{"ExternalFacilities", 40},
		{"InternalFacilities", 40},
		{"CallReference", 10},
		{"SegmentsRate1", 10},
		{"SegmentsRate2", 10},
		{"SegmentsRate3", 10},
		{"ComType", 1},
		{"X25IncomingFlowRate", 2},
		{"X25OutgoingFlowRate", 2},
		{"Carrier", 2},
		{"InitialDialledNumber", 30},
		{"WaitingDuration", 5},
		{"EffectiveCallDuration", 10},
		{"RedirectedCallIndicator", 1},
		{"StartDateTime", 17},
		{"ActingExtensionNumber", 30},
		{"CalledNumberNode", 5},
		{"CallingNumberNode", 5},
		{"InitialDialledNumberNode", 5},
		{"ActingExtensionNumberNode", 5},
		{"TransitTrunkGroupIdentity", 5},
		{"NodeTimeOffset", 6},
		{"TimeDlt", 6},
	} {
		mark := ","
		if i == 0 {
			mark = "#"
		}
		fmt.Fprintf(&b, "%s%s,%d,%d,%d", mark, c.name, at, at+c.size-1, c.size)
		at += c.size
	}
	return b.String() + "\n"
}()

// compress packs as the program of that name does: LZW with codes of 9 to 16 bits, lowest bit first, in groups of
// eight that are filled up when the width changes.
func compress(plain []byte) []byte {
	const (
		widest = 16
		blocks = 0x80 // code 256 could clear the table, which a file of tickets never needs
	)
	out := []byte{0x1f, 0x9d, blocks | widest}
	if len(plain) == 0 {
		return out
	}
	type step struct {
		code int
		next byte
	}
	table, free, width := map[step]int{}, 257, 9
	var bits uint64 // not yet written
	var held, codes int
	emit := func(code int) {
		bits |= uint64(code) << held
		for held += width; held >= 8; held -= 8 {
			out = append(out, byte(bits))
			bits >>= 8
		}
		codes++
	}
	code := int(plain[0])
	for _, b := range plain[1:] {
		if longer, ok := table[step{code, b}]; ok {
			code = longer
			continue
		}
		emit(code)
		// The reader knows an entry one code later than we do, and so does it widen.
		if free > 1<<width-1 && width < widest {
			for codes%8 != 0 {
				emit(0)
			}
			width++
		}
		if free < 1<<widest {
			table[step{code, b}] = free
			free++
		}
		code = int(b)
	}
	emit(code)
	if held > 0 {
		out = append(out, byte(bits))
	}
	return out
}
