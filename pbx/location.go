package pbx

import (
	"sync"
	"time"
)

var locations sync.Map // IANA name to *time.Location

// Location is the time zone of an IANA name. Links of one zone share it: each that
// is read from disk takes some kilobytes. As with time.LoadLocation "" is UTC, and the
// error says that there is no such zone.
func Location(name string) (*time.Location, error) {
	if l, ok := locations.Load(name); ok {
		return l.(*time.Location), nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, err
	}
	shared, _ := locations.LoadOrStore(name, l)
	return shared.(*time.Location), nil
}
