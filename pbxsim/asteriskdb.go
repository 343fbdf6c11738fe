package pbxsim

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Asterisk is a FreePBX that inserts rows into the table cdr of a MySQL or MariaDB.
type Asterisk struct {
	o       Options
	enc     encoder
	cfg     *mysql.Config
	db      *sql.DB
	pending []Ticket
}

const asteriskBatch = 200 // rows an insert, in a burst

// NewAsterisk makes one; it connects in Run.
func NewAsterisk(o Options) (*Asterisk, error) {
	if err := o.complete(asterisk); err != nil {
		return nil, err
	}
	if o.DSN == "" {
		return nil, fmt.Errorf("%s needs DSN", asterisk)
	}
	if o.Variant != asteriskRows {
		return nil, fmt.Errorf("%s: variant %s is of a file: give Dir", asterisk, o.Variant)
	}
	cfg, err := mysql.ParseDSN(o.DSN)
	if err != nil {
		return nil, fmt.Errorf("%s: data source name: %w", asterisk, err)
	}
	if cfg.DBName == "" {
		return nil, fmt.Errorf("%s: the data source name lacks the database, such as asteriskcdrdb", asterisk)
	}
	enc, err := newAsterisk(o)
	if err != nil {
		return nil, err
	}
	return &Asterisk{o: o, enc: enc, cfg: cfg}, nil
}

// Addr is empty: the database listens.
func (p *Asterisk) Addr() string { return "" }

// Run inserts rows until the last one is committed or ctx is done.
func (p *Asterisk) Run(ctx context.Context) error {
	if p.o.CreateTable {
		if err := p.Create(ctx); err != nil {
			return err
		}
	}
	connector, err := mysql.NewConnector(p.cfg)
	if err != nil {
		return fmt.Errorf("%s: %w", asterisk, err)
	}
	p.db = sql.OpenDB(connector)
	p.db.SetMaxOpenConns(1)
	defer p.db.Close()
	err = p.o.produce(ctx, p.enc, func(ctx context.Context, ts ...Ticket) error {
		p.pending = append(p.pending, ts...)
		if p.o.waits() && len(p.pending) < asteriskBatch {
			return nil
		}
		return p.insert(ctx)
	})
	if err == nil {
		err = p.insert(ctx)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%s: %w", asterisk, err)
	}
	return nil
}

// Create makes database and table where they do not exist, as Run does with
// CreateTable: for who wants them there before.
func (p *Asterisk) Create(ctx context.Context) error {
	if err := p.create(ctx); err != nil {
		return fmt.Errorf("%s: %w", asterisk, err)
	}
	return nil
}

func (p *Asterisk) create(ctx context.Context) error {
	bare := p.cfg.Clone()
	bare.DBName = ""
	connector, err := mysql.NewConnector(bare)
	if err != nil {
		return err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	name := "`" + strings.ReplaceAll(p.cfg.DBName, "`", "``") + "`"
	if _, err := db.ExecContext(ctx, "CREATE DATABASE IF NOT EXISTS "+name); err != nil {
		return err
	}
	schema := strings.Replace(asteriskTable, "`cdr`", name+".`cdr`", 1)
	// The zero date is the schema's own default, which a strict server would refuse.
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "SET SESSION sql_mode = ''"); err != nil {
		return err
	}
	_, err = conn.ExecContext(ctx, schema)
	return err
}

// insert commits the pending rows in one statement; MySQL numbers them one after the other.
func (p *Asterisk) insert(ctx context.Context) error {
	ts := p.pending
	p.pending = nil
	if len(ts) == 0 {
		return nil
	}
	row := "(?" + strings.Repeat(",?", len(asteriskColumns)-1) + ")"
	args := make([]any, 0, len(ts)*len(asteriskColumns))
	for _, t := range ts {
		if len(t.columns) != len(asteriskColumns) {
			return errors.New("a fed ticket is no row of this simulator")
		}
		args = append(args, t.columns...)
	}
	res, err := p.db.ExecContext(ctx, "INSERT INTO `cdr` (`"+strings.Join(asteriskColumns, "`,`")+"`) VALUES "+
		row+strings.Repeat(","+row, len(ts)-1), args...)
	if err != nil {
		return err
	}
	id, err := res.LastInsertId()
	if err != nil {
		return err
	}
	now := time.Now()
	for i, t := range ts {
		if id > 0 {
			t.Row = id + int64(i)
			t.Bytes = jsonRow(t.columns, t.Row)
		}
		p.o.Sent(t, now)
	}
	return nil
}
