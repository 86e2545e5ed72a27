package reader

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/gqlboost/gqlboost/internal/callback"
	"github.com/gqlboost/gqlboost/internal/sqltext"
	"github.com/gqlboost/gqlboost/pool/internal/guard"
	"github.com/gqlboost/gqlboost/pool/internal/quiet"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// learner asks Postgres what must be known of a statement for sharing a connection: its
// parameters and columns, and whether it may have effects. It does so in the background,
// one statement at a time, and bounded.
//
// It also looks at the catalog.
type learner struct {
	lessons chan lesson
}

type lesson struct {
	ctx       context.Context
	backend   *backend
	statement *statement
	settings  *guard.Settings
}

const (
	maxLessons    = 256
	lessonTimeout = 5 * time.Second
	// lockTimeout bounds how long describing and planning a statement wait for a lock on its
	// tables: meanwhile a connection, which may be the last one, is missing in the pool.
	lockTimeout = "20ms"
	// lessonPause is how long a statement that could not be learned is left alone.
	lessonPause = time.Second
)

func (l *learner) start(ctx context.Context, r *Reader) {
	l.lessons = make(chan lesson, maxLessons)
	r.done.Go(func() {
		tick := time.NewTicker(catalogEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case now := <-tick.C:
				r.lookIfDue(ctx, now)
			case one := <-l.lessons:
				if r.catalog.sum == "" { // What changes from now on must be noticed.
					r.look(ctx)
				}
				l.give(ctx, r, one)
			}
		}
	})
}

// ask has a call's statement learned, unless it is being learned, or too many are.
func (l *learner) ask(c *call, b *backend) {
	if !c.statement.learning.CompareAndSwap(false, true) {
		return
	}
	select {
	// Hooks of the pool may need what is in the context.
	case l.lessons <- lesson{context.WithoutCancel(c.ctx), b, c.statement, c.settings}:
	default:
		c.statement.learning.Store(false)
	}
}

func (l *learner) give(ctx context.Context, r *Reader, one lesson) {
	epoch := r.catalog.epoch.Load()
	lessonCtx, cancel := context.WithTimeout(quiet.Context(one.ctx), lessonTimeout)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	s := one.statement
	var d *description
	err := <-callback.Run(callback.Go, func() (err error) { // Hooks of the pool may panic, or call Goexit.
		d, err = describe(lessonCtx, one)
		return err
	})
	if err != nil {
		// It may be a lock; statements that Postgres refuses are asked for again and again.
		time.AfterFunc(lessonPause, func() { s.learning.Store(false) })
		return
	}
	if old := s.learned.Load(); old == nil || old.stale.Load() || !old.equal(d) { // else sessions know it
		s.learned.Store(d)
	}
	s.doubted.Store(false)
	if r.catalog.epoch.Load() != epoch {
		s.doubted.Store(true) // The schema has changed meanwhile.
	}
	s.learning.Store(false)
}

// describe asks Postgres about a statement.
func describe(ctx context.Context, one lesson) (*description, error) {
	conn, err := one.backend.server.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	defer one.backend.server.Release(conn)
	g := guard.Guard{Settings: one.settings, ReadOnly: true}
	tx, err := g.Begin(ctx, conn.Conn())
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if _, err := tx.Exec(ctx, "set local lock_timeout = '"+lockTimeout+"'"); err != nil {
		return nil, err
	}
	said, err := conn.Conn().Prepare(ctx, "", one.statement.sql)
	if err != nil {
		return nil, err
	}
	d := &description{StatementDescription: said, volatile: true, lists: lists(conn.Conn().TypeMap(), said.ParamOIDs)}
	if word := sqltext.FirstWord(one.statement.sql); word == "show" || word == "explain" {
		return d, nil // They have no plan.
	}
	plan, err := explain(ctx, conn.Conn(), one.statement.sql, len(said.ParamOIDs))
	if err != nil { // What may be locked is asked for again.
		return nil, err
	}
	for name := range plan.calls {
		if _, ok := effects(name); ok {
			d.private = true
		}
	}
	if d.volatile, err = plan.volatile(ctx, tx); err != nil || d.volatile || plan.foreign {
		return d, err
	}
	for name := range sqltext.Calls(one.statement.sql) { // A plan does not show what it has inlined.
		plan.calls[name] = true
	}
	d.harmless, err = plan.harmless(ctx, tx)
	return d, err
}

// plan is what a statement does when it is run, with its views and policies.
type plan struct {
	calls   map[string]bool // functions, and some keywords
	writes  bool
	foreign bool // what happens on other servers, or in extensions, it does not show
	text    strings.Builder
}

