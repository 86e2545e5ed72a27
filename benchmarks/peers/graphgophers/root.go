package main

import (
	"context"
	"strconv"

	graphql "github.com/graph-gophers/graphql-go"

	"github.com/gqlboost/gqlboost/benchmarks/peers/host"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// root resolves Query and Mutation.
type root struct{ store *store.Store }

type idArgs struct{ ID graphql.ID }

func number(id graphql.ID) (int, error) { return strconv.Atoi(string(id)) }

// optional is number for what may be null.
func optional(id *graphql.ID) (*int, error) {
	if id == nil {
		return nil, nil
	}
	n, err := number(*id)
	return &n, err
}

func (r *root) Totals(ctx context.Context) (*totals, error) {
	t, err := r.store.Totals(ctx)
	return &totals{t}, err
}

func (r *root) User(ctx context.Context, args idArgs) (*user, error) {
	id, err := number(args.ID)
	if err != nil {
		return nil, err
	}
	found, err := r.store.User(ctx, nil, id)
	if found == nil {
		return nil, err
	}
	return &user{found}, err
}

func (r *root) Post(ctx context.Context, args idArgs) (*post, error) {
	id, err := number(args.ID)
	if err != nil {
		return nil, err
	}
	found, err := r.store.Post(ctx, nil, id)
	if found == nil {
		return nil, err
	}
	return &post{found}, err
}

func (r *root) Feed(ctx context.Context, args struct {
	First  int32
	Before *graphql.ID
}) ([]*post, error) {
	before, err := optional(args.Before)
	if err == nil {
		err = host.Within(int(args.First), host.MaxPage)
	}
	if err != nil {
		return nil, err
	}
	list, err := r.store.Feed(ctx, nil, int(args.First), before)
	return each(list, newPost), err
}

func (r *root) Search(ctx context.Context, args struct {
	Text  string
	First int32
}) ([]*post, error) {
	if err := host.Within(int(args.First), host.MaxPage); err != nil {
		return nil, err
	}
	list, err := r.store.Search(ctx, nil, args.Text, int(args.First))
	return each(list, newPost), err
}

func (r *root) Comments(ctx context.Context, args struct {
	First int32
	After *graphql.ID
}) ([]*comment, error) {
	after, err := optional(args.After)
	if err == nil {
		err = host.Within(int(args.First), host.MaxExport)
	}
	if err != nil {
		return nil, err
	}
	list, err := r.store.Comments(ctx, int(args.First), after)
	return each(list, newComment), err
}

func (r *root) CreatePost(ctx context.Context, args struct{ Input newPostInput }) (*post, error) {
	author, err := number(args.Input.AuthorID)
	if err == nil {
		err = host.Filled("title", args.Input.Title)
	}
	if err != nil {
		return nil, err
	}
	in := args.Input
	made, err := r.store.CreatePost(ctx, store.NewPost{
		AuthorID: author, Title: in.Title, Slug: store.Slug(in.Title), Body: in.Body, Tags: in.Tags,
	})
	return &post{made}, err
}

type newPostInput struct {
	AuthorID    graphql.ID
	Title, Body string
	Tags        []string
}

func (r *root) AddComment(ctx context.Context, args struct {
	Input struct {
		PostID, AuthorID graphql.ID
		Body             string
	}
}) (*comment, error) {
	of, err := number(args.Input.PostID)
	if err != nil {
		return nil, err
	}
	author, err := number(args.Input.AuthorID)
	if err == nil {
		err = host.Filled("body", args.Input.Body)
	}
	if err != nil {
		return nil, err
	}
	made, err := r.store.AddComment(ctx, of, author, args.Input.Body)
	return &comment{made}, err
}
