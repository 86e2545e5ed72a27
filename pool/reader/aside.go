package reader

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Rows that are held have left their connection. What encoders of rows would ask it, such
// as stream/pgrows, which writes Postgres's own text of nested values, they ask the rows.

// reported are the settings on which the texts of values depend, and the encoding of the texts.
var reported = [...]string{"DateStyle", "IntervalStyle", "TimeZone", "client_encoding"}

// parameters has what Postgres has reported of a session's settings.
type parameters struct {
	known atomic.Pointer[map[string]string]
}

func newParameters(conn *pgconn.PgConn) *parameters {
	known := map[string]string{}
	for _, name := range reported {
		known[name] = conn.ParameterStatus(name)
	}
	p := &parameters{}
	p.known.Store(&known)
	return p
}

// set takes in a report. One goroutine calls it.
func (p *parameters) set(name, value string) {
	known := maps.Clone(*p.known.Load())
	if _, ok := known[name]; ok {
		known[name] = value
		p.known.Store(&known)
	}
}

func (p *parameters) get(name string) string { return (*p.known.Load())[name] }

// asker runs a query of the catalogs and returns the values in text.
type asker func(ctx context.Context, sql string) ([][][]byte, error)

// askTimeout bounds the time to find out how Postgres reports a setting.
const askTimeout = 5 * time.Second

// maxAnswers bounds what is remembered of the catalogs.
const maxAnswers = 1 << 10

// answers are those of the catalogs, by the query.
type answers struct {
	mu    sync.Mutex
	known map[string][][][]byte
}

// get returns the rows of a query, which it asks for if it does not know them.
func (a *answers) get(ctx context.Context, sql string, ask asker) ([][][]byte, error) {
	a.mu.Lock()
	rows, ok := a.known[sql]
	a.mu.Unlock()
	if ok {
		return rows, nil
	}
	rows, err := ask(ctx, sql)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known == nil || len(a.known) >= maxAnswers {
		a.known = map[string][][][]byte{}
	}
	a.known[sql] = rows
	return rows, nil
}

// forget has all asked again.
func (a *answers) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.known = nil
}

// ask runs a query on a connection of the pool's, by the simple protocol: there is nothing
// to prepare for what is asked once.
func (b *backend) ask(ctx context.Context, sql string) ([][][]byte, error) {
	conn, err := b.server.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	return b.askOn(ctx, conn, sql)
}

// askOn runs a query on a connection of the pool's, which it gives back.
func (b *backend) askOn(ctx context.Context, conn *pgxpool.Conn, sql string) ([][][]byte, error) {
	defer b.server.Release(conn)
	return allRows(ctx, conn.Conn().PgConn(), sql)
}

// secondAfter is how long a caller that has one of the pool's connections waits for a second one.
// A shared one that nobody uses is given up meanwhile (StarvedAfter), if there are some.
func (b *backend) secondAfter() time.Duration {
	if len(b.pipes) == 0 {
		return 50 * time.Millisecond
	}
	return StarvedAfter + 200*time.Millisecond
}

// askBeside runs a query for somebody who has conn, one of the pool's connections. All who wait
// for a second one may wait for each other, so after some time it opens one like conn beyond the
// budget, and never more than one.
func (b *backend) askBeside(conn *pgx.Conn) asker {
	return func(ctx context.Context, sql string) ([][][]byte, error) {
		soon, done := context.WithTimeout(ctx, b.secondAfter())
		own, err := b.server.Acquire(soon)
		done()
		switch {
		case err == nil:
			return b.askOn(ctx, own, sql)
		case ctx.Err() != nil:
			return nil, err
		}
		select {
		case b.beside <- struct{}{}:
			defer func() { <-b.beside }()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		other, err := pgconn.ConnectConfig(ctx, &conn.Config().Config)
		if err != nil {
			return nil, err
		}
		defer func() { _ = other.Close(ctx) }()
		return allRows(ctx, other, sql)
	}
}

// known are the answers of a connection's server while the catalog is believed to stay as it is.
type known struct {
	answers
	epoch int64
}

const knownKey = "gqlboost.known"

// answersOf returns what is known by somebody who has conn.
func (r *Reader) answersOf(conn *pgx.Conn) *answers {
	data, epoch := conn.PgConn().CustomData(), r.catalog.epoch.Load()
	k, ok := data[knownKey].(*known)
	if !ok || k.epoch != epoch {
		k = &known{epoch: epoch}
		data[knownKey] = k
	}
	return &k.answers
}

func allRows(ctx context.Context, conn *pgconn.PgConn, sql string) (rows [][][]byte, err error) {
	results, err := conn.Exec(ctx, sql).ReadAll()
	for _, r := range results {
		rows = append(rows, r.Rows...)
	}
	return rows, err
}

// canonical returns a value of a setting as Postgres reports it: German, DMY for german.
func (b *backend) canonical(name, value string, ask asker) (string, error) {
	ctx, done := context.WithTimeout(context.Background(), askTimeout)
	defer done()
	rows, err := b.forms.get(ctx, fmt.Sprintf("select pg_catalog.set_config(%s, %s, true)", guard.Literal(name),
		guard.Literal(value)), ask)
	if err == nil && (len(rows) != 1 || len(rows[0]) != 1) {
		err = fmt.Errorf("%d rows", len(rows))
	}
	if err != nil {
		return "", fmt.Errorf("pool: how Postgres reports %s = %q is not known: %w", name, value, err)
	}
	return string(rows[0][0]), nil
}

// CatalogRows runs a query of the system catalogs on another connection to the rows'
// server, and returns the values in text. What it has returned once is remembered, so it
// must be about what does not change.
func (r *heldRows) CatalogRows(ctx context.Context, sql string) ([][][]byte, error) {
	return r.session.answers.get(ctx, sql, r.session.pipe.backend.ask)
}

// ParameterStatus returns DateStyle, IntervalStyle, TimeZone or client_encoding as they were for the
// rows' statement, in the form in which Postgres reports them.
func (r *heldRows) ParameterStatus(name string) (string, error) {
	if value, ok := r.settings.Value(name); ok {
		b := r.session.pipe.backend
		return b.canonical(name, value, b.ask)
	}
	return r.session.parameters.get(name), nil
}

// CatalogRows is that of held rows.
func (d *directRows) CatalogRows(ctx context.Context, sql string) ([][][]byte, error) {
	conn := d.connection()
	if conn == nil {
		return nil, errRowsClosed
	}
	return d.backend.reader.answersOf(conn).get(ctx, sql, d.backend.askBeside(conn))
}

// ParameterStatus is that of held rows.
func (d *directRows) ParameterStatus(name string) (string, error) {
	conn := d.connection()
	if conn == nil {
		return "", errRowsClosed
	}
	if value, ok := d.call.settings.Value(name); ok { // Postgres reports it when the transaction ends, if ever.
		return d.backend.canonical(name, value, d.backend.askBeside(conn))
	}
	return conn.PgConn().ParameterStatus(name), nil
}
