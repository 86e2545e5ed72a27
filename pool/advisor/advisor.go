package advisor

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// DB is a database: a *pgx.Conn, *pgxpool.Pool, *pool.Pool or pgx.Tx.
type DB interface {
	Begin(ctx context.Context) (pgx.Tx, error)
}

// Options say what is looked at. Zero fields have defaults.
type Options struct {
	// Record is what the client has seen, see [Recorder]. It brings requests that repeat
	// a statement, samples of parameters, and statements where pg_stat_statements is
	// not installed.
	Record *Record
	// Since is an earlier [TakeSnapshot]: the report is about the time from then on,
	// instead of since the counters were reset.
	Since *Snapshot
	// Execute allows to run SELECTs, with EXPLAIN ANALYZE and their sampled parameters:
	// this finds misestimates, and what spills to disk. They run in the read-only
	// transaction, bounded by Timeout.
	Execute bool
	// Timeout bounds each statement that is sent, 5 s by default.
	Timeout time.Duration
	// MaxStatements bounds how many statements are planned, those with the most time
	// first, 200 by default.
	MaxStatements int
	// MinShare is the share of the time of all statements from which one is worth advice,
	// 0.001 by default.
	MinShare float64
	// Role is the role that the application uses, for the conditions of row level security:
	// by default that which has run a statement. The advisor's role must be a member of it.
	Role string
	// Storage bounds the disk space that all advised indexes take, in bytes; there is no
	// bound by default.
	Storage int64
	// Repeats is the number of times in one request from which on a statement counts as repeated, 5
	// by default.
	Repeats int
	// TestData is for databases that tests fill: their tables are too small for the
	// optimizer to use indexes. A scan counts then if no index could serve it.
	TestData bool
}

func (o Options) withDefaults() Options {
	if o.Timeout <= 0 {
		o.Timeout = 5 * time.Second
	}
	if o.MaxStatements <= 0 {
		o.MaxStatements = 200
	}
	if o.MinShare <= 0 {
		o.MinShare = 0.001
	}
	if o.Repeats <= 0 {
		o.Repeats = defaultRepeats
	}
	return o
}

// Analyze looks at a database and returns what to fix. It fails only if the database
// does not answer; what it may not see, or cannot plan, is in [Report.Missing].
func Analyze(ctx context.Context, db DB, o Options) (*Report, error) {
	a := &analysis{options: o.withDefaults(), report: &Report{At: time.Now()}, named: map[string]bool{},
		typeNames: map[uint32]string{}}
	err := readOnly(ctx, db, a.options.Timeout, func(tx pgx.Tx) error {
		a.tx = tx
		return a.run(ctx)
	})
	if err != nil {
		return nil, fmt.Errorf("advisor: %w", err)
	}
	return a.report, nil
}

// analysis is one run of Analyze.
type analysis struct {
	options     Options
	tx          pgx.Tx
	report      *Report
	server      server
	roles       roles
	typeNames   map[uint32]string
	tables      map[string]*table // by schema.name
	indexes     []*index
	named       map[string]bool // names of advised indexes, as schema.name
	foreignKeys []*foreignKey
	statements  []*statement
	advice      []*indexAdvice
	extended    map[uint32][][]int16 // the columns of tables that have extended statistics
	total       time.Duration        // of all statements
}

// run goes from what is cheap and sure to what needs the optimizer.
func (a *analysis) run(ctx context.Context) (err error) {
	if a.server, err = inspect(ctx, a.tx); err != nil {
		return err
	}
	a.report.Server, a.report.Database = a.server.name, a.server.database
	a.report.Replica = a.server.replica
	for _, step := range []func(context.Context) error{
		a.readCatalogs, a.readStatements, a.planStatements, a.adviseIndexes, a.findPlans,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	for _, find := range []func(){
		a.findIndexes, a.findForeignKeys, a.findRepeats, a.findStale, a.findAggregates,
	} {
		find()
	}
	a.warnOfPolicies()
	if err := a.trySyntax(ctx); err != nil {
		return err
	}
	a.report.finish(a.statements, a.total)
	return nil
}

// blind says why a pipeline cannot rely on the report.
func (a *analysis) blind(format string, args ...any) {
	a.report.Blind = append(a.report.Blind, fmt.Sprintf(format, args...))
}

// miss says that something could not be looked at.
func (a *analysis) miss(format string, args ...any) {
	a.report.Missing = append(a.report.Missing, fmt.Sprintf(format, args...))
}
