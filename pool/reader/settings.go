package reader

import (
	"context"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
)

// Settings are the session settings of a request.
type Settings struct {
	// Role is the role that statements run as (SET ROLE); "" is the connection's own.
	Role string
	// GUC has configuration parameters by name, for example app.tenant or search_path.
	GUC map[string]string
}

// WithSettings returns a context whose statements, through the Reader and through the
// pool, run with these settings and no others: they are set at the beginning of each
// statement's transaction, in the same write, and end with it. Pool.Begin sets them for
// its transaction. Settings of a context around it are replaced. Statements with different settings
// never share a transaction. Connections that a caller has as a whole, by Acquire or database/sql,
// refuse statements of such a context, and so do transactions that were begun with other settings
// or none.
//
// What pgx prepares is kept by its text. With settings on which it depends what a statement means or
// may read, such as a role, a search path or a time zone, the texts of batches and transactions end
// with a comment, so that no one uses what was prepared for others. Tracers do not see it, but for
// TraceBatchStart.
//
// Settings that cannot be used, such as a parameter without a name, fail each statement
// of the context, and so does Postgres for a role that does not exist.
func WithSettings(ctx context.Context, s Settings) context.Context {
	return guard.With(ctx, guard.New(s.Role, s.GUC))
}

type aloneKey struct{}

// Alone returns a context whose statements share no connection. They are run as reads all
// the same.
func Alone(ctx context.Context) context.Context { return context.WithValue(ctx, aloneKey{}, true) }

func isAlone(ctx context.Context) bool { return ctx.Value(aloneKey{}) == true }
