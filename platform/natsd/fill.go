package natsd

// StartFill starts a server that fills a folder from a backup. It does not sync
// what it writes, message by message: after Stop the caller syncs the folder, or
// it is worth nothing.
func StartFill(dir string) (*Server, error) {
	s, err := New(Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	s.opts.SyncAlways = false
	return s, s.start()
}
