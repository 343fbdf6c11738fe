package receive

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// hostKeys are what SFTP clients know us by: made once, then kept. RSA is for old
// clients.
func (s *Servers) hostKeys() ([]ssh.Signer, error) {
	dir := filepath.Join(s.data, "ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("our host keys cannot be made: %w", err)
	}
	var keys []ssh.Signer
	for _, k := range []struct {
		name string
		make func() (crypto.PrivateKey, error)
	}{
		{"ed25519", func() (crypto.PrivateKey, error) {
			_, key, err := ed25519.GenerateKey(rand.Reader)
			return key, err
		}},
		{"rsa", func() (crypto.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) }},
	} {
		key, err := hostKey(dir, "host_"+k.name, k.make)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
		if !s.told {
			s.log.Info("sftp host key", "type", key.PublicKey().Type(), "fingerprint", ssh.FingerprintSHA256(key.PublicKey()))
		}
	}
	s.told = true
	return keys, nil
}

func hostKey(dir, name string, generate func() (crypto.PrivateKey, error)) (ssh.Signer, error) {
	file := filepath.Join(dir, name)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		text, err = newHostKey(file, generate)
	}
	if err != nil {
		return nil, fmt.Errorf("our host key: %w", err)
	}
	key, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, fmt.Errorf("our host key %s is unreadable: put the right one back, or remove it and tell the PBXs of the new one: %w", file, err)
	}
	return key, nil
}

// newHostKey writes a key; another process may have been faster.
func newHostKey(file string, generate func() (crypto.PrivateKey, error)) ([]byte, error) {
	key, err := generate()
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(key, "trunkline")
	if err != nil {
		return nil, err
	}
	f, err := os.CreateTemp(filepath.Dir(file), ".host_*") // 0600
	if err != nil {
		return nil, err
	}
	defer os.Remove(f.Name())
	err = pem.Encode(f, block)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if err := os.Link(f.Name(), file); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	if err := files.SyncDir(filepath.Dir(file)); err != nil {
		return nil, err
	}
	return os.ReadFile(file)
}
