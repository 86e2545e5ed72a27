// Package graph is the blog's GraphQL schema and its resolvers.
package graph

import (
	"context"
	"net/http"

	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// Resolver is the root of the resolvers.
type Resolver struct{ Store *store.Store }

type loadersKey struct{}

// WithLoaders gives every request data loaders of its own.
func WithLoaders(s *store.Store, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), loadersKey{}, store.NewLoaders(s))))
	})
}

// Loaders returns the data loaders of a request.
func Loaders(ctx context.Context) *store.Loaders { return ctx.Value(loadersKey{}).(*store.Loaders) }

const (
	maxPage   = 100     // of a list inside a request
	maxExport = 100_000 // of Query.comments
)

// WithinPage refuses a page of a list inside a request that is too large.
func WithinPage(first int) error { return within(first, maxPage) }

// within refuses a page size that would let one request take the server down.
func within(first, limit int) error {
	if first < 0 || first > limit {
		return gqlerror.Errorf("first must be between 0 and %d, not %d", limit, first)
	}
	return nil
}
