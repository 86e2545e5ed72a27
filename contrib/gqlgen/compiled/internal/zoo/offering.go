package zoo

import (
	"bytes"
	"context"
	"iter"
	"strconv"

	"github.com/99designs/gqlgen/graphql"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/stream"
)

// Offering is a Resolver whose resolvers offer sequences and JSON.
type Offering struct{ *Resolver }

// Query returns the resolvers of Query.
func (o Offering) Query() QueryResolver { return offeringQuery{o.Resolver.Query()} }

// Box returns the resolvers of Box.
func (o Offering) Box() BoxResolver { return offeringBox{o.Resolver.Box()} }

// QueryShelf returns the resolvers of QueryShelf.
func (o Offering) QueryShelf() QueryShelfResolver { return offeringShelf{o.Resolver.QueryShelf()} }

type (
	offeringShelf struct{ QueryShelfResolver }
	offeringQuery struct{ QueryResolver }
	offeringBox   struct{ BoxResolver }
)

var (
	_ QueryBoxesSeq     = offeringQuery{}
	_ QueryAnimalsSeq   = offeringQuery{}
	_ QueryThingsSeq    = offeringQuery{}
	_ QueryNamedSeq     = offeringQuery{}
	_ QueryPlainJSON    = offeringQuery{}
	_ QueryPlainSeq     = offeringQuery{}
	_ QueryBoxJSON      = offeringQuery{}
	_ BoxChildrenSeq    = offeringBox{}
	_ BoxHolesSeq       = offeringBox{}
	_ BoxStrictHolesSeq = offeringBox{}

	_ Query_ShelfBoxesSeq = offeringQuery{}
	_ QueryShelf_BoxesSeq = offeringShelf{}
)

// sequence is a list as a sequence. An error is its first element.
func sequence[E any](load func() ([]E, error)) iter.Seq2[E, error] {
	return func(yield func(E, error) bool) {
		list, err := load()
		if err != nil {
			var none E
			yield(none, err)
			return
		}
		for _, v := range list {
			if !yield(v, nil) {
				return
			}
		}
	}
}

func (q offeringQuery) BoxesSeq(ctx context.Context, n int, filter *Filter) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return q.Boxes(ctx, n, filter) })
}

func (q offeringQuery) ShelfBoxesSeq(ctx context.Context, s, w int) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return q.ShelfBoxes(ctx, s, w) })
}

func (r offeringShelf) BoxesSeq(ctx context.Context, s *QueryShelf) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return r.Boxes(ctx, s) })
}

func (q offeringQuery) AnimalsSeq(ctx context.Context) iter.Seq2[Animal, error] {
	return sequence(func() ([]Animal, error) { return q.Animals(ctx) })
}

// Things cannot fail: an error in a sequence of things that may be null would be one of them.
func (q offeringQuery) Things(ctx context.Context) ([]Thing, error) {
	list, _ := q.QueryResolver.Things(ctx)
	return list, nil
}

func (q offeringQuery) ThingsSeq(ctx context.Context) iter.Seq2[Thing, error] {
	return sequence(func() ([]Thing, error) { return q.Things(ctx) })
}

func (q offeringQuery) NamedSeq(ctx context.Context) iter.Seq2[Named, error] {
	return sequence(func() ([]Named, error) { return q.Named(ctx) })
}

func (q offeringQuery) PlainSeq(ctx context.Context, n int) iter.Seq2[*Plain, error] {
	return sequence(func() ([]*Plain, error) { return q.Plain(ctx, n) })
}

func (q offeringQuery) PlainJSON(ctx context.Context, w *stream.Writer, s *selection.Selection, n int) error {
	if s.Has("one", "two", "next", "loaded") {
		return selection.ErrDeclined
	}
	list, err := q.Plain(ctx, n)
	if err != nil {
		return err
	}
	w.BeginArray()
	for _, p := range list {
		w.BeginObject()
		for _, f := range s.Fields {
			w.Name(f.Alias)
			switch f.Name {
			case "id":
				w.IntString(int64(p.ID))
			case "title":
				w.String(p.Title)
			case "views":
				w.Int(int64(p.Views))
			case "score":
				w.Float(p.Score)
			case "done":
				w.Bool(p.Done)
			case "__typename":
				w.String("Plain")
			}
		}
		w.EndObject()
	}
	w.EndArray()
	return nil
}

func (q offeringQuery) BoxJSON(ctx context.Context, w *stream.Writer, s *selection.Selection, id int) error {
	for _, f := range s.Fields {
		if f.On != "Box" || f.Name != "id" && f.Name != "label" && f.Name != "__typename" {
			return selection.ErrDeclined
		}
	}
	b, err := q.Box(ctx, id)
	switch {
	case err != nil:
		return err
	case b == nil:
		w.Null()
		return nil
	}
	w.BeginObject()
	for _, f := range s.Fields {
		w.Name(f.Alias)
		var text bytes.Buffer // stream's strings have other escapes than gqlgen's.
		graphql.MarshalString(map[string]string{"id": strconv.Itoa(b.ID), "label": b.Label,
			"__typename": "Box"}[f.Name]).MarshalGQL(&text)
		w.Raw(text.Bytes())
	}
	w.EndObject()
	return nil
}

func (b offeringBox) ChildrenSeq(ctx context.Context, obj *Box, first int, after *int) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return b.Children(ctx, obj, first, after) })
}

// Holes are never nil, which a sequence cannot say, and cannot fail.
func (b offeringBox) Holes(ctx context.Context, obj *Box, first int) ([]*Box, error) {
	list, _ := b.BoxResolver.Holes(ctx, obj, first)
	return append([]*Box{}, list...), nil
}

func (b offeringBox) HolesSeq(ctx context.Context, obj *Box, first int) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return b.Holes(ctx, obj, first) })
}

// StrictHoles are never nil.
func (b offeringBox) StrictHoles(ctx context.Context, obj *Box) ([]*Box, error) {
	list, err := b.BoxResolver.StrictHoles(ctx, obj)
	return append([]*Box{}, list...), err
}

func (b offeringBox) StrictHolesSeq(ctx context.Context, obj *Box) iter.Seq2[*Box, error] {
	return sequence(func() ([]*Box, error) { return b.StrictHoles(ctx, obj) })
}
