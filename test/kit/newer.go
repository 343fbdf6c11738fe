package kit

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// addedMigration is what a newer sink has to bring in.
const addedMigration = `ALTER TABLE {{.Local "cdrs"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS ` + "`upgraded`" + ` String COMMENT 'Of the test';
ALTER TABLE {{.Local "receipts"}} {{.OnCluster}}
    ADD COLUMN IF NOT EXISTS ` + "`upgraded`" + ` String COMMENT 'Of the test';
`

// NewerSchema writes an overlay for `go build`, under which the sink has a migration
// more: a column `upgraded` in cdrs and receipts. modules is the folder of all
// modules, dir one for the overlay.
func NewerSchema(modules, dir string) (file string, err error) {
	folder, err := filepath.Abs(filepath.Join(modules, "services/sink/internal/schema/migrations"))
	if err != nil {
		return "", err
	}
	have, err := filepath.Glob(filepath.Join(folder, "*.sql"))
	if err != nil || len(have) == 0 {
		return "", errors.Join(errors.New("no migrations in "+folder), err)
	}
	added := filepath.Join(dir, "added.sql")
	if err := os.WriteFile(added, []byte(addedMigration), 0o600); err != nil {
		return "", err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
		filepath.Join(folder, fmt.Sprintf("%04d_upgraded.sql", len(have)+1)): added,
	}})
	if err != nil {
		return "", err
	}
	file = filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, overlay, 0o600)
}

// NewerBinary builds the program as its next version might be.
func NewerBinary(modules, dir, version string) (path string, err error) {
	overlay, err := NewerSchema(modules, dir)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "trunkline")
	return path, build(path, append(Versioned(version), "-overlay", overlay), program)
}
