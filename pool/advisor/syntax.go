package advisor

import (
	"context"
	"slices"
	"strings"
)

// trySyntax lets the server parse what the findings say to run, before anybody reads it.
// What it does not take is not shown as SQL to run; the finding stays.
func (a *analysis) trySyntax(ctx context.Context) error {
	conn := a.tx.Conn().PgConn()
	for i := range a.report.Findings {
		f := &a.report.Findings[i]
		for _, sql := range slices.Clone(f.SQL) {
			err := a.savepoint(ctx, func() error {
				_, err := conn.Prepare(ctx, preparedName, sql, nil)
				return err
			})
			if err == nil {
				err = conn.Deallocate(ctx, preparedName)
			} else if ctx.Err() == nil && !conn.IsClosed() {
				a.miss("The server does not take this statement, so it is left out (%v): %s", err, sql)
				f.Action = "-- Not taken by the server, see what could not be looked at: " +
					strings.ReplaceAll(f.Action, "\n", " ")
				f.SQL, err = nil, nil
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}
