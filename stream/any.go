package stream

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
	"unicode/utf8"
)

// Raw writes JSON unchanged, except for what EscapeHTML and RejectInvalidUTF8 require. It must be
// one valid value: only a build with the tag gqlboost_debug looks whether it is. An empty text is
// an error.
func (w *Writer) Raw(text []byte) {
	if len(text) == 0 {
		w.misused("Raw without JSON")
		return
	}
	if !w.value("raw JSON") {
		return
	}
	if w.options.RejectInvalidUTF8 && !utf8.Valid(text) {
		w.fail(ErrUTF8)
		return
	}
	text = w.forHTML(text)
	if debugging && !json.Valid(text) {
		w.fail(fmt.Errorf("stream: Raw: not valid JSON: %.100q", text))
		return
	}
	if len(text) <= w.limit {
		w.buf = append(w.buf, text...)
	} else {
		anywhere := func(_ []byte, n int) int { return n }
		large(w, text, anywhere, func(w *Writer, b []byte) { w.buf = append(w.buf, b...) })
	}
	w.filled()
}

// forHTML escapes JSON for HTML, if it is to be.
func (w *Writer) forHTML(text []byte) []byte {
	if !w.options.EscapeHTML || !bytes.ContainsAny(text, "<>&") && !bytes.Contains(text, []byte("\u2028"[:2])) {
		return text
	}
	var b bytes.Buffer
	json.HTMLEscape(&b, text) // Only strings have these.
	return b.Bytes()
}

// Any writes a value as encoding/json does, but for <, > and &, which EscapeHTML
// decides about. It returns the writer's error. What a GraphQL result is made of
// (maps, slices, strings, numbers, times) is written directly, maps with their
// names in order; the rest is left to encoding/json.
func (w *Writer) Any(v any) error {
	w.any(v)
	return w.err
}

func (w *Writer) any(v any) {
	switch v := v.(type) {
	case nil:
		w.Null()
	case string:
		w.String(v)
	case bool:
		w.Bool(v)
	case int:
		w.Int(int64(v))
	case int32:
		w.Int(int64(v))
	case int64:
		w.Int(v)
	case uint64:
		w.Uint(v)
	case float64:
		w.Float(v)
	case time.Time:
		w.Time(v)
	case []any:
		if v == nil {
			w.Null()
			return
		}
		w.BeginArray()
		for _, each := range v {
			if w.err != nil {
				return
			}
			w.any(each)
		}
		w.EndArray()
	case map[string]any:
		w.object(v)
	default:
		w.marshal(v)
	}
}

func (w *Writer) object(members map[string]any) {
	if members == nil {
		w.Null()
		return
	}
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	w.BeginObject()
	for _, name := range names {
		w.Name(name)
		if w.err != nil {
			return // Nesting that is too deep may have no end.
		}
		w.any(members[name])
	}
	w.EndObject()
}

// marshal lets encoding/json do it, which is faster at this than sonic is.
func (w *Writer) marshal(v any) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(w.options.EscapeHTML)
	if err := e.Encode(v); err != nil {
		w.fail(fmt.Errorf("stream: Any: %w", err))
		return
	}
	if w.options.RejectInvalidUTF8 && !wasValidUTF8(b.Bytes(), v) {
		w.fail(ErrUTF8)
		return
	}
	w.Raw(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// Append writes a value that text appends to the chunk: one whole JSON value, which
// is not checked, nor escaped for HTML. It is for encoders of other formats.
// Appending nothing is an error, and so is a use of the writer within text.
func (w *Writer) Append(text func(chunk []byte) []byte) {
	if !w.value("a value") {
		return
	}
	before := len(w.buf)
	chunk := w.appended(text)
	switch {
	case w.place == failed:
	case len(chunk) <= before:
		w.misused("Append of nothing")
	default:
		w.buf = chunk
		w.filled()
	}
}

func (w *Writer) appended(text func(chunk []byte) []byte) (chunk []byte) {
	returned := false
	defer w.giveBack(w.lend(), &returned)
	chunk = text(w.buf)
	returned = true
	return chunk
}

// Pieces begins a value that comes in pieces of any size: what is written to it until its
// Close is one whole JSON value, of which only <, > and & are looked at, for EscapeHTML.
// Nothing else may be written before that. Pieces are not kept. After Close, Write is an
// error and another Close does nothing, also while the next value comes in pieces.
func (w *Writer) Pieces() io.WriteCloser {
	p := &pieces{w: w}
	if w.value("a value") {
		p.after, w.place, w.pieces = w.place, inPieces, p
	}
	return p
}

type pieces struct {
	w     *Writer
	after place // of the writer, when the value is complete
	some  bool  // something was written
}

func (p *pieces) open() bool { return p.w.pieces == p && p.w.place == inPieces }

// Write implements io.Writer.
func (p *pieces) Write(b []byte) (int, error) {
	w := p.w
	if !p.open() {
		w.misused("a piece of a value")
		return 0, w.err
	}
	n := len(b)
	p.some = p.some || n > 0
	w.buf = append(w.buf, w.forHTML(b)...)
	w.filled()
	return n, w.err
}

// Close implements io.Closer.
func (p *pieces) Close() error {
	if p.open() {
		if !p.some {
			p.w.misused("the end of a value without pieces")
		} else {
			p.w.place = p.after
		}
		p.w.pieces = nil
	}
	return p.w.err
}
