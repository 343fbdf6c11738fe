package rig

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"trunkline.internal/platform/config"
	"trunkline.internal/services/ingest-poll/internal/link"
)

// After looks at what becomes of a file that was collected, on a server whose
// user may write. collector makes the collector of a rig's folder.
func After(t *testing.T, collector func(*Rig, config.After) link.Collector) {
	delay := 30 * 24 * time.Hour
	for _, tc := range []struct {
		name  string
		after config.After
		want  []string
	}{
		{"keep", config.After{}, []string{"a.txt", "a.txt.old"}},
		{"delete", config.After{Delete: &delay}, []string{"a.txt.old"}},
		{"rename", config.After{Rename: true}, []string{"a.txt.1.old", "a.txt.old"}},
		{"move", config.After{Move: "done"}, []string{"a.txt.old", "done", "done/a.txt"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := New(t, "unify-hipath")
			r.Write("a.txt", "call 1\r\n")
			r.Write("a.txt.old", "somebody's\r\n")
			c := collector(r, tc.after)
			r.Collect(c)
			r.Healthy()
			if tc.after.Delete != nil {
				if len(Names(t, r.Dir)) != 2 {
					t.Fatal("deleted too early")
				}
				r.Clock.Add(delay)
				r.Collect(c)
				r.Healthy()
			}
			got := Names(t, r.Dir)
			if tc.after.Move != "" {
				for _, name := range Names(t, filepath.Join(r.Dir, "done")) {
					got = append(got, "done/"+name)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Fatalf("%v, want %v", got, tc.want)
			}
			r.Tickets("call 1")
			// A second one of that name is collected and moved beside the first.
			r.Clock.Add(time.Hour)
			r.Write("a.txt", "call 2\r\n")
			r.Collect(c)
			r.Healthy()
			r.Tickets("call 1", "call 2")
			if text, err := os.ReadFile(filepath.Join(r.Dir, "a.txt.old")); err != nil || string(text) != "somebody's\r\n" {
				t.Fatalf("%q, %v", text, err)
			}
		})
	}
}
