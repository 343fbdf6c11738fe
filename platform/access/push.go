package access

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/jwt/v2"
	"github.com/nats-io/nats.go"
)

// Refresh gives every role the permissions of this version.
func (f Folder) Refresh() error {
	account, err := f.account()
	if err != nil {
		return err
	}
	for _, r := range Roles {
		key, err := f.key(r.Name)
		if err != nil {
			return err
		}
		public, err := key.PublicKey()
		if err != nil {
			return err
		}
		scope(account, r, public)
	}
	return f.resign(account)
}

const pushTimeout = 10 * time.Second

// Push sends the account to the hub, whose servers tell each other. Connections of
// users who are revoked end at once.
func (f Folder) Push(ctx context.Context, url string, options ...nats.Option) error {
	token, err := os.ReadFile(f.Path(dirServer, FileAccount))
	if err != nil {
		return err
	}
	nc, err := nats.Connect(url, append(options, nats.UserCredentials(f.Creds(SystemName)), nats.Name("trunkline init"))...)
	if err != nil {
		return err
	}
	defer nc.Close()
	ctx, cancel := context.WithTimeout(ctx, pushTimeout)
	defer cancel()
	answer, err := nc.RequestWithContext(ctx, "$SYS.REQ.CLAIMS.UPDATE", token)
	if errors.Is(err, nats.ErrNoResponders) {
		return errors.New("the hub keeps its accounts in a file: copy the folder server there, and nats-server --signal reload")
	}
	if err != nil {
		return err
	}
	var said struct {
		Error *struct {
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &said); err != nil {
		return fmt.Errorf("the hub's answer: %w", err)
	}
	if said.Error != nil {
		return fmt.Errorf("the hub refuses the account: %s", said.Error.Description)
	}
	return nil
}

// Server is what a server needs of the folder that Folder.Server names.
type Server struct {
	Operator *jwt.OperatorClaims
	System   string
	// Accounts are tokens, by public key.
	Accounts map[string]string
}

// ReadServer reads it.
func ReadServer(dir string) (*Server, error) {
	f := Folder(dir)
	operator, err := os.ReadFile(f.Path(FileOperator))
	if err != nil {
		return nil, err
	}
	s := &Server{Accounts: make(map[string]string)}
	if s.Operator, err = jwt.DecodeOperatorClaims(string(operator)); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(FileOperator), err)
	}
	s.System = s.Operator.SystemAccount
	for _, name := range []string{FileAccount, FileSystem} {
		token, err := os.ReadFile(f.Path(name))
		if err != nil {
			return nil, err
		}
		account, err := jwt.DecodeAccountClaims(string(token))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Path(name), err)
		}
		s.Accounts[account.Subject] = string(token)
	}
	return s, nil
}
