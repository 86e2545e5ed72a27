package gqlgen

import (
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/arena"
)

// arenas are those of a request.
type arenas struct {
	mu   sync.Mutex
	list []*arena.Arena
	kept bool // what is in them may outlive the request
}

type arenasKey struct{}

// WithArenas makes [Arena] work in a request. What is in its arenas is gone when the
// response has been written: resolvers may return it, but nothing that outlives the
// request may have it, such as a cache or a goroutine that nobody waits for. Arenas of
// operations with @defer, whose fields gqlgen may still resolve then, are left to the garbage
// collector.
func WithArenas(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all := new(arenas)
		defer all.free()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arenasKey{}, all)))
	})
}

func (a *arenas) free() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kept {
		return
	}
	for _, each := range a.list {
		each.Free()
	}
}

// keepArenas leaves the arenas of a request to the garbage collector if the operation may have
// deferred fields: no transport of gqlgen waits for all of them.
func keepArenas(ctx context.Context, o *graphql.OperationContext) {
	all, _ := ctx.Value(arenasKey{}).(*arenas)
	if all == nil || !strings.Contains(o.RawQuery, "defer") { // There may be something between it and its @.
		return
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	all.kept = true
}

// Arena returns a new arena, which is freed with the request; nil outside of
// [WithArenas]. gqlgen runs resolvers at the same time and an arena is for one goroutine
// at a time, so each batch of rows needs its own.
func Arena(ctx context.Context) *arena.Arena {
	all, _ := ctx.Value(arenasKey{}).(*arenas)
	if all == nil {
		return nil
	}
	if graphql.HasOperationContext(ctx) { // Also of gqlgen's own transports.
		keepArenas(ctx, graphql.GetOperationContext(ctx))
	}
	a := arena.New()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.list = append(all.list, a)
	return a
}
