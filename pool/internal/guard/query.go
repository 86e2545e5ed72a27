package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/gqlboost/gqlboost/pool/internal/result"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Query runs a statement under a guard, as pgx does: the same results, the same errors. With
// settings it is a transaction of three round trips, unless it is known: what names mean, and
// who may know it, depends on the settings.
func (g Guard) Query(ctx context.Context, conn *pgx.Conn, sql string, args []any) (pgx.Rows, error) {
	if g.Empty() {
		return conn.Query(ctx, sql, args...)
	}
	if g.Settings != nil || g.Transaction || g.Overtaken || !g.describes() {
		return g.queryTx(ctx, conn, sql, args)
	}
	o, rest, ok := optionsOf(args)
	if !ok {
		return g.queryTx(ctx, conn, sql, args)
	}
	d, err := conn.Prepare(ctx, "", sql)
	if err != nil {
		return nil, err
	}
	g.Prepared = 0 // This description is good for once.
	return g.queryKnown(ctx, conn, d, sql, rest, o.formats(d))
}

// describes reports whether pgx asks about a statement before it runs it.
func (g Guard) describes() bool {
	return g.Mode != pgx.QueryExecModeExec && g.Mode != pgx.QueryExecModeSimpleProtocol
}

// QueryKnown runs a statement that was described under the same settings, in one round
// trip.
func (g Guard) QueryKnown(
	ctx context.Context, conn *pgx.Conn, d *pgconn.StatementDescription, sql string, args []any,
) (pgx.Rows, error) {
	return g.queryKnown(ctx, conn, d, sql, args, nil)
}

// queryKnown is QueryKnown with formats of the result, nil for those that pgx prefers.
func (g Guard) queryKnown(
	ctx context.Context, conn *pgx.Conn, d *pgconn.StatementDescription, sql string, args []any, formats []int16,
) (pgx.Rows, error) {
	if len(d.ParamOIDs) != len(args) {
		return nil, fmt.Errorf("expected %d arguments, got %d", len(d.ParamOIDs), len(args))
	}
	var built pgx.ExtendedQueryBuilder
	if err := built.Build(conn.TypeMap(), d, args); err != nil {
		return nil, err
	}
	if formats != nil {
		built.ResultFormats = formats
	}
	if g.Settings == nil && g.Timeout == 0 && g.Prepared > 0 {
		return g.readKnown(ctx, conn, d, sql, &built)
	}
	var values [][]byte
	for _, arg := range g.Args() {
		values = append(values, []byte(arg))
	}
	p := conn.PgConn().StartPipeline(ctx)
	p.SendQueryParams(g.Shape().Statement(), values, nil, nil, nil)
	p.SendQueryParams(sql, built.ParamValues, d.ParamOIDs, built.ParamFormats, built.ResultFormats)
	if err := p.Sync(); err != nil {
		_ = p.Close()
		return nil, err
	}
	if err := discard(p); err != nil {
		_ = p.Close()
		return nil, g.behind(err)
	}
	return g.rows(p, conn, d, func() {})
}

// rows returns the rows of a described statement whose results are the next of a pipeline.
// When they are closed, so is the pipeline, and then closed is called.
func (g Guard) rows(
	p *pgconn.Pipeline, conn *pgx.Conn, d *pgconn.StatementDescription, closed func(),
) (pgx.Rows, error) {
	end := func() {
		_ = p.Close() // Its error is that of the rows.
		closed()
	}
	next, err := p.GetResults()
	results, ok := next.(*pgconn.ResultReader)
	if err == nil && !ok {
		err = errors.New("pool: unexpected answer to a statement")
	}
	if err != nil {
		end()
		return result.Failed{Error: err}, nil //nolint:nilerr // As in pgx, Query does not fail, but its rows do.
	}
	if !sameColumns(results.FieldDescriptions(), d.Fields) { // They come in formats that were meant for others.
		end()
		return result.Failed{Error: ErrChanged}, nil
	}
	rows := &closingRows{Rows: pgx.RowsFromResultReader(conn.TypeMap(), results), close: end}
	if g.Mode == pgx.QueryExecModeCacheDescribe { // There pgx asks for the columns with each run.
		return rows, nil
	}
	if rows.peek(); rows.Err() != nil {
		return result.Failed{Error: rows.Err()}, nil //nolint:nilerr // As above.
	}
	return rows, nil
}

