package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Folder is the operator's: whoever has it decides who may do what.
//
//	keys/     seeds that sign; they never leave it
//	server/   what the hub's servers are configured with; nothing in it is secret but the TLS key
//	creds/    of the services, of people, and of the account that changes accounts
//	issued/   whom credentials were issued to: public keys, for revoking them
//	ca/       an authority of our own, where there is one
//	sites/    a bundle a site
type Folder string

// Parts of a folder.
const (
	dirKeys   = "keys"
	dirServer = "server"
	dirCreds  = "creds"
	dirIssued = "issued"
	dirCA     = "ca"
	dirSites  = "sites"
)

// Names of what a server reads.
const (
	FileOperator = "operator.jwt"
	FileAccount  = "account.jwt"
	FileSystem   = "system.jwt"
)

// AccountName and SystemName are for people who look at the server.
const (
	AccountName = "trunkline"
	SystemName  = "system"
)

// Path of a part of the folder.
func (f Folder) Path(elem ...string) string {
	return filepath.Join(append([]string{string(f)}, elem...)...)
}

// Creds is the file of a service's or a person's credentials.
func (f Folder) Creds(name string) string { return f.Path(dirCreds, name+".creds") }

// Server is the folder that goes to the hub's servers.
func (f Folder) Server() string { return f.Path(dirServer) }

// Site is the folder of a site's bundle.
func (f Folder) Site(name string) string { return f.Path(dirSites, name) }

// CA is the file of our own authority; empty when there is none.
func (f Folder) CA() string {
	file := f.Path(dirCA, "ca.crt")
	if _, err := os.Stat(file); err != nil {
		return ""
	}
	return file
}

// create writes a new file for its owner only.
func create(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already: it is not overwritten", file)
	}
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

// replace writes a file anew: whoever reads it finds the old one or the new.
func replace(file string, content []byte) error {
	next := file + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := create(next, content); err != nil {
		return err
	}
	return os.Rename(next, file)
}

// newKey makes a key pair and keeps its seed.
func (f Folder) newKey(name string, kind func() (nkeys.KeyPair, error)) (nkeys.KeyPair, string, error) {
	pair, err := kind()
	if err != nil {
		return nil, "", err
	}
	seed, err := pair.Seed()
	if err != nil {
		return nil, "", err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return nil, "", err
	}
	return pair, public, create(f.Path(dirKeys, name+".nk"), seed)
}

// key reads a key pair.
func (f Folder) key(name string) (nkeys.KeyPair, error) {
	file := f.Path(dirKeys, name+".nk")
	seed, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s holds no %s: give the folder that `trunkline init hub` made", f, filepath.Join(dirKeys, name+".nk"))
	}
	if err != nil {
		return nil, err
	}
	pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return pair, nil
}

// account reads what the hub's account is.
func (f Folder) account() (*jwt.AccountClaims, error) {
	token, err := os.ReadFile(f.Path(dirServer, FileAccount))
	if err != nil {
		return nil, fmt.Errorf("give the folder that `trunkline init hub` made: %w", err)
	}
	return jwt.DecodeAccountClaims(string(token))
}
