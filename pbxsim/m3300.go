package pbxsim

import "fmt"

// M3300 is a Mitel 3300: it listens (port 1752 in the field) and sends at once what it kept, at most 20,000 records.
type M3300 struct{ *server }

// New3300 opens the listening socket; Run closes it.
func New3300(o Options) (*M3300, error) {
	if err := o.complete(mitel3300); err != nil {
		return nil, err
	}
	if o.Listen == "" {
		return nil, fmt.Errorf("%s needs Listen", mitel3300)
	}
	enc, err := newMitel(o)
	if err != nil {
		return nil, err
	}
	s, err := newServer(o, enc, 20_000)
	if err != nil {
		return nil, err
	}
	return &M3300{s}, nil
}
