package guard

import (
	"context"
	"slices"
	"strconv"

	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
)

// prepared holds what was prepared on a connection. It belongs to the connection's
// owner.
type prepared struct {
	names      int
	begin      *pgconn.StatementDescription
	commit     *pgconn.StatementDescription
	replayed   *pgconn.StatementDescription
	statements map[*pgconn.StatementDescription]*pgconn.StatementDescription
}

const preparedKey = "gqlboost.prepared"

func preparedOn(conn *pgx.Conn) *prepared {
	data := conn.PgConn().CustomData()
	p, _ := data[preparedKey].(*prepared)
	if p == nil {
		p = &prepared{statements: map[*pgconn.StatementDescription]*pgconn.StatementDescription{}}
		data[preparedKey] = p
	}
	return p
}

// Forget takes in that a connection has nothing prepared any more.
func Forget(conn *pgx.Conn) {
	p := preparedOn(conn) // Its names go on: some may be there all the same.
	p.begin, p.commit, p.replayed = nil, nil, nil
	clear(p.statements)
}

// readKnown runs a described statement between BEGIN READ ONLY and COMMIT, in one write.
// All of them stay prepared, so that it costs hardly more than without.
func (g Guard) readKnown(
	ctx context.Context, conn *pgx.Conn, d *pgconn.StatementDescription, sql string, built *pgx.ExtendedQueryBuilder,
) (pgx.Rows, error) {
	known := preparedOn(conn)
	p := conn.PgConn().StartPipeline(ctx)
	fail := func(err error) error {
		_ = p.Close()
		rollback(ctx, conn)
		return err
	}
	var old *pgconn.StatementDescription
	answers, begins := 0, 1 // to what comes before the statement's own, and of what begins the transaction
	statement := known.statements[d]
	if statement == nil && len(known.statements) >= g.Prepared {
		for key, one := range known.statements { // any
			old = one
			delete(known.statements, key)
			break
		}
		p.SendDeallocate(old.Name)
		answers++
	}
	prepare := func(text string, oids []uint32, fields []pgconn.FieldDescription) *pgconn.StatementDescription {
		known.names++
		sd := &pgconn.StatementDescription{Name: "gqlboost_direct_" + strconv.Itoa(known.names), SQL: text, ParamOIDs: oids,
			Fields: fields}
		p.SendPrepare(sd.Name, text, oids)
		return sd
	}
	begin, commit, replayed := known.begin, known.commit, known.replayed
	if begin == nil {
		begin, commit = prepare("begin read only", nil, nil), prepare("commit", nil, nil)
		answers += 2
	}
	if g.Replayed > 0 && replayed == nil {
		replayed = prepare("select "+hasReplayed("$1"), nil, []pgconn.FieldDescription{{DataTypeOID: pgtype.Int4OID}})
		answers++
	}
	unknown := statement == nil
	if unknown {
		statement = prepare(sql, d.ParamOIDs, d.Fields)
	}
	p.SendQueryStatement(begin, nil, nil, nil)
	if g.Replayed > 0 {
		p.SendQueryStatement(replayed, [][]byte{[]byte(formatLSN(g.Replayed))}, nil, nil)
		begins++
	}
	p.SendQueryStatement(statement, built.ParamValues, built.ParamFormats, built.ResultFormats)
	p.SendQueryStatement(commit, nil, nil, nil)
	if err := p.Sync(); err != nil {
		return nil, fail(err)
	}
	for range answers {
		if _, err := p.GetResults(); err != nil {
			return nil, fail(err)
		}
	}
	known.begin, known.commit, known.replayed = begin, commit, replayed
	if unknown {
		said, err := p.GetResults()
		if err != nil {
			return nil, fail(err)
		}
		if now, ok := said.(*pgconn.StatementDescription); !ok || !sameColumns(now.Fields, d.Fields) {
			_ = p.Close()
			rollback(ctx, conn)
			_ = conn.PgConn().Deallocate(ctx, statement.Name)
			return nil, ErrChanged
		}
		known.statements[d] = statement
	}
	for range begins {
		if err := discard(p); err != nil {
			return nil, g.behind(fail(err))
		}
	}
	return g.rows(p, conn, statement, func() { rollback(ctx, conn) })
}

// ErrChanged is Postgres's own error for a prepared statement whose columns have changed. The
// statement may have run.
var ErrChanged = &pgconn.PgError{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "0A000",
	Message: "cached plan must not change result type", Routine: "RevalidateCachedQuery"}

// sameColumns reports whether columns have the same names and types.
func sameColumns(a, b []pgconn.FieldDescription) bool {
	return slices.EqualFunc(a, b, func(x, y pgconn.FieldDescription) bool {
		return x.Name == y.Name && x.DataTypeOID == y.DataTypeOID
	})
}

// rollback ends a transaction in which a statement has failed.
func rollback(ctx context.Context, conn *pgx.Conn) {
	if !conn.IsClosed() && conn.PgConn().TxStatus() != 'I' {
		_, _ = conn.Exec(quiet.Context(context.WithoutCancel(ctx)), "rollback") // If it fails, pgxpool drops the connection.
	}
}