// discard reads the results of the guard.
func discard(p *pgconn.Pipeline) error {
	next, err := p.GetResults()
	if err != nil {
		return err
	}
	results, ok := next.(*pgconn.ResultReader)
	if !ok {
		return errors.New("pool: unexpected answer to settings")
	}
	_, err = results.Close()
	return err
}

func (g Guard) queryTx(ctx context.Context, conn *pgx.Conn, sql string, args []any) (pgx.Rows, error) {
	tx, err := g.Begin(quiet.Context(ctx), conn)
	if err != nil {
		return nil, err
	}
	if g.describes() && (g.Overtaken || g.Settings != nil && g.Settings.Scope != "") {
		// What pgx keeps of the text is out of date, or would be another tenant's next time. An
		// option of the caller that follows this one counts.
		args = append([]any{pgx.QueryExecModeDescribeExec}, g.Settings.Apart(args)...)
	}
	rows, err := tx.Query(ctx, sql, args...)
	if err != nil {
		_ = tx.Rollback(quiet.Context(context.WithoutCancel(ctx)))
		return nil, err
	}
	return &txRows{Rows: rows, own: transaction{ctx: ctx, tx: tx, readOnly: g.ReadOnly}}, nil
}

// SendBatch runs a batch under a guard, in a transaction. It fails only with [ErrBehind]; other
// errors are those of the results. The texts of the batch were checked; check is called with those
// that rewriters make of them.
func (g Guard) SendBatch(
	ctx context.Context, conn *pgx.Conn, b *pgx.Batch, check func(sql string) error,
) (pgx.BatchResults, error) {
	if g.Empty() {
		return conn.SendBatch(ctx, b), nil
	}
	tx, err := g.Begin(quiet.Context(ctx), conn)
	if errors.Is(err, ErrBehind) {
		return nil, err
	}
	if err != nil {
		return pgx.FailedBatchResults(b, err), nil
	}
	checkRewritten(b, check)
	if g.describes() {
		g.Settings.ApartBatch(b)
	}
	own := transaction{ctx: ctx, tx: tx, readOnly: g.ReadOnly}
	return &txBatch{BatchResults: tx.SendBatch(ctx, b), own: own}, nil
}

// checkRewritten has check called with the texts that rewriters make.
func checkRewritten(b *pgx.Batch, check func(sql string) error) {
	for _, q := range b.QueuedQueries {
		q.Arguments = checked(q.Arguments, check)
	}
}

// checked returns arguments with rewriters that have check called with the texts that they make. Named
// arguments change no words.
func checked(args []any, check func(sql string) error) []any {
	for i, arg := range leading(args) {
		switch option := arg.(type) {
		case pgx.NamedArgs, pgx.StrictNamedArgs:
		case pgx.QueryRewriter:
			args = slices.Clone(args) // They may be a slice of the caller's.
			args[i] = checkedRewriter{option, check}
		}
	}
	return args
}

// checkedRewriter is a rewriter whose texts are checked.
type checkedRewriter struct {
	pgx.QueryRewriter
	check func(sql string) error
}

// RewriteQuery implements [pgx.QueryRewriter].
func (c checkedRewriter) RewriteQuery(
	ctx context.Context, conn *pgx.Conn, sql string, args []any,
) (string, []any, error) {
	sql, args, err := c.QueryRewriter.RewriteQuery(ctx, conn, sql, args)
	if err == nil {
		err = c.check(sql)
	}
	return sql, args, err
}

// closingRows are the last rows of something that must be closed. The first of them is read
// in advance: a statement that fails before it has no columns, as in pgx.
type closingRows struct {
	pgx.Rows
	close  func()
	peeked bool
	first  bool                      // there is one
	fields []pgconn.FieldDescription // the connection's are those of what follows
}

func (r *closingRows) peek() {
	r.first = r.Rows.Next()
	r.fields = slices.Clone(r.Rows.FieldDescriptions())
	if !r.first {
		r.Close()
	}
	r.peeked = true
}

// FieldDescriptions returns the columns.
func (r *closingRows) FieldDescriptions() []pgconn.FieldDescription {
	if r.fields != nil {
		return r.fields
	}
	return r.Rows.FieldDescriptions()
}

// Next goes to the next row.
func (r *closingRows) Next() bool {
	if r.peeked {
		r.peeked = false
		return r.first
	}
	if r.Rows.Next() {
		return true
	}
	r.Close()
	return false
}

// ErrBeforeNext is returned where pgx panics: for a row that is read before Next.
var ErrBeforeNext = errors.New("pool: there is no row before Next")

