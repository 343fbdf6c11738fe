package pbxsim

// IPOffice is an Avaya IP Office. With Addr it dials the collector, keeps 500 records while that is away and, like
// the real one, tries again only with the next record, unless Retry is set or no record will follow. With Listen it
// waits for the collector.
type IPOffice struct{ *plain }

const ipOfficeBuffer = 500

// NewIPOffice makes one; with Listen it opens the listening socket, which Run closes.
func NewIPOffice(o Options) (*IPOffice, error) {
	p, err := newPlain(avayaIPOffice, o, newAvaya, ipOfficeBuffer, nil)
	if err != nil {
		return nil, err
	}
	return &IPOffice{p}, nil
}
