package receive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// maxAuth is how many answers to the question who it is a connection may give:
// clients offer all their keys before a password.
const maxAuth = 6

// maxChannels of one connection.
const maxChannels = 4

func newSFTP(l *listener) (serve func(), err error) {
	keys, err := l.hostKeys()
	if err != nil {
		return nil, err
	}
	return func() {
		var running sync.WaitGroup
		defer running.Wait()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { serveSSH(c.(*conn), keys) })
		}
	}, nil
}

// serveSSH is one connection, from the first byte to the last.
func serveSSH(c *conn, keys []ssh.Signer) {
	defer c.Close()
	a, channels, err := handshake(c, keys)
	if err != nil {
		return
	}
	var running sync.WaitGroup
	defer running.Wait()
	free := make(chan struct{}, maxChannels)
	for request := range channels {
		if request.ChannelType() != "session" {
			_ = request.Reject(ssh.UnknownChannelType, "only sftp is served here")
			continue
		}
		select {
		case free <- struct{}{}:
		default:
			_ = request.Reject(ssh.ResourceShortage, "too many channels")
			continue
		}
		channel, requests, err := request.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer func() { <-free }()
			defer channel.Close()
			if subsystem(requests) {
				serveSFTP(channel, a.Inbox)
			}
		})
	}
}

func handshake(c *conn, keys []ssh.Signer) (*account, <-chan ssh.NewChannel, error) {
	var logged *account
	keyTried := ""
	byPassword := func(user, password string) (*ssh.Permissions, error) {
		a, err := c.login(user, func(a *account) error { return a.password(password) })
		logged, keyTried = a, ""
		return nil, err
	}
	config := &ssh.ServerConfig{
		MaxAuthTries: maxAuth, ServerVersion: "SSH-2.0-trunkline",
		PasswordCallback: func(meta ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return byPassword(meta.User(), string(password))
		},
		KeyboardInteractiveCallback: func(meta ssh.ConnMetadata, ask ssh.KeyboardInteractiveChallenge) (*ssh.Permissions, error) {
			answers, err := ask("", "", []string{"Password: "}, []bool{false})
			if err != nil || len(answers) != 1 {
				return nil, errLogin
			}
			return byPassword(meta.User(), answers[0])
		},
		// A client asks which of its keys would do before it signs with one: that is
		// no log-in yet.
		PublicKeyCallback: func(meta ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			a := c.listener.account(meta.User())
			if a == nil || !a.allows(c.peer) {
				return nil, errLogin
			}
			keyTried = meta.User()
			if err := a.authorized(key); err != nil {
				return nil, err
			}
			return &ssh.Permissions{}, nil
		},
		VerifiedPublicKeyCallback: func(meta ssh.ConnMetadata, _ ssh.PublicKey, _ *ssh.Permissions, _ string) (*ssh.Permissions, error) {
			a, err := c.login(meta.User(), func(a *account) error {
				if a == nil {
					return errLogin
				}
				return nil
			})
			logged, keyTried = a, ""
			return nil, err
		},
	}
	for _, k := range keys {
		config.AddHostKey(k)
	}
	server, channels, global, err := ssh.NewServerConn(c, config)
	if err != nil {
		if a := c.listener.account(keyTried); a != nil {
			_, _ = c.login(keyTried, func(*account) error {
				return errors.New("none of the keys that the PBX offered is in authorized_keys")
			})
		}
		return nil, nil, err
	}
	if logged == nil {
		server.Close()
		return nil, nil, errLogin
	}
	go ssh.DiscardRequests(global)
	return logged, channels, nil
}

// authorized tells whether a key is in the link's file. It is read at each log-in,
// so that a changed one counts.
func (a *account) authorized(key ssh.PublicKey) error {
	if a.keys == "" {
		return errors.New("the link has no authorized_keys")
	}
	text, err := os.ReadFile(a.keys)
	if err != nil {
		a.raiseNow("keys", fmt.Errorf("authorized_keys cannot be read: %w", err), longTrouble)
		return errLogin
	}
	want := string(key.Marshal())
	for len(text) > 0 {
		known, _, options, rest, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			break
		}
		text = rest
		if string(known.Marshal()) == want && !slices.ContainsFunc(options, conditional) {
			return nil
		}
	}
	return errors.New("the key is not in authorized_keys")
}

