package compiled

import (
	"bytes"
	"errors"
	"io"

	"github.com/99designs/gqlgen/graphql"
	"github.com/vektah/gqlparser/v2/ast"
	"github.com/vektah/gqlparser/v2/gqlerror"

	"github.com/gqlboost/gqlboost/contrib/gqlgen/selection"
	"github.com/gqlboost/gqlboost/stream"
)

// writesJSON reports whether the resolver writes JSON, and has not declined this selection.
func (c *calls[T, V]) writesJSON() bool { return c.planned.offers.json && !c.planned.declined.Load() }

// json has the resolver write to out.
func (c *calls[T, V]) json(out io.Writer) error {
	ctx := &c.contexts[0]
	w := stream.NewWriter(out, stream.Options{Context: ctx})
	defer func() { _ = w.Close() }() // Also if the resolver panics.
	err := c.step.json(c.callOf(0))(ctx, w, c.planned.selection(), c.group.objects[0])
	reported, closed := w.TakeErrors(), w.Close()
	if errors.Is(err, selection.ErrDeclined) {
		c.planned.declined.Store(true)
		return err
	}
	for _, e := range reported {
		c.report(e)
	}
	if err != nil {
		return err
	}
	return closed
}

// report adds an error that is somewhere in the value.
func (c *calls[T, V]) report(e *stream.Error) {
	ctx := &c.contexts[0]
	path := graphql.GetPath(ctx)
	for _, element := range e.Path {
		switch element := element.(type) {
		case string:
			path = append(path, ast.PathName(element))
		case int:
			path = append(path, ast.PathIndex(element))
		}
	}
	located := &gqlerror.Error{Err: e, Message: e.Message, Path: path, Extensions: e.Extensions}
	for _, l := range e.Locations {
		located.Locations = append(located.Locations, gqlerror.Location(l))
	}
	c.run.op.Error(ctx, graphql.AddFieldLocationToError(ctx, located))
}

// text returns the value as JSON.
func (c *calls[T, V]) text() ([]byte, error) {
	var b bytes.Buffer
	err := c.json(&b)
	return b.Bytes(), err
}

// textColumn is a value that a resolver has written.
type textColumn struct {
	node nullableNode
	at   *level
	text []byte
}

func (c *textColumn) write(w *Writer, i int) bool {
	if string(c.text) == "null" {
		return c.node.missing(w, c.at, i)
	}
	w.buf = append(w.buf, c.text...)
	return true
}

// lost reports whether the value must not be null but is.
func (c *textColumn) lost(int) bool { return string(c.text) == "null" && c.node.required() }

// writeJSON has the resolver write into the response.
func (s *streamed[T, V]) writeJSON(w *Writer) (valid, declined bool) {
	c, start := s.calls, w.pos()
	w.list = start
	err := c.json(between{w})
	switch {
	case errors.Is(err, selection.ErrDeclined):
		w.truncate(start)
		return false, true
	case err != nil:
		c.fail(&c.contexts[0], 0, err)
		w.truncate(start)
		return c.writeFilled(w, &filled{states: c.states}, 0), false
	case w.sent <= start && string(w.buf[start-w.sent:]) == "null":
		w.truncate(start)
		return s.list.missing(w, &c.at, 0), false
	}
	return true, false
}

// between is a Writer for a value that comes in pieces.
type between struct{ w *Writer }

// Write implements io.Writer.
func (b between) Write(p []byte) (int, error) {
	w := b.w
	w.buf = append(w.buf, p...)
	if w.full() {
		w.pass()
	}
	w.hurry()
	return len(p), w.err
}