// Scan stores the values of the row.
func (r *closingRows) Scan(dest ...any) error {
	if r.peeked {
		r.Close()
		return ErrBeforeNext
	}
	return r.Rows.Scan(dest...)
}

// Values returns the values of the row.
func (r *closingRows) Values() ([]any, error) {
	if r.peeked {
		r.Close()
		return nil, ErrBeforeNext
	}
	return r.Rows.Values()
}

// RawValues returns the values of the row as they came.
func (r *closingRows) RawValues() [][]byte {
	if r.peeked {
		return nil
	}
	return r.Rows.RawValues()
}

// Close ends the rows, and what they are of.
func (r *closingRows) Close() {
	r.Rows.Close()
	r.peeked = false
	r.close()
}

// txRows are the rows of the only statement of a transaction.
type txRows struct {
	pgx.Rows
	own transaction
	err error // of the commit
}

// Next goes to the next row.
func (t *txRows) Next() bool {
	if t.Rows.Next() {
		return true
	}
	t.Close()
	return false
}

// Close ends the rows and the transaction.
func (t *txRows) Close() {
	t.Rows.Close()
	if err := t.own.end(t.Rows.Err()); err != nil {
		t.err = fmt.Errorf("pool: ending the transaction of the settings: %w", err)
	}
}

// Err returns the error of the statement, or else of its transaction.
func (t *txRows) Err() error {
	if err := t.Rows.Err(); err != nil {
		return err
	}
	return t.err
}

// txBatch is the results of a batch that has a transaction for itself.
type txBatch struct {
	pgx.BatchResults
	own transaction
}

// Close ends the batch and its transaction.
func (t *txBatch) Close() error {
	err := t.BatchResults.Close()
	if ended := t.own.end(err); err == nil {
		return ended
	}
	return err
}

// transaction is one that something has for itself.
type transaction struct {
	ctx      context.Context
	tx       pgx.Tx
	readOnly bool
	ended    bool
}

// end ends the transaction, once, and returns the error of its commit. It is rolled back if
// what it was for has failed. Else all results have been read: without a transaction they
// would be there whatever becomes of the context now, and of a connection on which nothing was
// written.
func (t *transaction) end(failed error) error {
	if t.ended {
		return nil
	}
	t.ended = true
	ctx := quiet.Context(t.ctx)
	if failed != nil {
		_ = t.tx.Rollback(context.WithoutCancel(ctx))
		return nil
	}
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), commitTimeout)
		defer cancel()
	}
	err := t.tx.Commit(ctx)
	if t.readOnly && t.tx.Conn().IsClosed() {
		return nil
	}
	return err
}

// commitTimeout bounds a commit whose caller's context has ended.
const commitTimeout = 5 * time.Second

// CheckBatch returns why a batch cannot have the settings.
func (s *Settings) CheckBatch(b *pgx.Batch, mode pgx.QueryExecMode) error {
	if s.Err != nil {
		return s.Err
	}
	for _, q := range b.QueuedQueries {
		if err := CheckText(q.SQL, mode); err != nil {
			return err
		}
	}
	return nil
}

// CheckQuery returns why a text cannot be run with settings, or else the arguments for it: what a
// rewriter makes of the text is checked when it is made. A single statement may be anything.
func CheckQuery(sql string, args []any, mode pgx.QueryExecMode) ([]any, error) {
	for _, arg := range leading(args) {
		if own, ok := arg.(pgx.QueryExecMode); ok {
			mode = own
		}
	}
	if mode != pgx.QueryExecModeSimpleProtocol {
		return args, nil
	}
	check := func(sql string) error {
		if sqltext.Single(sql) {
			return nil
		}
		return CheckText(sql, mode)
	}
	return checked(args, check), check(sql)
}

// CheckText returns why a text cannot be run with settings among others: a statement of it would end
// the transaction that has them, or the settings. Only the simple protocol takes several statements.
// Elsewhere Postgres refuses them, and what comes behind a semicolon may be of one: of a function's body.
func CheckText(sql string, mode pgx.QueryExecMode) error {
	for first, second := range sqltext.Begins(sql) {
		switch first {
		case "begin", "start", "commit", "end", "rollback", "abort", "discard", "reset":
			return errEnds(first)
		case "prepare":
			if second == "transaction" {
				return errEnds(first)
			}
		}
		if mode != pgx.QueryExecModeSimpleProtocol {
			break
		}
	}
	return nil
}

func errEnds(word string) error {
	return fmt.Errorf("pool: statements with settings are one transaction, in which %s cannot be: use Pool.Begin", word)
}
