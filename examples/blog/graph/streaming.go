package graph

import (
	"context"
	"iter"

	"github.com/gqlboost/gqlboost/examples/blog/store"
)

var _ QueryCommentsSeq = (*queryResolver)(nil)

// CommentsSeq is Comments for the compiled schema: an export is sent while it is read.
func (r *queryResolver) CommentsSeq(ctx context.Context, first int, after *int) iter.Seq2[*store.Comment, error] {
	if err := within(first, maxExport); err != nil {
		return func(yield func(*store.Comment, error) bool) { yield(nil, err) }
	}
	return r.Store.CommentsSeq(ctx, nil, first, after)
}

// WithinExport refuses an export that is too large.
func WithinExport(first int) error { return within(first, maxExport) }
