package simdjson

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"unicode/utf8"
	"unsafe"
)

// Operation is one GraphQL operation of a request. Its strings and values are
// parts of the request, and valid until that is closed.
type Operation struct {
	Query         string
	OperationName string
	// Variables is an object, null, or Invalid if there are none.
	Variables Value
	// Extensions is likewise.
	Extensions Value
	// Ambiguous reports whether the object has one of these members more than once
	// (the last one counts), or another one whose name differs in case only. Other
	// decoders make something else of it: encoding/json takes "Query" for "query".
	Ambiguous bool
}

// members are the names that GraphQL over HTTP knows.
var members = [...]string{"query", "operationName", "variables", "extensions"}

// PersistedQueryHash returns the SHA-256 hash of an automatic persisted query
// (extensions.persistedQuery.sha256Hash), "" if there is none.
func (o Operation) PersistedQueryHash() string {
	hash, err := o.Extensions.Get("persistedQuery").Get("sha256Hash").String()
	if err != nil {
		return ""
	}
	return hash
}

// Request is the operations of one HTTP request. Like a [Document] it is a handle
// that is not used again. The zero Request has none and is closed. Reading it is safe for
// concurrent use; Close must come after the last read.
type Request struct {
	// Batch reports whether the body was an array, so that the response must be one.
	Batch bool

	doc   Document
	one   [1]Operation // of a request that is no batch: most need no other memory
	count int          // of these
	batch []Operation
}

// Operations returns the operations, one if the request is no batch. Close empties them.
func (r *Request) Operations() []Operation {
	switch {
	case r == nil:
		return nil
	case r.batch != nil:
		return r.batch
	}
	return r.one[:r.count]
}

// Close gives the request's memory back and empties its operations. Strings that
// were taken from them must no longer be read: copy what must live on
// (strings.Clone). Closing it again, from any goroutine and at any time, or closing
// a nil request does nothing. Close must not overlap with reading the request in
// another goroutine.
func (r *Request) Close() {
	if r == nil || !r.doc.close() {
		return
	}
	clear(r.Operations())
}

