package ingestpoll

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"trunkline.internal/pbx"
	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/api"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/ftp"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/post"
	"trunkline.internal/services/ingest-poll/internal/receive"
	"trunkline.internal/services/ingest-poll/internal/remote"
	"trunkline.internal/services/ingest-poll/internal/sftp"
	"trunkline.internal/services/ingest-poll/internal/table"
	"trunkline.internal/services/ingest-poll/internal/tftp"
	"trunkline.internal/services/ingest-poll/internal/web"
)

// poll is one link, on whichever wire.
type poll struct {
	*link.Link
	of config.LinkOf // what it connects to

	mu   sync.Mutex
	now  *config.LinkOf // what the parser is told of it since; nil: of
	told chan struct{}  // that changed

	cancel  context.CancelFunc
	running sync.WaitGroup

	// wire and source say for people where the tickets come from.
	wire   pbx.Wire
	source string
	// collect fetches, under a lease; nil: what comes is published as it comes.
	collect link.Collector
	every   time.Duration
	// serve listens for the PBX, without a lease; nil: we go there. It calls ready
	// once the address is bound, or could not be.
	serve func(ctx context.Context, ready func())
	// addr is what serve has bound; nil: it has not. The func may be nil.
	addr func() net.Addr
	// lease is the key of what is collected; nil: the link's.
	lease func(ctx context.Context, link string) (string, error)
	// receiver is the link's, where files are pushed to it.
	receiver *receive.Receiver
}

// Usual pauses between two looks.
const (
	everyFiles = 5 * time.Second
	everyTable = 10 * time.Second
)

// servers are the addresses that links share.
type servers struct {
	files *receive.Servers
	posts *post.Servers
	tftp  *tftp.Servers
}

// ours tells whether a link's wire is one of this service's.
func ours(of config.LinkOf) bool {
	return of.Files != nil || of.MySQL != nil || of.FTP != nil || of.SFTP != nil || of.HTTP != nil ||
		of.FTPServer != nil || of.SFTPServer != nil || of.HTTPServer != nil || of.TFTP != nil
}

// hider takes the link's password out of a text.
func hider(of config.LinkOf) func(string) string {
	var user string
	var secret config.Secret
	switch {
	case of.MySQL != nil:
		user, secret = of.MySQL.User, of.MySQL.Secret
	case of.FTP != nil:
		user, secret = of.FTP.User, of.FTP.Secret
	case of.SFTP != nil:
		user, secret = of.SFTP.User, of.SFTP.Secret
	case of.HTTP != nil:
		user, secret = of.HTTP.User, of.HTTP.Secret
	case of.FTPServer != nil:
		user, secret = of.FTPServer.User, of.FTPServer.Secret
	case of.SFTPServer != nil:
		user, secret = of.SFTPServer.User, of.SFTPServer.Secret
	case of.HTTPServer != nil:
		user, secret = of.HTTPServer.User, of.HTTPServer.Secret
	}
	return func(text string) string { return secret.Hide(text, user) }
}

// known says why a password that the PBX logs in with cannot be read: a link that
// turns its PBX away must not start as if it were well.
func known(wire pbx.Wire, secret config.Secret) error {
	password, err := secret.Password()
	if err == nil && secret.Set() && password == "" {
		err = errors.New("the password is empty")
	}
	if err != nil {
		return fmt.Errorf("%s: %w: set it for this process, the PBX logs in with it", wire, err)
	}
	return nil
}

