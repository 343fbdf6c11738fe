package sftp

import (
	"context"
	"errors"
	"strings"

	"github.com/pkg/sftp"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/link"
	"trunkline.internal/services/ingest-poll/internal/remote"
)

// Examine looks at an SSH server's folder and changes nothing there; nil: there is
// no ticket to show. temp is the folder of temporary files, empty: the system's.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, c *config.SFTP, temp string) *examine.Newest {
	s, err := newServer(l, c)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	if _, ok := r.Password(c.User, c.Secret); !ok {
		return nil
	}
	auth, err := s.auth()
	if err != nil {
		r.Fail("key_file", err.Error(), "")
		return nil
	}
	session, ok := s.examine(ctx, r, auth)
	if !ok {
		return nil
	}
	may, sure := session.rights(ctx)
	remote.Rights(r, &c.Remote, may, sure)
	return remote.Examine(ctx, r, l, remote.Options{Config: &c.Remote, URL: "sftp://" + c.Addr, Dial: s.dial, Temp: temp}, session, false)
}

func (s *server) examine(ctx context.Context, r *examine.Report, auth *auth) (*session, bool) {
	raw, ok := r.Dial(ctx, s.cfg.Addr, 22)
	if !ok {
		return nil, false
	}
	out, err := s.open(ctx, raw, auth)
	what := "log-in as " + s.cfg.User
	switch said := string(raw.First()); {
	case err == nil:
		r.OK("host key", s.cfg.HostKey)
		r.OK(what, "let in")
		return out, true
	case !strings.Contains(said, "SSH-"):
		r.Speaks(raw, "SSH", err)
	case errors.Is(err, remote.ErrRefused):
		r.OK("host key", "it is the one that is configured")
		r.Fail(what, err.Error(), "")
	case strings.Contains(err.Error(), "host_key"):
		r.Fail("host key", err.Error(), "")
	default:
		r.Fail(what, err.Error(), "")
	}
	_ = raw.Close()
	return nil, false
}

// rights is what the log-in may do beside reading, as the folder's owner and mode
// tell; we are taken for the owner of the folder that the log-in leads to. sure is
// false where the server does not tell them.
func (s *session) rights(ctx context.Context) (may string, sure bool) {
	var home, folder *sftp.FileStat
	var mode uint32
	err := s.do(ctx, s.step, func() error {
		wd, err := s.files.Getwd()
		if err != nil {
			return err
		}
		for _, it := range []struct {
			path string
			stat **sftp.FileStat
		}{{wd, &home}, {s.path("."), &folder}} {
			info, err := s.files.Stat(it.path)
			if err != nil {
				return err
			}
			*it.stat, _ = info.Sys().(*sftp.FileStat)
			mode = uint32(info.Mode().Perm())
		}
		return nil
	})
	if err != nil || home == nil || folder == nil || s.cfg.User == "root" {
		return "", false
	}
	if mode&0o002 != 0 || home.UID != 0 && folder.UID == home.UID && mode&0o200 != 0 {
		return "create, rename and delete files, by the mode of the folder", true
	}
	// A jail is root's. What the group may do says nothing: ours is not told.
	return "", home.UID != 0 && mode&0o020 == 0
}
