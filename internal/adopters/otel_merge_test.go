package adopters

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/exaring/otelpgx"
	"github.com/gqlboost/gqlboost/pool"
	"github.com/gqlboost/gqlboost/pool/dataloader"
	"github.com/gqlboost/gqlboost/pool/reader"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spanOfMerged starts the span of a merged fetch, as MergeOptions.Trace is meant to be used: it has a trace
// of its own, with links to the spans of the requests.
func spanOfMerged(t trace.Tracer) func(ctx context.Context, callers []context.Context) context.Context {
	return func(ctx context.Context, callers []context.Context) context.Context {
		var links []trace.Link
		for _, c := range callers {
			links = append(links, trace.LinkFromContext(c))
		}
		ctx, _ = t.Start(ctx, "fetch people", trace.WithLinks(links...))
		return ctx
	}
}

// The spans of a merged fetch's statements are below the fetch's span, which is linked to those of all
// requests that it is for, and to no others.
func TestOtelOfMergedFetches(t *testing.T) {
	r := &recorder{traces: map[trace.TraceID][]sdktrace.ReadOnlySpan{}}
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(r))
	tracer := provider.Tracer("test")
	c, err := pool.ParseConfig(newDatabase(t, peopleSchema))
	if err != nil {
		t.Fatal(err)
	}
	c.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(provider), otelpgx.WithQuerySpanNamePrefix())
	db, err := pool.NewWithConfig(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	people := dataloader.ByColumn[int, string](db.Reader(), "select id, name from people where id = any($1)")
	merged := dataloader.Merge(func(ctx context.Context, ids []int) (map[int]string, error) {
		defer trace.SpanFromContext(ctx).End()
		return people(ctx, ids)
	}, reader.ScopeOf, dataloader.MergeOptions{Trace: spanOfMerged(tracer)})

	var requests sync.WaitGroup
	var mu sync.Mutex
	asked := map[trace.SpanID]bool{} // spans of requests: linked
	for g := range 32 {
		requests.Go(func() {
			for i := range 20 {
				ctx, root := tracer.Start(t.Context(), "request")
				mu.Lock()
				asked[root.SpanContext().SpanID()] = false
				mu.Unlock()
				if _, err := dataloader.New(merged, dataloader.Options{}).Load(ctx, 1+(g+i)%5); err != nil {
					t.Error(err)
				}
				root.End()
			}
		})
	}
	requests.Wait()
	fetches, shared, statements := 0, 0, 0
	for _, spans := range r.traces {
		at := slices.IndexFunc(spans, func(s sdktrace.ReadOnlySpan) bool { return s.Name() == "fetch people" })
		if at < 0 {
			continue
		}
		fetch := spans[at]
		fetches++
		if len(fetch.Links()) > 1 {
			shared++
		}
		for _, link := range fetch.Links() {
			if linked, ok := asked[link.SpanContext.SpanID()]; !ok || linked {
				t.Error("a fetch is linked to a span that is not a request's, or is linked to one twice")
			}
			asked[link.SpanContext.SpanID()] = true
		}
		if fetch.Parent().IsValid() {
			t.Error("the fetch of several requests is below the span of one")
		}
		for _, s := range spans {
			if !strings.HasPrefix(s.Name(), "query") {
				continue
			}
			statements++
			if s.Parent().SpanID() != fetch.SpanContext().SpanID() {
				t.Errorf("%s is not below the fetch", s.Name())
			}
		}
	}
	for _, linked := range asked {
		if !linked {
			t.Error("no fetch is linked to a request")
		}
	}
	if shared == 0 || statements < fetches {
		t.Errorf("%d fetches, of which %d for several requests, have %d statements", fetches, shared, statements)
	}
	t.Logf("%d fetches, of which %d for several requests, have %d statements", fetches, shared, statements)
}
