package ingestpoll

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"time"

	"trunkline.internal/platform/bus"
	trunklinev1 "trunkline.internal/proto/trunkline/v1"
	"trunkline.internal/proto/wire"
)

// importCounts is what the audit keeps of an import.
type importCounts struct {
	Files   int   `json:"files"`
	Tickets int64 `json:"tickets"`
	Known   int   `json:"known"`
	Failed  int   `json:"failed"`
}

// act of this import, before it has done anything.
func (i *importer) act() *trunklinev1.Act {
	act := bus.Act(bus.ActImport, i.Who, strings.Join(i.Paths, " "), time.Now(), importCounts{Files: i.report.Of}, nil)
	act.Id = rand.Text()
	if len(act.Object) > maxImportObject {
		act.Object = strings.ToValidUTF8(act.Object[:maxImportObject], "") + "…"
	}
	return act
}

// maxImportObject bounds how many of the paths the audit names, in bytes.
const maxImportObject = 4 << 10

func (i *importer) publishAct(ctx context.Context, act *trunklinev1.Act, when string) error {
	m := bus.NewAct(wire.Address{Site: i.of.Site.ID, Link: i.of.ID}, act.Id+"."+when, act)
	if err := i.Tickets.Publish(ctx, m.Msg()); err != nil {
		return fmt.Errorf("the audit cannot be told of the import: %w", err)
	}
	return nil
}
