package sftp

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// hostKey is what the server's key must be: a fingerprint, or the key itself.
type hostKey struct {
	fingerprint string
	key         ssh.PublicKey // nil: only the fingerprint is known
}

// parseHostKey reads `SHA256:…`, a line of known_hosts, or a public key.
func parseHostKey(text string) (*hostKey, error) {
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, "SHA256:") {
		fingerprint := strings.TrimRight(text, "=")
		if len(fingerprint) != len("SHA256:")+43 {
			return nil, fmt.Errorf("%q: a fingerprint has 43 characters behind SHA256: , as ssh-keygen -lf prints it", text)
		}
		return &hostKey{fingerprint: fingerprint}, nil
	}
	marker, _, key, _, _, err := ssh.ParseKnownHosts([]byte(text))
	if err != nil {
		if key, _, _, _, err = ssh.ParseAuthorizedKey([]byte(text)); err != nil {
			return nil, fmt.Errorf("%.60q: give the server's fingerprint, SHA256:…, or its line of known_hosts", text)
		}
	}
	if marker != "" {
		return nil, fmt.Errorf("@%s: give the server's own key", marker)
	}
	return &hostKey{ssh.FingerprintSHA256(key), key}, nil
}

func (h *hostKey) is(key ssh.PublicKey) bool {
	if h.key != nil {
		return bytes.Equal(h.key.Marshal(), key.Marshal())
	}
	return h.fingerprint == ssh.FingerprintSHA256(key)
}

// algorithms of those that make the server show this key.
func (h *hostKey) algorithms(of []string) []string {
	want := []string{h.key.Type()}
	if h.key.Type() == ssh.KeyAlgoRSA {
		want = []string{ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256, ssh.KeyAlgoRSA}
	}
	return slices.DeleteFunc(want, func(a string) bool { return !slices.Contains(of, a) })
}

// check looks at the key that a server shows, before any secret goes over the wire.
type check struct {
	want *hostKey
	err  error
}

func (c *check) see(_ string, _ net.Addr, key ssh.PublicKey) error {
	shown := ssh.FingerprintSHA256(key)
	switch {
	case c.want == nil:
		c.err = fmt.Errorf("host_key is missing, so nobody knows whether it is the right server: compare its key with what `ssh-keygen -lf` prints there, then paste: host_key: %q  # %s", shown, key.Type())
	case !c.want.is(key):
		c.err = fmt.Errorf("the server shows another key than host_key, and no password was sent: somebody may stand between, or the server was set up anew. Compare its key with what `ssh-keygen -lf` prints there, then paste: host_key: %q  # %s", shown, key.Type())
	default:
		return nil
	}
	return errors.New("the key is not accepted")
}
