package ingestpoll

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"trunkline.internal/services/ingest-poll/internal/files"
)

// logPlan is what is read of a log.
type logPlan struct {
	origin string
	// from is where it begins to differ from the log that has its origin.
	from int64
	// copy tells that there is nothing in it that another one has not.
	copy bool
	// newest tells the log that somebody may still write.
	newest bool
}

// logs finds what each log is known by, where the link's files grow, and which
// are copies of each other: the longest has everything.
func (i *importer) logs(ctx context.Context) (map[*ImportFile]*logPlan, error) {
	plans := make(map[*ImportFile]*logPlan)
	if !i.set.Grows {
		return plans, nil
	}
	groups := make(map[string][]*ImportFile)
	var newest *ImportFile
	for _, f := range i.found {
		origin, whole, err := i.origin(f)
		if err != nil {
			if err := i.fail(ctx, f.Path, err); err != nil {
				return nil, err
			}
			plans[f] = &logPlan{copy: true}
			continue
		}
		if whole {
			continue
		}
		plans[f] = &logPlan{origin: origin}
		if origin != "" {
			groups[origin] = append(groups[origin], f)
		}
		if newest == nil || !f.Modified.Before(newest.Modified) {
			newest = f
		}
	}
	if newest != nil {
		plans[newest].newest = true
	}
	for _, group := range groups {
		if len(group) == 1 {
			continue
		}
		if err := i.compare(ctx, group, plans); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

func (i *importer) origin(f *ImportFile) (origin string, whole bool, err error) {
	o, err := files.Open(&f.Given)
	if err != nil {
		return "", false, err
	}
	defer o.Close()
	if o.Packed && i.packedWhole {
		return "", true, nil
	}
	origin, err = o.Origin(i.reader.Cutting)
	return origin, false, err
}

// compare plans logs with one first ticket. Behind where one differs from all
// longer ones its tickets have an origin of their own.
func (i *importer) compare(ctx context.Context, group []*ImportFile, plans map[*ImportFile]*logPlan) error {
	lengths := make(map[*ImportFile]int64)
	for _, f := range group {
		if err := i.opened(ctx, f, func(o *files.Opened) (err error) {
			lengths[f], err = o.Length(ctx)
			return err
		}); err != nil {
			if err := i.fail(ctx, f.Path, err); err != nil {
				return err
			}
			plans[f].copy = true
		}
	}
	group = slices.DeleteFunc(slices.Clone(group), func(f *ImportFile) bool { return plans[f].copy })
	slices.SortStableFunc(group, func(a, b *ImportFile) int {
		return cmp.Or(cmp.Compare(lengths[b], lengths[a]), cmp.Compare(a.Path, b.Path))
	})
	var apart []*ImportFile
	for _, f := range group {
		err := i.opened(ctx, f, func(o *files.Opened) error {
			common := int64(0)
			for _, other := range apart {
				if err := i.opened(ctx, other, func(p *files.Opened) error {
					n, err := files.Common(ctx, o, p)
					common = max(common, n)
					return err
				}); err != nil {
					return err
				}
			}
			switch {
			case len(apart) == 0:
			case common >= lengths[f]:
				plans[f].copy = true
				i.report.Copies++
				return nil
			default:
				var err error
				if plans[f].from, err = o.Boundary(i.reader.Cutting, common); err != nil {
					return err
				}
				i.report.Apart.add(f.Path)
			}
			apart = append(apart, f)
			return nil
		})
		if err != nil {
			if err := i.fail(ctx, f.Path, err); err != nil {
				return err
			}
			plans[f].copy = true
		}
	}
	return nil
}

func (i *importer) opened(ctx context.Context, f *ImportFile, do func(*files.Opened) error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	o, err := files.Open(&f.Given)
	if err != nil {
		return err
	}
	defer o.Close()
	return do(o)
}

// A log's last line without an end is left while somebody may still write it; a
// log is old after a month, whatever the others are.
const (
	restsAfter = time.Hour
	oldAfter   = 31 * 24 * time.Hour
)

func (i *importer) log(ctx context.Context, f *ImportFile, plan *logPlan) error {
	if plan.copy {
		return nil
	}
	if plan.origin == "" {
		i.report.Open.add(f.Path)
		return nil
	}
	o, err := files.Open(&f.Given)
	if err != nil {
		return err
	}
	defer o.Close()
	age := time.Since(f.Modified)
	how := files.Reading{
		Origin: plan.origin, Written: f.Written, Log: true, From: plan.from,
		Ended: o.Packed || age >= oldAfter || age >= restsAfter && !plan.newest,
	}
	if plan.from > 0 {
		if how.Origin, err = o.Apart(ctx); err != nil {
			return err
		}
	} else if e := i.known[plan.origin]; e != nil && e.Offset > 0 {
		if err := o.GoesOn(e); err != nil {
			return aboutLog(err, e.Offset)
		}
		if !i.Again {
			how.From, how.Inside = e.Offset, e.Inside
			i.report.Collected++
		}
	}
	i.file = f
	left, err := i.reader.Read(ctx, o, how)
	if left > 0 {
		i.report.Open.add(f.Path)
	}
	return err
}

// aboutLog says what to do with a log that the link knows otherwise.
func aboutLog(err error, offset int64) error {
	const remedy = "leave in a copy of it only the lines that are missing in calls, and import that"
	switch {
	case errors.Is(err, files.ErrShorter):
		return fmt.Errorf("%w, up to byte %d: it is an older copy, and nothing of it is missing; or it was cut and written anew: then %s", err, offset, remedy)
	case errors.Is(err, files.ErrOther):
		return fmt.Errorf("%w before byte %d: %s", err, offset, remedy)
	}
	return err
}
