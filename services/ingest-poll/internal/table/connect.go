package table

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
)

const (
	dialTimeout = 10 * time.Second
	// readTimeout bounds the wait for the server's next packet.
	readTimeout = time.Minute
	// refusedPause is how often a log-in is tried once three were refused.
	refusedPause = time.Minute
)

// Error numbers of the server.
const (
	errDBAccessDenied    = 1044
	errAccessDenied      = 1045
	errUnknownDatabase   = 1049
	errTooManyConns      = 1040
	errHostBlocked       = 1129
	errHostNotPrivileged = 1130
	errTableAccessDenied = 1142
	errColumnDenied      = 1143
	errNoSuchTable       = 1146
	errUserLimit         = 1226
	errNoPlugin          = 1698 // MariaDB: the user logs in over the socket only
)

// open prepares the connection, one at a time; the password is read anew for
// each, so that a changed one counts. watch may be nil.
func open(c config.MySQL, watch *watcher) (*sql.DB, error) {
	// Servers before 5.5.3 know utf8 only.
	cfg, err := mysql.ParseDSN("/?charset=utf8mb4,utf8")
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	cfg.User, cfg.Net, cfg.Addr, cfg.DBName = c.User, "tcp", c.Addr, c.Database
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = dialTimeout, readTimeout, dialTimeout
	cfg.InterpolateParams = true
	cfg.Logger = &mysql.NopLogger{} // what it would say comes back as errors
	if watch != nil {
		cfg.DialFunc = watch.dial
	}
	var secure *certs.Client // one connection at a time
	err = cfg.Apply(mysql.BeforeConnect(func(_ context.Context, cfg *mysql.Config) (err error) {
		cfg.Passwd, err = c.Password()
		if err != nil || c.TLS == nil {
			return err
		}
		if secure == nil {
			if secure, err = certs.NewClient(certs.Files(*c.TLS)); err != nil {
				return fmt.Errorf("tls %w", err)
			}
		}
		if cfg.TLS = secure.ConfigFor(c.Addr); watch != nil {
			cfg.TLS.VerifyConnection = watch.secured
		}
		return nil
	}))
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, fmt.Errorf("mysql: %w", err)
	}
	db := sql.OpenDB(readOnly{connector})
	db.SetMaxOpenConns(1)
	db.SetConnMaxLifetime(time.Hour)
	return db, nil
}

// errNoGreeting tells that no MySQL server answered; noGreeting is what the driver
// says then.
var (
	errNoGreeting = errors.New("it greets us otherwise, or hangs up")
	noGreeting    = []error{mysql.ErrInvalidConn, mysql.ErrMalformPkt, mysql.ErrPktSync, mysql.ErrPktSyncMul, mysql.ErrPktTooLarge}
)

// readOnly makes each session unable to write.
type readOnly struct{ driver.Connector }

func (r readOnly) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := r.Connector.Connect(ctx)
	if slices.ContainsFunc(noGreeting, func(e error) bool { return errors.Is(err, e) }) {
		return nil, fmt.Errorf("%w: %w", errNoGreeting, err)
	}
	if err != nil {
		return nil, err
	}
	_, err = conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION TRANSACTION READ ONLY", nil)
	var refused *mysql.MySQLError
	if err != nil && !errors.As(err, &refused) { // servers before 5.6 do not know it
		return nil, errors.Join(err, conn.Close())
	}
	// What a query puts together of several rows must not be cut.
	if _, err := conn.(driver.ExecerContext).ExecContext(ctx, "SET SESSION group_concat_max_len = 65536", nil); err != nil && !errors.As(err, &refused) {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// refused tells an error of a log-in.
func refused(err error) bool {
	var server *mysql.MySQLError
	return errors.As(err, &server) && (server.Number == errAccessDenied || server.Number == errNoPlugin)
}

func (t *Table) wrap(err error) error {
	return fmt.Errorf("mysql %s, %s.%s: %w", t.cfg.Addr, t.cfg.Database, t.cfg.Table, err)
}

// explain says in words what is wrong and what helps.
func (t *Table) explain(err error) error {
	var unfit *unfitError
	var server *mysql.MySQLError
	var network *net.OpError
	var untrusted *tls.CertificateVerificationError
	var remedy string
	switch {
	case errors.As(err, &unfit):
		return t.wrap(err)
	case errors.As(err, &server):
		switch server.Number {
		case errAccessDenied, errNoPlugin:
			remedy = fmt.Sprintf("wrong user or password: compare user %s and its password file or variable with the PBX's", t.cfg.User)
			err = fmt.Errorf("error %d", server.Number) // its text names our address only
		case errUnknownDatabase:
			remedy = "there is no such database: look at database in the link's configuration"
		case errNoSuchTable:
			remedy = "there is no such table: look at table in the link's configuration"
		case errDBAccessDenied, errTableAccessDenied, errColumnDenied:
			remedy = fmt.Sprintf("the user may not read it: GRANT SELECT ON %s.%s TO user %s", quote(t.cfg.Database), quote(t.cfg.Table), t.cfg.User)
		case errHostNotPrivileged:
			remedy = "the server lets nobody in from our address: create the user for it"
		case errHostBlocked:
			remedy = "the server blocks our address after too many errors: FLUSH HOSTS on it"
		case errTooManyConns, errUserLimit:
			remedy = "the server has no connection left for us"
		default:
			remedy = "the server refuses"
		}
	case errors.As(err, &untrusted):
		remedy = "the server's certificate is not trusted: give its authority as tls: ca"
	case errors.As(err, &network) && network.Op == "dial":
		remedy = "the server does not answer: is it on, does it listen on this address, does the firewall let us through?"
	case errors.Is(err, mysql.ErrNoTLS):
		remedy = "the server offers no TLS: take tls out of the link's configuration, or set TLS up on the PBX"
	case errors.Is(err, errNoGreeting):
		remedy = "is it the port of a MySQL server?"
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn):
		remedy = "the connection broke"
	default:
		remedy = "collecting failed"
	}
	return t.wrap(fmt.Errorf("%s: %w", remedy, err))
}
