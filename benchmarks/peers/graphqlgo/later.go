package main

import (
	"context"

	"github.com/graphql-go/graphql"

	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// thunk is what graphql-go calls when it has asked all fields of a level: a resolver that
// returns one lets the loaders collect the keys of all of them.
type thunk = func() (any, error)

// later asks a loader for a key, and returns the thunk that waits for its value.
func later[K comparable, V any](ctx context.Context, l store.Loader[K, V], key K) thunk {
	load := l.(interface {
		LoadThunk(ctx context.Context, key K) func() (V, error)
	}).LoadThunk(ctx, key) // The store's loaders are dataloadgen's.
	return func() (any, error) { return load() }
}

// field is a field of a T that needs nothing but its row.
func field[T any](of graphql.Output, value func(*T) any) *graphql.Field {
	return &graphql.Field{Type: graphql.NewNonNull(of), Resolve: func(p graphql.ResolveParams) (any, error) {
		return value(p.Source.(*T)), nil
	}}
}

// loaded is a field of a T that comes from a loader.
func loaded[T any, K comparable, V any](
	of graphql.Output, loader func(context.Context) store.Loader[K, V], key func(*T) K,
) *graphql.Field {
	return &graphql.Field{Type: graphql.NewNonNull(of), Resolve: func(p graphql.ResolveParams) (any, error) {
		return later(p.Context, loader(p.Context), key(p.Source.(*T))), nil
	}}
}
