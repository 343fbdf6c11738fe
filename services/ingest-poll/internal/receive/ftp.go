package receive

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fclairamb/ftpserverlib"
	"github.com/spf13/afero"

	"trunkline.internal/platform/certs"
	"trunkline.internal/platform/config"
)

// ftpServer is what the library asks of a server.
type ftpServer struct {
	l       *listener
	options *config.FTPServer
	secure  *tls.Config // nil: plain only

	mu    sync.Mutex
	conns map[uint32]*conn
}

func newFTP(l *listener, c *config.FTPServer) (serve func(), err error) {
	s := &ftpServer{l: l, options: c, conns: make(map[uint32]*conn)}
	if c.TLS != nil {
		if s.secure, err = certs.NewServer(certs.Files(*c.TLS)); err != nil {
			return nil, fmt.Errorf("tls: %w", err)
		}
	}
	server := ftpserver.NewFtpServer(s)
	server.Logger = slog.New(ftpLog{l})
	return func() {
		if err := server.Listen(); err != nil {
			l.log.Error("the FTP server does not start", "error", err)
			return
		}
		_ = server.Serve() // until the listener is closed
	}, nil
}

// GetSettings is of ftpserver.MainDriver.
func (s *ftpServer) GetSettings() (*ftpserver.Settings, error) {
	set := &ftpserver.Settings{
		Listener: s.accepting(), PublicHost: s.options.Public, Banner: "trunkline",
		IdleTimeout: max(1, int(s.l.timing.idle/time.Second)), ConnectionTimeout: max(1, int(s.l.timing.transfer/time.Second)),
		ActiveTransferPortNon20: true, DisableMFMT: true, DisableSite: true, DisableSTAT: true,
		// The bytes as they are, unless a PBX says that they are text.
		DefaultTransferType: ftpserver.TransferTypeBinary,
	}
	if s.options.Passive != "" {
		first, last, err := config.PortRange(s.options.Passive)
		if err != nil {
			return nil, err
		}
		set.PassiveTransferPortRange = ftpserver.PortRange{Start: first, End: last}
	}
	return set, nil
}

// accepting takes note of each connection: the library numbers them as it
// accepts them.
func (s *ftpServer) accepting() net.Listener { return &numbering{listener: s.l, server: s} }

type numbering struct {
	*listener
	server *ftpServer
	last   uint32
}

func (n *numbering) Accept() (net.Conn, error) {
	c, err := n.listener.Accept()
	if err != nil {
		return nil, err
	}
	n.last++
	n.server.mu.Lock()
	n.server.conns[n.last] = c.(*conn)
	n.server.mu.Unlock()
	return c, nil
}

func (s *ftpServer) conn(cc ftpserver.ClientContext) *conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.conns[cc.ID()]
}

// ClientConnected is of ftpserver.MainDriver.
func (s *ftpServer) ClientConnected(ftpserver.ClientContext) (string, error) {
	return "trunkline", nil
}

// ClientDisconnected is of ftpserver.MainDriver.
func (s *ftpServer) ClientDisconnected(cc ftpserver.ClientContext) {
	c := s.conn(cc)
	s.mu.Lock()
	delete(s.conns, cc.ID())
	s.mu.Unlock()
	if c != nil {
		c.vanished()
	}
}

// PreAuthUser is of ftpserver.MainDriverExtensionUserVerifier: where we have a
// certificate, no password is asked for in clear.
func (s *ftpServer) PreAuthUser(cc ftpserver.ClientContext, _ string) error {
	if s.secure != nil && !cc.HasTLSForControl() {
		return errors.New("this server wants FTPS (AUTH TLS) before the log-in")
	}
	return nil
}

// AuthUser is of ftpserver.MainDriver.
func (s *ftpServer) AuthUser(cc ftpserver.ClientContext, user, pass string) (ftpserver.ClientDriver, error) {
	c := s.conn(cc)
	if c == nil {
		return nil, net.ErrClosed
	}
	a, err := c.login(user, func(a *account) error { return a.password(pass) })
	if err != nil {
		return nil, err
	}
	if s.secure != nil {
		if err := cc.SetTLSRequirement(ftpserver.MandatoryEncryption); err != nil {
			return nil, err
		}
	}
	return &ftpUser{b: a.Inbox, c: c}, nil
}

// PostAuthMessage is of ftpserver.MainDriverExtensionPostAuthMessage.
func (s *ftpServer) PostAuthMessage(_ ftpserver.ClientContext, _ string, err error) string {
	if err != nil {
		return err.Error()
	}
	return "welcome"
}

// GetTLSConfig is of ftpserver.MainDriver.
func (s *ftpServer) GetTLSConfig() (*tls.Config, error) {
	if s.secure == nil {
		return nil, errors.New("there is no certificate here: log in without TLS")
	}
	return s.secure, nil
}

// WrapPassiveListener is of ftpserver.MainDriverExtensionPassiveWrapper.
func (s *ftpServer) WrapPassiveListener(l net.Listener) (net.Listener, error) {
	return patient{l, s.l.timing.transfer}, nil
}

