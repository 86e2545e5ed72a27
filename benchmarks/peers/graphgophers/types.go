package main

import (
	"context"
	"errors"
	"strconv"

	graphql "github.com/graph-gophers/graphql-go"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// each wraps the elements of a list.
func each[T, R any](list []*T, wrap func(*T) *R) []*R {
	out := make([]*R, len(list))
	for i, row := range list {
		out[i] = wrap(row)
	}
	return out
}

func key(id int) graphql.ID { return graphql.ID(strconv.Itoa(id)) }

type pageArgs struct{ First int32 }

// page checks the bound of a list inside a request.
func (a pageArgs) page(parent int) (store.Page, error) {
	return store.Page{Parent: parent, First: int(a.First)}, host.Within(int(a.First), host.MaxPage)
}

type totals struct{ row *store.Totals }

func (t *totals) Users() int32    { return int32(t.row.Users) }
func (t *totals) Posts() int32    { return int32(t.row.Posts) }
func (t *totals) Comments() int32 { return int32(t.row.Comments) }

type user struct{ row *store.User }

func newUser(row *store.User) *user { return &user{row} }

func (u *user) ID() graphql.ID          { return key(u.row.ID) }
func (u *user) Handle() string          { return u.row.Handle }
func (u *user) Name() string            { return u.row.Name }
func (u *user) Email() string           { return u.row.Email }
func (u *user) Bio() string             { return u.row.Bio }
func (u *user) Profile() document       { return document(u.row.Profile) }
func (u *user) CreatedAt() graphql.Time { return graphql.Time{Time: u.row.CreatedAt} }

func (u *user) Posts(ctx context.Context, args pageArgs) ([]*post, error) {
	page, err := args.page(u.row.ID)
	if err != nil {
		return nil, err
	}
	list, err := graph.Loaders(ctx).Posts(nil).Load(ctx, page)
	return each(list, newPost), err
}

func (u *user) Followers(ctx context.Context, args pageArgs) ([]*user, error) {
	page, err := args.page(u.row.ID)
	if err != nil {
		return nil, err
	}
	list, err := graph.Loaders(ctx).Followers(nil).Load(ctx, page)
	return each(list, newUser), err
}

func (u *user) FollowerCount(ctx context.Context) (int32, error) {
	n, err := graph.Loaders(ctx).FollowerCount().Load(ctx, u.row.ID)
	return int32(n), err
}

type post struct{ row *store.Post }

func newPost(row *store.Post) *post { return &post{row} }

func (p *post) ID() graphql.ID  { return key(p.row.ID) }
func (p *post) Title() string   { return p.row.Title }
func (p *post) Slug() string    { return p.row.Slug }
func (p *post) Excerpt() string { return p.row.Excerpt }
func (p *post) Status() string  { return p.row.Status }
func (p *post) Views() int32    { return int32(p.row.Views) }

func (p *post) PublishedAt() *graphql.Time {
	if p.row.PublishedAt == nil {
		return nil
	}
	return &graphql.Time{Time: *p.row.PublishedAt}
}

func (p *post) Body(ctx context.Context) (string, error) {
	return graph.Loaders(ctx).Body().Load(ctx, p.row.ID)
}

func (p *post) Author(ctx context.Context) (*user, error) { return author(ctx, p.row.AuthorID) }

func (p *post) Tags(ctx context.Context) ([]*tag, error) {
	list, err := graph.Loaders(ctx).Tags(nil).Load(ctx, p.row.ID)
	return each(list, newTag), err
}

func (p *post) Comments(ctx context.Context, args pageArgs) ([]*comment, error) {
	page, err := args.page(p.row.ID)
	if err != nil {
		return nil, err
	}
	list, err := graph.Loaders(ctx).Comments(nil).Load(ctx, page)
	return each(list, newComment), err
}

func (p *post) CommentCount(ctx context.Context) (int32, error) {
	n, err := graph.Loaders(ctx).CommentCount().Load(ctx, p.row.ID)
	return int32(n), err
}

type comment struct{ row *store.Comment }

func newComment(row *store.Comment) *comment { return &comment{row} }

func (c *comment) ID() graphql.ID          { return key(c.row.ID) }
func (c *comment) Body() string            { return c.row.Body }
func (c *comment) CreatedAt() graphql.Time { return graphql.Time{Time: c.row.CreatedAt} }

func (c *comment) Author(ctx context.Context) (*user, error) { return author(ctx, c.row.AuthorID) }

func (c *comment) Post(ctx context.Context) (*post, error) {
	found, err := graph.Loaders(ctx).Post(nil).Load(ctx, c.row.PostID)
	if err != nil {
		return nil, err
	}
	return &post{found}, nil
}

func author(ctx context.Context, id int) (*user, error) {
	found, err := graph.Loaders(ctx).User(nil).Load(ctx, id)
	if err != nil {
		return nil, err
	}
	return &user{found}, nil
}

type tag struct{ row *store.Tag }

func newTag(row *store.Tag) *tag { return &tag{row} }

func (t *tag) ID() graphql.ID { return key(t.row.ID) }
func (t *tag) Name() string   { return t.row.Name }

// document is the scalar JSON: what Postgres has checked is passed on as it is.
type document []byte

// ImplementsGraphQLType names the scalar.
func (document) ImplementsGraphQLType(name string) bool { return name == "JSON" }

// UnmarshalGraphQL refuses: the schema has no JSON input.
func (*document) UnmarshalGraphQL(any) error { return errors.New("JSON is an output type") }

// MarshalJSON returns the value's own text.
func (d document) MarshalJSON() ([]byte, error) { return d, nil }
