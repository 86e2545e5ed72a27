package compiled

import (
	"context"
	"errors"
	"iter"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/stream"
)

// OffersJSON says that the resolver of a field may be an O too, which writes the field's value
// itself.
func OffersJSON[T, R, O any](o *Object[T], name string, resolvers func(*Call) R,
	call func(context.Context, *Call, O, *stream.Writer, *selection.Selection, T) error,
) {
	o.fields[name].offersJSON(func(c *Call) writeJSON[T] {
		offer, ok := any(resolvers(c)).(O)
		if !ok {
			return nil
		}
		return func(ctx context.Context, w *stream.Writer, s *selection.Selection, obj T) error {
			return call(ctx, c, offer, w, s, obj)
		}
	})
}

// OffersElements says that the resolver of a list may be an O too, which returns a sequence of
// the elements.
func OffersElements[T, E, R, O any](o *Object[T], name string, resolvers func(*Call) R,
	call func(context.Context, *Call, O, T) iter.Seq2[E, error],
) {
	o.fields[name].(*definition[T, []E]).chunks = func(c *Call) makeChunks[T, []E] {
		offer, ok := any(resolvers(c)).(O)
		if !ok {
			return nil
		}
		return func(ctx context.Context, obj T) chunks[[]E] { return chunked(call(ctx, c, offer, obj)) }
	}
}

// The functions of one call; nil if the resolver does not offer them.
type (
	writeJSON[T any]     func(context.Context, *stream.Writer, *selection.Selection, T) error
	makeChunks[T, V any] func(context.Context, T) chunks[V]
)

func (d *definition[T, V]) offersJSON(offer func(*Call) writeJSON[T]) { d.json = offer }

// offers are what a resolver offers at a place of the selection.
type offers struct {
	json, elements bool
}

// offer finds out what the resolver of a field offers, and whether it can be taken: in queries,
// where there are no other objects whose fields could be fetched together with this one's.
func (d *definition[T, V]) offer(c *compiler, p *planned) {
	if d.json == nil && d.chunks == nil || !c.query || c.hidden {
		return
	}
	found := offers{
		json:     d.json != nil && offered(func() bool { return d.json(c.call) != nil }),
		elements: d.chunks != nil && offered(func() bool { return d.chunks(c.call) != nil }),
	}
	_, list := any(d.typ).(interface{ isList() })
	switch {
	case found == (offers{}):
	case c.lists > 0:
		c.inside = c.inside || list
	default:
		p.offers = found
		if list {
			c.streams++
		}
	}
}

// offered asks a resolver what it is. Hosts that have no resolvers yet panic.
func offered(ask func() bool) (yes bool) {
	defer func() { _ = recover() }()
	return ask()
}

// direct takes what the resolver offers, and reports whether it has done so.
func (c *calls[T, V]) direct(made *column) (taken bool) {
	if c.planned.offers == (offers{}) || !c.run.direct {
		return false
	}
	if !c.run.OmitPanicHandler {
		defer func() {
			if r := recover(); r != nil {
				c.run.recovered(&c.contexts[0], r)
				c.lose(0, null)
				taken = true
			}
		}()
	}
	c.prepare()
	if c.callOf(0) == nil {
		return true
	}
	streams := c.run.out != nil && (c.planned.offers.elements || c.writesJSON())
	if list, ok := any(c.node).(listWriter[V]); ok && streams {
		*made = &streamed[T, V]{calls: c, list: list}
		return true
	}
	if !c.writesJSON() {
		return false
	}
	text, err := c.text()
	switch {
	case err == nil:
		*made = &textColumn{node: any(c.node).(nullableNode), at: &c.at, text: text}
	case errors.Is(err, selection.ErrDeclined):
		return false
	default:
		c.fail(&c.contexts[0], 0, err)
	}
	return true
}
