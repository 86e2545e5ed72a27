package advisor

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// sent returns a statement and its parameters as they go to Postgres: pgx takes options
// before the parameters, of which named arguments also change the text. What other rewriters
// do is not known without a connection: their statements are kept as they are.
func sent(ctx context.Context, sql string, args []any) (string, []any) {
	for i, arg := range args {
		switch option := arg.(type) {
		case pgx.QueryExecMode, pgx.QueryResultFormats, pgx.QueryResultFormatsByOID:
		case pgx.NamedArgs, pgx.StrictNamedArgs:
			text, values, err := option.(pgx.QueryRewriter).RewriteQuery(ctx, nil, sql, args[i+1:])
			if err != nil {
				return sql, nil
			}
			return text, values
		default:
			return sql, args[i:]
		}
	}
	return sql, nil
}
