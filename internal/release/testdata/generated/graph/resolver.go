package graph

import "context"

// Resolver is the root of the resolvers.
type Resolver struct{}

// Query returns the resolvers of the root fields.
func (r *Resolver) Query() QueryResolver { return r }

// Posts resolves a root field.
func (r *Resolver) Posts(context.Context) ([]*Post, error) {
	return []*Post{{ID: "1", Title: "Hello"}}, nil
}