// wires sets how the link's tickets are had.
func (s *Service) wires(p *poll) (err error) {
	l, of := p.Link, p.of
	switch {
	case of.Files != nil && of.MySQL != nil:
		return errors.New("files and mysql: a link has one wire, give one of them")
	case of.Files != nil:
		p.wire, p.source, p.every = pbx.Files, of.Files.Dir, of.Files.Every.Or(everyFiles)
		p.collect, err = files.New(l, of.Files)
	case of.MySQL != nil:
		p.wire, p.source, p.every = pbx.MySQL, of.MySQL.Addr+"/"+of.MySQL.Database, of.MySQL.Every.Or(everyTable)
		p.collect, err = table.New(l, of.MySQL)
	case of.FTP != nil:
		p.wire, p.source, p.every = pbx.FTP, of.FTP.Addr+of.FTP.Dir, of.FTP.Every.Or(remote.Every)
		p.collect, err = ftp.New(l, of.FTP, s.deps.Data)
	case of.SFTP != nil:
		p.wire, p.source, p.every = pbx.SFTP, of.SFTP.Addr+of.SFTP.Dir, of.SFTP.Every.Or(remote.Every)
		p.collect, err = sftp.New(l, of.SFTP, s.deps.Data)
	case of.HTTP != nil && config.HTTPAPI(of.Model):
		p.wire, p.source, p.every = pbx.HTTP, of.HTTP.URL, of.HTTP.Every.Or(api.Every)
		p.collect, err = api.New(l, of.HTTP)
	case of.HTTP != nil:
		p.wire, p.source, p.every = pbx.HTTP, of.HTTP.URL, of.HTTP.Every.Or(web.Every)
		p.collect, err = web.New(l, of.HTTP, filepath.Join(s.deps.Data, "http", of.Site.ID, of.ID))
	case of.FTPServer != nil:
		p.wire, p.source = pbx.FTPServer, of.FTPServer.Listen
		if err = known(p.wire, of.FTPServer.Secret); err == nil {
			p.receiver, err = s.servers.files.FTP(l, of.FTPServer)
		}
	case of.SFTPServer != nil:
		p.wire, p.source = pbx.SFTPServer, of.SFTPServer.Listen
		if err = known(p.wire, of.SFTPServer.Secret); err == nil {
			p.receiver, err = s.servers.files.SFTP(l, of.SFTPServer)
		}
	case of.HTTPServer != nil:
		p.wire, p.source = pbx.HTTPServer, of.HTTPServer.Listen+of.HTTPServer.Path
		if err = known(p.wire, of.HTTPServer.Secret); err != nil {
			return err
		}
		var e *post.Endpoint
		if e, err = post.New(l, of.HTTPServer); err == nil {
			p.serve = func(ctx context.Context, ready func()) { s.servers.posts.Run(ctx, e, s.announce(p), ready) }
			p.addr = func() net.Addr { return s.servers.posts.Addr(e) }
		}
	default:
		p.wire, p.source = pbx.TFTP, of.TFTP.Listen+of.TFTP.Fetch
		var inbox *tftp.Inbox
		if inbox, err = tftp.New(s.deps.Data, l, of.TFTP); err == nil {
			s.tftp(p, inbox)
		}
	}
	if p.receiver != nil {
		// Each process collects what it received: the lease is the folder's.
		p.collect, p.every, p.serve, p.lease = p.receiver, everyFiles, p.receiver.Serve, p.receiver.Key
		p.addr = p.receiver.Addr
	}
	return err
}

func (s *Service) tftp(p *poll, inbox *tftp.Inbox) {
	p.collect, p.every = inbox, inbox.Every()
	p.lease = func(ctx context.Context, key string) (string, error) {
		for {
			err := inbox.Open()
			if err == nil {
				return inbox.Key(key), nil
			}
			p.Update(func(s *link.State) { s.Problem = err.Error() })
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(everyFiles):
			}
		}
	}
	if inbox.Listens() {
		p.serve = func(ctx context.Context, ready func()) {
			ready()
			s.servers.tftp.Run(ctx, inbox)
		}
	}
}

// announce publishes the link's settings, without which no parser touches its
// tickets.
func (s *Service) announce(p *poll) func(context.Context) error {
	return func(ctx context.Context) error {
		if err := s.deps.Bus.Ready(ctx); err != nil {
			return err
		}
		if err := s.deps.Bus.Links.Put(ctx, p.settings().Settings()); err != nil {
			return fmt.Errorf("the link's settings cannot be published: %w", err)
		}
		return nil
	}
}
