//go:build linux && amd64 && !edge

package main

import (
	"crypto/tls"
	"fmt"

	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
)

// serverTLS is TLS of a server of ours; nil: plain.
func serverTLS(key string, c *config.TLS) (*tls.Config, error) {
	if c == nil {
		return nil, nil
	}
	t, err := certs.NewServer(certs.Files(*c))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return t, nil
}

func scheme(t *config.TLS) string {
	if t != nil {
		return "https://"
	}
	return "http://"
}
