package access

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nkeys"

	"trunkline.internal/pbx"
)

// User makes credentials of a role, for a name and its sites, in a new file. It
// returns the public key.
func (f Folder) user(role, name, file string, sites ...string) (string, error) {
	account, err := f.account()
	if err != nil {
		return "", err
	}
	signer, err := f.key(role)
	if err != nil {
		return "", err
	}
	return f.issue(signer, name, account.Subject, true, file, sites...)
}

// SiteCreds makes the credentials of a site's machine: of the first site's name,
// for all of them.
func (f Folder) SiteCreds(file string, sites ...string) error {
	for _, s := range sites {
		if !pbx.ValidID(s) {
			return fmt.Errorf("%q: a site's id has 1 to 63 of a-z, 0-9 and -, and never changes", s)
		}
		if slices.ContainsFunc(Roles, func(r Role) bool { return r.Name == s }) || s == SystemName {
			// It would share its inbox with a service.
			return fmt.Errorf("%q is a name of the hub's own: give the site another id", s)
		}
	}
	_, err := f.user(SiteRole, sites[0], file, sites...)
	return err
}

// Sites are those that a machine's newest credentials are for, the first of them
// its name.
func (f Folder) Sites(name string) ([]string, error) {
	users, err := f.issued(name)
	if err != nil {
		return nil, err
	}
	sites := []string{name}
	for _, tag := range users[0].Tags {
		if s, ok := strings.CutPrefix(tag, tagSite); ok && s != name {
			sites = append(sites, s)
		}
	}
	return sites, nil
}

const tagSite = "site:"

func (f Folder) issue(signer nkeys.KeyPair, name, account string, scoped bool, file string, sites ...string) (string, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return "", err
	}
	public, err := pair.PublicKey()
	if err != nil {
		return "", err
	}
	seed, err := pair.Seed()
	if err != nil {
		return "", err
	}
	user := jwt.NewUserClaims(public)
	user.Name, user.IssuerAccount = name, account
	if scoped {
		user.SetScoped(true)
	}
	for _, s := range sites {
		user.Tags.Add(tagSite + s)
	}
	token, err := user.Encode(signer)
	if err != nil {
		return "", err
	}
	creds, err := jwt.FormatUserConfig(token, seed)
	if err != nil {
		return "", err
	}
	// First what it takes to revoke it.
	if err := create(f.Path(dirIssued, name, public+".jwt"), []byte(token)); err != nil {
		return "", err
	}
	return public, create(file, creds)
}

// issued are the users of a name, the newest first.
func (f Folder) issued(name string) ([]*jwt.UserClaims, error) {
	files, err := filepath.Glob(f.Path(dirIssued, name, "*.jwt"))
	if err != nil {
		return nil, err
	}
	var out []*jwt.UserClaims
	for _, file := range files {
		token, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		user, err := jwt.DecodeUserClaims(strings.TrimSpace(string(token)))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		out = append(out, user)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no credentials were issued to %s from %s", name, f)
	}
	written := func(u *jwt.UserClaims) int64 {
		info, err := os.Stat(f.Path(dirIssued, name, u.Subject+".jwt"))
		if err != nil {
			return 0
		}
		return info.ModTime().UnixNano()
	}
	slices.SortFunc(out, func(a, b *jwt.UserClaims) int {
		return int(max(-1, min(1, written(b)-written(a))))
	})
	return out, nil
}

// errNone says that there is nothing to revoke.
var errNone = errors.New("it has only the newest credentials: there are no older ones to revoke")

// Revoke takes credentials of a name back: all, or all but the newest. It counts
// at the hub when the account is sent there (Push). It tells how many.
func (f Folder) Revoke(name string, keepNewest bool) (int, error) {
	users, err := f.issued(name)
	if err != nil {
		return 0, err
	}
	if keepNewest {
		if users = users[1:]; len(users) == 0 {
			return 0, fmt.Errorf("%s: %w", name, errNone)
		}
	}
	account, err := f.account()
	if err != nil {
		return 0, err
	}
	for _, u := range users {
		account.Revoke(u.Subject)
	}
	return len(users), f.resign(account)
}

// resign signs a changed account, and writes the server's part.
func (f Folder) resign(account *jwt.AccountClaims) error {
	signer, err := f.key(keySigner)
	if err != nil {
		return err
	}
	if err := f.sign(FileAccount, account, signer); err != nil {
		return err
	}
	return f.writeAuth()
}
