package main

import (
	"strconv"

	"github.com/graphql-go/graphql"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

func newSchema(s *store.Store) (graphql.Schema, error) {
	t, r := newTypes(), &root{s}
	newPost := input("NewPost", graphql.InputObjectConfigFieldMap{
		"authorId": required(graphql.ID), "title": required(graphql.String), "body": required(graphql.String),
		"tags": {Type: list(graphql.String), DefaultValue: []any{}},
	})
	newComment := input("NewComment", graphql.InputObjectConfigFieldMap{
		"postId": required(graphql.ID), "authorId": required(graphql.ID), "body": required(graphql.String),
	})
	return graphql.NewSchema(graphql.SchemaConfig{
		Query: graphql.NewObject(graphql.ObjectConfig{Name: "Query", Fields: r.queries(t)}),
		Mutation: graphql.NewObject(graphql.ObjectConfig{Name: "Mutation", Fields: graphql.Fields{
			"createPost": &graphql.Field{Type: graphql.NewNonNull(t.post), Args: newPost, Resolve: r.createPost},
			"addComment": &graphql.Field{Type: graphql.NewNonNull(t.comment), Args: newComment, Resolve: r.addComment},
		}}),
	})
}

func required(of graphql.Input) *graphql.InputObjectFieldConfig {
	return &graphql.InputObjectFieldConfig{Type: graphql.NewNonNull(of)}
}

func input(name string, fields graphql.InputObjectConfigFieldMap) graphql.FieldConfigArgument {
	return graphql.FieldConfigArgument{"input": &graphql.ArgumentConfig{
		Type: graphql.NewNonNull(graphql.NewInputObject(graphql.InputObjectConfig{Name: name, Fields: fields})),
	}}
}

// root resolves Query and Mutation.
type root struct{ store *store.Store }

func (r *root) queries(t *types) graphql.Fields {
	idOf := graphql.FieldConfigArgument{"id": &graphql.ArgumentConfig{Type: graphql.NewNonNull(graphql.ID)}}
	feed, comments, search := firstOf(20), firstOf(100), firstOf(20)
	feed["before"] = &graphql.ArgumentConfig{Type: graphql.ID}
	comments["after"] = &graphql.ArgumentConfig{Type: graphql.ID}
	search["text"] = &graphql.ArgumentConfig{Type: graphql.NewNonNull(graphql.String)}
	return graphql.Fields{
		"totals": &graphql.Field{Type: graphql.NewNonNull(t.totals), Resolve: func(p graphql.ResolveParams) (any, error) {
			return r.store.Totals(p.Context)
		}},
		"user":     &graphql.Field{Type: t.user, Args: idOf, Resolve: r.user},
		"post":     &graphql.Field{Type: t.post, Args: idOf, Resolve: r.post},
		"feed":     &graphql.Field{Type: graphql.NewNonNull(list(t.post)), Args: feed, Resolve: r.feed},
		"search":   &graphql.Field{Type: graphql.NewNonNull(list(t.post)), Args: search, Resolve: r.search},
		"comments": &graphql.Field{Type: graphql.NewNonNull(list(t.comment)), Args: comments, Resolve: r.comments},
	}
}

// number reads an ID.
func number(of map[string]any, name string) (int, error) { return strconv.Atoi(of[name].(string)) }

// optional is number for what may be null.
func optional(of map[string]any, name string) (*int, error) {
	if of[name] == nil {
		return nil, nil
	}
	n, err := number(of, name)
	return &n, err
}

func (r *root) user(p graphql.ResolveParams) (any, error) {
	id, err := number(p.Args, "id")
	if err != nil {
		return nil, err
	}
	found, err := r.store.User(p.Context, nil, id)
	if found == nil {
		return nil, err // A nil pointer would be no null.
	}
	return found, err
}

func (r *root) post(p graphql.ResolveParams) (any, error) {
	id, err := number(p.Args, "id")
	if err != nil {
		return nil, err
	}
	found, err := r.store.Post(p.Context, nil, id)
	if found == nil {
		return nil, err
	}
	return found, err
}

func (r *root) feed(p graphql.ResolveParams) (any, error) {
	first, err := bound(p, host.MaxPage)
	if err != nil {
		return nil, err
	}
	before, err := optional(p.Args, "before")
	if err != nil {
		return nil, err
	}
	return r.store.Feed(p.Context, nil, first, before)
}

func (r *root) search(p graphql.ResolveParams) (any, error) {
	first, err := bound(p, host.MaxPage)
	if err != nil {
		return nil, err
	}
	return r.store.Search(p.Context, nil, p.Args["text"].(string), first)
}

func (r *root) comments(p graphql.ResolveParams) (any, error) {
	first, err := bound(p, host.MaxExport)
	if err != nil {
		return nil, err
	}
	after, err := optional(p.Args, "after")
	if err != nil {
		return nil, err
	}
	return r.store.Comments(p.Context, first, after)
}

func (r *root) createPost(p graphql.ResolveParams) (any, error) {
	in := p.Args["input"].(map[string]any)
	author, err := number(in, "authorId")
	n := store.NewPost{AuthorID: author, Title: in["title"].(string), Body: in["body"].(string)}
	tags, _ := in["tags"].([]any) // nil if it is null.
	for _, t := range tags {
		n.Tags = append(n.Tags, t.(string))
	}
	if err == nil {
		err = host.Filled("title", n.Title)
	}
	if err != nil {
		return nil, err
	}
	n.Slug = store.Slug(n.Title)
	return r.store.CreatePost(p.Context, n)
}

func (r *root) addComment(p graphql.ResolveParams) (any, error) {
	in := p.Args["input"].(map[string]any)
	of, err := number(in, "postId")
	if err != nil {
		return nil, err
	}
	author, err := number(in, "authorId")
	if err == nil {
		err = host.Filled("body", in["body"].(string))
	}
	if err != nil {
		return nil, err
	}
	return r.store.AddComment(p.Context, of, author, in["body"].(string))
}
