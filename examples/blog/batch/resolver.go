// Package batch is the blog's schema with batch resolvers, which read no more columns than have
// been selected: where the resolvers of package graph load one object's field, these load that
// of all objects which they are called for.
package batch

import (
	"context"

	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/store"
)

// Resolver is the root of the resolvers. The fields of Mutation are those of graph.
type Resolver struct{ *graph.Resolver }

// Query returns the resolvers of Query.
func (r *Resolver) Query() QueryResolver { return queryResolver{r.Resolver.Query(), r.Store} }

// Mutation returns the resolvers of Mutation.
func (r *Resolver) Mutation() MutationResolver { return r.Resolver.Mutation() }

// Post returns the resolvers of Post.
func (r *Resolver) Post() PostResolver { return postResolver{} }

// Comment returns the resolvers of Comment.
func (r *Resolver) Comment() CommentResolver { return commentResolver{} }

// User returns the resolvers of User.
func (r *Resolver) User() UserResolver { return userResolver{} }

type (
	postResolver    struct{}
	commentResolver struct{}
	userResolver    struct{}
)

// load loads one value for each object.
func load[T any, K comparable, V any](
	ctx context.Context, objs []*T, l store.Loader[K, V], key func(*T) K,
) ([]V, error) {
	keys := make([]K, len(objs))
	for i, obj := range objs {
		keys[i] = key(obj)
	}
	return l.LoadAll(ctx, keys)
}

func postID(p *store.Post) int { return p.ID }
func userID(u *store.User) int { return u.ID }

// pageOf returns the page that begins the lists of objects.
func pageOf[T any](id func(*T) int, first int) func(*T) store.Page {
	return func(obj *T) store.Page { return store.Page{Parent: id(obj), First: first} }
}

// Body is the resolver for the body field, and the others likewise.
func (postResolver) Body(ctx context.Context, objs []*store.Post) ([]string, error) {
	return load(ctx, objs, graph.Loaders(ctx).Body(), postID)
}

func (postResolver) Status(_ context.Context, objs []*store.Post) ([]graph.PostStatus, error) {
	out := make([]graph.PostStatus, len(objs))
	for i, obj := range objs {
		out[i] = graph.PostStatus(obj.Status)
	}
	return out, nil
}

func (postResolver) Author(ctx context.Context, objs []*store.Post) ([]*store.User, error) {
	return load(ctx, objs, graph.Loaders(ctx).User(users.selected(ctx)), func(p *store.Post) int { return p.AuthorID })
}

func (postResolver) Tags(ctx context.Context, objs []*store.Post) ([][]*store.Tag, error) {
	return load(ctx, objs, graph.Loaders(ctx).Tags(tags.selected(ctx)), postID)
}

func (postResolver) Comments(ctx context.Context, objs []*store.Post, first int) ([][]*store.Comment, error) {
	if err := graph.WithinPage(first); err != nil {
		return nil, err
	}
	return load(ctx, objs, graph.Loaders(ctx).Comments(comments.selected(ctx)), pageOf(postID, first))
}

func (postResolver) CommentCount(ctx context.Context, objs []*store.Post) ([]int, error) {
	return load(ctx, objs, graph.Loaders(ctx).CommentCount(), postID)
}

func (commentResolver) Author(ctx context.Context, objs []*store.Comment) ([]*store.User, error) {
	return load(ctx, objs, graph.Loaders(ctx).User(users.selected(ctx)), func(c *store.Comment) int { return c.AuthorID })
}

func (commentResolver) Post(ctx context.Context, objs []*store.Comment) ([]*store.Post, error) {
	return load(ctx, objs, graph.Loaders(ctx).Post(posts.selected(ctx)), func(c *store.Comment) int { return c.PostID })
}

func (userResolver) Posts(ctx context.Context, objs []*store.User, first int) ([][]*store.Post, error) {
	if err := graph.WithinPage(first); err != nil {
		return nil, err
	}
	return load(ctx, objs, graph.Loaders(ctx).Posts(posts.selected(ctx)), pageOf(userID, first))
}

func (userResolver) Followers(ctx context.Context, objs []*store.User, first int) ([][]*store.User, error) {
	if err := graph.WithinPage(first); err != nil {
		return nil, err
	}
	return load(ctx, objs, graph.Loaders(ctx).Followers(users.selected(ctx)), pageOf(userID, first))
}

func (userResolver) FollowerCount(ctx context.Context, objs []*store.User) ([]int, error) {
	return load(ctx, objs, graph.Loaders(ctx).FollowerCount(), func(u *store.User) int { return u.ID })
}