// DecodeRequest reads the body of a GraphQL request, one object or an array of
// them, which the caller closes. Members that it does not know are ignored. An
// error is a [*RequestError]. The body is copied.
func DecodeRequest(body []byte) (*Request, error) {
	r, err := standard.request(body)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// DecodeRequest is the function of that name with the parser's options.
func (p *Parser) DecodeRequest(body []byte) (*Request, error) {
	r, err := p.request(body)
	if err != nil {
		return nil, err
	}
	return &r, nil
}

// request is to DecodeRequest what document is to Parse.
func (p *Parser) request(body []byte) (Request, error) {
	m, err := p.parse(body)
	if err != nil {
		return Request{}, notParsed(err)
	}
	m.scratch = m.scratch[:0]
	r, err := m.decode(p.resolved().MaxBatch)
	if err != nil {
		clear(r.batch) // The memory keeps the array, which must not keep the text.
		m.release()
		return Request{}, err
	}
	return r, nil
}

// decode makes a request of the parsed text.
func (m *memory) decode(maxBatch int) (r Request, err error) {
	r.doc = Document{m, m.generation.Load()}
	root := r.doc.Root()
	switch root.Kind() {
	case Object:
		r.count = 1
		return r, r.one[0].read(root)
	case Array:
		n := root.Len()
		if n == 0 {
			return r, badRequest("The batch of operations is empty.")
		}
		if n > maxBatch {
			message := fmt.Sprintf("A batch of %d operations is larger than the limit of %d.", n, maxBatch)
			return r, &RequestError{Kind: BatchTooLarge, Message: message}
		}
		r.Batch, r.batch = true, m.batch(n)
		for i, element := range root.Elements() {
			if element.Kind() != Object {
				return r, badRequest("Operation %d of the batch must be an object, not %s.", i, article(element))
			}
			if err := r.batch[i].read(element); err != nil {
				return r, err
			}
		}
		return r, nil
	}
	return r, badRequest("The request body must be an object or an array of objects, not %s.", article(root))
}

// read takes the members that GraphQL over HTTP knows from an object of an open
// document.
func (o *Operation) read(v Value) (err error) {
	m := v.memory
	seen := 0 // one bit for each member
	for i, end := int(v.i)+1, m.tape[v.i].n(); i < end && err == nil; i = next(m.tape, i+1) {
		name := m.tape[i]
		raw := m.raw(name)
		if name.tag() == tagEscaped {
			raw = unescape(nil, raw)
		}
		member := 0
		switch string(raw) {
		case "query":
			member = 1 << 0
			o.Query, err = v.at(i + 1).requestText("query")
		case "operationName":
			member = 1 << 1
			o.OperationName, err = v.at(i + 1).requestText("operationName")
		case "variables":
			member = 1 << 2
			o.Variables, err = v.at(i + 1).requestObject("variables")
		case "extensions":
			member = 1 << 3
			o.Extensions, err = v.at(i + 1).requestObject("extensions")
		}
		o.Ambiguous = o.Ambiguous || seen&member != 0 || member == 0 && similar(raw)
		seen |= member
	}
	return err
}

// similar reports whether a name differs from those that are known in case only.
func similar(name []byte) bool {
	for _, known := range members {
		if bytes.EqualFold(name, []byte(known)) {
			return true
		}
	}
	return false
}

func article(v Value) string {
	switch k := v.Kind(); k {
	case Null:
		return "null"
	case Object, Array:
		return "an " + k.String()
	case Bool:
		return "a boolean"
	default:
		return "a " + k.String()
	}
}

// requestText returns a string, or "" for null.
func (v Value) requestText(name string) (string, error) {
	m := v.memory
	switch w := m.tape[v.i]; w.tag() {
	case tagNull:
		return "", nil
	case tagString:
		return m.text(w), nil
	case tagEscaped:
		return m.unescaped(w), nil
	}
	return "", badRequest("The parameter %q must be a string, not %s.", name, article(v))
}

// unescaped returns the text of a string with escapes. All of a request go to one
// buffer, with room from the first one on: it must not move any more.
func (m *memory) unescaped(w word) string {
	start := len(m.scratch)
	if start == 0 && cap(m.scratch) < len(m.data) {
		m.scratch = make([]byte, 0, len(m.data))
	}
	if known := m.cursor.allEscapes(); len(known) > 0 {
		m.scratch = m.unescapeIndexed(m.scratch, w.offset(), w.offset()+w.n(), known)
	} else {
		m.scratch = unescape(m.scratch, m.raw(w))
	}
	text := m.scratch[start:]
	return unsafe.String(unsafe.SliceData(text), len(text))
}

func (v Value) requestObject(name string) (Value, error) {
	if t := v.memory.tape[v.i].tag(); t != tagObject && t != tagNull {
		return Value{}, badRequest("The parameter %q must be an object, not %s.", name, article(v))
	}
	return v, nil
}

// DecodeForm reads a GraphQL request from the parameters of a GET request's URL
// or of an application/x-www-form-urlencoded body. If one comes more than once, the
// first counts, and the operation is Ambiguous. Options.MaxBytes is for their values
// together.
func (p *Parser) DecodeForm(form url.Values) (*Request, error) {
	s := p.resolved()
	if s.unknown != nil {
		return nil, notParsed(s.unknown)
	}
	size, repeated := 0, false
	for _, name := range members {
		size += len(form.Get(name))
		repeated = repeated || len(form[name]) > 1
	}
	if size > s.MaxBytes {
		return nil, notParsed(sizeError(size, s.MaxBytes))
	}
	// The text that is made of them is nobody else's, and longer than they are.
	object := *s
	object.AliasInput, object.MaxBytes = true, maxDocument-1
	inner := Parser{settings: &object}
	body, err := inner.object(form, size)
	if err != nil {
		return nil, err
	}
	r, err := inner.DecodeRequest(body)
	if err == nil {
		r.Operations()[0].Ambiguous = repeated
	}
	return r, err
}

// object makes the parameters the members of one object, which is then read as any request
// is: variables and extensions are JSON already.
func (p *Parser) object(form url.Values, size int) ([]byte, error) {
	body := append(make([]byte, 0, size+size/8+64), '{')
	for _, name := range members {
		text := form.Get(name)
		if text == "" {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(append(append(body, '"'), name...), '"', ':')
		if name == "variables" || name == "extensions" {
			start := len(body)
			body = append(body, text...)
			if err := p.accepts(body[start:]); err != nil {
				return nil, badRequest("The parameter %q is not valid JSON: %v.", name, err)
			}
			continue
		}
		if !utf8.ValidString(text) {
			return nil, badRequest("The parameter %q is not valid UTF-8.", name)
		}
		quoted, err := json.Marshal(text)
		if err != nil {
			return nil, badRequest("The parameter %q: %v.", name, err)
		}
		body = append(body, quoted...)
	}
	return append(body, '}'), nil
}

// DecodeForm is the method of that name with the default options.
func DecodeForm(form url.Values) (*Request, error) { return standard.DecodeForm(form) }
