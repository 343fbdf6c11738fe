//go:build !windows

package service

import "context"

// managed tells whether a service manager started the process that wants to be
// spoken to in its own way. systemd is content with signals.
func managed() bool { return false }

func underManager(string, func(context.Context) error) error { panic("unreachable") }
