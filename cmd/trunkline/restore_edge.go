//go:build !linux || !amd64 || edge

package main

import (
	"context"
	"errors"
	"io"
)

func (f *restoreFlags) runAll(context.Context, string, io.Writer, io.Writer) error {
	return errors.New("a data folder is restored by the program that has the ClickHouse engine: `trunkline` for Linux on x86-64; --streams works here")
}
