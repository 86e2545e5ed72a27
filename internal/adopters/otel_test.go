package adopters

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/tracelog"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// recorder keeps ended spans by trace.
type recorder struct {
	mu     sync.Mutex
	traces map[trace.TraceID][]sdktrace.ReadOnlySpan
}

func (r *recorder) OnStart(context.Context, sdktrace.ReadWriteSpan) {}
func (r *recorder) Shutdown(context.Context) error                  { return nil }
func (r *recorder) ForceFlush(context.Context) error                { return nil }

func (r *recorder) OnEnd(s sdktrace.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id := s.SpanContext().TraceID()
	r.traces[id] = append(r.traces[id], s)
}

// take returns a trace's spans of statements. Spans of connecting and preparing depend on
// the state of the pool and are left out.
func (r *recorder) take(id trace.TraceID) []string {
	r.mu.Lock()
	spans := r.traces[id]
	delete(r.traces, id)
	r.mu.Unlock()
	names := map[trace.SpanID]string{}
	for _, s := range spans {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	var all []string
	for _, s := range spans {
		if !strings.HasPrefix(s.Name(), "query") && !strings.HasPrefix(s.Name(), "batch") {
			continue
		}
		var attributes []string
		for _, a := range s.Attributes() {
			attributes = append(attributes, string(a.Key)+"="+a.Value.String())
		}
		slices.Sort(attributes)
		all = append(all, fmt.Sprint(s.Name(), " below ", names[s.Parent().SpanID()], " ", s.SpanKind(), " ", s.Status(), " ",
			len(s.Events()), " events ", slices.Compact(attributes)))
	}
	slices.Sort(all)
	return all
}

func TestOtelpgx(t *testing.T) {
	r := &recorder{traces: map[trace.TraceID][]sdktrace.ReadOnlySpan{}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))
	s := setup{dsn: newDatabase(t, peopleSchema), configure: func(c *pgxpool.Config) {
		c.ConnConfig.Tracer = otelpgx.NewTracer(
			otelpgx.WithTracerProvider(provider), otelpgx.WithQuerySpanNamePrefix(), otelpgx.WithIncludeQueryParameters(),
		)
	}}
	var cases []testCase[querier]
	for _, c := range tracedCases() {
		cases = append(cases, testCase[querier]{c.name, func(ctx context.Context, db querier) (any, error) {
			ctx, root := provider.Tracer("test").Start(ctx, "root")
			value, err := c.run(ctx, db)
			root.End()
			return []any{value, r.take(root.SpanContext().TraceID())}, err
		}, false})
	}
	compare(t, s.systems(), cases, statements(3))
	if n := len(r.traces); n > 0 {
		t.Errorf("%d traces have spans that ended after their statements", n)
	}
}

// tracedCases returns cases whose traces differ.
func tracedCases() []testCase[querier] {
	cases := []testCase[querier]{
		query("no arguments", "select count(*) from people"),
		query("named", "select name from people where id = @id", pgx.NamedArgs{"id": 5}),
		query("with a mode", "select name from people where id = $1", pgx.QueryExecModeExec, 5),
		query("no table", "select * from nowhere"),
		query("division by zero", "select 1 / $1::int", 0),
		query("error after rows", "select 100 / (50 - n) from generate_series(1, 60) n"),
		query("unencodable", "select $1::int", "x"),
		query("too few arguments", "select $1::int, $2::int", 1),
		query("with", "with n as (select 1 as i) select i from n"),
		query("comment", "-- name: Commented :one\nselect 1"),
		scan("scan fails", []any{0}, "select name from people where id = 3"),
		{name: "closed early", run: func(ctx context.Context, db querier) (any, error) {
			rows, err := db.Query(ctx, "select id from people order by id")
			if err != nil {
				return nil, err
			}
			rows.Next()
			rows.Close()
			return nil, rows.Err()
		}},
	}
	for id := range 15 {
		cases = append(cases,
			query(fmt.Sprint("query ", id), "select name from people where id = $1", id),
			query(fmt.Sprint("range ", id), "select id, name from people where id between $1 and $2", id, 2*id),
			scan(fmt.Sprint("row ", id), []any{""}, "select name from people where id = $1", id),
			testCase[querier]{name: fmt.Sprint("exec ", id), run: func(ctx context.Context, db querier) (any, error) {
				tag, err := db.Exec(ctx, "select 10 / ($1::int - 7)", id)
				return tag.String(), err
			}},
			testCase[querier]{name: fmt.Sprint("batch ", id), run: func(ctx context.Context, db querier) (any, error) {
				b := &pgx.Batch{}
				b.Queue("select name from people where id = $1", id)
				b.Queue("select 10 / ($1::int - 7)", id)
				b.Queue("select 3")
				return nil, db.SendBatch(ctx, b).Close()
			}},
		)
	}
	return cases
}

// entries keeps what pgx's tracelog logs, by a key in the context.
type entries struct {
	mu   sync.Mutex
	logs map[*int][]string
}

type entriesKey struct{}

func (e *entries) Log(ctx context.Context, level tracelog.LogLevel, msg string, data map[string]any) {
	key, ok := ctx.Value(entriesKey{}).(*int)
	if !ok || msg != "Query" && !strings.HasPrefix(msg, "Batch") {
		return
	}
	text := fmt.Sprint(level, " ", msg, " ", data["sql"], " ", data["args"], " ", data["commandTag"])
	if err, ok := data["err"].(error); ok {
		text += " " + describe(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.logs[key] = append(e.logs[key], text)
}

func TestTracelog(t *testing.T) {
	e := &entries{logs: map[*int][]string{}}
	s := setup{dsn: newDatabase(t, peopleSchema), configure: func(c *pgxpool.Config) {
		c.ConnConfig.Tracer = &tracelog.TraceLog{Logger: e, LogLevel: tracelog.LogLevelTrace}
	}}
	var cases []testCase[querier]
	for _, c := range tracedCases() {
		cases = append(cases, testCase[querier]{c.name, func(ctx context.Context, db querier) (any, error) {
			key := new(int)
			value, err := c.run(context.WithValue(ctx, entriesKey{}, key), db)
			e.mu.Lock()
			defer e.mu.Unlock()
			logs := e.logs[key]
			delete(e.logs, key)
			return []any{value, logs}, err
		}, false})
	}
	compare(t, s.systems(), cases, statements(3))
}
