package gqlgen

import (
	"context"
	"net/http"
	"sync"

	"github.com/gqlboost/gqlboost/arena"
)

// arenas are those of a request.
type arenas struct {
	mu   sync.Mutex
	list []*arena.Arena
}

type arenasKey struct{}

// WithArenas makes [Arena] work in a request. What is in its arenas is gone when the
// response has been written: resolvers may return it, but nothing that outlives the
// request may have it, such as a cache or a goroutine that nobody waits for.
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
	for _, each := range a.list {
		each.Free()
	}
}

// Arena returns a new arena, which is freed with the request; nil outside of
// [WithArenas]. gqlgen runs resolvers at the same time and an arena is for one goroutine
// at a time, so each batch of rows needs its own.
func Arena(ctx context.Context) *arena.Arena {
	all, _ := ctx.Value(arenasKey{}).(*arenas)
	if all == nil {
		return nil
	}
	a := arena.New()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.list = append(all.list, a)
	return a
}
