package adopters

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/gqlboost/gqlboost/pool"
)

const (
	// goroutines is how many run statements at the same time.
	goroutines = 64
	// maxConns is the size of each pool: far fewer than goroutines, so that callers share.
	maxConns = 8
	// patience is how long one case may take while the others run.
	patience = 30 * time.Second
)

// statements returns how many cases a system runs: the number for a library, divided by
// how many systems, environments or tests share it.
func statements(parts int) int {
	if os.Getenv("GQLBOOST_LONG") != "" {
		return 100_000 / parts
	}
	return 4_000 / parts
}

// querier is what pgxpool.Pool, pool.Pool and Pool.Reader have in common.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults
}

var (
	_ querier = (*pgxpool.Pool)(nil)
	_ querier = (*pool.Pool)(nil)
	_ querier = (*pool.Reader)(nil)
)

// setup is how a program that adopts gqlboost configures pgxpool.
type setup struct {
	dsn       string
	configure func(*pgxpool.Config) // may be nil
}

func (s setup) apply(c *pgxpool.Config) {
	c.MaxConns = maxConns
	if s.configure != nil {
		s.configure(c)
	}
}

// openPgxpool opens a pgxpool.Pool for the test.
func (s setup) openPgxpool(t *testing.T) *pgxpool.Pool {
	t.Helper()
	c, err := pgxpool.ParseConfig(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(c)
	p, err := pgxpool.NewWithConfig(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// openPool opens a pool.Pool for the test.
func (s setup) openPool(t *testing.T) *pool.Pool {
	t.Helper()
	c, err := pool.ParseConfig(s.dsn)
	if err != nil {
		t.Fatal(err)
	}
	s.apply(c.Config)
	p, err := pool.NewWithConfig(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

// system is one way to run statements through a DB.
type system[DB any] struct {
	name     string
	open     func(t *testing.T) DB
	readOnly bool
}

// systems returns pgxpool (the oracle, compared with itself first), the pool and its Reader.
func (s setup) systems() []system[querier] {
	return []system[querier]{
		{name: "pgxpool", open: func(t *testing.T) querier { return s.openPgxpool(t) }},
		{name: "pool", open: func(t *testing.T) querier { return s.openPool(t) }},
		{name: "reader", open: func(t *testing.T) querier { return s.openPool(t).Reader() }, readOnly: true},
	}
}

// adapt returns systems for a library that wraps the DB.
func adapt[A, B any](systems []system[A], wrap func(A) B) []system[B] {
	adapted := make([]system[B], len(systems))
	for i, s := range systems {
		adapted[i] = system[B]{s.name, func(t *testing.T) B { return wrap(s.open(t)) }, s.readOnly}
	}
	return adapted
}

// testCase is something that a library does with a DB. Every run has the same outcome,
// whatever runs beside it.
type testCase[DB any] struct {
	name   string
	run    func(ctx context.Context, db DB) (any, error)
	writes bool // read-only systems refuse it
}

// outcome is the result of a case.
type outcome struct {
	value any
	err   string
	stuck bool // it did not end in time
}

func (c testCase[DB]) outcome(db DB) (out outcome) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			out = outcome{err: fmt.Sprintf("panic: %v\n%s", p, debug.Stack())}
		}
	}()
	value, err := c.run(ctx, db)
	return outcome{value, describe(err), ctx.Err() != nil}
}

// compare runs each case once on the first system, the oracle, then n cases on each system
// from many goroutines, and reports the differences.
func compare[DB any](t *testing.T, systems []system[DB], cases []testCase[DB], n int) {
	t.Helper()
	want := make([]outcome, len(cases))
	var asked bool
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			if !asked { // Here, so that "go test -run" with one system does it too.
				asked = true
				t.Run("oracle", func(t *testing.T) { record(t, systems[0], cases, want) })
			}
			db := s.open(t)
			var found differences
			fire(math.MaxInt, func(i int) bool {
				if i >= n && !unfinished(db) {
					return false
				}
				if i >= len(cases) { // Each of them once, then whatever comes.
					i = rand.IntN(len(cases))
				}
				c := cases[i]
				expected, got := want[i], c.outcome(db)
				if c.writes && s.readOnly {
					expected.value, got.value = nil, nil
					if refusesWrites(got.err) {
						expected.err = got.err
					} else {
						expected.err = "a refusal to write"
					}
				}
				found.add(c.name, expected, got)
				return !got.stuck // Others would wait as long.
			})
			found.report(t)
		})
	}
}

// unfinished reports whether a system wants more cases than n.
func unfinished(db any) bool {
	u, ok := db.(interface{ unfinished() bool })
	return ok && u.unfinished()
}

// record stores the outcome of each case when nothing runs beside it.
func record[DB any](t *testing.T, s system[DB], cases []testCase[DB], to []outcome) {
	db := s.open(t)
	useful := false
	for i, c := range cases {
		to[i] = c.outcome(db)
		if to[i].stuck || strings.HasPrefix(to[i].err, "panic:") {
			t.Errorf("%s is not a valid case: %s", c.name, to[i])
		}
		useful = useful || to[i].err == "" || strings.Contains(to[i].err, errHook.Error())
	}
	if !useful {
		t.Errorf("all cases fail, so that nothing is compared: %s", to[0])
	}
}

// errReadOnly is returned by tests themselves where a Reader lacks the method.
var errReadOnly = errors.New("this system is read-only")

