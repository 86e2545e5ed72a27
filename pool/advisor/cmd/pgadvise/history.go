package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/gqlboost/gqlboost/pool/advisor"
	"github.com/jackc/pgx/v5"
)

// readHistory takes a snapshot, adds it to the history, and makes the report one about the
// period. The first run has nothing to compare with: its report is about all that is
// counted.
func (o *flags) readHistory(ctx context.Context, conn *pgx.Conn) (err error) {
	if o.history == "" && o.historyTable == "" {
		return nil
	}
	if o.since != "" || o.history != "" && o.historyTable != "" {
		return errors.New("-since, -history and -history-table exclude each other")
	}
	var history advisor.History
	table := pgx.Identifier(strings.Split(o.historyTable, "."))
	if o.history != "" {
		err = read(o.history, func(r io.Reader) (err error) { history, err = advisor.ReadHistory(r); return err })
		if errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	} else {
		history, err = advisor.LoadHistory(ctx, conn, table)
	}
	if err != nil {
		return err
	}
	now, err := advisor.TakeSnapshot(ctx, conn)
	if err != nil {
		return err
	}
	history = append(history, now)
	o.Since = history.Since(now.At.Add(-o.over))
	keep := now.At.Add(-max(o.keep, o.over))
	if o.history == "" {
		return now.Save(ctx, conn, table, keep)
	}
	return o.replace(history.Keep(keep))
}

// replace writes the history's file again, at once: what breaks off leaves the old one.
func (o *flags) replace(history advisor.History) error {
	next := o.history + ".new"
	if err := write(next, history.Write); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	return os.Rename(next, o.history)
}