// conditional tells options under which a key is not always good. We do not check
// their conditions, so such a key is not taken; others only take rights away that
// nobody has here.
func conditional(option string) bool {
	name, _, _ := strings.Cut(strings.ToLower(option), "=")
	return slices.Contains([]string{"from", "expiry-time", "cert-authority", "principals", "verify-required"}, name)
}

// subsystem waits until the peer asks for sftp.
func subsystem(requests <-chan *ssh.Request) bool {
	for r := range requests {
		var name struct{ Name string }
		ok := r.Type == "subsystem" && ssh.Unmarshal(r.Payload, &name) == nil && name.Name == "sftp"
		if r.WantReply {
			_ = r.Reply(ok, nil)
		}
		if ok {
			go ssh.DiscardRequests(requests)
			return true
		}
	}
	return false
}

func serveSFTP(channel ssh.Channel, b *Inbox) {
	u := sftpUser{b}
	server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: u, FilePut: u, FileCmd: u, FileList: u})
	if err := server.Serve(); errors.Is(err, io.EOF) {
		_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{0}))
	}
	server.Close()
}

// sftpUser is what a user may do.
type sftpUser struct{ b *Inbox }

// status makes an error one of SFTP: its kind, else its text.
func status(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: %w", sftp.ErrSSHFxNoSuchFile, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: %w", sftp.ErrSSHFxPermissionDenied, err)
	}
	return err
}

// Fileread is of sftp.FileReader.
func (u sftpUser) Fileread(*sftp.Request) (io.ReaderAt, error) {
	return nil, sftp.ErrSSHFxPermissionDenied
}

// Filewrite is of sftp.FileWriter.
func (u sftpUser) Filewrite(r *sftp.Request) (io.WriterAt, error) {
	flags := r.Pflags()
	name, err := file(r.Filepath)
	if err != nil {
		return nil, status(err)
	}
	if _, err := u.b.stat(name); flags.Excl && err == nil {
		return nil, refuse(fs.ErrExist, "there is a file of that name")
	} else if !flags.Creat && err != nil {
		return nil, status(u.b.told(err))
	}
	m := patches
	if flags.Trunc || !flags.Append && !u.b.pattern.Grows {
		m = replaces
	}
	up, err := u.b.create(name, m, nil)
	if err != nil {
		return nil, status(u.b.told(err))
	}
	return sftpUpload{up}, nil
}

// sftpUpload tells errors as SFTP does.
type sftpUpload struct{ *upload }

func (u sftpUpload) WriteAt(p []byte, at int64) (int, error) {
	n, err := u.upload.WriteAt(p, at)
	return n, status(err)
}

func (u sftpUpload) Close() error { return status(u.upload.Close()) }

// Filecmd is of sftp.FileCmder.
func (u sftpUser) Filecmd(r *sftp.Request) error {
	switch r.Method {
	case "Remove":
		return status(u.b.removeGiven(r.Filepath))
	case "Rename", "PosixRename":
		return status(u.b.renameGiven(r.Filepath, r.Target))
	case "Setstat":
		return nil // times and rights are ours; who copies with them need not fail
	}
	return sftp.ErrSSHFxPermissionDenied
}

// Filelist is of sftp.FileLister.
func (u sftpUser) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	name, err := clean(r.Filepath)
	if err != nil {
		return nil, status(err)
	}
	switch {
	case r.Method == "List" && name == ".":
		list, err := u.b.list()
		return infos(list), status(u.b.told(err))
	case r.Method == "List":
		return nil, sftp.ErrSSHFxNoSuchFile
	case name == ".":
		return infos{folderInfo{u.b.l.Now()}}, nil
	}
	info, err := u.b.stat(name)
	if err != nil {
		return nil, status(u.b.told(err))
	}
	return infos{info}, nil
}

type infos []fs.FileInfo

// ListAt is of sftp.ListerAt.
func (i infos) ListAt(into []os.FileInfo, at int64) (int, error) {
	if at >= int64(len(i)) {
		return 0, io.EOF
	}
	n := copy(into, i[at:])
	if n < len(into) {
		return n, io.EOF
	}
	return n, nil
}
