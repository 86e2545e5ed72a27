// Package spans adds up how long a server's requests spend where, by the clock:
// what a CPU profile cannot show is waiting.
package spans

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/99designs/gqlgen/graphql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Span is a sum over all requests. Spans of one request overlap where the server
// works concurrently: three loaders that wait for 1 ms each count 3 ms.
type Span struct {
	Count atomic.Int64
	Nanos atomic.Int64
}

// Since ends a span that began at start.
func (s *Span) Since(start time.Time) { s.between(start, time.Now()) }

func (s *Span) between(start, end time.Time) {
	if start.IsZero() || end.Before(start) {
		return
	}
	s.Count.Add(1)
	s.Nanos.Add(int64(end.Sub(start)))
}

// Recorder holds the spans of a server. It is safe for concurrent use.
type Recorder struct {
	HTTP     Span // the handler, from its call to its return
	Read     Span // reading and decoding the request's JSON
	Parse    Span // of the query text; only when it was not cached
	Validate Span
	Execute  Span // resolvers, and their results into one buffer
	PoolWait Span // until a connection was there, one for each query
	Query    Span // from sending a query to having read its rows
}

// Figure is a span as JSON.
type Figure struct {
	Name  string `json:"name"`
	Count int64  `json:"count"`
	Nanos int64  `json:"nanos"`
}

// Figures returns the sums so far.
func (r *Recorder) Figures() []Figure {
	var figures []Figure
	for _, s := range []struct {
		name string
		span *Span
	}{
		{"http", &r.HTTP}, {"read", &r.Read}, {"parse", &r.Parse}, {"validate", &r.Validate},
		{"execute", &r.Execute}, {"pool wait", &r.PoolWait}, {"query", &r.Query},
	} {
		figures = append(figures, Figure{s.name, s.span.Count.Load(), s.span.Nanos.Load()})
	}
	return figures
}

// ServeHTTP writes the figures as JSON.
func (r *Recorder) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(r.Figures()) // The client may have gone.
}

// Handler records the HTTP span of next.
func (r *Recorder) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		start := time.Now()
		defer r.HTTP.Since(start)
		next.ServeHTTP(w, req)
	})
}

// Response is a gqlgen response middleware: it records what gqlgen measures
// itself, and the execution.
func (r *Recorder) Response(ctx context.Context, next graphql.ResponseHandler) *graphql.Response {
	start := time.Now()
	response := next(ctx)
	r.Execute.Since(start)
	if graphql.HasOperationContext(ctx) {
		stats := graphql.GetOperationContext(ctx).Stats
		r.Read.between(stats.Read.Start, stats.Read.End)
		r.Parse.between(stats.Parsing.Start, stats.Parsing.End)
		r.Validate.between(stats.Validation.Start, stats.Validation.End)
	}
	return response
}

// Tracer is a pgx tracer of acquires and queries.
type Tracer struct{ recorder *Recorder }

// Tracer returns the recorder's tracer, for pgx.ConnConfig.Tracer.
func (r *Recorder) Tracer() *Tracer { return &Tracer{r} }

type (
	acquireKey struct{}
	queryKey   struct{}
)

// TraceAcquireStart implements pgxpool.AcquireTracer.
func (*Tracer) TraceAcquireStart(
	ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData,
) context.Context {
	return context.WithValue(ctx, acquireKey{}, time.Now())
}

// TraceAcquireEnd implements pgxpool.AcquireTracer.
func (t *Tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireEndData) {
	if start, ok := ctx.Value(acquireKey{}).(time.Time); ok {
		t.recorder.PoolWait.Since(start)
	}
}

// TraceQueryStart implements pgx.QueryTracer.
func (*Tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return context.WithValue(ctx, queryKey{}, time.Now())
}

// TraceQueryEnd implements pgx.QueryTracer.
func (t *Tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	if start, ok := ctx.Value(queryKey{}).(time.Time); ok {
		t.recorder.Query.Since(start)
	}
}
