package advisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
)

// History are snapshots of one database, the oldest first. With them a report is about a
// period, and counters that were reset within it lose nothing but what happened between
// the last snapshot before the reset and the reset.
//
//	history = append(history, snapshot)
//	report, err := advisor.Analyze(ctx, db, advisor.Options{Since: history.Since(time.Now().AddDate(0, 0, -30))})
type History []*Snapshot

// ReadHistory reads what [History.Write] has written.
func ReadHistory(r io.Reader) (h History, err error) {
	d := json.NewDecoder(r)
	for {
		s := new(Snapshot)
		switch err := d.Decode(s); {
		case errors.Is(err, io.EOF):
			return h, nil
		case err != nil:
			return nil, fmt.Errorf("advisor: history: %w", err)
		}
		h = append(h, s)
	}
}

// Write writes the history: each snapshot is a line of JSON, so that files can be joined.
func (h History) Write(w io.Writer) error {
	for _, s := range h {
		if err := s.Write(w); err != nil {
			return err
		}
	}
	return nil
}

// Keep returns the history without the snapshots that were taken before a time.
func (h History) Keep(from time.Time) History {
	return slices.DeleteFunc(slices.Clone(h), func(s *Snapshot) bool { return s.At.Before(from) })
}

// Since returns a snapshot for [Options.Since]: what there was at the first snapshot from
// that time on, less what was lost by resets since. The last snapshot is to be a new one.
// It returns nil if there is only one, or none.
func (h History) Since(from time.Time) *Snapshot {
	h = h.Keep(from)
	if len(h) < 2 {
		return nil
	}
	last := h[len(h)-1]
	base := &Snapshot{At: h[0].At, Statements: map[int64]Counters{}, Scans: map[uint32]int64{}}
	for id, now := range last.Statements {
		happened := Counters{}
		for i, s := range h[1:] {
			happened = happened.plus(s.Statements[id].since(h[i].Statements[id]))
		}
		base.Statements[id] = now.minus(happened)
	}
	for oid := range h[0].Scans { // Of younger indexes nothing can be said for the period.
		scans := int64(0)
		for i, s := range h[1:] {
			if scans += s.Scans[oid]; s.Scans[oid] >= h[i].Scans[oid] {
				scans -= h[i].Scans[oid]
			}
		}
		base.Scans[oid] = last.Scans[oid] - scans
	}
	return base
}

func (c Counters) plus(o Counters) Counters {
	return Counters{
		c.Calls + o.Calls, c.Total + o.Total, c.Rows + o.Rows, c.BlocksHit + o.BlocksHit,
		c.BlocksRead + o.BlocksRead, c.TempWritten + o.TempWritten, c.WALBytes + o.WALBytes,
	}
}

func (c Counters) minus(o Counters) Counters {
	return c.plus(Counters{-o.Calls, -o.Total, -o.Rows, -o.BlocksHit, -o.BlocksRead, -o.TempWritten, -o.WALBytes})
}

// LoadHistory reads the history that [Snapshot.Save] has kept in a table, which is named as
// in SQL, without a schema or with one. It is empty if there is no such table.
func LoadHistory(ctx context.Context, db DB, table pgx.Identifier) (h History, err error) {
	err = readOnly(ctx, db, Options{}.withDefaults().Timeout, func(tx pgx.Tx) error {
		var exists bool
		err := tx.QueryRow(ctx, "select "+ourOwn+" to_regclass($1) is not null", table.Sanitize()).Scan(&exists)
		if err != nil || !exists {
			return err
		}
		rows, err := tx.Query(ctx, "select "+ourOwn+" snapshot::text from "+table.Sanitize()+" order by at")
		if err != nil {
			return err
		}
		var text string
		_, err = pgx.ForEachRow(rows, []any{&text}, func() error {
			s := new(Snapshot)
			h = append(h, s)
			return json.Unmarshal([]byte(text), s)
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("advisor: history: %w", err)
	}
	return h, nil
}

// Save keeps the snapshot in a table, which it makes if there is none, and drops those that
// were taken before a time. It is the one thing of this package that writes to a database.
func (s *Snapshot) Save(ctx context.Context, db DB, table pgx.Identifier, keep time.Time) error {
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	err = pgx.BeginFunc(ctx, db, func(tx pgx.Tx) error {
		name := table.Sanitize()
		var exists bool
		// CREATE asks for the right to create tables, even if there is nothing to create.
		if err := tx.QueryRow(ctx, "select to_regclass($1) is not null", name).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			const columns = " (at timestamptz primary key, snapshot jsonb not null)"
			if _, err := tx.Exec(ctx, "create table if not exists "+name+columns); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, "delete from "+name+" where at < $1", keep); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "insert into "+name+" values ($1, $2) on conflict (at) do nothing", s.At, string(text))
		return err
	})
	if err != nil {
		return fmt.Errorf("advisor: history: %w", err)
	}
	return nil
}