// explain plans a statement for any parameters. It goes by SQL's PREPARE, which the
// protocol's prepared statements of a pooler do not disturb, and by the protocol, which takes
// one statement only.
func explain(ctx context.Context, conn *pgx.Conn, sql string, parameters int) (*plan, error) {
	const name = "gqlboost_learn"
	call := "explain (verbose, costs off, format json) execute " + name
	if parameters > 0 {
		call += "(null" + strings.Repeat(", null", parameters-1) + ")"
	}
	pipeline := conn.PgConn().StartPipeline(ctx)
	texts := []string{
		"savepoint " + name, "set local plan_cache_mode = force_generic_plan",
		"prepare " + name + " as " + sql, call, "deallocate " + name,
	}
	for _, text := range texts {
		pipeline.SendQueryParams(text, nil, nil, nil, nil)
	}
	if err := pipeline.Sync(); err != nil {
		_ = pipeline.Close()
		return nil, err
	}
	var said []byte
	var failed error
	undo := "rollback to savepoint " + name
	for i := range texts {
		if texts[i] == call { // What SQL has prepared a transaction that is rolled back leaves.
			undo += "; deallocate " + name
		}
		results, err := pipeline.GetResults()
		if err != nil {
			failed = err
			break
		}
		reader, ok := results.(*pgconn.ResultReader)
		if !ok {
			break
		}
		for reader.NextRow() {
			said = append(said, reader.Values()[0]...)
		}
		if _, err := reader.Close(); err != nil {
			failed = err
			break
		}
	}
	if err := pipeline.Close(); failed == nil {
		failed = err
	}
	if failed != nil {
		_, _ = conn.PgConn().Exec(ctx, undo).ReadAll()
		return nil, failed
	}
	var tree any
	if err := json.Unmarshal(said, &tree); err != nil {
		return nil, err
	}
	p := &plan{calls: map[string]bool{}}
	p.walk(tree)
	return p, nil
}

// walk takes in all strings of a plan.
func (p *plan) walk(node any) {
	switch n := node.(type) {
	case []any:
		for _, each := range n {
			p.walk(each)
		}
	case map[string]any:
		for key, each := range n {
			if text, ok := each.(string); ok && key == "Node Type" {
				p.writes = p.writes || text == "ModifyTable" || text == "LockRows"
				p.foreign = p.foreign || text == "Foreign Scan" || text == "Custom Scan"
			}
			if text, ok := each.(string); ok && key == "Function Name" {
				p.calls[text] = true
			}
			p.walk(each)
		}
	case string:
		p.text.WriteString(n)
		p.text.WriteByte('\n')
		for name := range sqltext.Calls(n) {
			p.calls[name] = true
		}
	}
}

// names returns what the plan calls.
func (p *plan) names() []string { return slices.Collect(maps.Keys(p.calls)) }

// volatile reports whether a plan may have effects, or other results each time: it writes,
// locks rows, or has a function that is volatile or that somebody has written in SQL or in a
// procedural language, an operator or a cast of one. What such a function calls no mark tells,
// and its mark may change. Names are compared without schemas and arguments, so it may be true
// of more.
func (p *plan) volatile(ctx context.Context, tx pgx.Tx) (volatile bool, err error) {
	if p.writes {
		return true, nil
	}
	err = tx.QueryRow(ctx,
		`with effective as (select p.oid, proname from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = prolang
			where provolatile = 'v' or lanname not in ('internal', 'c') and p.oid >= 16384)
		select exists (select from effective where proname = any($1))
		or exists (select from pg_catalog.pg_operator o join effective e on e.oid = oprcode where pg_catalog.strpos($2, oprname) > 0)
		or exists (select from pg_catalog.pg_cast join effective e on e.oid = castfunc where pg_catalog.strpos($2, pg_catalog.format_type(casttarget, null)) > 0)`,
		pgx.QueryExecModeExec, p.names(), p.text.String()).Scan(&volatile)
	return volatile, err
}

// harmless reports whether nothing that a plan calls can write: its functions are Postgres's
// own, and nowhere in the database is an operator, a cast, a domain or an order made with a
// function that is not Postgres's or an extension's. A plan does not show those by name. The
// marks of functions do not count, because one that is marked STABLE may call one that writes.
func (p *plan) harmless(ctx context.Context, tx pgx.Tx) (harmless bool, err error) {
	err = tx.QueryRow(ctx, `with made as (
			select p.oid from pg_catalog.pg_proc p join pg_catalog.pg_language l on l.oid = p.prolang
			where l.lanname not in ('internal', 'c') and p.pronamespace <> 'pg_catalog'::pg_catalog.regnamespace)
		select not exists (select from pg_catalog.pg_proc where proname = any($1)
			and (pronamespace <> 'pg_catalog'::pg_catalog.regnamespace or proname like '%\_to\_xml%'))
		and not exists (select from pg_catalog.pg_operator join made on oprcode = made.oid)
		and not exists (select from pg_catalog.pg_cast join made on castfunc = made.oid)
		and not exists (select from pg_catalog.pg_amproc join made on amproc = made.oid)
		and not exists (select from pg_catalog.pg_range join made on made.oid in (rngcanonical, rngsubdiff))
		and not exists (select from pg_catalog.pg_constraint k
			join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = k.oid
			join made on d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.refobjid = made.oid
			where k.contypid <> 0)`,
		pgx.QueryExecModeExec, p.names()).Scan(&harmless)
	return harmless, err
}
