package files

// writable: on Windows only trying would tell, and nothing is tried here.
func writable(string) error { return nil }