// ftpUser is what a user may do: the file system that the library works on.
type ftpUser struct {
	b *Inbox
	c *conn
}

// GetHandle is of ftpserver.ClientDriverExtentionFileTransfer.
func (u *ftpUser) GetHandle(name string, flags int, offset int64) (ftpserver.FileTransfer, error) {
	m := replaces
	switch {
	case flags&os.O_WRONLY == 0:
		return nil, refuse(fs.ErrPermission, "files are delivered here and not read")
	case offset != 0:
		return nil, refuse(fs.ErrPermission, "an upload that broke off begins anew: send the whole file")
	case flags&os.O_APPEND != 0:
		m = appends
	}
	up, err := u.b.create(name, m, u.c.gone)
	if err != nil {
		return nil, u.b.told(err)
	}
	up.watch(u.c.listener.timing.transfer, func() { u.c.Close() })
	return transfer{up}, nil
}

// transfer is an upload as the library wants it.
type transfer struct{ *upload }

func (transfer) Read([]byte) (int, error)       { return 0, fs.ErrPermission }
func (transfer) Seek(int64, int) (int64, error) { return 0, fs.ErrPermission }

// ReadDir is of ftpserver.ClientDriverExtensionFileList.
func (u *ftpUser) ReadDir(name string) ([]fs.FileInfo, error) {
	if at, err := clean(name); err != nil || at != "." {
		return nil, refuse(fs.ErrNotExist, "there is one folder here")
	}
	list, err := u.b.list()
	return list, u.b.told(err)
}

// Stat is of afero.Fs.
func (u *ftpUser) Stat(given string) (fs.FileInfo, error) {
	name, err := clean(given)
	if err != nil {
		return nil, err
	}
	if name == "." {
		return folderInfo{u.b.l.Now()}, nil
	}
	info, err := u.b.stat(name)
	return info, u.b.told(err)
}

// Remove is of afero.Fs.
func (u *ftpUser) Remove(given string) error { return u.b.removeGiven(given) }

// Rename is of afero.Fs.
func (u *ftpUser) Rename(from, to string) error { return u.b.renameGiven(from, to) }

// AllocateSpace is of ftpserver.ClientDriverExtensionAllocate: there is room, or
// the upload is refused.
func (u *ftpUser) AllocateSpace(int) error { return nil }

// What remains of afero.Fs is nothing that a user may do.

func (*ftpUser) Name() string                               { return "inbox" }
func (*ftpUser) Create(string) (afero.File, error)          { return nil, fs.ErrPermission }
func (*ftpUser) Open(string) (afero.File, error)            { return nil, fs.ErrPermission }
func (*ftpUser) Mkdir(string, os.FileMode) error            { return errOneFolder }
func (*ftpUser) MkdirAll(string, os.FileMode) error         { return errOneFolder }
func (*ftpUser) RemoveDir(string) error                     { return errOneFolder }
func (*ftpUser) RemoveAll(string) error                     { return fs.ErrPermission }
func (*ftpUser) Chmod(string, os.FileMode) error            { return fs.ErrPermission }
func (*ftpUser) Chown(string, int, int) error               { return fs.ErrPermission }
func (*ftpUser) Chtimes(string, time.Time, time.Time) error { return fs.ErrPermission }
func (*ftpUser) OpenFile(string, int, os.FileMode) (afero.File, error) {
	return nil, fs.ErrPermission
}

var errOneFolder = refuse(fs.ErrPermission, "there is one folder here, and folders are neither made nor removed")

// folderInfo is the one folder.
type folderInfo struct{ at time.Time }

func (folderInfo) Name() string         { return "/" }
func (folderInfo) Size() int64          { return 0 }
func (folderInfo) Mode() fs.FileMode    { return fs.ModeDir | 0o700 }
func (f folderInfo) ModTime() time.Time { return f.at }
func (folderInfo) IsDir() bool          { return true }
func (folderInfo) Sys() any             { return nil }

// ftpLog hears what the library logs. Peers make it say much, which is nobody's
// trouble and may hold what they typed; only a lack of ports is ours.
type ftpLog struct{ l *listener }

const noPorts = "Could not listen for passive connection"

// Enabled is of slog.Handler.
func (ftpLog) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelError }

// Handle is of slog.Handler.
func (h ftpLog) Handle(_ context.Context, r slog.Record) error {
	if r.Message != noPorts {
		return nil
	}
	h.l.mu.Lock()
	defer h.l.mu.Unlock()
	for _, a := range h.l.accounts {
		a.raiseNow("passive", fmt.Errorf("no port of the passive range %s was free for a transfer: give a range with more ports, or find out which program holds them", a.ftp.Passive), longTrouble)
	}
	return nil
}

// WithAttrs and WithGroup are of slog.Handler.
func (h ftpLog) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h ftpLog) WithGroup(string) slog.Handler      { return h }
