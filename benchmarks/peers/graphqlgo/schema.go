package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/graphql-go/graphql"
	"github.com/graphql-go/graphql/language/ast"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// document is the scalar JSON: what Postgres has checked is passed on as it is.
var document = graphql.NewScalar(graphql.ScalarConfig{
	Name:         "JSON",
	Serialize:    func(v any) any { return json.RawMessage(v.(store.JSON)) },
	ParseValue:   func(any) any { return nil }, // The schema has no JSON input.
	ParseLiteral: func(ast.Value) any { return nil },
})

var status = graphql.NewEnum(graphql.EnumConfig{Name: "PostStatus", Values: graphql.EnumValueConfigMap{
	"DRAFT": &graphql.EnumValueConfig{Value: "DRAFT"}, "PUBLISHED": &graphql.EnumValueConfig{Value: "PUBLISHED"},
}})

// types are the object types, which refer to each other.
type types struct{ totals, user, post, comment, tag *graphql.Object }

func newTypes() *types {
	t := &types{}
	t.totals = object("Totals", func() graphql.Fields {
		return graphql.Fields{
			"users":    field(graphql.Int, func(t *store.Totals) any { return t.Users }),
			"posts":    field(graphql.Int, func(t *store.Totals) any { return t.Posts }),
			"comments": field(graphql.Int, func(t *store.Totals) any { return t.Comments }),
		}
	})
	t.tag = object("Tag", func() graphql.Fields {
		return graphql.Fields{
			"id":   field(graphql.ID, func(t *store.Tag) any { return t.ID }),
			"name": field(graphql.String, func(t *store.Tag) any { return t.Name }),
		}
	})
	t.user = object("User", t.userFields)
	t.post = object("Post", t.postFields)
	t.comment = object("Comment", t.commentFields)
	return t
}

func object(name string, fields func() graphql.Fields) *graphql.Object {
	return graphql.NewObject(graphql.ObjectConfig{Name: name, Fields: graphql.FieldsThunk(fields)})
}

func (t *types) userFields() graphql.Fields {
	return graphql.Fields{
		"id":        field(graphql.ID, func(u *store.User) any { return u.ID }),
		"handle":    field(graphql.String, func(u *store.User) any { return u.Handle }),
		"name":      field(graphql.String, func(u *store.User) any { return u.Name }),
		"email":     field(graphql.String, func(u *store.User) any { return u.Email }),
		"bio":       field(graphql.String, func(u *store.User) any { return u.Bio }),
		"profile":   field(document, func(u *store.User) any { return u.Profile }),
		"createdAt": field(graphql.DateTime, func(u *store.User) any { return u.CreatedAt }),
		"posts": paged(t.post, func(ctx context.Context) store.Loader[store.Page, []*store.Post] {
			return graph.Loaders(ctx).Posts(nil)
		}, func(u *store.User) int { return u.ID }),
		"followers": paged(t.user, func(ctx context.Context) store.Loader[store.Page, []*store.User] {
			return graph.Loaders(ctx).Followers(nil)
		}, func(u *store.User) int { return u.ID }),
		"followerCount": loaded(graphql.Int, func(ctx context.Context) store.Loader[int, int] {
			return graph.Loaders(ctx).FollowerCount()
		}, func(u *store.User) int { return u.ID }),
	}
}

func (t *types) postFields() graphql.Fields {
	published := field(graphql.DateTime, func(p *store.Post) any {
		if p.PublishedAt == nil {
			return nil
		}
		return *p.PublishedAt
	})
	published.Type = graphql.DateTime // It may be null.
	return graphql.Fields{
		"id":          field(graphql.ID, func(p *store.Post) any { return p.ID }),
		"title":       field(graphql.String, func(p *store.Post) any { return p.Title }),
		"slug":        field(graphql.String, func(p *store.Post) any { return p.Slug }),
		"excerpt":     field(graphql.String, func(p *store.Post) any { return p.Excerpt }),
		"status":      field(status, func(p *store.Post) any { return p.Status }),
		"views":       field(graphql.Int, func(p *store.Post) any { return p.Views }),
		"publishedAt": published,
		"body": loaded(graphql.String, func(ctx context.Context) store.Loader[int, string] {
			return graph.Loaders(ctx).Body()
		}, func(p *store.Post) int { return p.ID }),
		"author": loaded(t.user, users, func(p *store.Post) int { return p.AuthorID }),
		"tags": loaded(list(t.tag), func(ctx context.Context) store.Loader[int, []*store.Tag] {
			return graph.Loaders(ctx).Tags(nil)
		}, func(p *store.Post) int { return p.ID }),
		"comments": paged(t.comment, func(ctx context.Context) store.Loader[store.Page, []*store.Comment] {
			return graph.Loaders(ctx).Comments(nil)
		}, func(p *store.Post) int { return p.ID }),
		"commentCount": loaded(graphql.Int, func(ctx context.Context) store.Loader[int, int] {
			return graph.Loaders(ctx).CommentCount()
		}, func(p *store.Post) int { return p.ID }),
	}
}

func (t *types) commentFields() graphql.Fields {
	return graphql.Fields{
		"id":        field(graphql.ID, func(c *store.Comment) any { return c.ID }),
		"body":      field(graphql.String, func(c *store.Comment) any { return c.Body }),
		"createdAt": field(graphql.DateTime, func(c *store.Comment) any { return c.CreatedAt }),
		"author":    loaded(t.user, users, func(c *store.Comment) int { return c.AuthorID }),
		"post": loaded(t.post, func(ctx context.Context) store.Loader[int, *store.Post] {
			return graph.Loaders(ctx).Post(nil)
		}, func(c *store.Comment) int { return c.PostID }),
	}
}

func users(ctx context.Context) store.Loader[int, *store.User] { return graph.Loaders(ctx).User(nil) }

func list(of graphql.Type) *graphql.List { return graphql.NewList(graphql.NewNonNull(of)) }

// firstOf is the bound of a list. It may be null here: graphql-go demands an argument whose
// type is not null even where it has a default.
func firstOf(n int) graphql.FieldConfigArgument {
	return graphql.FieldConfigArgument{"first": &graphql.ArgumentConfig{Type: graphql.Int, DefaultValue: n}}
}

// bound reads it, and refuses more than limit.
func bound(p graphql.ResolveParams, limit int) (int, error) {
	first, ok := p.Args["first"].(int)
	if !ok {
		return 0, errors.New("first must not be null")
	}
	return first, host.Within(first, limit)
}

// paged is a list of a T with a bound.
func paged[T, V any](
	of *graphql.Object, loader func(context.Context) store.Loader[store.Page, []V], parent func(*T) int,
) *graphql.Field {
	resolve := func(p graphql.ResolveParams) (any, error) {
		first, err := bound(p, host.MaxPage)
		if err != nil {
			return nil, err
		}
		page := store.Page{Parent: parent(p.Source.(*T)), First: first}
		return later(p.Context, loader(p.Context), page), nil
	}
	return &graphql.Field{Type: graphql.NewNonNull(list(of)), Args: firstOf(10), Resolve: resolve}
}
