package compiled_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled"
	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// TestCompiledOnce has requests that come at the same time wait for one compilation.
func TestCompiledOnce(t *testing.T) {
	p := newPair()
	dispatch := func() {
		ctx := zoo.With(graphql.StartOperationTrace(context.Background()), &zoo.Env{Seed: 1})
		op, errs := p.compiled.CreateOperationContext(ctx, &graphql.RawParams{Query: `{ count }`})
		if errs != nil {
			t.Error(errs)
			return
		}
		p.compiled.DispatchOperation(ctx, op) // It compiles, and runs nothing.
	}
	// The document is there, and no plan.
	ctx := graphql.StartOperationTrace(context.Background())
	if _, errs := p.compiled.CreateOperationContext(ctx, &graphql.RawParams{Query: `{ count }`}); errs != nil {
		t.Fatal(errs)
	}
	another := make(chan struct{})
	var compilations atomic.Int64
	compiled.OnContext(p.schema, func() {
		switch compilations.Add(1) {
		case 1:
			select {
			case <-another:
			case <-time.After(100 * time.Millisecond): // It does not come.
			}
		case 2:
			close(another)
		}
	})
	var all sync.WaitGroup
	for range 4 {
		all.Go(dispatch)
	}
	all.Wait()
	if n := compilations.Load(); n != 1 {
		t.Errorf("%d compilations, want 1", n)
	}
}
