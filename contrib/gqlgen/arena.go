package gqlgen

import (
	"context"
	"net/http"

	"github.com/gqlboost/gqlboost/arena"
)

type arenaKey struct{}

// WithArena gives each request an arena, which [Arena] returns, and which is freed when
// the response has been written. Resolvers may put in it what they return. They must not
// have anything of it in goroutines that outlive the request, or in caches.
func WithArena(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := arena.New()
		defer a.Free()
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), arenaKey{}, a)))
	})
}

// Arena returns the arena of a request, or nil outside of [WithArena]. An arena is not
// safe for concurrent use, and gqlgen runs resolvers of a list at the same time: it is
// for resolvers that are alone, such as those of root fields, and loaders' batches.
func Arena(ctx context.Context) *arena.Arena {
	a, _ := ctx.Value(arenaKey{}).(*arena.Arena)
	return a
}
