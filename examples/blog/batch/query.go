package batch

import (
	"context"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/examples/blog/graph"
	"github.com/gqlboost/gqlboost/examples/blog/store"
	"github.com/gqlboost/gqlboost/stream"
)

// table is the columns of a type, and which of them fields are made of. Fields with resolvers of
// their own need a key.
type table struct {
	*selection.Table
	all string
}

func newTable(all string, fields map[string][]string) table {
	return table{selection.NewTable(fields), all}
}

var (
	users = newTable(store.UserColumns, map[string][]string{
		"": {"u.id"}, "id": {"u.id"}, "handle": {"u.handle"}, "name": {"u.name"}, "email": {"u.email"},
		"bio": {"u.bio"}, "profile": {"u.profile"}, "createdAt": {"u.created_at"},
	})
	posts = newTable(store.PostColumns, map[string][]string{
		"": {"p.id"}, "id": {"p.id"}, "title": {"p.title"}, "slug": {"p.slug"}, "excerpt": {"p.excerpt"},
		"status": {"p.status"}, "views": {"p.views"}, "publishedAt": {"p.published_at"}, "author": {"p.author_id"},
	})
	comments = newTable(store.CommentColumns, map[string][]string{
		"": {"c.id"}, "id": {"c.id"}, "body": {"c.body"}, "createdAt": {"c.created_at"}, "author": {"c.author_id"},
		"post": {"c.post_id"},
	})
	tags = newTable(store.TagColumns, map[string][]string{"": {"t.id"}, "id": {"t.id"}, "name": {"t.name"}})
)

// selected returns the columns that are wanted of the field that is resolved.
func (t table) selected(ctx context.Context) *store.Columns {
	return selection.Keep(selection.Of(ctx), t, func(s *selection.Selection) *store.Columns {
		return store.Project(t.all, s.Columns(t.Table))
	})
}

// queryResolver reads the columns that have been selected. Other fields are graph's.
type queryResolver struct {
	graph.QueryResolver
	store *store.Store
}

var _ QueryCommentsJSON = queryResolver{}

func (r queryResolver) User(ctx context.Context, id int) (*store.User, error) {
	return r.store.User(ctx, users.selected(ctx), id)
}

func (r queryResolver) Post(ctx context.Context, id int) (*store.Post, error) {
	return r.store.Post(ctx, posts.selected(ctx), id)
}

func (r queryResolver) Feed(ctx context.Context, first int, before *int) ([]*store.Post, error) {
	if err := graph.WithinPage(first); err != nil {
		return nil, err
	}
	return r.store.Feed(ctx, posts.selected(ctx), first, before)
}

func (r queryResolver) Search(ctx context.Context, text string, first int) ([]*store.Post, error) {
	if err := graph.WithinPage(first); err != nil {
		return nil, err
	}
	return r.store.Search(ctx, posts.selected(ctx), text, first)
}

// CommentsJSON writes an export as Postgres sends it, if nothing else than columns is wanted.
func (r queryResolver) CommentsJSON(
	ctx context.Context, w *stream.Writer, s *selection.Selection, first int, after *int,
) error {
	columns, shape, ok := s.Rows(comments.Table)
	if !ok {
		return selection.ErrDeclined
	}
	if err := graph.WithinExport(first); err != nil {
		return err
	}
	rows, err := r.store.CommentRows(ctx, columns, first, after)
	if err != nil {
		return err
	}
	_, err = shape.Write(w, rows)
	return err
}