// refusesWrites reports whether an error is that of a read-only transaction, the Reader's
// own, or errReadOnly.
func refusesWrites(err string) bool {
	for _, reason := range []string{"SQLSTATE 25006", pool.ErrNotRead.Error(), errReadOnly.Error(), "CopyFrom"} {
		if strings.Contains(err, reason) {
			return true
		}
	}
	return false
}

// fire calls do with 0 to n-1 from many goroutines, until it returns false.
func fire(n int, do func(i int) bool) {
	var next atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !stop.Load(); i = int(next.Add(1)) - 1 {
				if !do(i) {
					stop.Store(true)
				}
			}
		})
	}
	wg.Wait()
}

// differences counts the differing runs of each case.
type differences struct {
	mu    sync.Mutex
	cases map[string]*difference
}

type difference struct {
	name        string
	runs, wrong int
	first       string
}

func (d *differences) add(name string, want, got outcome) {
	equal := !got.stuck && want.err == got.err && reflect.DeepEqual(want.value, got.value)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cases == nil {
		d.cases = map[string]*difference{}
	}
	c := d.cases[name]
	if c == nil {
		c = &difference{name: name}
		d.cases[name] = c
	}
	c.runs++
	if equal {
		return
	}
	if c.wrong++; c.wrong == 1 {
		c.first = fmt.Sprintf("got  %s\nwant %s", got, want)
	}
}

// maxReported is how many cases are reported with their values.
const maxReported = 12

func (d *differences) report(t *testing.T) {
	t.Helper()
	var bad []*difference
	runs, failed := 0, 0
	for _, c := range d.cases {
		runs += c.runs
		failed += c.wrong
		if c.wrong > 0 {
			bad = append(bad, c)
		}
	}
	if len(bad) == 0 {
		return
	}
	slices.SortFunc(bad, func(a, b *difference) int {
		return cmp.Or(cmp.Compare(b.wrong, a.wrong), cmp.Compare(a.name, b.name))
	})
	t.Errorf("%d of %d runs differ, in %d of %d cases", failed, runs, len(bad), len(d.cases))
	for _, c := range bad[:min(len(bad), maxReported)] {
		t.Errorf("%s: %d of %d runs differ:\n%s", c.name, c.wrong, c.runs, c.first)
	}
}

func (o outcome) String() string {
	text := fmt.Sprintf("%+v", o.value)
	if o.err != "" {
		text += " error: " + o.err
	}
	if o.stuck {
		text += " after " + patience.String()
	}
	if len(text) > 1200 {
		text = text[:1200] + "..."
	}
	text = strings.Trim(strconv.QuoteToGraphic(text), `"`) // Raw values are binary.
	return strings.ReplaceAll(text, `\"`, `"`)
}

// sentinels are errors that programs test for with errors.Is.
var sentinels = []error{pgx.ErrNoRows, pgx.ErrTooManyRows, sql.ErrNoRows, sql.ErrTxDone, pgx.ErrTxClosed, pool.ErrNotRead, errHook, errNoTenant}

// describe returns what a program can tell from an error: its text, the fields of
// Postgres's error, and what errors.Is and errors.As find in it. The text of an error
// of a context is not compared, because it depends on what the driver was waiting for.
func describe(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.Canceled):
		return "context.Canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "context.DeadlineExceeded"
	}
	var b strings.Builder
	b.WriteString(err.Error())
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		for field, value := range reflect.ValueOf(*pg).Fields() {
			if !value.IsZero() {
				fmt.Fprintf(&b, " %s=%v", field.Name, value)
			}
		}
	}
	if scan, ok := errors.AsType[pgx.ScanArgError](err); ok {
		fmt.Fprintf(&b, " ScanArgError{%d %s}", scan.ColumnIndex, scan.FieldName)
	}
	for _, s := range sentinels {
		if errors.Is(err, s) {
			fmt.Fprintf(&b, " is(%v)", s)
		}
	}
	return b.String()
}

// answer is all that pgx.Rows tell about a result.
type answer struct {
	fields []pgconn.FieldDescription
	rows   [][]any
	tag    string
}

// collect reads a result to its end.
func collect(rows pgx.Rows, err error) (any, error) {
	if err != nil {
		if rows == nil {
			return nil, fmt.Errorf("rows are nil beside the error: %w", err)
		}
		rows.Close() // pgx allows this.
		return nil, cmp.Or(rows.Err(), err)
	}
	defer rows.Close()
	// After the last row pgxpool has released the connection, and these are another statement's.
	a := answer{fields: slices.Clone(rows.FieldDescriptions())}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			return a, err
		}
		a.rows = append(a.rows, values)
	}
	a.tag = rows.CommandTag().String()
	return a, rows.Err()
}

// query is a case that reads a result to its end.
func query(name, sql string, args ...any) testCase[querier] {
	return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
		return collect(db.Query(ctx, sql, args...))
	}}
}

// scan is a case that scans one row into new values of the types of dest.
func scan(name string, dest []any, sql string, args ...any) testCase[querier] {
	return testCase[querier]{name: name, run: func(ctx context.Context, db querier) (any, error) {
		targets := make([]any, len(dest))
		for i, d := range dest {
			targets[i] = reflect.New(reflect.TypeOf(d)).Interface()
		}
		err := db.QueryRow(ctx, sql, args...).Scan(targets...)
		values := make([]any, len(dest))
		for i, target := range targets {
			values[i] = reflect.ValueOf(target).Elem().Interface()
		}
		return values, err
	}}
}
