package access

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"
)

// Hub says where things stand on the hub's servers.
type Hub struct {
	// Store is the folder of streams and accounts.
	Store string
	// Etc is where the folder server is copied to.
	Etc string
}

// keyOperator and the others name keys that are no role's.
const (
	keyOperator = "root"     // signs the operator, once: it may be kept apart
	keySigner   = "accounts" // signs accounts for the operator
	keyAccount  = "account"
	keySystem   = "system-account"
)

// Create makes an operator's folder. One that is there and not empty is refused.
func Create(dir string, h Hub) (Folder, error) {
	switch had, err := os.ReadDir(dir); {
	case err == nil && len(had) > 0:
		return "", fmt.Errorf("%s is there already and not empty: what it holds is not overwritten", dir)
	case err == nil:
		if err := os.Remove(dir); err != nil {
			return "", err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	}
	// All of it or nothing: half a folder would look like a whole one.
	if err := os.MkdirAll(filepath.Dir(filepath.Clean(dir)), 0o700); err != nil {
		return "", err
	}
	next, err := os.MkdirTemp(filepath.Dir(filepath.Clean(dir)), ".init-hub-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(next) //nolint:errcheck // nothing is left of it when all went well
	if err := Folder(next).create(h); err != nil {
		return "", err
	}
	return Folder(dir), os.Rename(next, dir)
}

func (f Folder) create(h Hub) error {
	root, rootKey, err := f.newKey(keyOperator, nkeys.CreateOperator)
	if err != nil {
		return err
	}
	_, accountKey, err := f.newKey(keyAccount, nkeys.CreateAccount)
	if err != nil {
		return err
	}
	_, systemKey, err := f.newKey(keySystem, nkeys.CreateAccount)
	if err != nil {
		return err
	}
	operator := jwt.NewOperatorClaims(rootKey)
	operator.Name, operator.SystemAccount = AccountName, systemKey
	// An account's own key signs no user: only keys that are bound to a role do.
	operator.StrictSigningKeyUsage = true
	signer, signerKey, err := f.newKey(keySigner, nkeys.CreateOperator)
	if err != nil {
		return err
	}
	operator.SigningKeys.Add(signerKey)
	if err := f.sign(FileOperator, operator, root); err != nil {
		return err
	}

	account := jwt.NewAccountClaims(accountKey)
	account.Name = AccountName
	account.Limits.JetStreamLimits = jwt.JetStreamLimits{
		MemoryStorage: jwt.NoLimit, DiskStorage: jwt.NoLimit, Streams: jwt.NoLimit, Consumer: jwt.NoLimit, MaxAckPending: jwt.NoLimit,
	}
	for _, r := range Roles {
		_, public, err := f.newKey(r.Name, nkeys.CreateAccount)
		if err != nil {
			return err
		}
		scope(account, r, public)
	}
	if err := f.sign(FileAccount, account, signer); err != nil {
		return err
	}

	sys := jwt.NewAccountClaims(systemKey)
	sys.Name = SystemName
	systemSigner, systemSigning, err := f.newKey(SystemName, nkeys.CreateAccount)
	if err != nil {
		return err
	}
	sys.SigningKeys.Add(systemSigning)
	if err := f.sign(FileSystem, sys, signer); err != nil {
		return err
	}
	if _, err := f.issue(systemSigner, SystemName, systemKey, false, f.Creds(SystemName)); err != nil {
		return err
	}
	for _, r := range Roles {
		if r.Name == SiteRole {
			continue
		}
		if _, err := f.user(r.Name, r.Name, f.Creds(r.Name)); err != nil {
			return err
		}
	}
	if err := create(f.Path(dirServer, "tls.conf"), []byte(noTLS)); err != nil {
		return err
	}
	if err := create(f.Path(dirServer, "nats.conf"), fmt.Appendf(nil, natsConf, filepath.ToSlash(h.Store), filepath.ToSlash(h.Etc))); err != nil {
		return err
	}
	return f.writeAuth()
}

// scope binds a signing key of the account to a role.
func scope(account *jwt.AccountClaims, r Role, key string) {
	s := jwt.NewUserScope()
	s.Key, s.Role, s.Description = key, r.Name, r.Who
	s.Template.Permissions = r.permissions()
	account.SigningKeys.AddScopedSigner(s)
}

// sign writes claims of the server's, or writes them anew.
func (f Folder) sign(name string, claims jwt.Claims, by nkeys.KeyPair) error {
	var found jwt.ValidationResults
	claims.Validate(&found)
	if errs := found.Errors(); len(errs) > 0 {
		return fmt.Errorf("%s: %w", name, errors.Join(errs...))
	}
	token, err := claims.Encode(by)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return replace(f.Path(dirServer, name), []byte(token))
}

const natsConf = `# The hub's NATS server. This folder stands in %[2]s on each of its machines;
# for a cluster, add server_name and cluster as the manual of nats-server says.
server_name: hub
listen: "0.0.0.0:4222"
max_payload: 2MB

jetstream {
  store_dir: "%[1]s"
  # An acknowledgement means disk: without this a power cut takes up to two minutes of tickets.
  sync_interval: always
}

# Accounts are kept on disk, so that a revocation counts after a restart too.
resolver {
  type: full
  dir: "%[1]s/jwt"
  allow_delete: false
  interval: "2m"
}

include "auth.conf"
include "tls.conf"
`

const noTLS = "# No TLS yet: `trunkline init tls NAME DIR`, or a tls block with a certificate of your own.\n"

// authConf has who may connect.
const authConf = `# Made by trunkline init. A new site needs no change here.
operator: %s
system_account: %s
resolver_preload {
  %s: %s
  %s: %s
}
`

// writeAuth writes the server's part anew from the accounts as they are.
func (f Folder) writeAuth() error {
	var tokens [3]string
	for i, name := range []string{FileOperator, FileAccount, FileSystem} {
		b, err := os.ReadFile(f.Path(dirServer, name))
		if err != nil {
			return err
		}
		tokens[i] = string(b)
	}
	account, err := jwt.DecodeAccountClaims(tokens[1])
	if err != nil {
		return err
	}
	system, err := jwt.DecodeAccountClaims(tokens[2])
	if err != nil {
		return err
	}
	conf := fmt.Sprintf(authConf, tokens[0], system.Subject, account.Subject, tokens[1], system.Subject, tokens[2])
	return replace(f.Path(dirServer, "auth.conf"), []byte(conf))
}
