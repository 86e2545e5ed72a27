package compiled_test

import (
	"context"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/compiled/internal/zoo"
)

// TestContextsEnd ends the contexts of random operations while they are executed. Which calls
// see it depends on their order, which is not gqlgen's, so gqlgen gets a second operation in
// which the same calls fail for the same reason.
func TestContextsEnd(t *testing.T) {
	n := 250
	if os.Getenv("GQLBOOST_LONG") != "" {
		n = 20_000
	}
	for name, extensions := range map[string][]graphql.HandlerExtension{"plain": nil, "middleware": {aroundFields{}}} {
		t.Run(name, func(t *testing.T) {
			canceled := func(ctx context.Context, env *zoo.Env, do func(context.Context)) {
				ctx, env.Stop = context.WithCancel(ctx)
				defer env.Stop()
				do(ctx)
			}
			contextsEnd(t, n, newPair(extensions...), canceled)
		})
	}
	t.Run("deadline", func(t *testing.T) {
		late := func(ctx context.Context, env *zoo.Env, do func(context.Context)) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			env.Stop = func() { time.Sleep(time.Minute) }
			do(ctx)
		}
		synctest.Test(t, func(t *testing.T) { contextsEnd(t, n/2, newPair(), late) })
	})
}

func contextsEnd(t *testing.T, n int, p *pair, within func(context.Context, *zoo.Env, func(context.Context))) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	o := &operations{Rand: rand.New(rand.NewPCG(seed, 1)), schema: p.schema.Schema()}
	ended := 0
	for i := 0; i < n && !t.Failed(); i++ {
		query, variables := o.next()
		env := &zoo.Env{Seed: o.Uint64N(1000), Faults: o.IntN(3) == 0, StopAt: 1 + o.IntN(8)}
		again := clone(env)
		var got answer
		within(t.Context(), env, func(ctx context.Context) { got = executeIn(ctx, p.compiled, env, query, variables) })
		again.Ended = env.Ended
		want := execute(p.own, again, query, variables)
		if got.data != want.data || !slices.Equal(got.errors, want.errors) {
			t.Errorf("seed %d faults %v stop at %d, ended %v\n%s\nvariables %v\n%s", env.Seed, env.Faults, env.StopAt, env.Ended, query, variables,
				difference(answer{got.data, got.errors, nil}, answer{want.data, want.errors, nil}))
		}
		ended += len(env.Ended)
	}
	if ended < n/10 {
		t.Errorf("only %d calls of %d operations have seen their contexts end", ended, n)
	}
}
