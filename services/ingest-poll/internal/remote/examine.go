package remote

import (
	"context"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/examine"
	"trunkline.internal/services/ingest-poll/internal/files"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// Examine looks at the folder of a server through a session that is open, and
// closes it; nil: there is no ticket to show. rough tells that the server's
// listing has rough times.
func Examine(ctx context.Context, r *examine.Report, l *link.Link, o Options, session Session, rough bool) *examine.Newest {
	defer session.Close()
	c, err := New(l, o)
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	set, err := files.SetOf(l, &config.Files{Pattern: o.Config.Pattern, Grows: o.Config.Grows})
	if err != nil {
		r.Fail("configuration", err.Error(), "")
		return nil
	}
	src := c.src
	wants := src.want
	// All names are of interest, and no order of theirs.
	src.session, src.order, src.want = session, nil, ValidName
	defer src.hangUp()
	return files.ExamineFolder(ctx, r, l, files.Folders{Source: src, Where: src.Where(""), Set: set, Wants: wants, Rough: rough})
}

// Rights tells of a log-in what it can do beside reading. may is what, empty:
// nothing; it is needed where collected files are cleared away.
func Rights(r *examine.Report, c *config.Remote, may string, sure bool) {
	const what = "rights"
	clears := c.After != (config.After{})
	switch {
	case !sure && clears:
		r.Note(what, "whether user "+c.User+" may clear collected files away does not show without trying", "trunkline says so when it cannot")
	case !sure:
		r.Note(what, "whether user "+c.User+" may do more than read does not show without trying", "on the server, let it read only: nothing more is needed")
	case may == "" && clears:
		r.Fail(what, "user "+c.User+" may only read, and after wants collected files to leave", "leave out after, or let the user rename and delete there")
	case may == "":
		r.OK(what, "user "+c.User+" may only read")
	case clears:
		r.OK(what, "user "+c.User+" may "+may+", as after wants it")
	default:
		r.Warn(what, "user "+c.User+" may do more than read: "+may, "let it only read there: nothing more is needed")
	}
}
